package check

import (
	"fmt"
	"testing"

	"imagetools/tree"
)

// counting counts what a check asks for.
type counting struct {
	FS
	lookups, names int
}

func (c *counting) Lookup(path string) (Node, error) {
	c.lookups++
	return c.FS.Lookup(path)
}

func (c *counting) ReadDir(path string) ([]Entry, error) {
	list, err := c.FS.ReadDir(path)
	c.names += len(list)
	return list, err
}

// TestCostOfPlace has n files and n directories where the root file system is not: each name is
// met once, and none is looked up by its path, which costs as much as its directory is long.
func TestCostOfPlace(t *testing.T) {
	cost := func(n int) *counting {
		tr := tree.New()
		many := tree.NewDir(0o755)
		for i := range n {
			if err := many.Add(fmt.Sprintf("f%d", i), &tree.Node{Mode: tree.TypeFile | 0o644}); err != nil {
				t.Fatal(err)
			}
			if err := many.Add(fmt.Sprintf("d%d", i), tree.NewDir(0o755)); err != nil {
				t.Fatal(err)
			}
		}
		if err := tr.Root.Add("many", many); err != nil {
			t.Fatal(err)
		}
		if err := tr.Seal(); err != nil {
			t.Fatal(err)
		}
		c := &counting{FS: Tree(tr)}
		if found := Zone(c, Options{}); len(found) != 1 || !found[0].Fatal {
			t.Fatalf("%d names: %v", n, found)
		}
		return c
	}
	one, two := cost(200), cost(400)
	if one.lookups != two.lookups || two.names > 2*one.names {
		t.Errorf("200 names: %d lookups, %d names; 400: %d, %d", one.lookups, one.names, two.lookups, two.names)
	}
}
