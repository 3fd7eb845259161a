package prepare_test

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"imagetools/rootfs"
	"imagetools/rootfs/prepare"
	"imagetools/tree"
)

var now = tree.Time{Sec: 1_700_000_000}

// world is a dataset with its root, of either kind.
type world struct {
	prepare.Target
	dir  string
	tree *tree.Tree
}

func both(t *testing.T, test func(t *testing.T, w *world)) {
	run := func(t *testing.T, w *world) {
		t.Cleanup(func() { w.Dataset.Close() })
		err := w.Dataset.Mkdir("root", nil)
		if err == nil {
			w.Root, err = w.Dataset.Sub("root")
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { w.Root.Close() })
		test(t, w)
	}
	t.Run("disk", func(t *testing.T) {
		w := &world{dir: t.TempDir()}
		var err error
		if w.Dataset, err = rootfs.OpenDir(w.dir); err != nil {
			t.Fatal(err)
		}
		run(t, w)
	})
	t.Run("tree", func(t *testing.T) {
		w := &world{tree: tree.New()}
		w.Dataset = rootfs.NewTree(w.tree, now)
		run(t, w)
	})
}

// plant makes files in the root, or in the dataset where a path begins with no slash. A content
// "->x" makes a link, "|" a FIFO or socket, and a slash at the end of the path a directory.
func (w *world) plant(t *testing.T, files map[string]string) {
	t.Helper()
	for _, p := range slices.Sorted(maps.Keys(files)) {
		root, content := w.Root, files[p]
		if p[0] != '/' {
			root = w.Dataset
		}
		dir, _ := path.Split(p)
		err := root.MkdirAll(dir, nil)
		switch target, link := strings.CutPrefix(content, "->"); {
		case err != nil || dir == p:
		case link:
			err = root.Symlink(target, p, nil)
		case content == "|" && w.tree != nil:
			err = w.tree.Lookup("root"+path.Dir(p)).Add(path.Base(p), &tree.Node{Mode: tree.TypeSocket | 0o600})
		case content == "|":
			err = unix.Mkfifo(filepath.Join(w.dir, "root", p), 0o600)
		default:
			err = root.WriteFile(p, []byte(content), nil)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// list is what the root holds: content by path, directories with a slash.
func (w *world) list(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := w.Root.Walk("/", func(p string, info rootfs.Info) (err error) {
		text := info.Mode.String()
		switch info.Mode.Type() {
		case tree.TypeFile:
			var data []byte
			data, err = w.Root.ReadFile(p, 1<<20)
			text += " " + string(data)
		case tree.TypeSymlink:
			text, err = w.Root.Readlink(p)
			text = "->" + text
		}
		files[p] = text
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func (w *world) find(t *testing.T, opts prepare.Options) *prepare.Plan {
	t.Helper()
	plan, err := prepare.Find(t.Context(), w.Target, opts)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

const shadow = `root:$6$salt$hash:15000::::::
daemon:NP:6445::::::
admin:*LK*:::::::
web:$6$salt$hash:15000::::::
guest::15000::::::
`

// A zone that was lived in: what is to be done about each path.
var (
	smartosLeaks = map[string]string{
		"config/metadata.json": "{}", "config/tags.json": "{}", "config/routes.json": "{}",
		"/etc/ssh/ssh_host_rsa_key": "k", "/etc/ssh/ssh_host_rsa_key.pub": "k", "/etc/ssh/ssh_host_ed25519_key": "k",
		"/var/ssh/ssh_host_dsa_key": "k", "/etc/defaultrouter": "10.1.1.1\n",
		"/etc/hostname.net0": "10.1.1.5 netmask 255.255.255.0 up\naddif 198.51.100.7/24\n", "/etc/dhcp/net0.dhc": "l", "/etc/dhcp.net0": "",
		"/.zonecontrol/metadata.sock": "|",
		"/root/.bash_history":         "ls", "/root/.lesshst": "x", "/root/.viminfo": "x", "/root/.gnupg/secring.gpg": "k",
		"/root/.subversion/auth/x": "p", "/root/.ssh/known_hosts": "h", "/root/.ssh/id_rsa": "k", "/root/zoneconfig": "c",
		"/home/admin/.bash_history": "ls", "/home/admin/.ssh/known_hosts": "h", "/home/admin/.psql_history": "x",
		"/data/web/.mysql_history": "x", "/data/web/.ssh/id_ed25519": "k", "/data/web/.ssh/id_ed25519.pub": "k",
		"/var/svc/provision_success": "", "/var/svc/mdata-user-script": "#!/bin/sh", "/var/svc/log/a:default.log": "x",
		"/var/adm/messages": "x", "/var/adm/wtmpx": "x", "/var/adm/lastlog": "x", "/var/adm/log/asppp.log": "x", "/var/cron/log": "x", "/var/cron/olog": "x",
		"/var/log/syslog.0": "x", "/var/log/syslog": "x", "/var/log/pool/x": "x", "/var/log/httpd/access.log": "x",
		"/var/db/pkgin/pkgin.db": "x", "/var/mail/root": "m", "/var/spool/postfix/deferred/A/A1": "m", "/var/spool/postfix/hold/B": "m",
		"/var/spool/postfix/incoming/C": "m", "/var/spool/postfix/defer/D/D1": "m", "/tmp/x/y": "t", "/var/tmp/.z": "t",
		"/var/lib/dbus/machine-id": strings.Repeat("0", 32) + "\n", "/etc/oshadow": "x",
		"/etc/nodename": "web0\n", "/etc/shadow": shadow,
		"/etc/inet/hosts":                 "# hosts\n::1 localhost\n127.0.0.1 localhost loghost web0\n203.0.113.9 web0 web0.example.com\n10.1.1.1 router\n",
		"/etc/motd":                       "at 10.1.1.5, not 10.1.1.55 or 110.1.1.5\n",
		"/opt/local/etc/nginx/nginx.conf": "listen 198.51.100.7:80; listen 203.0.113.9:80; listen 192.0.2.1:80;\n",
	}
	smartosRest = map[string]string{
		"/etc/release": "SmartOS 20240101\n", "/etc/hosts": "->./inet/hosts", "/var/adm/sulog": "", "/etc/ssh/sshd_config": "Port 22\n",
		"/etc/passwd":    "root:x:0:0::/root:/usr/bin/bash\nweb:x:1000:1::/data/web:/bin/sh\nbad:x:1:1::data:/x\n/../../x\ndaemon:x:1:1::/:\n",
		"/root/.profile": "x", "/root/.ssh/authorized_keys": "k", "/root/.bash_profile": "x", "/root/.mongo_history": "->/dev/null",
		"/usr/history": "x", "/home/admin/history": "x", "/var/svc/manifest/x.xml": "x", "/var/svc/mdata-execute": "x",
		"/opt/local/etc/bin": "\x00 10.1.1.5", "/data/web/index": "10.1.1.5", "/var/spool/cron/crontabs/root": "x",
		"/var/zoneinit/zoneinit.json": "{}", "/etc/svc/repository.db": "SQLite", "/var/log/link": "->../adm", "/root/.node_history": "->zoneconfig",
		"/etc/vfstab": "host:/export - /mnt nfs - yes -\n#x:/y - /z nfs - yes -\n", "config/hosts": "x",
	}
	linuxLeaks = map[string]string{
		"config/metadata.json": "{}", "/etc/ssh/ssh_host_ecdsa_key": "k", "/etc/ssh/ssh_host_ecdsa_key.pub": "k",
		"/etc/machine-id": strings.Repeat("a", 32) + "\n", "/etc/hostname": "build7.example.com\n",
		"/etc/hosts": "127.0.0.1 localhost\n127.0.1.1 build7.example.com build7\n10.9.9.9 db\n", "/etc/shadow": shadow,
		"/etc/shadow-": shadow, "/etc/passwd-": "x", "/var/backups/shadow.bak": shadow,
		"/var/cache/apt/archives/x_1_amd64.deb": "d", "/var/cache/apt/archives/partial/y.deb": "d", "/var/cache/apt/pkgcache.bin": "c",
		"/var/lib/apt/lists/deb.example.com_Packages": "l", "/var/cache/dnf/x/repodata/y": "c", "/var/cache/yum/x": "c",
		"/var/cache/apk/z.apk": "c", "/var/lib/dhcp/dhclient.eth0.leases": "l", "/var/lib/dhclient/l": "l", "/var/lib/NetworkManager/u-eth0.lease": "l",
		"/etc/udev/rules.d/70-persistent-net.rules": "r", "/var/lib/cloud/instance": "->instances/i-1", "/var/lib/cloud/instances/i-1/user-data.txt": "p",
		"/var/lib/cloud/data/instance-id": "i", "/var/lib/cloud/sem/x": "", "/var/lib/systemd/random-seed": "r",
		"/var/log/syslog": "x", "/var/log/syslog.1": "x", "/var/log/syslog.2.gz": "x", "/var/log/apt/term.log": "x", "/var/log/journal/m/system.journal": "x",
		"/var/log/cron-20240131": "x", "/var/log/wtmp": "x", "/root/.bash_history": "ls", "/home/u/.python_history": "x", "/home/u/.ssh/known_hosts": "h",
		"/root/anaconda-ks.cfg": "x", "/var/svc/provision_success": "", "/var/db/mdata-user-data": "x", "/var/mail/root": "m", "/tmp/x": "t",
	}
	linuxRest = map[string]string{
		"/usr/lib/os-release": "NAME=\"Debian\"\nID=debian\n", "/etc/os-release": "->../usr/lib/os-release", "/var/lib/dbus/machine-id": "->/etc/machine-id",
		"/var/lib/apt/lists/lock": "", "/var/log/README": "->../../usr/README", "/usr/README": "r", "/var/lib/cloud/seed/x": "s", "/home/u/.bashrc": "x",
		"/etc/ssh/ssh_config": "x", "/var/log/empty": "",
	}
)

// Every leak is named, goes, and is not named again; all else stays as it was.
func TestPrepare(t *testing.T) {
	for _, test := range []struct {
		os          prepare.OS
		leaks, rest map[string]string
		notes       []string
		after       map[string]string // of what was rewritten
	}{
		{prepare.SmartOS, smartosLeaks, smartosRest,
			[]string{`"/opt/local/etc/bin" holds the address 10.1.1.5`, "svcadm enable -s zoneinit", `mounts "host:/export"`, `"web" stays`,
				`"guest" stays as it is, and needs no password`, "/root/.ssh/authorized_keys", `"/root/.node_history" may lead to`},
			map[string]string{
				"/etc/nodename":                   "unknown\n",
				"/etc/shadow":                     strings.NewReplacer("root:$6$salt$hash:", "root:NP:", "*LK*", "NP").Replace(shadow),
				"/etc/inet/hosts":                 "# hosts\n::1 localhost\n127.0.0.1\tlocalhost loghost\n",
				"/etc/motd":                       "at @PRIVATE_IP@, not 10.1.1.55 or 110.1.1.5\n",
				"/opt/local/etc/nginx/nginx.conf": "listen @PUBLIC_IP@:80; listen @PUBLIC_IP@:80; listen 192.0.2.1:80;\n",
			}},
		{prepare.Linux, linuxLeaks, linuxRest, []string{`"web" stays`, `"guest"`},
			map[string]string{
				"/etc/hostname": "localhost\n", "/etc/hosts": "127.0.0.1 localhost\n10.9.9.9 db\n",
				"/etc/shadow": strings.Replace(shadow, "root:$6$salt$hash:", "root:*:", 1),
			}},
	} {
		t.Run(string(test.os), func(t *testing.T) {
			if len(test.leaks) < 30 {
				t.Fatalf("only %d leaks", len(test.leaks))
			}
			both(t, func(t *testing.T, w *world) {
				w.plant(t, test.rest)
				rest := w.list(t)
				w.plant(t, test.leaks)
				plan := w.find(t, prepare.Options{})
				if plan.OS != test.os {
					t.Errorf("system %q", plan.OS)
				}
				named := map[string]string{}
				for _, c := range plan.Changes {
					named[c.Path] += fmt.Sprintf("%s (%s) ", c.Action, c.What)
				}
				for p := range test.leaks {
					if !slices.ContainsFunc(slices.Collect(maps.Keys(named)), func(n string) bool {
						// /etc/hosts is a link to its file; what is taken as a whole is named once.
						return n == p || strings.HasPrefix(p, n+"/") || n == "/etc/hosts" && path.Base(p) == "hosts"
					}) {
						t.Errorf("%s is not named", p)
					}
				}
				for p := range test.rest {
					if did, ok := named[p]; ok && p != "/etc/hosts" {
						t.Errorf("%s: %s", p, did)
					}
				}
				for _, want := range test.notes {
					if !strings.Contains(strings.Join(plan.Notes, "\n"), want) {
						t.Errorf("no note %s in\n%s", want, strings.Join(plan.Notes, "\n"))
					}
				}
				done := 0
				if err := plan.Apply(t.Context(), func(prepare.Change) { done++ }); err != nil {
					t.Fatal(err)
				}
				if done != len(plan.Changes) {
					t.Errorf("%d of %d changes were done", done, len(plan.Changes))
				}
				for _, c := range w.find(t, prepare.Options{}).Changes {
					t.Errorf("named again: %s %s (%s)", c.Action, c.Path, c.What)
				}
				if err := plan.Apply(t.Context(), func(c prepare.Change) { t.Errorf("done again: %s %s", c.Action, c.Path) }); err != nil {
					t.Errorf("applied again: %v", err)
				}
				w.compare(t, rest, test.leaks, test.after)
			})
		})
	}
}

// compare looks for what became of what was there, and of the leaks.
func (w *world) compare(t *testing.T, rest, leaks, after map[string]string) {
	t.Helper()
	is := w.list(t)
	for p, text := range rest {
		if is[p] != text {
			t.Errorf("%s was %q and is %q", p, text, is[p])
		}
	}
	for p := range leaks {
		text, exists := is[p]
		if want, ok := after[p]; ok && text != "file 0644 "+want {
			t.Errorf("%s is %q, want %q", p, text, want)
		} else if !ok && exists && text != "file 0644 " {
			t.Errorf("%s is %q", p, text)
		}
	}
	for _, p := range []string{"config/metadata.json", "config/tags.json"} {
		if _, err := w.Dataset.Lstat(p); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", p, err)
		}
	}
}

// What the system only writes to if it is there is made, with the owners that it has.
func TestCreate(t *testing.T) {
	w := &world{tree: tree.New()}
	w.Root = rootfs.NewTree(w.tree, now)
	w.plant(t, map[string]string{"/etc/release": "SmartOS", "/var/adm/": "", "/var/cron/x": "", "/var/log/syslog": "->none"})
	plan := w.find(t, prepare.Options{})
	if err := plan.Apply(t.Context(), func(prepare.Change) {}); err != nil {
		t.Fatal(err)
	}
	if err := plan.Apply(t.Context(), func(c prepare.Change) { t.Errorf("made again: %s", c.Path) }); err != nil {
		t.Error(err)
	}
	is := w.list(t)
	for p, want := range map[string]string{
		"/var/adm/messages": "file 0644 ", "/var/adm/sulog": "file 0600 ", "/var/adm/wtmpx": "file 0644 ", "/var/cron/log": "file 0600 ",
		"/var/log/syslog": "->none", "/var/ssh": "dir 0755",
	} {
		if is[p] != want {
			t.Errorf("%s is %q, want %q", p, is[p], want)
		}
	}
	if n := w.tree.Lookup("var/adm/wtmpx"); n.UID != 4 || n.GID != 4 {
		t.Errorf("wtmpx belongs to %d:%d", n.UID, n.GID)
	}
}

// A plan is for what there was: what is gone meanwhile is no fault, what cannot be done is one
// that keeps nothing else from being done.
func TestApply(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.plant(t, map[string]string{"/etc/release": "SmartOS", "/etc/defaultrouter": "x", "/etc/nodename": "web", "/tmp/x": "x", "/root/zoneconfig": "x"})
		plan := w.find(t, prepare.Options{})
		for _, p := range []string{"/etc/defaultrouter", "/tmp/x", "/etc/nodename"} {
			if err := w.Root.Remove(p); err != nil {
				t.Fatal(err)
			}
		}
		w.plant(t, map[string]string{"/etc/nodename/x": ""})
		var done []string
		err := plan.Apply(t.Context(), func(c prepare.Change) { done = append(done, c.Path) })
		if !errors.Is(err, rootfs.ErrIsDir) || !strings.Contains(err.Error(), `"/etc/nodename"`) {
			t.Errorf("error %v", err)
		}
		if want := []string{"/root/zoneconfig", "/var/ssh"}; !slices.Contains(done, want[0]) || slices.Contains(done, "/tmp/x") {
			t.Errorf("done %q, want %q and no more of what was planned", done, want)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		w.plant(t, map[string]string{"/root/zoneconfig": "x"})
		if err := plan.Apply(ctx, func(c prepare.Change) { t.Errorf("done: %s", c.Path) }); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	})
}

// abiNote is the start of the note by which a program says which system it is for.
const abiNote = "\x04\x00\x00\x00\x10\x00\x00\x00\x01\x00\x00\x00GNU\x00"

// program is an ELF file of one part.
func program(t *testing.T, part elf.ProgType, content string) string {
	t.Helper()
	const header, entry = 64, 56
	var b bytes.Buffer
	hdr := elf.Header64{
		Type: uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: uint32(elf.EV_CURRENT),
		Phoff: header, Ehsize: header, Phentsize: entry, Phnum: 1,
	}
	copy(hdr.Ident[:], elf.ELFMAG)
	hdr.Ident[elf.EI_CLASS], hdr.Ident[elf.EI_DATA], hdr.Ident[elf.EI_VERSION] = byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)
	prog := elf.Prog64{Type: uint32(part), Off: header + entry, Filesz: uint64(len(content)), Memsz: uint64(len(content))}
	if err := errors.Join(binary.Write(&b, binary.LittleEndian, hdr), binary.Write(&b, binary.LittleEndian, prog)); err != nil {
		t.Fatal(err)
	}
	return b.String() + content
}

func TestDetect(t *testing.T) {
	for want, roots := range map[prepare.OS][]map[string]string{
		prepare.SmartOS: {
			{"/etc/os-release": "ID=smartos\n"}, {"/etc/os-release": "ID=\"omnios\"\nID_LIKE=illumos"}, {"/etc/release": "Joyent Instance"},
			{"/var/svc/manifest/": ""}, {"/etc/os-release": "", "/var/zoneinit/x": ""},
		},
		prepare.Linux: {
			{"/etc/os-release": "ID=alpine\n", "/var/svc/manifest/": ""}, {"/usr/lib/os-release": " ID='rhel'\n"}, {"/etc/debian_version": "7"},
			{"/etc/release": "x", "/etc/ld.so.conf": ""}, {"/etc/os-release": "NAME=Own\n"}, {"/lib/ld-musl-x86_64.so.1": "x"},
			{"/bin/sh": program(t, elf.PT_INTERP, "/lib64/ld-linux-x86-64.so.2\x00")}, {"/bin/busybox": program(t, elf.PT_NOTE, abiNote+"\x00\x00\x00\x00")},
		},
		prepare.Unknown: {
			{}, {"/etc/release": "x"}, {"/etc/os-release/": ""}, {"/etc/os-release": "ID=freebsd\nNAME=FreeBSD\n"}, {"/etc/os-release": "ID=x\nID_LIKE=freebsd\n"},
			{"/bin/sh": "#!"}, {"/bin/sh": program(t, elf.PT_INTERP, "/usr/lib/ld.so.1\x00")}, {"/bin/sh": program(t, elf.PT_NOTE, abiNote+"\x02\x00\x00\x00")},
			{"/etc/os-release": strings.Repeat("ID=debian\n", 2<<20)},
		},
	} {
		for _, files := range roots {
			w := &world{tree: tree.New()}
			w.Root = rootfs.NewTree(w.tree, now)
			w.plant(t, files)
			got, err := prepare.Detect(w.Root)
			if got != want || errors.Is(err, prepare.ErrUnknownOS) != (want == prepare.Unknown) {
				t.Errorf("Detect(%.200q) = %q, %v, want %q", files, got, err, want)
			}
		}
	}
}

// The worst is known by path alone, and by name; a plan takes all of that away.
func TestLeak(t *testing.T) {
	for p, want := range map[string]bool{
		"config/metadata.json": true, "config/tags.json": true, "config/routes.json": false, "root/config/metadata.json": false,
		"root/etc/ssh/ssh_host_rsa_key": true, "root/etc/ssh/ssh_host_rsa_key.pub": false, "etc/ssh/ssh_host_rsa_key": false,
		"root/x/etc/ssh/ssh_host_rsa_key": false, "root/.bash_history": true, "root/a/b/.zsh_history": true, "root/a/history": false,
		"root/srv/u/.ssh/id_rsa": true, "root/srv/u/ssh/id_rsa": false, "root/x.ssh/id_rsa": false, "root/root/zoneconfig": true,
		"roots/.bash_history": false, "root": false, "": false,
	} {
		if got := prepare.Leak(p, 40) != ""; got != want {
			t.Errorf("Leak(%q) is %v", p, got)
		}
		if want && !prepare.LeakName(path.Base(p)) {
			t.Errorf("LeakName(%q) is false", path.Base(p))
		}
	}
	for p, size := range map[string]int64{"root/root/.bash_history": 0, "root/etc/machine-id": 31} {
		if why := prepare.Leak(p, size); why != "" {
			t.Errorf("Leak(%q, %d) = %q", p, size, why)
		}
	}
	if prepare.Leak("root/var/svc/provisioning", 0) == "" {
		t.Error("an empty mark of provisioning is no leak")
	}
	for _, leaks := range []map[string]string{smartosLeaks, linuxLeaks} {
		n := 0
		for p := range leaks {
			if p[0] == '/' {
				p = "root" + p
			}
			if prepare.Leak(p, 40) != "" {
				n++
			}
		}
		if n < 8 {
			t.Errorf("%d leaks of %d are known by path", n, len(leaks))
		}
	}
}

func TestParse(t *testing.T) {
	for s, ok := range map[string]bool{
		"10.0.0.1": true, "fd00::1": true, "::ffff:10.0.0.1": true, "": false, "10.0.0": false, "10.0.0.1/24": false, "fe80::1%net0": false,
		"127.0.0.1": false, "::1": false, "0.0.0.0": false, "224.0.0.1": false, "255.255.255.255": false, "host": false,
	} {
		if _, err := prepare.ParseAddress(s); (err == nil) != ok {
			t.Errorf("ParseAddress(%q): %v", s, err)
		}
	}
	for s, ok := range map[string]bool{"": true, "smartos": true, "linux": true, "SmartOS": false, "bsd": false} {
		if _, err := prepare.ParseOS(s); (err == nil) != ok {
			t.Errorf("ParseOS(%q): %v", s, err)
		}
	}
}
