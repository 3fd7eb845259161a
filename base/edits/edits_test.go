package edits_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"imagetools/base"
	"imagetools/base/edits"
	"imagetools/internal/cli"
	"imagetools/rootfs"
	"imagetools/rootfs/edit"
	"imagetools/rootfs/rootfstest"
)

// edited are the files in which steps look for lines.
var edited = []string{
	"/etc/ssh/sshd_config", "/etc/default/init", "/etc/inet/hosts", "/var/spool/cron/crontabs/root", "/etc/rsyslog.conf",
	"/etc/logadm.conf", "/etc/default/cron", "/etc/default/su", "/etc/mail/mailx.rc", "/etc/security/exec_attr",
	"/etc/passwd", "/etc/shadow", "/etc/user_attr", "/opt/local/etc/postfix/main.cf",
}

func read(t *testing.T, root *rootfs.FS, path string) string {
	t.Helper()
	data, err := root.ReadFile(path, 1<<20)
	check(t, err)
	return string(data)
}

func image(t *testing.T, config, name, release string) *base.Image {
	t.Helper()
	c, err := base.Args{Config: config, Name: name, Release: release, Zone: "z"}.Parse()
	if err != nil {
		t.Fatal(err)
	}
	return base.Standard.Image(c)
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// do runs a step on a root.
func do(t *testing.T, root *rootfs.FS, img *base.Image, opts edits.Options, parts ...string) (*edit.Report, error) {
	t.Helper()
	return edit.Run(t.Context(), &edit.Root{FS: root}, edit.Watch{}, &edits.Step{Which: base.Which{Image: img}, Options: opts, Parts: parts})
}

// run does all parts, and returns what they report.
func run(t *testing.T, root *rootfs.FS, img *base.Image, opts edits.Options) (said string, err error) {
	t.Helper()
	report, err := do(t, root, img, opts)
	var b strings.Builder
	next := 0
	for _, d := range report.Steps {
		fmt.Fprintf(&b, "%s\n", d.Step)
		for _, c := range report.Changes[next : next+d.Changes] {
			fmt.Fprintf(&b, "\t%s: %s\n", c.Path, c.Text)
		}
		next += d.Changes
	}
	return b.String(), err
}

// images are those whose results are golden files. Where the seed is that of testdata/seed.txtar,
// packages are laid over it from the archives that are named.
var images = []struct {
	file, config, name, release string
	packages                    []string
	zone                        bool
}{
	{"minimal", "2024Q4-x86_64", "minimal-64-lts", "24.4.1", nil, false},
	{"base", "2024Q4-x86_64", "base-64-lts", "24.4.1", []string{"postfix"}, false},
	{"base-zone", "2024Q4-x86_64", "base-64-lts", "24.4.1", []string{"postfix"}, true},
	{"pkgbuild", "trunk-x86_64", "pkgbuild-trunk", "20241231", []string{"postfix", "git-base"}, false},
	{"sngl", "2013Q2-sngl", "base", "13.2.0", []string{"postfix-sngl"}, false},
}

// The golden file of each image holds what is told, and each file that is not in the seed or
// is another there. A tree and a disk become the same.
func TestGolden(t *testing.T) {
	for _, tt := range images {
		for kind, newRoot := range rootfstest.Kinds {
			t.Run(tt.file+"/"+kind, func(t *testing.T) {
				root := newRoot(t)
				for _, name := range append([]string{"seed"}, tt.packages...) {
					a, err := txtar.ParseFile("testdata/" + name + ".txtar")
					check(t, err)
					rootfstest.Fill(t, root, a.Files)
				}
				_, before := rootfstest.Snapshot(t, root)
				img := image(t, tt.config, tt.name, tt.release)
				packages, err := edits.Installed(root, img)
				check(t, err)
				opts := edits.Options{Zone: tt.zone, Packages: packages}

				said, err := run(t, root, img, opts)
				check(t, err)
				listing, after := rootfstest.Snapshot(t, root)
				rootfstest.Golden(t, "testdata/"+tt.file+".golden", rootfstest.Changed(said, listing, before, after))

				again, err := run(t, root, img, opts)
				check(t, err)
				if strings.Contains(again, "\t") {
					t.Errorf("the second run changes:\n%s", again)
				}
				if l, _ := rootfstest.Snapshot(t, root); l != listing {
					t.Errorf("after the second run:\n%s\nwant\n%s", l, listing)
				}
			})
		}
	}
}

// What is not there and should be is told of every step, with the file and who brings it.
func TestMissingFiles(t *testing.T) {
	img := image(t, "2024Q4-x86_64", "base", "24.4.0")
	root := rootfstest.NewTree(t)
	rootfstest.Fill(t, root, []txtar.File{{Name: "etc/"}})
	_, err := run(t, root, img, edits.Options{Packages: []string{"postfix"}})
	if err == nil {
		t.Fatal("an empty root is customised")
	}
	var want []string
	for _, s := range []string{
		`sshd: edit "/etc/ssh/sshd_config"`, `locale: edit "/etc/default/init"`, `hosts: edit "/etc/hosts"`,
		`crontab: edit "/var/spool/cron/crontabs/root"`, `syslog: edit "/etc/rsyslog.conf"`, `logadm: edit "/etc/logadm.conf"`,
		`skeleton: read directory "/etc/skel"`,
		`paths: edit "/etc/default/cron"`, `postfix: edit "/opt/local/etc/postfix/main.cf"`,
		`exec-attr: edit "/etc/security/exec_attr"`, `users: edit "/etc/group"`, `leftovers: edit "/etc/hosts"`,
	} {
		want = append(want, "edit step "+s+": file does not exist")
	}
	if got := err.Error(); got != strings.Join(want, "\n") {
		t.Errorf("faults\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
	hints := cli.Hints(err)
	if !slices.Contains(hints, "the seed should have brought it") || !slices.Contains(hints, "the package postfix should have brought it") {
		t.Errorf("hints %q", hints)
	}
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	root := rootfstest.NewTree(t)
	_, err := edit.Run(ctx, &edit.Root{FS: root}, edit.Watch{Done: func(d edit.Done) {
		if d.Step == "product" {
			cancel()
		} else if d.Step != "sshd" && d.Step != "locale" {
			t.Errorf("part %s after the end", d.Step)
		}
	}}, &edits.Step{Which: base.Which{Image: image(t, "2024Q4-x86_64", "base", "24.4.0")}})
	if ctx.Err() == nil || !strings.HasSuffix(fmt.Sprint(err), "context canceled") {
		t.Errorf("the error is %v", err)
	}
}
