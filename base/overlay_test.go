package base_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"imagetools/base"
	"imagetools/rootfs"
	"imagetools/rootfs/overlay"
	"imagetools/tree"
	"imagetools/tree/todir"
)

// zones are the images whose files and calls are golden, with what their bootstrap brings.
var zones = []struct {
	file      string
	config    base.Config
	bootstrap []string
}{
	{"minimal", base.Config{Branch: "2024Q4", Arch: "x86_64", Name: "minimal-64-lts", Release: "24.4.1"}, []string{certificate}},
	{"base", base.Config{Branch: "2024Q4", Arch: "x86_64", Name: "base-64-lts", Release: "24.4.1"}, []string{certificate}},
	{"pkgbuild", base.Config{Branch: "2024Q4", Arch: "x86_64", Name: "pkgbuild-lts", Release: "24.4.1"}, []string{certificate}},
	{"trunk", base.Config{Branch: "trunk", Arch: "x86_64", Name: "base-64-trunk", Release: "20241231", Date: "20241231"}, []string{certificate}},
	{"sngl", base.Config{Branch: "2013Q2", Arch: "sngl", Name: "base", Release: "13.2.0"}, []string{"sbin/mozilla-rootcerts"}},
}

const certificate = "openssl/certs/mozilla-rootcert-0.pem"

// apply lays the built-in overlay over a root.
func apply(t *testing.T, root *rootfs.FS, img *base.Image) {
	t.Helper()
	layers, err := img.Overlay()
	if err != nil {
		t.Fatal(err)
	}
	applyLayers(t, root, img, layers)
}

func applyLayers(t *testing.T, root *rootfs.FS, img *base.Image, layers []*overlay.Layer) {
	t.Helper()
	plan, err := overlay.NewPlan(root, layers, overlay.Options{Vars: img.Variables})
	if err != nil {
		t.Fatal(err)
	}
	if err := plan.Apply(t.Context(), func(overlay.Change) {}); err != nil {
		t.Fatal(err)
	}
}

func newTree(t *testing.T) *rootfs.FS {
	t.Helper()
	root := rootfs.NewTree(tree.New(), tree.Time{})
	t.Cleanup(func() { root.Close() })
	return root
}

// dump is all that is in a root, and what is in the files that show holds for.
func dump(t *testing.T, root *rootfs.FS, show func(path string) bool) string {
	t.Helper()
	var b, contents strings.Builder
	err := root.Walk("/", func(path string, info rootfs.Info) error {
		fmt.Fprintf(&b, "%v %d:%d %s\n", info.Mode, info.UID, info.GID, path)
		if info.Mode.Type() != tree.TypeFile || !show(path) {
			return nil
		}
		data, err := root.ReadFile(path, 1<<20)
		fmt.Fprintf(&contents, "-- %s --\n%s", path, data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String() + contents.String()
}

func everyFile(string) bool { return true }

// withVariables tells of the files that differ from image to image, but for the scripts, which
// have tests of their own.
func withVariables(path string) bool {
	switch filepath.Base(path) {
	case "motd", ".profile", ".cshrc", ".curlrc", "environment", "fs-caching-server.xml":
		return true
	}
	return false
}

func TestOverlay(t *testing.T) {
	for _, tt := range zones {
		t.Run(tt.file, func(t *testing.T) {
			root := newTree(t)
			apply(t, root, base.Standard.Image(tt.config))
			golden(t, "testdata/"+tt.file+".overlay", dump(t, root, withVariables))
		})
	}
}

// What is ejected is the same overlay when it is read again, and only its directories are
// taken.
func TestEjected(t *testing.T) {
	img := base.Standard.Image(zones[1].config)
	builtin := newTree(t)
	apply(t, builtin, img)

	files, err := base.BuiltinTree()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "ejected")
	if _, err := todir.Extract(t.Context(), files, dir, todir.Options{NoMetalog: true}); err != nil {
		t.Fatal(err)
	}
	layers, _, err := img.ReadOverlay(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	again := newTree(t)
	applyLayers(t, again, img, layers)
	if got, want := dump(t, again, everyFile), dump(t, builtin, everyFile); got != want {
		t.Errorf("read again, the overlay is\n%s\nwant\n%s", got, want)
	}

	for _, name := range []string{"usr", "README"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	_, _, err = img.ReadOverlay(t.Context(), dir)
	want := fmt.Sprintf("overlay %q: \"README\": unknown directory; there are data, etc, root, sysconfdir\n"+
		"overlay %[1]q: \"usr\": unknown directory; there are data, etc, root, sysconfdir", dir)
	if err == nil || err.Error() != want {
		t.Errorf("unknown directories: %v, want %s", err, want)
	}
	if _, _, err := img.ReadOverlay(t.Context(), dir+"-missing"); err == nil {
		t.Error("a folder that does not exist is an overlay")
	}
}

// A layer of a user's wins over the built-in one, and may have a few files alone.
func TestOwnLayer(t *testing.T) {
	img := base.Standard.Image(zones[1].config)
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "etc"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "etc", "motd"), []byte("mine: @IMAGE_NAME@\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	layers, err := img.Overlay()
	if err != nil {
		t.Fatal(err)
	}
	own, _, err := img.ReadOverlay(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	root := newTree(t)
	applyLayers(t, root, img, append(layers, own...))
	motd, err := root.ReadFile("/etc/motd", 1<<10)
	if string(motd) != "mine: base-64-lts\n" || err != nil {
		t.Errorf("motd is %q, %v", motd, err)
	}
	if _, err := root.Stat("/etc/resolv.conf"); err != nil {
		t.Errorf("the built-in files: %v", err)
	}
}

// No variable is left in what is laid over an image, and every file with one is known here.
func TestVariablesFilledIn(t *testing.T) {
	form := regexp.MustCompile(`@[A-Z][A-Z0-9_]*@`)
	for _, tt := range zones {
		root := newTree(t)
		apply(t, root, base.Standard.Image(tt.config))
		if left := form.FindAllString(dump(t, root, everyFile), -1); left != nil {
			t.Errorf("%s: %q", tt.file, left)
		}
	}
	files, err := base.BuiltinTree()
	if err != nil {
		t.Fatal(err)
	}
	root := rootfs.NewTree(files, tree.Time{})
	defer root.Close()
	for _, part := range strings.Split(dump(t, root, everyFile), "\n-- ")[1:] {
		name, content, _ := strings.Cut(part, " --\n")
		if form.MatchString(content) && !withVariables(name) && !strings.HasPrefix(name, "/root/customize/") {
			t.Errorf("%s has variables, and is not in the golden files", name)
		}
	}
}

// A user's overlay is read by one rule, whoever asks: laid out as the built-in one, or as a root.
func TestLayoutOfOverlay(t *testing.T) {
	minimal := base.Standard.Image(base.Config{Branch: "2024Q4", Arch: "x86_64", Name: "minimal-64", Release: "24.4.0"})
	full := base.Standard.Image(zones[1].config)
	for _, test := range []struct {
		files string
		img   *base.Image
		want  string // where the layers land
		fault string
		notes int
	}{
		{"etc/motd root/x sysconfdir/y", full, "/etc /root /opt/local/etc", "", 0},
		{"etc/motd root/x sysconfdir/y", minimal, "/etc /root", "", 1},
		{"etc/motd root/x sysconfdir/y", &base.Image{}, "", "the CONFIG of the image is not known", 0},
		{"etc/motd etc.mtree data/x data.mtree", minimal, "/etc", "", 1},
		{"etc/motd root/x data/y", minimal, "/data /etc /root", "", 0},
		{"etc/motd root/x data/y", &base.Image{}, "/data /etc /root", "", 0},
		{"etc/motd opt/x", full, "", "", 0},
		{"etc/motd opt/x", &base.Image{}, "", "", 0},
		{"sysconfdir/x opt/x", full, "", `"opt": unknown directory`, 0},
		{"sysconfdir/x ../ov.mtree", full, "", "describes the whole folder", 0},
		{"copy/x manifest packages", full, "", "a mibe repository", 0},
	} {
		dir := filepath.Join(t.TempDir(), "ov")
		for _, file := range strings.Fields(test.files) {
			path := filepath.Join(dir, file)
			if err := errors.Join(os.MkdirAll(dir, 0o755), os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte("#mtree v2.0\n"), 0o644)); err != nil {
				t.Fatal(err)
			}
		}
		layers, notes, err := test.img.ReadOverlay(t.Context(), dir)
		if (err == nil) != (test.fault == "") || err != nil && !strings.Contains(err.Error(), test.fault) {
			t.Errorf("%s: %v, want %q", test.files, err, test.fault)
		}
		var at []string
		for _, l := range layers {
			at = append(at, l.At)
		}
		if got := strings.Join(at, " "); got != test.want || len(notes) != test.notes {
			t.Errorf("%s: the layers land at %q, want %q; notes %q", test.files, got, test.want, notes)
		}
	}
}
