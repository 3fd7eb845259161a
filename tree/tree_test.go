package tree_test

import (
	"errors"
	"strings"
	"testing"

	"imagetools/tree"
)

func file(n *tree.Node) *tree.Node {
	n.Mode |= tree.TypeFile
	return n
}

func TestAdd(t *testing.T) {
	dir := tree.NewDir(0o755)
	f := file(&tree.Node{})
	if err := dir.Add("a", f); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]error{
		"a": tree.ErrExists, "": tree.ErrBadName, ".": tree.ErrBadName, "..": tree.ErrBadName,
		"x/y": tree.ErrBadName, "x\x00": tree.ErrBadName, strings.Repeat("n", 256): tree.ErrBadName,
		strings.Repeat("n", 255): nil, "b": nil,
	} {
		if err := dir.Add(name, f); !errors.Is(err, want) {
			t.Errorf("Add(%q) = %v, want %v", name, err, want)
		}
	}
	if err := f.Add("x", file(&tree.Node{})); !errors.Is(err, tree.ErrNotDir) {
		t.Errorf("Add to a file = %v", err)
	}
	sub := tree.NewDir(0)
	if err := dir.Add("sub", sub); err != nil {
		t.Fatal(err)
	}
	if err := dir.Add("sub2", sub); err == nil {
		t.Error("a directory got a second name")
	}
}

// Directories of any size give the same names, in order, with their links counted.
func TestSeal(t *testing.T) {
	for _, n := range []int{0, 1, 15, 16, 17, 1000} {
		tr := tree.New()
		hard := file(&tree.Node{})
		for i := n; i > 0; i-- {
			name := strings.Repeat("x", i%200) + string(rune('a'+i%26)) + strings.Repeat("y", i/200)
			if err := tr.Root.Add(name, hard); err != nil {
				t.Fatal(err)
			}
			if tr.Lookup(name) != hard {
				t.Fatalf("%d names: %q is not found", n, name)
			}
		}
		if err := tr.Root.Add("dir", tree.NewDir(0o700)); err != nil {
			t.Fatal(err)
		}
		if err := tr.Seal(); err != nil {
			t.Fatal(err)
		}
		if tr.Root.Links != 3 || hard.Links != uint32(n) {
			t.Errorf("%d names: links %d and %d", n, tr.Root.Links, hard.Links)
		}
		last, count := "", 0
		for path := range tr.All() {
			if path == "." {
				continue
			}
			if path <= last {
				t.Errorf("%d names: %q after %q", n, path, last)
			}
			last = path
			count++
			if tr.Lookup(path) == nil {
				t.Errorf("%d names: %q is not found", n, path)
			}
		}
		if count != n+1 {
			t.Errorf("%d names: %d walked", n, count)
		}
	}
}

func TestSealFaults(t *testing.T) {
	for name, n := range map[string]*tree.Node{
		"owner":      file(&tree.Node{UID: 1 << 31}),
		"group":      file(&tree.Node{GID: 1 << 31}),
		"time":       file(&tree.Node{ModTime: tree.Time{Nsec: 1_000_000_000}}),
		"size":       file(&tree.Node{Size: -1}),
		"no content": file(&tree.Node{Size: 1}),
		"mode":       file(&tree.Node{Mode: 1 << 20}),
		"type":       {Mode: 0o170000},
		"fifo size":  {Mode: tree.TypeFIFO, Size: 1},
		"no target":  {Mode: tree.TypeSymlink},
		"target":     {Mode: tree.TypeSymlink, Target: strings.Repeat("x", 4096)},
		"NUL target": {Mode: tree.TypeSymlink, Target: "a\x00b"},
		"no device":  {Mode: tree.TypeChar},
		"xattr name": file(&tree.Node{Attrs: &tree.Attrs{Xattrs: []tree.Xattr{{Name: ""}}}}),
		"xattr size": file(&tree.Node{Attrs: &tree.Attrs{Xattrs: []tree.Xattr{{Name: "user.x", Value: make([]byte, 1<<16+1)}}}}),
		"twice":      file(&tree.Node{Attrs: &tree.Attrs{Xattrs: []tree.Xattr{{Name: "user.x"}, {Name: "user.x"}}}}),
		"ACL":        file(&tree.Node{Attrs: &tree.Attrs{ACL: make([]tree.ACE, 1025)}}),
	} {
		tr := tree.New()
		if err := tr.Root.Add("f", n); err != nil {
			t.Fatal(err)
		}
		if err := tr.Seal(); err == nil || !strings.Contains(err.Error(), `"f"`) {
			t.Errorf("%s: Seal() = %v, want an error that names it", name, err)
		}
	}
}

// All faults are told, but not thousands of them.
func TestSealManyFaults(t *testing.T) {
	tr := tree.New()
	for i := range 100 {
		if err := tr.Root.Add(strings.Repeat("n", i+1), file(&tree.Node{Size: -1})); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(tr.Seal().Error(), "\n") + 1; n != 20 {
		t.Errorf("%d faults are told, want 20", n)
	}
}
