package tree_test

import (
	"errors"
	"slices"
	"testing"

	"imagetools/tree"
)

// The shape of a tree is that which was sealed: changing it is an error until it is unsealed.
func TestSealedShape(t *testing.T) {
	t.Parallel()
	tr := tree.New()
	if err := tr.CheckSealed(); !errors.Is(err, tree.ErrNotSealed) {
		t.Errorf("a new tree: CheckSealed() = %v", err)
	}
	if n := tr.Nodes(); n != nil {
		t.Errorf("Nodes of a tree that is not sealed = %v", n)
	}
	sub := tree.NewDir(0o755)
	for _, add := range []error{tr.Root.Add("sub", sub), sub.Add("f", file(&tree.Node{})), tr.Seal(), tr.CheckSealed()} {
		if add != nil {
			t.Fatal(add)
		}
	}
	for _, dir := range []*tree.Node{tr.Root, sub} {
		for what, err := range map[string]error{
			"Add":     dir.Add("late", file(&tree.Node{})),
			"Remove":  dir.Remove(dir.Entries()[0].Name),
			"Replace": dir.Replace(dir.Entries()[0].Name, file(&tree.Node{})),
		} {
			if !errors.Is(err, tree.ErrSealed) {
				t.Errorf("%s in a sealed tree = %v", what, err)
			}
		}
	}
	tr.Unseal()
	if err := sub.Add("late", file(&tree.Node{})); err != nil {
		t.Error(err)
	}
	if tr.Len() != 0 || tr.CheckSealed() == nil {
		t.Error("an unsealed tree says that it is sealed")
	}
}

// Sealing again, and around another root, gives the same numbers and links as sealing once.
func TestSealAgain(t *testing.T) {
	t.Parallel()
	inner := tree.New()
	hard := file(&tree.Node{})
	for _, name := range []string{"c", "a", "b"} {
		if err := inner.Root.Add(name, hard); err != nil {
			t.Fatal(err)
		}
	}
	check := func(tr *tree.Tree, nodes int) {
		t.Helper()
		for range 2 {
			if err := tr.Seal(); err != nil {
				t.Fatal(err)
			}
			if all := tr.Nodes(); len(all) != nodes || tr.Len() != nodes || slices.Contains(all, nil) || all[nodes-1] != hard || hard.Links != 3 {
				t.Errorf("%d nodes, Len %d, links %d", len(all), tr.Len(), hard.Links)
			}
		}
	}
	check(inner, 2)
	outer, err := inner.Under("root")
	if err != nil {
		t.Fatal(err)
	}
	check(outer, 3)
	check(&tree.Tree{Root: outer.Lookup("root")}, 2)
}

// What no package function made is an error of Seal too, or sealed; nothing panics.
func TestSealOfAnything(t *testing.T) {
	t.Parallel()
	bare := &tree.Node{Mode: tree.TypeDir}
	for name, test := range map[string]struct {
		tree tree.Tree
		good bool
	}{
		"no root":              {tree.Tree{}, false},
		"a file as root":       {tree.Tree{Root: file(&tree.Node{})}, false},
		"a root made by hand":  {tree.Tree{Root: bare}, true},
		"a root without names": {*tree.New(), true},
	} {
		for range test.tree.All() {
		}
		test.tree.Unseal()
		if err := test.tree.Seal(); (err == nil) != test.good {
			t.Errorf("%s: Seal() = %v", name, err)
		}
		if got := len(test.tree.Nodes()); (got == 1) != test.good {
			t.Errorf("%s: %d nodes", name, got)
		}
		for range test.tree.All() {
		}
	}
	faulty := tree.New()
	if err := faulty.Root.Add("f", file(&tree.Node{Size: 1})); err != nil {
		t.Fatal(err)
	}
	if faulty.Seal() == nil || faulty.CheckSealed() == nil || faulty.Nodes() != nil {
		t.Error("a tree with a fault is sealed")
	}
	top, below := tree.NewDir(0), tree.NewDir(0)
	if err := top.Add("below", below); err != nil {
		t.Fatal(err)
	}
	for _, add := range []error{top.Add("self", top), below.Add("above", top)} {
		if add == nil {
			t.Error("a directory is below itself")
		}
	}
}
