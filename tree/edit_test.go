package tree_test

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"testing"

	"imagetools/tree"
)

// Names come and go in directories of any size, before sealing and after unsealing.
func TestRemoveAndReplace(t *testing.T) {
	for _, size := range []int{1, 2, 15, 16, 17, 40} {
		for _, sealed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d names sealed=%v", size, sealed), func(t *testing.T) {
				tr := tree.New()
				for i := range size {
					if err := tr.Root.Add(fmt.Sprintf("n%02d", size-i), file(&tree.Node{})); err != nil {
						t.Fatal(err)
					}
				}
				if sealed {
					if err := tr.Seal(); err != nil {
						t.Fatal(err)
					}
					tr.Unseal()
				}
				first, other := fmt.Sprintf("n%02d", 1), file(&tree.Node{UID: 7})
				if err := tr.Root.Replace(first, other); err != nil || tr.Lookup(first) != other {
					t.Fatalf("Replace(%q) = %v, and Lookup finds another node", first, err)
				}
				var want []string
				for i := 1; i <= size; i++ {
					name := fmt.Sprintf("n%02d", i)
					if i%3 == 0 {
						want = append(want, name)
						continue
					}
					if err := tr.Root.Remove(name); err != nil {
						t.Fatal(err)
					}
					if err := tr.Root.Remove(name); !errors.Is(err, fs.ErrNotExist) {
						t.Fatalf("second Remove(%q) = %v", name, err)
					}
				}
				want = append(want, "new")
				if err := tr.Root.Add("new", file(&tree.Node{})); err != nil {
					t.Fatal(err)
				}
				for _, name := range want {
					if tr.Lookup(name) == nil {
						t.Errorf("%q is not found", name)
					}
				}
				if err := tr.Seal(); err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, e := range tr.Root.Entries() {
					got = append(got, e.Name)
				}
				slices.Sort(want)
				if !slices.Equal(got, want) || tr.Len() != len(want)+1 {
					t.Errorf("left are %q (%d nodes), want %q", got, tr.Len(), want)
				}
			})
		}
	}
}

// A directory that lost its name can get another; a node with further names keeps them, and
// their number is counted anew.
func TestRemoveKeepsOtherNames(t *testing.T) {
	tr := tree.New()
	dir, hard := tree.NewDir(0o755), file(&tree.Node{})
	for name, n := range map[string]*tree.Node{"dir": dir, "a": hard, "b": hard, "c": hard} {
		if err := tr.Root.Add(name, n); err != nil {
			t.Fatal(err)
		}
	}
	if err := tr.Seal(); err != nil {
		t.Fatal(err)
	}
	tr.Unseal()
	for _, err := range []error{
		tr.Root.Remove("dir"), tr.Root.Add("moved", dir), tr.Root.Replace("a", file(&tree.Node{})), tr.Seal(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if hard.Links != 2 || tr.Lookup("moved") != dir || tr.Lookup("dir") != nil {
		t.Errorf("links %d, want 2; moved %p, want %p", hard.Links, tr.Lookup("moved"), dir)
	}
	if err := tr.Root.Replace("b", dir); err == nil {
		t.Error("a directory got a second name")
	}
}
