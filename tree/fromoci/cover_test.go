package fromoci

import (
	"strings"
	"testing"

	"imagetools/internal/budget"
	"imagetools/tree"
)

func TestCover(t *testing.T) {
	dir := func(path string) *change { return &change{path: path, node: tree.NewDir(0o755)} }
	file := func(path string) *change { return &change{path: path, node: &tree.Node{Mode: tree.TypeFile}} }
	all := []string{"a", "a/b", "a/b/c", "a/bc", "b"}
	for _, test := range []struct {
		name   string
		add    []*change
		hidden string
	}{
		{"nothing", nil, ""},
		{"without meaning", []*change{{}}, ""},
		{"file", []*change{file("a/b")}, "a/b a/b/c"},
		{"directory", []*change{dir("a/b")}, "a/b"},
		{"link", []*change{{path: "b", kind: addLink}}, "b"},
		{"whiteout", []*change{{path: "a", kind: takeAway}}, "a a/b a/b/c a/bc"},
		{"opaque", []*change{{path: "a/b", kind: takeBelow}}, "a/b/c"},
		{"opaque root", []*change{{path: ".", kind: takeBelow}}, "a a/b a/b/c a/bc b"},
		{"root", []*change{dir(".")}, ""},
		{"directory and opaque", []*change{dir("a"), {path: "a", kind: takeBelow}}, "a a/b a/b/c a/bc"},
		{"beside", []*change{{path: "a", kind: besideTree}}, ""},
	} {
		c := cover{meter: meter{budget: budget.New(budget.Limits{})}}
		for _, ch := range test.add {
			c.add(ch)
		}
		var hidden []string
		for _, path := range all {
			if c.hides(path) {
				hidden = append(hidden, path)
			}
		}
		if got := strings.Join(hidden, " "); got != test.hidden {
			t.Errorf("%s: %q are hidden, want %q", test.name, got, test.hidden)
		}
	}
}

// TestCoverLongPath would take minutes if all beginnings of a path were looked up by themselves.
func TestCoverLongPath(t *testing.T) {
	long := strings.Repeat("a/", 1<<19) + "a"
	c := cover{meter: meter{budget: budget.New(budget.Limits{})}}
	c.add(&change{path: long, kind: takeAway})
	for range 5 {
		if c.hides(long[2:]) || !c.hides(long+"/b") || !c.hides(long) {
			t.Fatal("wrong")
		}
	}
}
