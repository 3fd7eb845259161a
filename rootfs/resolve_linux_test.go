package rootfs_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"imagetools/rootfs"
	"imagetools/tree"
)

// farm reads a plan of files, directories and links out of bytes.
type farm struct {
	data []byte
	made int
}

func (f *farm) byte() byte {
	if len(f.data) == 0 {
		return 0
	}
	b := f.data[0]
	f.data = f.data[1:]
	return b
}

// path is up to six names, with dots and slashes in every place.
func (f *farm) path() string {
	var b strings.Builder
	shape := f.byte()
	if shape&1 != 0 {
		b.WriteByte('/')
	}
	for i := range int(shape>>1&7%6) + 1 {
		if i > 0 {
			b.WriteByte('/')
		}
		b.WriteString([]string{"a", "b", "c", "..", ".", "d", "", "a"}[f.byte()&7])
	}
	if shape&0x10 != 0 {
		b.WriteByte('/')
	}
	return b.String()
}

// make makes one thing in both roots, which must agree whether it can be made. What is made is
// told apart by its mode, and files by their content too.
func (f *farm) make(t *testing.T, disk, mem *world) {
	f.made++
	kind, path, target := f.byte(), f.path(), f.path()
	attr := &rootfs.Attr{Mode: 0o700 | tree.Mode(f.made)&0o77}
	what, do := "", func(*world) error { return nil }
	switch kind % 5 {
	case 0:
		what, do = "mkdir", func(w *world) error { return w.Mkdir(path, attr) }
	case 1:
		what, do = "write", func(w *world) error { return w.WriteFile(path, fmt.Append(nil, f.made), attr) }
	case 2, 3:
		what, do = "link "+target, func(w *world) error { return w.Symlink(target, path, nil) }
	case 4:
		what, do = "remove", func(w *world) error { return w.RemoveAll(path) }
	}
	onDisk, inTree := do(disk), do(mem)
	if (onDisk == nil) != (inTree == nil) {
		t.Fatalf("%s %q: disk %v, tree %v", what, path, onDisk, inTree)
	}
}

// look describes what a path leads to.
func look(w *world, path string) string {
	info, err := w.Stat(path)
	if err != nil {
		return "nothing"
	}
	data, err := w.ReadFile(path, 100)
	if errors.Is(err, rootfs.ErrIsDir) {
		err = nil
	}
	return fmt.Sprint(info.Mode, string(data), err)
}

// kernel describes what Linux finds at a path in the root of a chroot, as look does.
func kernel(t *testing.T, dir, path string) string {
	root, err := unix.Open(dir, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(root)
	fd, err := unix.Openat2(root, path, &unix.OpenHow{Flags: unix.O_RDONLY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT})
	switch err {
	case nil:
	case unix.ENOSYS, unix.EPERM:
		t.Skip("this kernel has no openat2(2): ", err)
	default:
		return "nothing"
	}
	file := os.NewFile(uintptr(fd), path)
	defer file.Close()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		t.Fatal(err)
	}
	mode := tree.Mode(st.Mode)
	var data []byte
	if mode.Type() == tree.TypeFile {
		data, err = io.ReadAll(file)
	}
	return fmt.Sprint(mode, string(data), err)
}

// compare builds what data says on disk and in a tree, and returns how many of the paths that it
// looked at lead anywhere.
func compare(t *testing.T, data []byte) (found int) {
	plan := &farm{data: data[:min(len(data), 400)]}
	disk, mem := newDisk(t), newTree()
	for len(plan.data) > 0 && plan.made < 40 {
		plan.make(t, disk, mem)
	}
	plan.data = data
	for range 30 {
		path := plan.path()
		onDisk, inTree, want := look(disk, path), look(mem, path), kernel(t, disk.dir, path)
		if onDisk != want || inTree != want {
			t.Errorf("%q: on disk %s, in the tree %s, for Linux %s", path, onDisk, inTree, want)
		}
		if want != "nothing" {
			found++
		}
	}
	got, want := disk.list(t), mem.list(t)
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("disk\n%q\ntree\n%q", got, want)
	}
	return found
}

// A path leads to the same on disk, in a tree, and in Linux's own RESOLVE_IN_ROOT.
func TestResolveAsLinux(t *testing.T) {
	rng := rand.NewChaCha8([32]byte{5})
	found, farms := 0, 200
	for range farms {
		data := make([]byte, 400)
		rng.Read(data)
		found += compare(t, data)
	}
	if found < 5*farms {
		t.Errorf("only %d paths of %d lead anywhere: the farms are too poor", found, 30*farms)
	}
}

// FuzzResolve is TestResolveAsLinux with farms of the fuzzer's.
func FuzzResolve(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x00\x00\x02\x00\x01\x13\x00\x00\x01\x02\x00\x05\x11\x00\x03"))
	f.Add([]byte("\x02\x00\x00\x00\x00\x02\x00\x01\x00\x00\x01\x00\x00\x00\x01\x00\x01\x00\x01\x03\x00\x01\x02"))
	f.Add([]byte{0, 0, 0, 0, 0, 0, 2, 0, 1, 0, 0, 1, 6, 0, 1, 2, 2, 0, 0, 2, 2, 3, 3, 0, 2, 0, 1, 0x13, 0, 2, 2, 2, 1, 3, 0x10, 0, 5})
	f.Fuzz(func(t *testing.T, data []byte) {
		compare(t, data)
	})
}

// The number of links is limited as Linux limits it.
func TestManyLinksAsLinux(t *testing.T) {
	w := newDisk(t)
	w.make(t, "l0=end")
	for i := range 42 {
		w.make(t, fmt.Sprintf("l%d->/l%d", i+1, i))
		path := fmt.Sprintf("l%d", i+1)
		if got, want := look(w, path), kernel(t, w.dir, path); got != want {
			t.Errorf("%s: %s, for Linux %s", path, got, want)
		}
	}
}
