package rootfs_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"imagetools/rootfs"
)

// What a killed process left of a change is removed, and told, by the next one that changes
// something in that directory, unless somebody else is at work there.
func TestLeftByKilled(t *testing.T) {
	w := newDisk(t)
	w.make(t, "etc", "etc/other", "usr", "etc/passwd=old")
	const temp = ".imagetools-ABCDEFGHIJKLMNOPQRSTUVWXYZ."
	left := []string{"etc/" + temp + "shadow", "etc/" + temp + "link", "etc/" + temp + "dir", "usr/" + temp + "x"}
	kept := []string{"etc/.imagetools-x", "etc/" + temp + "full"}
	for _, err := range []error{
		os.WriteFile(w.dir+"/"+left[0], []byte("half"), 0o600), os.Symlink("x", w.dir+"/"+left[1]), os.Mkdir(w.dir+"/"+left[2], 0o700),
		os.WriteFile(w.dir+"/"+left[3], nil, 0o600), os.WriteFile(w.dir+"/"+kept[0], nil, 0o600), os.MkdirAll(w.dir+"/"+kept[1]+"/d", 0o700),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	there := func(names []string) (n int) {
		for _, name := range names {
			if _, err := os.Lstat(w.dir + "/" + name); err == nil {
				n++
			}
		}
		return n
	}
	open := func() (*rootfs.FS, *[]string) {
		root, err := rootfs.OpenDir(w.dir)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { root.Close() })
		notes := new([]string)
		root.OnLeft(func(text string) { *notes = append(*notes, text) })
		return root, notes
	}
	busy, err := os.Open(w.dir + "/etc")
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(busy.Fd()), unix.LOCK_SH); err != nil {
		t.Fatal(err)
	}
	root, notes := open()
	if err := root.WriteFile("/etc/passwd", []byte("one"), nil); err != nil || there(left) != 4 || len(*notes) > 0 {
		t.Errorf("beside a process at work: %v; %d of 4 are there; it says %q", err, there(left), *notes)
	}
	if err := busy.Close(); err != nil {
		t.Fatal(err)
	}
	// Whoever changes something of any kind.
	for name, change := range map[string]func(*rootfs.FS) error{
		"write": func(root *rootfs.FS) error { return root.WriteFile("/etc/passwd", []byte("two"), nil) },
		"mkdir": func(root *rootfs.FS) error { return root.Mkdir("/etc/new", nil) },
		"link":  func(root *rootfs.FS) error { return root.Symlink("x", "/etc/link", nil) },
	} {
		if there(left) == 1 {
			if err := os.WriteFile(w.dir+"/"+left[0], nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		root, notes = open()
		if err := change(root); err != nil || there(left) != 1 || there(left[3:]) != 1 {
			t.Errorf("%s: %v; %d of 1 are there", name, err, there(left))
		}
		if said := strings.Join(*notes, "; "); !strings.Contains(said, `"/`+left[0]+`": removed`) {
			t.Errorf("%s: it says %q", name, said)
		}
	}
	if there(kept) != 2 {
		t.Error("what is not of this program, or is no leftover, is gone")
	}
}

// Nothing is left, and a directory is not locked, after a change that fails.
func TestNothingIsLeft(t *testing.T) {
	w := newDisk(t)
	w.make(t, "etc", "etc/full", "etc/full/x=")
	bad := &rootfs.Attr{Mode: 0o644, UID: 1 << 30, GID: 1 << 30}
	failing := errors.Join(w.Mkdir("/etc/full", nil), w.Symlink("x", "/etc/full", nil))
	if failing == nil {
		t.Error("no error")
	}
	if os.Geteuid() != 0 && w.WriteFile("/etc/f", nil, bad) == nil {
		t.Error("no error")
	}
	list, err := os.ReadDir(w.dir + "/etc")
	if err != nil || slices.ContainsFunc(list, func(e os.DirEntry) bool { return strings.HasPrefix(e.Name(), ".imagetools") }) {
		t.Errorf("left %v, %v", list, err)
	}
	d, err := os.Open(w.dir + "/etc")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := unix.Flock(int(d.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		t.Errorf("lock: %v", err)
	}
}
