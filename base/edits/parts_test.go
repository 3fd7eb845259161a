package edits_test

import (
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"imagetools/base"
	"imagetools/base/edits"
	"imagetools/rootfs"
	"imagetools/rootfs/edit"
	"imagetools/rootfs/rootfstest"
	"imagetools/tree"
)

// step runs one part of a base image's edits.
func step(t *testing.T, root *rootfs.FS, name string, opts edits.Options) ([]edit.Change, error) {
	t.Helper()
	report, err := do(t, root, baseImage(t), opts, name)
	return report.Changes, err
}

func baseImage(t *testing.T) *base.Image {
	t.Helper()
	return image(t, "2024Q4-x86_64", "base", "24.4.0")
}

// Lines that are written in other ways than the platform's.
func TestHardLines(t *testing.T) {
	const (
		sshd  = "PermitUserEnvironment yes\nXAuthLocation /opt/local/bin/xauth\nPubKeyPlugin libsmartsshd.so\n"
		vulns = "0 5 * * * /opt/local/sbin/pkg_admin fetch-pkg-vulnerabilities >/dev/null 2>&1\n"
		path  = "PATH=/usr/local/sbin:/usr/local/bin:/opt/local/sbin:/opt/local/bin:/usr/sbin:/usr/bin:/sbin\n"
	)
	for _, tt := range []struct{ name, step, file, before, after string }{
		{"keywords in any case", "sshd", "etc/ssh/sshd_config",
			"  passwordauthentication=yes\nPERMITROOTLOGIN\tyes\nPermitRootLogin no\n",
			"PasswordAuthentication no\nPermitRootLogin without-password\n" + sshd},
		{"below Match", "sshd", "etc/ssh/sshd_config",
			"Port 22\nmatch User git\n  PasswordAuthentication yes\nMatch all\n",
			"Port 22\nPasswordAuthentication no\nPermitRootLogin without-password\n" + sshd + "match User git\n  PasswordAuthentication yes\nMatch all\n"},
		{"comments and longer words", "sshd", "etc/ssh/sshd_config",
			"# PermitRootLogin yes\nPasswordAuthenticationX yes\n",
			"# PermitRootLogin yes\nPasswordAuthenticationX yes\nPasswordAuthentication no\nPermitRootLogin without-password\n" + sshd},
		{"exported", "locale", "etc/default/init", "export LANG=de\nLC_ALL=C\nLANG=fr\n#LANG=it\n", "LANG=C\nLC_ALL=C\n#LANG=it\n"},
		{"names of localhost", "hosts", "etc/hosts",
			"127.0.0.1 localhost # localhost\n::1 ip6-localhost\n# 127.0.0.2 localhost\n127.0.0.3 a localhost\tb\nlocalhost\n127.0.0.4 localhost.local localhost\n127.0.0.5\tlocalhost#x\n",
			"127.0.0.1 localhost localhost.local # localhost\n::1 ip6-localhost\n# 127.0.0.2 localhost\n127.0.0.3 a localhost localhost.local\tb\nlocalhost\n127.0.0.4 localhost.local localhost\n127.0.0.5\tlocalhost localhost.local#x\n"},
		{"the host of the packages", "leftovers", "etc/hosts",
			"10.0.0.1 a pkgsrc.smartos.org\n10.0.0.2 xpkgsrc.smartos.org\n# pkgsrc.smartos.org\n", "10.0.0.2 xpkgsrc.smartos.org\n# pkgsrc.smartos.org\n"},
		{"other jobs", "crontab", "var/spool/cron/crontabs/root",
			"#10 3 * * * /usr/sbin/logadm\n10 3 * * * /usr/sbin/logadm -x # nightly\n1 2 3 4 5 /bin/logadmin\n3 3 * * * pkg_admin fetch-pkg-vulnerabilities\n4 4 * * * pkg_admin fetch-pkg-vulnerabilities\n",
			"#10 3 * * * /usr/sbin/logadm\n10 * * * * /usr/sbin/logadm -x # nightly\n1 2 3 4 5 /bin/logadmin\n" + vulns},
		{"rules before IncludeConfig", "syslog", "etc/rsyslog.conf",
			"a /var/log/a\nmail.info /var/log/postfix.log\ninclude no more\n$IncludeConfig /x\n*.* /dev/null\n",
			"a /var/log/a\nmail.info /var/log/maillog\ninclude no more\n"},
		{"IncludeConfig first", "syslog", "etc/rsyslog.conf", "# all\n$IncludeConfig /x\n", ""},
		{"no messages, an own authlog", "logadm", "etc/logadm.conf",
			"/var/log/authlog -C 1\n# vmadm has logs\nx /var/log/vmadm.log\n",
			"/var/log/authlog -C 5 -a 'kill -HUP `cat /var/run/*syslog*.pid`' -s 100m\n# vmadm has logs\n/var/log/maillog -C 5 -a 'kill -HUP `cat /var/run/*syslog*.pid`' -s 100m\n"},
		{"set already", "paths", "etc/default/su", "#PATH=/usr/bin:\nPATH=/x\n# SUPATH=/usr/bin is said here\n",
			path + "# SUPATH=/usr/bin is said here\nSU" + path},
		{"profiles of others", "exec-attr", "etc/security/exec_attr",
			"Software Installation:suser:cmd:::/opt/local/bin/gmake:euid=0\nX:suser:cmd:::/opt/local/bin/gmake:uid=1\n",
			`Software Installation:suser:cmd:::/opt/local/bin/gmake:uid=0
X:suser:cmd:::/opt/local/bin/gmake:uid=1
# Tools of pkgsrc
Software Installation:suser:cmd:::/opt/local/bin/make:uid=0
Software Installation:suser:cmd:::/opt/local/bin/pkgin:uid=0
Software Installation:suser:cmd:::/opt/local/sbin/pkg_add:uid=0
Software Installation:suser:cmd:::/opt/local/sbin/pkg_admin:uid=0
Software Installation:suser:cmd:::/opt/local/sbin/pkg_chk:uid=0
Software Installation:suser:cmd:::/opt/local/sbin/pkg_create:uid=0
Software Installation:suser:cmd:::/opt/local/sbin/pkg_delete:uid=0
Software Installation:suser:cmd:::/opt/local/sbin/pkg_info:uid=0
`},
		{"attributes of admin", "users", "etc/user_attr", "admin::::auths=x;profiles=All;roles=root\nadmin2::::\n",
			"admin::::auths=x;roles=root;profiles=Service Management,Software Installation\nadmin2::::\n"},
		{"no attributes", "users", "etc/user_attr", "admin:\n", "admin::::profiles=Service Management,Software Installation\n"},
	} {
		t.Run(tt.step+"/"+tt.name, func(t *testing.T) {
			root := rootfstest.NewTree(t)
			a, err := txtar.ParseFile("testdata/seed.txtar")
			check(t, err)
			rootfstest.Fill(t, root, a.Files)
			check(t, root.WriteFile(tt.file, []byte(tt.before), nil))
			for range 2 {
				_, err := step(t, root, tt.step, edits.Options{})
				check(t, err)
				if got := read(t, root, tt.file); got != tt.after {
					t.Fatalf("%q becomes\n%s\nwant\n%s", tt.before, got, tt.after)
				}
			}
		})
	}
}

// Users that are there and are others, and groups that are not, are faults.
func TestUserFaults(t *testing.T) {
	for _, tt := range []struct{ file, content, want string }{
		{"etc/passwd", "root:x:0:0::/:\nadmin:x:101:10::/:\n", `edit step users: "/etc/passwd" line 2: "admin" should have number 100`},
		{"etc/group", "staff::10:\n_pkgsrc::998:\n", `edit step users: "/etc/group" line 2: "_pkgsrc" should have number 999`},
		{"etc/passwd", "admin:\n", `edit step users: "/etc/passwd" line 1: "admin" should have number 100`},
		{"etc/group", "root::0:\n", `edit step users: "/etc/group": there is no group "staff"`},
		{"etc/group", "staff::x:\n", `edit step users: "/etc/group" line 1: group "staff" has no number`},
		{"etc/group", "staff::4294967296:\n", `edit step users: "/etc/group" line 1: group "staff" has no number`},
	} {
		root := rootfstest.NewTree(t)
		a, err := txtar.ParseFile("testdata/seed.txtar")
		check(t, err)
		rootfstest.Fill(t, root, a.Files)
		check(t, root.WriteFile(tt.file, []byte(tt.content), nil))
		if _, err := step(t, root, "users", edits.Options{}); err == nil || err.Error() != tt.want {
			t.Errorf("%q: %v, want %s", tt.content, err, tt.want)
		}
		if got := read(t, root, tt.file); got != tt.content {
			t.Errorf("%q became %q in spite of the fault", tt.content, got)
		}
	}
}

// Homes that exist, and what a zone's owner put in the place of files, stay what they are or
// give way.
func TestSkeletonInPlaces(t *testing.T) {
	root := rootfstest.NewTree(t)
	rootfstest.Fill(t, root, []txtar.File{
		{Name: "etc/skel/.profile", Data: []byte("new\n")},
		{Name: "etc/skel/.x", Data: []byte("too short a name\n")},
		{Name: "etc/skel/readme", Data: []byte("no dot\n")},
		{Name: "etc/skel/.link -> target"},
		{Name: "root/.profile -> ../etc/passwd"},
		{Name: "root/.link", Data: []byte("a file\n")},
		{Name: "etc/passwd", Data: []byte("root:x:0:0::/:\n")},
	})
	_, err := step(t, root, "skeleton", edits.Options{})
	check(t, err)
	if got := read(t, root, "etc/passwd"); got != "root:x:0:0::/:\n" {
		t.Errorf("through the link of .profile, /etc/passwd became %q", got)
	}
	if got := read(t, root, "root/.profile"); got != "new\n" {
		t.Errorf("/root/.profile is %q", got)
	}
	if target, err := root.Readlink("root/.link"); target != "target" || err != nil {
		t.Errorf("/root/.link leads to %q, %v", target, err)
	}
	for _, name := range []string{"root/.x", "root/readme"} {
		if _, err := root.Lstat(name); err == nil {
			t.Errorf("%s was copied", name)
		}
	}
}

// A file of which a user changed the mode gets the mode back, and the content is not written.
func TestModeAlone(t *testing.T) {
	root := rootfstest.NewTree(t)
	rootfstest.Fill(t, root, []txtar.File{{Name: "opt/local/etc/"}})
	_, err := step(t, root, "sudoers", edits.Options{})
	check(t, err)
	const path = "/opt/local/etc/sudoers.d/admin"
	check(t, root.Chmod(path, 0o666))
	check(t, root.Chown(path, 5, 6))
	changes, err := step(t, root, "sudoers", edits.Options{})
	check(t, err)
	var got []string
	for _, c := range changes {
		got = append(got, c.Path+": "+c.Text)
	}
	if want := path + ": owner 0:0|" + path + ": mode 0440"; strings.Join(got, "|") != want {
		t.Errorf("changes %q, want %s", got, want)
	}
	if info, err := root.Stat(path); err != nil || info.Mode != tree.TypeFile|0o440 || info.UID != 0 || info.GID != 0 {
		t.Errorf("%+v, %v", info, err)
	}
}

func TestInstalled(t *testing.T) {
	for _, tt := range []struct {
		files []string
		want  string
	}{
		{nil, ""},
		{[]string{"opt/local/pkg/git-base-2.47.1/+CONTENTS", "opt/local/pkg/p5-X-1.0nb3/+CONTENTS", "opt/local/pkg/cut-1.0/", "opt/local/pkg/pkgdb.byfile.db"},
			"git-base p5-X"},
		{[]string{"var/db/pkg/vim-7.3/+CONTENTS"}, "vim"},
		{[]string{"opt/local/pkg/a-1/+CONTENTS", "var/db/pkg/b-1/+CONTENTS"}, "a"},
		{[]string{"opt/local/pkg"}, ""},
	} {
		root := rootfstest.NewTree(t)
		for _, name := range tt.files {
			rootfstest.Fill(t, root, []txtar.File{{Name: name}})
		}
		got, err := edits.Installed(root, baseImage(t))
		if err != nil || strings.Join(got, " ") != tt.want {
			t.Errorf("%q: %q, %v, want %s", tt.files, got, err, tt.want)
		}
	}
}
