package seedtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"imagetools/seed"
	"imagetools/test/oracle"
	"imagetools/tree"
	"imagetools/tree/compare"
	"imagetools/tree/fromdir"
	"imagetools/tree/source"
)

// onPurpose are the differences between a seed of the classic tool and ours, by path: what is
// other, and why.
var onPurpose = map[string]struct{ fields, reason string }{
	"etc/profile":                {"content", "quotes, so that no answer of uname is no syntax error"},
	"etc/shadow":                 {"size content", "root's password, which is public, is locked"},
	"etc/rc2.d/S99final":         {"size content", "ours is written anew"},
	"var/zoneinit/zoneinit.json": {"size content", "ours is written anew"},
	"etc/rc0.d/K50pppd":          {"mode links", "a hard link stays one; rsync -a makes a file of it, which manifest.gen does not list"},
	"etc/rc1.d/K50pppd":          {"mode links", "likewise"},
}

// TestOriginal compares with what the real rsync, ed and sort make of the miniature build: paths,
// types, modes, links, contents, and the times of all that is taken from the build as it is.
func TestOriginal(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"rsync", "ed", "sort"} {
		if _, err := exec.LookPath(program); err != nil {
			oracle.Unavailable(t, err)
		}
	}
	dir := t.TempDir()
	build, repository, theirs := filepath.Join(dir, "build"), filepath.Join(dir, "repository.db"), filepath.Join(dir, "theirs")
	Build(t, build)
	Repository(t, repository)
	if out, err := exec.Command(Original(t), build, repository, theirs).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want, _, err := fromdir.Read(t.Context(), theirs, fromdir.Options{Owners: source.OwnersDisk, NoXattrs: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := want.Seal(); err != nil {
		t.Fatal(err)
	}
	got, made := buildSeed(t, build, repository)
	seen := make(map[string]bool)
	for c, err := range compare.Diff(t.Context(), want, got, compare.Options{IgnoreOwners: true}) {
		if err != nil {
			t.Fatal(err)
		}
		fields := fieldsOf(c, got.Lookup(c.Path), made)
		if c.Kind == compare.Changed && fields == "" {
			continue
		}
		if d, ok := onPurpose[c.Path]; !ok || d.fields != fields {
			t.Errorf("differs, and not on purpose: %v", c)
		}
		seen[c.Path] = true
	}
	for path, d := range onPurpose {
		if !seen[path] {
			t.Errorf("%s is no different any more (%s)", path, d.reason)
		}
	}
}

// buildSeed returns the root file system of a seed, and the time of what was made or changed.
func buildSeed(t *testing.T, build, repository string) (*tree.Tree, tree.Time) {
	t.Helper()
	places, err := seed.Locate(build, seed.LocateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	db, err := os.ReadFile(repository)
	if err != nil {
		t.Fatal(err)
	}
	s, err := seed.Build(t.Context(), seed.Options{Places: *places, Repository: db})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range s.Warnings {
		t.Errorf("warning: %v", w)
	}
	return below(t, s.Tree, "root"), s.Time
}

// below is what a tree has below a path. The tree must not be used afterwards.
func below(t *testing.T, of *tree.Tree, path string) *tree.Tree {
	t.Helper()
	part := &tree.Tree{Root: of.Lookup(path)}
	if err := part.Seal(); err != nil {
		t.Fatal(err)
	}
	return part
}

// fieldsOf are the names of the fields that differ. The time of what we changed is ours to
// choose.
func fieldsOf(c compare.Change, n *tree.Node, made tree.Time) string {
	var names []string
	for _, f := range c.Fields {
		if f.Name == "mtime" && n.ModTime == made {
			continue
		}
		names = append(names, f.Name)
	}
	if c.Kind != compare.Changed {
		names = append(names, fmt.Sprint(c.Kind))
	}
	return strings.Join(names, " ")
}
