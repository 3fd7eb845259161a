package seed

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"imagetools/tree"
)

// overlaid lays files over others.
func overlaid(t *testing.T, under, over map[string]string) (*builder, *Step, error) {
	t.Helper()
	b := testBuilder(t, under)
	b.build.overlay = tree.New()
	fill(t, b.build.overlay.Root, over)
	s := &Step{}
	return b, s, b.layOverlay(s)
}

func TestOverlay(t *testing.T) {
	b, s, err := overlaid(t,
		map[string]string{"etc/both": "under", "etc/under": "x", "etc/dir/a": "a", "etc/link": "-> dir", "etc/file": "x", "etc/empty/": "", "etc/tolink": "x", "etc/out": "-> /etc/passwd"},
		map[string]string{"etc/both": "over", "etc/new/deep": "y", "etc/dir/b": "b", "etc/link/c": "c", "etc/file/": "", "etc/empty": "now a file", "etc/tolink": "-> ../../../out", "etc/out": "over"})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"etc/both": "over", "etc/under": "x", "etc/dir/a": "a", "etc/dir/b": "b", "etc/link/c": "c", "etc/dir/c": "(none)",
		"etc/empty": "now a file", "etc/tolink": "-> ../../../out", "etc/new/deep": "y", "etc/out": "over",
	} {
		if got := content(t, b, path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	if !b.find("etc/file").IsDir() {
		t.Error("a directory did not replace a file")
	}
	if diff := cmp.Diff([]string{"etc/both", "etc/empty", "etc/file", "etc/link", "etc/out", "etc/tolink"}, s.Paths); diff != "" {
		t.Errorf("replaced (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{`"etc/link": was a link; a directory replaces it, and where it led nothing is written`}, warnings(b)); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

func TestOverlayConflicts(t *testing.T) {
	_, _, err := overlaid(t, map[string]string{"etc/a/x": "", "etc/b/x": "", "etc/c/": ""}, map[string]string{"etc/a": "", "etc/b": "-> x", "etc/c": ""})
	want := "\"etc/a\": a file cannot replace a directory that is not empty\n\"etc/b\": a link cannot replace a directory that is not empty"
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

// Only the name that is replaced is another file, and links within the overlay stay links.
func TestOverlayHardLinks(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "proto/etc/a"), "old")
	write(t, filepath.Join(dir, "overlay/generic/etc/a"), "new")
	write(t, filepath.Join(dir, "manifest.gen"), "f etc/a 0600 root root\n")
	for _, link := range [][2]string{{"proto/etc/a", "proto/var/b"}, {"overlay/generic/etc/a", "overlay/generic/etc/c"}} {
		to := filepath.Join(dir, link[1])
		if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.Link(filepath.Join(dir, link[0]), to); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Build(t.Context(), Options{Places: locate(t, dir)})
	if err != nil {
		t.Fatal(err)
	}
	a, b, c := s.Tree.Lookup("root/etc/a"), s.Tree.Lookup("root/var/b"), s.Tree.Lookup("root/etc/c")
	if a != c || a == b || a.Links != 2 || b.Links != 1 || a.Mode.Perm() != 0o600 || b.Mode.Perm() != 0o644 {
		t.Errorf("a %p %v, c %p, b %p %v", a, a.Mode, c, b, b.Mode)
	}
}

// Links of the build that are folders elsewhere are no folders of the build.
func TestLinkedParts(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{"real/etc/x", "real/var/x", "manifest.gen"} {
		write(t, filepath.Join(dir, path), "")
	}
	if err := os.Mkdir(filepath.Join(dir, "proto"), 0o777); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"etc", "var"} {
		if err := os.Symlink("../real/"+name, filepath.Join(dir, "proto", name)); err != nil {
			t.Fatal(err)
		}
	}
	p, err := Locate(dir, LocateOptions{WithoutOverlay: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Build(t.Context(), Options{Places: *p}); err == nil || !strings.Contains(err.Error(), "a link to one, which is not followed") {
		t.Errorf("error %v", err)
	}
}

func TestBootstrap(t *testing.T) {
	b := testBuilder(t, map[string]string{"etc/motd": "seed", "var/x": "", "bin": "-> ./usr/bin", "opt": "-> /opt"})
	b.find("etc").Mode = tree.TypeDir | 0o700
	b.opts.Bootstrap, b.opts.BootstrapName = tree.New(), "kit.tar"
	fill(t, b.opts.Bootstrap.Root, map[string]string{"usr/bin/sh": "sh", "etc/motd": "kit", "opt/local/x": "x", "var/": ""})
	b.opts.Bootstrap.Lookup("etc").Mode = tree.TypeDir | 0o777
	s := do(t, b.unpackBootstrap)
	for path, want := range map[string]string{"usr/bin/sh": "sh", "etc/motd": "kit", "opt/local/x": "x", "bin": "-> ./usr/bin"} {
		if got := content(t, b, path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	if got := b.find("etc").Mode.Perm(); got != 0o700 {
		t.Errorf("a directory of the seed has mode %o now", got)
	}
	if diff := cmp.Diff([]string{"etc"}, changed(b)); diff != "" { // and the root, which is none of these
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"etc/motd", "opt"}, s.Paths); diff != "" || len(warnings(b)) != 1 {
		t.Errorf("replaced, with warnings %q (-want +got):\n%s", warnings(b), diff)
	}
}

// TestFinalScript runs S99final and what it leaves, with stand-ins for the system.
func TestFinalScript(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{"etc/rc2.d", "var/svc", "bin"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	log := filepath.Join(dir, "log")
	for _, name := range []string{"svcadm", "reboot"} {
		text := "#!/bin/sh\necho " + name + ` "$@" >>` + log + "\n[ $# != 2 ] || [ $2 != svc:/system/rcap:default ]\n"
		if err := os.WriteFile(filepath.Join(dir, "bin", name), []byte(text), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	script := strings.NewReplacer("/etc/", dir+"/etc/", "/var/", dir+"/var/", "PATH=", "PATH="+dir+"/bin:/bin:").Replace(string(finalScript))
	final, next, mark := filepath.Join(dir, "etc/rc2.d/S99final"), filepath.Join(dir, "etc/rc2.d/S98mdata"), filepath.Join(dir, "var/svc/provisioning")
	outside := filepath.Join(dir, "outside")
	write(t, final, script)
	write(t, mark, "")
	write(t, outside, "as it was")
	if err := os.Symlink(outside, next); err != nil {
		t.Fatal(err)
	}
	run := func(path string) {
		t.Helper()
		if out, err := exec.Command("/bin/sh", path).CombinedOutput(); err != nil || len(out) > 0 {
			t.Fatalf("%v: %s", err, out)
		}
	}
	there := func(path string) bool {
		_, err := os.Lstat(path)
		return err == nil
	}
	run(final)
	if there(final) || !there(mark) {
		t.Error("after the first boot: the script is there, or the mark is not")
	}
	said, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	want := `svcadm disable svc:/network/dns/multicast:default
svcadm disable svc:/network/physical:nwam
svcadm disable svc:/network/rpc/bind:default
svcadm disable svc:/system/rcap:default
svcadm enable svc:/system/sac:default
reboot
`
	if diff := cmp.Diff(want, string(said)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if info, err := os.Lstat(next); err != nil || info.Mode() != 0o755 {
		t.Fatalf("the next script: %v, %v", info, err)
	}
	run(next)
	if there(next) || there(mark) || !there(filepath.Join(dir, "var/svc/provision_success")) {
		t.Error("after the second boot: the script or the mark is there, or the sign of success is not")
	}
	if text, err := os.ReadFile(outside); err != nil || string(text) != "as it was" {
		t.Errorf("written through a link: %q, %v", text, err)
	}
}
