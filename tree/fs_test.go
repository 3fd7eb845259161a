package tree_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"imagetools/tree"
)

// rich is a tree with everything that a tree can hold.
func rich(t testing.TB) *tree.Tree {
	t.Helper()
	tr := tree.New()
	tr.Root.ModTime = tree.Time{Sec: -5, Nsec: 7}
	add := func(dir *tree.Node, name string, n *tree.Node) *tree.Node {
		if err := dir.Add(name, n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	link := func(target string) *tree.Node { return &tree.Node{Mode: tree.TypeSymlink | 0o777, Target: target} }
	etc := add(tr.Root, "etc", tree.NewDir(0o1775))
	motd := add(etc, "motd", &tree.Node{Mode: tree.TypeFile | 0o4755, UID: 7, GID: 8, ModTime: tree.Time{Sec: 1 << 40, Nsec: 999999999},
		Size: 5, Content: tree.Bytes("hello")})
	motd.Attrs = &tree.Attrs{
		Xattrs: []tree.Xattr{{Name: "user.note", Value: []byte{0, 255}}},
		ACL:    []tree.ACE{{Type: 0, Flags: tree.ACEOwner, Mask: 3}, {Type: 1, Mask: 4, ID: 12}},
	}
	add(tr.Root, "hard", motd)
	add(etc, "empty", &tree.Node{Mode: tree.TypeFile})
	for name, target := range map[string]string{
		"up": "../etc/motd", "absolute": "/etc/motd", "out": "../../../../etc/motd", "dir": ".", "chain": "up",
		"dangling": "nowhere", "loop": "loop", "through": "dir/dir/../etc/dir/motd", "notdir": "motd/x", "slash": "motd/",
	} {
		add(etc, name, link(target))
	}
	add(tr.Root, "tty", &tree.Node{Mode: tree.TypeChar | 0o620, Device: &tree.Device{Major: 24, Minor: 1 << 20}})
	add(tr.Root, "disk", &tree.Node{Mode: tree.TypeBlock | 0o600, Device: &tree.Device{Major: 1}})
	add(tr.Root, "pipe", &tree.Node{Mode: tree.TypeFIFO | 0o600})
	add(tr.Root, "socket", &tree.Node{Mode: tree.TypeSocket | 0o2600})
	many := add(tr.Root, "many", tree.NewDir(0))
	for i := range 100 {
		add(many, fmt.Sprint(i), &tree.Node{Mode: tree.TypeFile, Size: 1 << 16, Content: tree.Bytes(bytes.Repeat([]byte{byte(i)}, 1<<16))})
	}
	add(tr.Root, "caf\xe9 \x01", &tree.Node{Mode: tree.TypeFile, Size: 1, Content: tree.Bytes("x")})
	return tr
}

func TestFS(t *testing.T) {
	files, err := rich(t).FS()
	if err != nil {
		t.Fatal(err)
	}
	if err := fstest.TestFS(files, "etc/motd", "etc/dangling", "etc/loop", "tty", "many/99", "caf\xe9 \x01"); err != nil {
		t.Error(err)
	}
	empty, err := tree.New().FS()
	if err != nil {
		t.Fatal(err)
	}
	if err := fstest.TestFS(empty); err != nil {
		t.Error(err)
	}
}

// Links are followed as the root of a zone has them, and never out of the file system.
func TestFSLinks(t *testing.T) {
	files, err := rich(t).FS()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{
		"etc/up": "hello", "etc/absolute": "hello", "etc/out": "hello", "etc/chain": "hello", "etc/dir/motd": "hello",
		"etc/through": "hello", "etc/dir/dir/up": "hello",
		"etc/dangling": fs.ErrNotExist, "etc/loop": fs.ErrNotExist, "etc/notdir": fs.ErrNotExist, "etc/slash": fs.ErrNotExist,
		"etc/motd/x": tree.ErrNotDir, "etc/up/x": tree.ErrNotDir, "etc/dangling/x": fs.ErrNotExist, "nowhere": fs.ErrNotExist,
		"../etc/motd": fs.ErrInvalid, "/etc/motd": fs.ErrInvalid, "": fs.ErrInvalid, "etc/": fs.ErrInvalid,
	} {
		got, err := fs.ReadFile(files, name)
		switch want := want.(type) {
		case string:
			if err != nil || string(got) != want {
				t.Errorf("%s: %q, %v; want %q", name, got, err, want)
			}
		case error:
			if !errors.Is(err, want) {
				t.Errorf("%s: %q, %v; want %v", name, got, err, want)
			}
		}
	}
	sub, err := fs.Sub(files, "etc")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"absolute", "up"} { // /etc/motd is not below etc
		if got, err := fs.ReadFile(sub, name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s leads out of a Sub: %q, %v", name, got, err)
		}
	}
	if got, err := fs.ReadFile(sub, "motd"); err != nil || string(got) != "hello" {
		t.Errorf("a file in a Sub: %q, %v", got, err)
	}
	if target, err := fs.ReadLink(files, "etc/dangling"); err != nil || target != "nowhere" {
		t.Errorf("ReadLink: %q, %v", target, err)
	}
	if _, err := fs.ReadLink(files, "etc/motd"); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("ReadLink of a file: %v", err)
	}
}

// What fs.FileInfo has no word for is told by interfaces.
func TestFSInfo(t *testing.T) {
	files, err := rich(t).FS()
	if err != nil {
		t.Fatal(err)
	}
	info, err := fs.Stat(files, "etc/motd")
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode(); mode != 0o755|fs.ModeSetuid {
		t.Errorf("mode %v", mode)
	}
	if got := info.ModTime(); !got.Equal(time.Unix(1<<40, 999999999)) {
		t.Errorf("time %v", got)
	}
	if o, ok := info.(tree.OwnerInfo); !ok || o.UID() != 7 || o.GID() != 8 {
		t.Errorf("owner %v", o)
	}
	if x, ok := info.(tree.XattrInfo); !ok || len(x.Xattrs()) != 1 || x.Xattrs()[0].Name != "user.note" {
		t.Errorf("extended attributes %v", x)
	}
	if a, ok := info.(tree.ACLInfo); !ok || len(a.ACL()) != 2 {
		t.Errorf("ACL %v", a)
	}
	hard, err := fs.Stat(files, "hard")
	if err != nil {
		t.Fatal(err)
	}
	if a, b := info.(tree.LinkInfo), hard.(tree.LinkInfo); a.Inode() != b.Inode() || a.Links() != 2 {
		t.Errorf("hard links: inodes %d and %d, %d links", a.Inode(), b.Inode(), a.Links())
	}
	tty, err := fs.Stat(files, "tty")
	if err != nil {
		t.Fatal(err)
	}
	if d, ok := tty.(tree.DeviceInfo).Rdev(); !ok || d != (tree.Device{Major: 24, Minor: 1 << 20}) || tty.Mode() != fs.ModeDevice|fs.ModeCharDevice|0o620 {
		t.Errorf("device %v %v, %v", d, ok, tty.Mode())
	}
	if _, ok := info.(tree.DeviceInfo).Rdev(); ok {
		t.Error("a file has a device number")
	}
}

// Modes are the same in both forms.
func TestModeOf(t *testing.T) {
	for _, typ := range []tree.Mode{tree.TypeFile, tree.TypeDir, tree.TypeSymlink, tree.TypeChar, tree.TypeBlock, tree.TypeFIFO, tree.TypeSocket} {
		for perm := range tree.PermMask + 1 {
			m := typ | perm
			if got, ok := tree.ModeOf(m.FileMode()); !ok || got != m {
				t.Fatalf("%v is %v, and that %v, %v", m, m.FileMode(), got, ok)
			}
		}
	}
	for _, m := range []fs.FileMode{fs.ModeAppend, fs.ModeExclusive | 0o644, fs.ModeTemporary, fs.ModeIrregular, fs.ModeDir | fs.ModeSymlink, fs.ModeCharDevice} {
		if got, ok := tree.ModeOf(m); ok {
			t.Errorf("%v is taken for %v", m, got)
		}
	}
}

// short is a content that is not as large as its node says.
type short struct{ tree.Bytes }

// What is cut, or closed, is an error and no end of the file.
func TestFSReadErrors(t *testing.T) {
	tr := tree.New()
	if err := tr.Root.Add("f", &tree.Node{Mode: tree.TypeFile, Size: 10, Content: short{tree.Bytes("five.")}}); err != nil {
		t.Fatal(err)
	}
	files, err := tr.FS()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := fs.ReadFile(files, "f"); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a short file: %q, %v", got, err)
	}
	f, err := files.Open("f")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(f); !errors.Is(err, io.ErrUnexpectedEOF) || string(got) != "five." {
		t.Errorf("a short file: %q, %v", got, err)
	}
	f.Close()
	if _, err := f.Read(make([]byte, 1)); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("a closed file: %v", err)
	}
	if err := tr.Root.Add("g", &tree.Node{Mode: tree.TypeFile}); !errors.Is(err, tree.ErrSealed) {
		t.Errorf("FS did not seal the tree: %v", err)
	}
	bad := tree.New()
	if err := bad.Root.Add("dev", &tree.Node{Mode: tree.TypeChar}); err != nil {
		t.Fatal(err)
	}
	if _, err := bad.FS(); err == nil || !strings.Contains(err.Error(), "without a number") {
		t.Errorf("a tree that cannot be sealed: %v", err)
	}
}
