package content_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"imagetools/source/content"
	"imagetools/tree"
)

// plant makes files, directories (with a slash behind) and links (with an arrow) in a directory.
func plant(t *testing.T, dir string, paths ...string) {
	t.Helper()
	for _, p := range paths {
		name, target, isLink := strings.Cut(p, " -> ")
		full := filepath.Join(dir, name)
		err := os.MkdirAll(filepath.Dir(full), 0o755)
		switch {
		case isLink:
			err = errors.Join(err, os.Symlink(target, full))
		case strings.HasSuffix(name, "/"):
			err = errors.Join(err, os.MkdirAll(full, 0o755))
		default:
			err = errors.Join(err, os.WriteFile(full, []byte("x\n"), 0o644))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// planted is the tree that plant makes.
func planted(t *testing.T, paths ...string) *tree.Tree {
	t.Helper()
	tr := tree.New()
	for _, p := range paths {
		name, target, isLink := strings.Cut(p, " -> ")
		n := &tree.Node{Mode: tree.TypeFile | 0o644}
		switch {
		case isLink:
			n = &tree.Node{Mode: tree.TypeSymlink | 0o777, Target: target}
		case strings.HasSuffix(name, "/"):
			n = tree.NewDir(0o755)
		}
		dir := tr.Root
		parts := strings.Split(strings.TrimSuffix(name, "/"), "/")
		for _, part := range parts[:len(parts)-1] {
			if dir.Lookup(part) == nil {
				if err := dir.Add(part, tree.NewDir(0o755)); err != nil {
					t.Fatal(err)
				}
			}
			dir = dir.Lookup(part)
		}
		if dir.Lookup(parts[len(parts)-1]) == nil {
			if err := dir.Add(parts[len(parts)-1], n); err != nil {
				t.Fatal(err)
			}
		}
	}
	return tr
}

// A root file system is found wherever it is in a source, and a directory of something else is
// named.
func TestLevelOfRoot(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		paths   []string
		metalog bool
		kind    content.LevelKind
		path    string
	}{
		{"root", []string{"etc/passwd", "root/.profile"}, false, content.Root, "."},
		{"root with links", []string{"bin -> usr/bin", "root/etc/x"}, false, content.Root, "."},
		{"root that has a root", []string{"etc/", "root/etc/passwd", "rootfs/etc/passwd", "srv/debian/etc/passwd"}, true, content.Root, "."},
		{"extracted image", []string{"root/etc/passwd"}, false, content.Dataset, "root"},
		{"dataset of a zone", []string{"root/var/", "config/", "cores/", "lastbooted"}, false, content.Dataset, "root"},
		{"dataset with something else", []string{"root/etc/passwd", "root/usr/", "notes"}, true, content.Dataset, "root"},
		{"a small one with a METALOG", []string{"root/motd"}, true, content.Dataset, "root"},
		{"home of root", []string{"root/.profile"}, false, content.Undecided, ""},
		{"something beside a root", []string{"root/etc/passwd", "root/usr/", "README"}, false, content.Elsewhere, "root"},
		{"lxd", []string{"metadata.yaml", "rootfs/etc/os-release", "templates/hostname.tpl"}, false, content.Rootfs, "rootfs"},
		{"lxd backup", []string{"backup/index.yaml", "backup/container/rootfs/etc/os-release"}, false, content.Rootfs, "backup/container/rootfs"},
		{"runtime bundle", []string{"config.json", "rootfs/bin/sh"}, false, content.Rootfs, "rootfs"},
		{"two of them", []string{"a/rootfs/etc/x", "b/rootfs/etc/x"}, false, content.Elsewhere, "a/rootfs"},
		{"one folder deeper", []string{"debian-12/etc/os-release", "debian-12/usr/"}, false, content.Elsewhere, "debian-12"},
		{"three folders deeper", []string{"a/b/c/etc/os-release", "a/b/c/usr/"}, false, content.Elsewhere, "a/b/c"},
		{"one name that roots have, too", []string{"project/lib/x"}, false, content.Undecided, ""},
		{"mibe", []string{"copy/etc/core.conf", "customize", "manifest", "motd", "packages"}, false, content.Mibe, ""},
		{"archive of mibe", []string{"mi-core-master/copy/opt/x", "mi-core-master/manifest"}, false, content.Mibe, "mi-core-master"},
		{"a root with such files", []string{"etc/", "customize", "manifest", "packages"}, false, content.Root, "."},
		{"files", []string{"x", "y/z"}, false, content.Undecided, ""},
		{"nothing", nil, false, content.Undecided, ""},
	} {
		dir := filepath.Join(t.TempDir(), "d")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		plant(t, dir, test.paths...)
		if test.metalog {
			plant(t, filepath.Dir(dir), "d.mtree")
		}
		got, err := content.LevelOfDir(dir)
		if err != nil || got.Kind != test.kind || got.Path != test.path {
			t.Errorf("%s: %+v, %v", test.name, got, err)
		}
		if test.metalog {
			continue
		}
		if got := content.LevelOfTree(planted(t, test.paths...)); got.Kind != test.kind || got.Path != test.path {
			t.Errorf("%s in an archive: %+v", test.name, got)
		}
	}
}

// A METALOG that is named may be that of the dataset that a directory is the root of; one that fits
// neither is taken as it is.
func TestNamedMetalog(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	plant(t, top, "image/root/etc/motd", "image/root/root/x", "image/config/", "moved/etc/motd", "moved/root/x", "changed/etc/other")
	log := filepath.Join(top, "log")
	text := "#mtree v2.0\n. type=dir mode=0711 uid=5\n./config type=dir\n./root type=dir mode=0750\n./root/etc type=dir\n./root/etc/motd type=file uid=7\n./root/root type=dir\n./root/dev/null type=char\n"
	if err := os.WriteFile(log, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]struct{ prefix, beside string }{
		"image": {".", ""}, "image/root": {"root", "config"}, "moved": {"root", "config"}, "changed": {".", ""}, "image/root/etc": {"root/etc", "config"},
	} {
		m, err := content.NamedMetalog(filepath.Join(top, dir), log)
		if err != nil || m.Path != log || m.Prefix != want.prefix || strings.Join(m.Beside, " ") != want.beside {
			t.Errorf("%s: %+v, %v, want %+v", dir, m, err, want)
		}
	}
	if m, err := content.NamedMetalog(top, filepath.Join(top, "none")); err != nil || m.Prefix != "." {
		t.Errorf("no METALOG: %+v, %v", m, err)
	}
}

// The METALOG of an extracted image is found from within it, and one that says nothing of a
// directory is not taken.
func TestFindMetalog(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	plant(t, top, "image/root/etc/motd", "image/config/", "other/root/etc/motd", "own/root/etc/motd", "own/root.mtree", "none/root/etc/motd", "text/root/etc/motd")
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(top, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("image.mtree", "#mtree v2.0\n. type=dir mode=0711 uid=5\n./config type=dir\n./root type=dir mode=0750\n./root/etc/motd type=file uid=7\n")
	write("other.mtree", "#mtree v2.0\n. type=dir\n./rootless type=file\n./usr type=dir\n")
	write("own.mtree", "./root type=dir\n")
	write("text.mtree", "not a METALOG\n")
	for _, test := range []struct {
		dir, metalog, prefix, beside string
		top                          bool
	}{
		{"image", "image.mtree", ".", "", false},
		{"image/root", "image.mtree", "root", "config", true},
		{"image/root/etc", "image.mtree", "root/etc", "config", true},
		{"other/root", "", "", "", false},
		{"own/root", "own/root.mtree", ".", "", false},
		{"none/root", "", "", "", false},
		{"text/root", "", "", "", false},
	} {
		m, err := content.FindMetalog(filepath.Join(top, test.dir))
		want := test.metalog
		if want != "" {
			want = filepath.Join(top, want)
		}
		if err != nil || m.Path != want || m.Path != "" && m.Prefix != test.prefix || strings.Join(m.Beside, " ") != test.beside || (m.Top != nil) != test.top {
			t.Errorf("%s: %+v, %v", test.dir, m, err)
		}
	}
}
