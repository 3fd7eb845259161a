package conformance

import (
	"testing"

	"imagetools/rootfs"
	"imagetools/rootfs/prepare"
	"imagetools/tree"
	"imagetools/tree/fromtar"
)

// A root that a distribution made is prepared to a copy in which nothing is found any more.
func TestPrepareDebian(t *testing.T) {
	t.Parallel()
	src, err := fromtar.Open(t.Context(), debianRoot(t), fromtar.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	target := prepare.Target{Root: rootfs.NewTree(src.Tree, tree.Time{Sec: 1_700_000_000})}
	plan, err := prepare.Find(t.Context(), target, prepare.Options{})
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, c := range plan.Changes {
		t.Logf("%s %s: %s", c.Action, c.Path, c.What)
		found[c.Path] = true
	}
	if plan.OS != prepare.Linux || !found["/etc/hostname"] || !found["/etc/shadow-"] {
		t.Errorf("%s: found %v, want the name of the host and a copy of shadow among it", plan.OS, found)
	}
	if err := plan.Apply(t.Context(), func(prepare.Change) {}); err != nil {
		t.Fatal(err)
	}
	plan, err = prepare.Find(t.Context(), target, prepare.Options{})
	if err != nil || len(plan.Changes) > 0 {
		t.Errorf("found again: %v, %v", plan.Changes, err)
	}
}
