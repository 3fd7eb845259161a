package edits_test

import (
	"bufio"
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"imagetools/base"
	"imagetools/base/edits"
	"imagetools/internal/required"
	"imagetools/rootfs"
	"imagetools/rootfs/edit"
	"imagetools/rootfs/overlay"
	"imagetools/rootfs/rootfstest"
	"imagetools/test/oracle"
	seedtest "imagetools/test/seed"
	"imagetools/tree"
)

// realSeed is a root with the real files of a smartos-live build, as a seed has them: those of
// the overlay on top of those of illumos.
func realSeed(t *testing.T) *rootfs.FS {
	dir := required.Data(t, "smartos-live")
	manifest, err := os.ReadFile(filepath.Join(dir, "manifest.gen"))
	if err != nil {
		oracle.Unavailable(t, errors.New("no files of smartos-live here (IMAGETOOLS_TESTDATA)"))
	}
	links := map[string]string{} // they may be plain files there
	for lines := bufio.NewScanner(bytes.NewReader(manifest)); lines.Scan(); {
		if name, target, ok := strings.Cut(strings.TrimPrefix(lines.Text(), "s "), "="); ok && strings.HasPrefix(lines.Text(), "s ") {
			links[name] = target
		}
	}
	root := rootfstest.NewTree(t)
	for _, layer := range []string{"proto", "overlay/generic"} {
		top := os.DirFS(filepath.Join(dir, layer))
		for _, sub := range []string{"etc", "var"} {
			check(t, fs.WalkDir(top, sub, func(path string, d fs.DirEntry, _ error) error {
				if d == nil || d.IsDir() {
					return nil // the overlay has no var
				}
				target, isLink := links[path]
				if d.Type() == fs.ModeSymlink {
					var err error
					if target, err = os.Readlink(filepath.Join(dir, layer, path)); err != nil {
						return err
					}
					isLink = true
				}
				if isLink {
					rootfstest.Fill(t, root, []txtar.File{{Name: path + " -> " + target}})
					return nil
				}
				data, err := fs.ReadFile(top, path)
				rootfstest.Fill(t, root, []txtar.File{{Name: path, Data: data}})
				return err
			}))
		}
	}
	rootfstest.Fill(t, root, []txtar.File{{Name: "root/"}})
	a, err := txtar.ParseFile("testdata/postfix.txtar")
	check(t, err)
	rootfstest.Fill(t, root, a.Files)
	b, err := txtar.ParseFile("testdata/postfix-sngl.txtar")
	check(t, err)
	for _, f := range b.Files {
		if strings.HasPrefix(f.Name, "etc/postfix/") {
			rootfstest.Fill(t, root, []txtar.File{f})
		}
	}
	return root
}

// Every part run twice is the same as run once: on the real files, on files without a single
// line, and on ones whose lines end otherwise. What no part knows stays.
func TestEachPartTwice(t *testing.T) {
	for _, state := range []struct {
		name   string
		change func(data []byte) []byte
	}{
		{"real", func(data []byte) []byte { return data }},
		{"without lines", func([]byte) []byte { return nil }},
		{"CR LF", func(data []byte) []byte { return bytes.ReplaceAll(data, []byte("\n"), []byte("\r\n")) }},
		{"no last end", func(data []byte) []byte { return bytes.TrimRight(data, "\n") }},
	} {
		for _, img := range []*base.Image{
			image(t, "2024Q4-x86_64", "pkgbuild", "24.4.0"),
			image(t, "2013Q2-sngl", "base", "13.2.0"),
		} {
			for _, part := range edits.Parts() {
				t.Run(state.name+"/"+img.Arch+"/"+part.Name, func(t *testing.T) {
					root := realSeed(t)
					for _, path := range edited {
						data, err := root.ReadFile(path, 1<<20)
						check(t, err)
						check(t, root.WriteFile(path, state.change(data), nil))
					}
					opts := edits.Options{Packages: []string{"postfix", "git-base"}}
					_, before := rootfstest.Snapshot(t, root)
					first, err := do(t, root, img, opts, part.Name)
					check(t, err)
					listing, once := rootfstest.Snapshot(t, root)
					if len(first.Changes) == 0 {
						t.Error("nothing was changed")
					}
					second, err := do(t, root, img, opts, part.Name)
					check(t, err)
					listing2, twice := rootfstest.Snapshot(t, root)
					if len(second.Changes) > 0 {
						t.Errorf("the second time it changes %q", second.Changes)
					}
					if listing != listing2 || !slices.EqualFunc(once, twice, equal) {
						t.Error("twice is not once")
					}
					told(t, before, once, first.Changes)
				})
			}
		}
	}
}

func equal(a, b txtar.File) bool { return a.Name == b.Name && bytes.Equal(a.Data, b.Data) }

// told checks that a part logs each file that has another content.
func told(t *testing.T, before, after []txtar.File, changes []edit.Change) {
	t.Helper()
	for _, f := range after {
		if slices.ContainsFunc(before, func(b txtar.File) bool { return equal(b, f) }) {
			continue
		}
		path := f.Name
		if path == "/etc/inet/hosts" {
			path = "/etc/hosts"
		}
		if !slices.ContainsFunc(changes, func(c edit.Change) bool { return c.Path == path }) {
			t.Errorf("nothing was told of %s", path)
		}
	}
}

// The real files get the lines that are asked for, lose those that are not wanted, and keep
// all others in their order.
func TestRealFiles(t *testing.T) {
	root := realSeed(t)
	_, before := rootfstest.Snapshot(t, root)
	_, err := run(t, root, image(t, "2024Q4-x86_64", "base", "24.4.0"), edits.Options{})
	check(t, err)
	const path = "/usr/local/sbin:/usr/local/bin:/opt/local/sbin:/opt/local/bin:/usr/sbin:/usr/bin:/sbin"
	hup := ` -C 5 -a 'kill -HUP ` + "`cat /var/run/*syslog*.pid`" + `' -s 100m`
	for _, tt := range []struct{ file, lost, got string }{
		{"/etc/ssh/sshd_config", "PasswordAuthentication yes|PermitRootLogin yes",
			"PasswordAuthentication no|PermitRootLogin without-password|PermitUserEnvironment yes|XAuthLocation /opt/local/bin/xauth|PubKeyPlugin libsmartsshd.so"},
		{"/etc/default/init", "LANG=en_US.UTF-8", "LANG=C"},
		{"/etc/default/cron", "", "PATH=" + path + "|SUPATH=" + path},
		{"/etc/default/su", "#PATH=/usr/bin:|#SUPATH=/usr/sbin:/usr/bin", "PATH=" + path + "|SUPATH=" + path},
		{"/etc/inet/hosts", "::1\t\tlocalhost|127.0.0.1\tlocalhost loghost",
			"::1\t\tlocalhost localhost.local|127.0.0.1\tlocalhost localhost.local loghost"},
		{"/var/spool/cron/crontabs/root", "10 3 * * * /usr/sbin/logadm",
			"10 * * * * /usr/sbin/logadm|0 5 * * * /opt/local/sbin/pkg_admin fetch-pkg-vulnerabilities >/dev/null 2>&1"},
		{"/etc/rsyslog.conf", "auth.info\t\t\t\t\t/var/log/auth.log|mail.info\t\t\t\t\t/var/log/postfix.log|# Include files from *|$IncludeConfig *|",
			"auth.info\t\t\t\t\t/var/log/authlog|mail.info\t\t\t\t\t/var/log/maillog"},
		{"/etc/logadm.conf", "vm_logs *|fw_logs *|vmadmd_logs *", "/var/log/authlog" + hup + "|/var/log/maillog" + hup},
		{"/etc/passwd", "", "admin:x:100:10::/home/admin:/usr/bin/bash|_pkgsrc:x:999:999:Last pkgsrc UID:/nonexistent:/bin/false"},
		{"/etc/shadow", "", "admin:*LK*:::::::|_pkgsrc:*LK*:::::::"},
		{"/etc/group", "", "_pkgsrc::999:"},
		{"/etc/user_attr", "admin::::profiles=Primary Administrator;roles=root",
			"admin::::roles=root;profiles=Service Management,Software Installation"},
	} {
		lost, got := difference(content(before, tt.file), read(t, root, tt.file))
		if !matchAll(lost, tt.lost) {
			t.Errorf("%s lost %q, want %q", tt.file, lost, tt.lost)
		}
		if !matchAll(got, tt.got) {
			t.Errorf("%s got %q, want %q", tt.file, got, tt.got)
		}
	}
	for _, gone := range []string{"/etc/issue", "/etc/opasswd", "/etc/ouser_attr", "/etc/skel/local.profile"} {
		if _, err := root.Lstat(gone); err == nil {
			t.Errorf("%s is still there", gone)
		}
	}
}

func content(files []txtar.File, name string) string {
	i := slices.IndexFunc(files, func(f txtar.File) bool { return f.Name == name })
	return string(files[i].Data)
}

// difference is the lines that are in only one of two texts; equal ones are taken in pairs,
// the first with the first.
func difference(before, after string) (lost, got []string) {
	a, b := strings.Split(before, "\n"), strings.Split(after, "\n")
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(a) > 0 && len(b) > 0 && a[0] == b[0]:
			a, b = a[1:], b[1:]
		case len(b) > 0 && (len(a) == 0 || !slices.Contains(a, b[0])):
			got, b = append(got, b[0]), b[1:]
		default:
			lost, a = append(lost, a[0]), a[1:]
		}
	}
	return lost, got
}

// matchAll tells whether lines are those of want, in which "|" is between lines and "*" at the
// end is anything.
func matchAll(lines []string, want string) bool {
	var wanted []string
	if want != "" {
		wanted = strings.Split(want, "|")
	}
	return slices.EqualFunc(lines, wanted, func(line, want string) bool {
		if head, ok := strings.CutSuffix(want, "*"); ok && strings.HasSuffix(head, " ") {
			return strings.HasPrefix(line, head)
		}
		return line == want
	})
}

// On the real files the built-in overlay and the edits go together: the skeleton is that of the
// overlay, with its modes, in both homes.
func TestWithOverlay(t *testing.T) {
	root := realSeed(t)
	img := image(t, "2024Q4-x86_64", "base-64-lts", "24.4.1")
	layers, err := img.Overlay()
	check(t, err)
	plan, err := overlay.NewPlan(root, layers, overlay.Options{Vars: img.Variables})
	check(t, err)
	check(t, plan.Apply(t.Context(), func(overlay.Change) {}))
	_, err = run(t, root, img, edits.Options{Packages: []string{"postfix"}})
	check(t, err)

	for _, tt := range []struct {
		path     string
		mode     tree.Mode
		uid, gid uint32
	}{
		{"/root/.profile", 0o644, 0, 0},
		{"/root/.ssh", 0o700, 0, 0},
		{"/root/.ssh/environment", 0o600, 0, 0},
		{"/home/admin", 0o755, 100, 10},
		{"/home/admin/.bashrc", 0o644, 100, 10},
		{"/home/admin/.ssh", 0o700, 100, 10},
		{"/home/admin/.ssh/environment", 0o600, 100, 10},
		{"/etc/rc2.d/S99net_tune", 0o744, 0, 0},
	} {
		info, err := root.Stat(tt.path)
		check(t, err)
		if info.Mode.Perm() != tt.mode || info.UID != tt.uid || info.GID != tt.gid {
			t.Errorf("%s: %v %d:%d, want %04o %d:%d", tt.path, info.Mode, info.UID, info.GID, uint32(tt.mode), tt.uid, tt.gid)
		}
	}
	for _, name := range []string{"/root/.profile", "/home/admin/.profile"} {
		if read(t, root, name) != read(t, root, "/etc/skel/.profile") {
			t.Errorf("%s is not that of the skeleton", name)
		}
	}
	if motd := read(t, root, "/etc/motd"); !strings.Contains(motd, "base-64-lts 24.4.1") {
		t.Errorf("motd is %q", motd)
	}
	if _, err := root.Lstat("/root/customize"); err == nil {
		t.Error("the scripts are left on a tree without a zone")
	}
	again, err := overlay.NewPlan(root, layers[:1], overlay.Options{Vars: img.Variables})
	check(t, err)
	if c := again.Changes(); len(c) > 0 {
		t.Errorf("the edits changed files of the overlay: %v", c)
	}
}

// The test data may have links as links, or as plain files that name the target.
func TestDataWithLinks(t *testing.T) {
	wantListing, wantFiles := rootfstest.Snapshot(t, realSeed(t))
	seedtest.Linked(t)
	listing, files := rootfstest.Snapshot(t, realSeed(t))
	if listing != wantListing || !slices.EqualFunc(files, wantFiles, equal) {
		t.Errorf("with links:\n%s\nwith files:\n%s", listing, wantListing)
	}
}
