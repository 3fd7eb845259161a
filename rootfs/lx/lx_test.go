package lx_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"imagetools/rootfs"
	"imagetools/rootfs/edit"
	"imagetools/rootfs/lx"
	"imagetools/rootfs/rootfstest"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// fixture fills a root with one of testdata.
func fixture(t *testing.T, root *rootfs.FS, name string) {
	t.Helper()
	a, err := txtar.ParseFile("testdata/" + name + ".txtar")
	check(t, err)
	rootfstest.Fill(t, root, a.Files)
}

var image = edit.Image{Name: "test", Version: "1.0", Description: "What\nit is", Homepage: "https://example.org/"}

// run runs a step, and returns what it reports: parts with their changes, then notes.
func run(t *testing.T, root *rootfs.FS, step *lx.Step) (said string, err error) {
	t.Helper()
	var b strings.Builder
	var changes []edit.Change
	report, err := edit.Run(t.Context(), &edit.Root{FS: root, Image: image}, edit.Watch{
		Change: func(c edit.Change) { changes = append(changes, c) },
		Done: func(d edit.Done) {
			if len(changes) != d.Changes {
				t.Errorf("%s: %d changes, %d logged", d, d.Changes, len(changes))
			}
			if d.Step == "" { // no part applies
				return
			}
			fmt.Fprintf(&b, "%s\n", d.Step)
			for _, c := range changes {
				fmt.Fprintf(&b, "\t%s: %s\n", c.Path, c.Text)
			}
			changes = nil
		},
	}, step)
	for _, n := range report.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	return b.String(), err
}

// The golden file of each root holds what is told, and each file that was not in it or is
// another now. A tree and a disk become the same, twice is the same as once, and what is told
// names all that is another.
func TestGolden(t *testing.T) {
	fixtures, err := filepath.Glob("testdata/*.txtar")
	check(t, err)
	for _, path := range fixtures {
		name := strings.TrimSuffix(filepath.Base(path), ".txtar")
		for kind, newRoot := range rootfstest.Kinds {
			t.Run(name+"/"+kind, func(t *testing.T) {
				root := newRoot(t)
				fixture(t, root, name)
				first, before := rootfstest.Snapshot(t, root)
				step := &lx.Step{}
				said, err := run(t, root, step)
				check(t, err)
				d := step.Found
				listing, after := rootfstest.Snapshot(t, root)
				about := fmt.Sprintf("%s %q: profile %s, kernel %s, platform %s\n", d.ID, d.Name, d.Profile, d.KernelVersion(), d.MinPlatform())
				rootfstest.Golden(t, "testdata/"+name+".golden", rootfstest.Changed(about+said, listing, before, after))
				compareReport(t, said, first, listing)

				again, err := run(t, root, step)
				check(t, err)
				if strings.Contains(again, "\t") {
					t.Errorf("the second run changes:\n%s", again)
				}
				if l, _ := rootfstest.Snapshot(t, root); l != listing {
					t.Errorf("after the second run:\n%s\nwant\n%s", l, listing)
				}
			})
		}
	}
}

// compareReport compares the paths that a report has with those whose lines differ in two
// listings.
func compareReport(t *testing.T, said, before, after string) {
	t.Helper()
	told := map[string]bool{}
	for line := range strings.Lines(said) {
		if change, ok := strings.CutPrefix(line, "\t"); ok {
			path, _, _ := strings.Cut(change, ": ")
			told[path] = true
		}
	}
	a, b := strings.Split(before, "\n"), strings.Split(after, "\n")
	for _, line := range append(a, b...) {
		if slices.Contains(a, line) != slices.Contains(b, line) {
			path := strings.Fields(line)[3]
			within := func(p string) bool { return path == p || strings.HasPrefix(path, p+"/") }
			ok := false
			for p := range told {
				ok = ok || within(p)
			}
			if !ok {
				t.Errorf("%s is another, and nothing tells: %s", path, line)
			}
		}
	}
}

// alone is a step that runs one part.
func alone(name string) *lx.Step {
	step := &lx.Step{}
	for _, p := range lx.Parts() {
		if p.Name != name {
			step.Skip = append(step.Skip, p.Name)
		}
	}
	return step
}

// Each part alone, twice, on every root: the second time nothing is left to do, and what it
// does not need does not have to be there.
func TestPartsAlone(t *testing.T) {
	fixtures, err := filepath.Glob("testdata/*.txtar")
	check(t, err)
	for _, path := range fixtures {
		name := strings.TrimSuffix(filepath.Base(path), ".txtar")
		for _, p := range lx.Parts() {
			root := rootfstest.NewTree(t)
			fixture(t, root, name)
			if _, err := run(t, root, alone(p.Name)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			once, _ := rootfstest.Snapshot(t, root)
			again, err := run(t, root, alone(p.Name))
			twice, _ := rootfstest.Snapshot(t, root)
			if err != nil || strings.Contains(again, "\t") || once != twice {
				t.Errorf("%s: part %s again: %v, %v", name, p.Name, again, err)
			}
		}
	}
}

func TestSkip(t *testing.T) {
	root := rootfstest.NewTree(t)
	fixture(t, root, "debian-unmerged")
	step := alone("apt")
	said, err := run(t, root, step)
	check(t, err)
	if said != "apt\n\t/etc/apt/preferences.d: created\n\t/etc/apt/preferences.d/makedev: written\n\t/etc/cron.weekly/fstrim: removed\n" {
		t.Errorf("apt alone says\n%s", said)
	}
	step.Profile = lx.None
	if said, err := run(t, root, step); said != "" || err != nil {
		t.Errorf("profile none says %q, %v", said, err)
	}
	step.Skip = []string{"apt", "nosuch", "x"}
	if _, err := run(t, root, step); err == nil || !strings.HasPrefix(err.Error(), `lx: there is no step "nosuch", "x"; the steps are native, linker, `) {
		t.Errorf("unknown steps: %v", err)
	}
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	root := rootfstest.NewTree(t)
	fixture(t, root, "debian-unmerged")
	_, err := edit.Run(ctx, &edit.Root{FS: root}, edit.Watch{Done: func(d edit.Done) {
		if d.Step == "linker" {
			cancel()
		} else if d.Step != "native" {
			t.Errorf("part %s after the end", d.Step)
		}
	}}, &lx.Step{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
}
