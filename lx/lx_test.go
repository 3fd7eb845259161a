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

	"imagetools/lx"
	"imagetools/rootfs"
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

func options(t *testing.T, root *rootfs.FS) lx.Options {
	t.Helper()
	d, err := lx.Detect(root)
	check(t, err)
	return lx.Options{Distribution: d, Name: "test", Version: "1.0", Description: "What\nit is", Homepage: "https://example.org/"}
}

// run does all steps, and returns what they say.
func run(t *testing.T, root *rootfs.FS, opts lx.Options) (said string, err error) {
	t.Helper()
	var b strings.Builder
	err = lx.Run(t.Context(), root, opts, func(r lx.Report) {
		fmt.Fprintf(&b, "%s\n", r.Step.Name)
		for _, c := range r.Changes {
			fmt.Fprintf(&b, "\t%s\n", c)
		}
		for _, n := range r.Notes {
			fmt.Fprintf(&b, "note: %s\n", n)
		}
	})
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
				opts := options(t, root)
				d := opts.Distribution
				said, err := run(t, root, opts)
				check(t, err)
				listing, after := rootfstest.Snapshot(t, root)
				about := fmt.Sprintf("%s %q: profile %s, kernel %s, platform %s\n", d.ID, d.Name, d.Profile, d.KernelVersion(), d.MinPlatform())
				rootfstest.Golden(t, "testdata/"+name+".golden", rootfstest.Changed(about+said, listing, before, after))
				compareReport(t, said, first, listing)

				again, err := run(t, root, opts)
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

// Each step alone, twice, on every root: the second time nothing is left to do, and what it
// does not need does not have to be there.
func TestStepsAlone(t *testing.T) {
	fixtures, err := filepath.Glob("testdata/*.txtar")
	check(t, err)
	for _, path := range fixtures {
		name := strings.TrimSuffix(filepath.Base(path), ".txtar")
		for _, s := range lx.Steps() {
			root := rootfstest.NewTree(t)
			fixture(t, root, name)
			opts := options(t, root)
			if _, err := s.Run(t.Context(), root, opts); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			once, _ := rootfstest.Snapshot(t, root)
			r, err := s.Run(t.Context(), root, opts)
			twice, _ := rootfstest.Snapshot(t, root)
			if err != nil || len(r.Changes) > 0 || once != twice {
				t.Errorf("%s: step %s again: %v, %v", name, s.Name, r.Changes, err)
			}
		}
	}
}

func TestSkip(t *testing.T) {
	root := rootfstest.NewTree(t)
	fixture(t, root, "debian-unmerged")
	opts := options(t, root)
	for _, s := range lx.Steps() {
		if s.Name != "apt" {
			opts.Skip = append(opts.Skip, s.Name)
		}
	}
	said, err := run(t, root, opts)
	check(t, err)
	if said != "apt\n\t/etc/apt/preferences.d: created\n\t/etc/apt/preferences.d/makedev: written\n\t/etc/cron.weekly/fstrim: removed\n" {
		t.Errorf("apt alone says\n%s", said)
	}
	opts.Distribution.Profile = lx.None
	if said, err := run(t, root, opts); said != "" || err != nil {
		t.Errorf("profile none says %q, %v", said, err)
	}
	opts.Skip = []string{"apt", "nosuch", "x"}
	if _, err := run(t, root, opts); err == nil || !strings.HasPrefix(err.Error(), `there is no step "nosuch", "x"; the steps are native, linker, `) {
		t.Errorf("unknown steps: %v", err)
	}
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	root := rootfstest.NewTree(t)
	fixture(t, root, "debian-unmerged")
	err := lx.Run(ctx, root, options(t, root), func(r lx.Report) {
		if r.Step.Name == "linker" {
			cancel()
		} else if r.Step.Name != "native" {
			t.Errorf("step %s after the end", r.Step.Name)
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
}
