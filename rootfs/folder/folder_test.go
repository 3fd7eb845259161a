package folder_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"imagetools/rootfs"
	"imagetools/rootfs/folder"
	"imagetools/tree"
	"imagetools/tree/compare"
	"imagetools/tree/fromdir"
)

var now = tree.Time{Sec: 1_700_000_000}

// make writes a folder and its METALOG.
func makeFolder(t *testing.T, files map[string]string, metalog string) (dir, log string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "dir")
	for path, text := range files {
		path = filepath.Join(dir, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	log = dir + ".mtree"
	if err := os.WriteFile(log, []byte(metalog), 0o640); err != nil {
		t.Fatal(err)
	}
	return dir, log
}

func read(t *testing.T, dir, metalog string) *tree.Tree {
	t.Helper()
	f, err := os.Open(metalog)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tr, _, err := fromdir.Read(t.Context(), dir, fromdir.Options{Metalog: f})
	if err != nil {
		t.Fatal(err)
	}
	if err := tr.Seal(); err != nil {
		t.Fatal(err)
	}
	return tr
}

// same compares the tree that was saved with what is read from disk again.
func same(t *testing.T, want *tree.Tree, dir, metalog string) {
	t.Helper()
	for c, err := range compare.Diff(t.Context(), want, read(t, dir, metalog), compare.Options{IgnoreTimes: true}) {
		if err != nil {
			t.Fatal(err)
		}
		t.Errorf("%s %s: %+v", c.Kind, c.Path, c.Fields)
	}
}

var files = map[string]string{"etc/hosts": "a", "etc/shadow": "b", "var/log/x": "c", "var/log/y": "d", "var/gone/z/f": "e", "top": "f"}

const full = `#mtree v2.0
# a comment
./etc/shadow type=file uid=0 gid=3 mode=0400
./var/log/x type=file uid=7 gid=7 mode=0600
./var/gone/z type=dir uid=9 gid=9
./dev/null type=char device=native,13,2 optional
./var/sock type=socket mode=0600
./etc/link type=link link=hosts`

// What was changed in the tree is what is read from disk again.
func TestSave(t *testing.T) {
	for name, metalog := range map[string]string{"full": full, "hierarchy": `#mtree v2.0
/set type=file uid=5 gid=5 mode=0640
. type=dir mode=0755
    etc type=dir mode=0755
        shadow
        link type=link link=hosts mode=0777
    ..
    var type=dir mode=0755
        sock type=socket
        log type=dir
            x
        ..
`} {
		t.Run(name, func(t *testing.T) {
			dir, log := makeFolder(t, files, metalog)
			if name == "full" {
				if err := os.Mkdir(filepath.Join(dir, "dev"), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			tr := read(t, dir, log)
			w := folder.Watch(tr)
			root := rootfs.NewTree(tr, now)
			if err := errors.Join(
				root.WriteFile("/etc/link", []byte("hosts, through the link"), nil), root.WriteFile("/etc/shadow", nil, nil),
				root.Remove("/var/log/x"), root.Remove("/var/sock"), root.RemoveAll("/var/gone"),
				root.WriteFile("/etc/new", []byte("n"), &rootfs.Attr{Mode: 0o600, UID: 4, GID: 4}),
				root.Mkdir("/var/ssh", nil), root.Symlink("new", "/etc/toward", nil),
				root.Remove("/top"), root.Symlink("etc/hosts", "/top", nil),
			); err != nil {
				t.Fatal(err)
			}
			if err := w.Save(dir, log); err != nil {
				t.Fatal(err)
			}
			same(t, tr, dir, log)
			text, err := os.ReadFile(log)
			if err != nil || strings.Contains(string(text), "gone") || strings.Contains(string(text), "sock") {
				t.Errorf("METALOG, %v:\n%s", err, text)
			}
			if info, err := os.Stat(log); err != nil || info.Mode().Perm() != 0o640 {
				t.Errorf("METALOG: %v, %v", info.Mode(), err)
			}
		})
	}
}

// A METALOG that has nothing to say of what was changed stays as it is.
func TestSaveLeavesMetalog(t *testing.T) {
	dir, log := makeFolder(t, files, full)
	if err := os.Mkdir(filepath.Join(dir, "dev"), 0o755); err != nil {
		t.Fatal(err)
	}
	tr := read(t, dir, log)
	w := folder.Watch(tr)
	root := rootfs.NewTree(tr, now)
	if err := errors.Join(root.Remove("/top"), root.WriteFile("/etc/shadow", []byte("s"), nil)); err != nil {
		t.Fatal(err)
	}
	if err := w.Save(dir, log); err != nil {
		t.Fatal(err)
	}
	same(t, tr, dir, log)
	if text, err := os.ReadFile(log); err != nil || string(text) != full {
		t.Errorf("METALOG, %v:\n%s", err, text)
	}
}

// All that cannot be changed is told.
func TestSaveFaults(t *testing.T) {
	dir, log := makeFolder(t, files, full)
	if err := os.Mkdir(filepath.Join(dir, "dev"), 0o755); err != nil {
		t.Fatal(err)
	}
	tr := read(t, dir, log)
	w := folder.Watch(tr)
	root := rootfs.NewTree(tr, now)
	if err := errors.Join(root.WriteFile("/etc/hosts", []byte("s"), nil), root.WriteFile("/var/log/new", []byte("n"), nil)); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"etc", "var/log"} { // meanwhile
		if err := errors.Join(os.RemoveAll(filepath.Join(dir, p)), os.WriteFile(filepath.Join(dir, p), nil, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	err := w.Save(dir, log)
	if !errors.Is(err, tree.ErrNotDir) || !strings.Contains(err.Error(), "etc/hosts") || !strings.Contains(err.Error(), "var/log/new") {
		t.Errorf("error %v", err)
	}
	if err := w.Save(dir, log+"x"); err == nil {
		t.Error("saved without a METALOG")
	}
}
