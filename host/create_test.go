package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"imagetools/internal/nobody"
	"imagetools/tree"
)

// dataset is a sealed tree with one file, in a directory that may not be written to.
func dataset(t *testing.T, content tree.Content, size int64) *tree.Tree {
	t.Helper()
	tr, dir := tree.New(), tree.NewDir(0o555)
	f := &tree.Node{Mode: tree.TypeFile | 0o4755, UID: 5, GID: 6, Size: size, Content: content}
	for _, err := range []error{tr.Root.Add("root", dir), dir.Add("file", f), tr.Seal()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return tr
}

func text(t *testing.T, s string) *tree.Tree { return dataset(t, tree.Bytes(s), int64(len(s))) }

// names are all files in a store, sorted, with the contents of regular ones but METALOGs.
func names(t *testing.T, dir string) []string {
	t.Helper()
	list := []string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err == nil && !strings.HasSuffix(rel, ".mtree") {
			var content []byte
			content, err = os.ReadFile(path)
			rel += "=" + string(content)
		}
		list = append(list, rel)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(list)
	return list
}

func check(t *testing.T, dir string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(append([]string{}, want...), names(t, dir)); diff != "" {
		t.Errorf("store (-want +got):\n%s", diff)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			t.Errorf("%s is left", e.Name())
		}
	}
}

var opts = CreateOptions{Now: time.Unix(1e9, 0)}

func TestCreate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "zones")
	nobody.Become(t, filepath.Dir(filepath.Dir(dir)))
	store := Store{Dir: dir}
	made, err := store.Create(t.Context(), "zones/seed-1", text(t, "one"), opts)
	if err != nil {
		t.Fatal(err)
	}
	if made.Name != "zones/seed-1" || made.Path != filepath.Join(dir, "seed-1") || made.Metalog != made.Path+".mtree" || made.Replaced || made.Report.Owners != 1 {
		t.Errorf("made %+v", made)
	}
	check(t, dir, "seed-1.mtree", "seed-1/root/file=one")
	found, err := store.lookup("seed-1")
	if err != nil || !strings.HasSuffix(found.Metalog, "seed-1.mtree") {
		t.Errorf("it is found as %+v, %v", found, err)
	}
	log, err := os.ReadFile(made.Metalog)
	if err != nil || !strings.Contains(string(log), "./root/file type=file uid=5 gid=6 mode=4755 size=3") {
		t.Errorf("METALOG %s, %v", log, err)
	}

	if err := store.Check(t.Context(), "seed-1", false); !errors.Is(err, ErrExists) {
		t.Errorf("Check = %v", err)
	}
	if _, err := store.Create(t.Context(), "seed-1", text(t, "two"), opts); !errors.Is(err, ErrExists) {
		t.Errorf("a second one = %v", err)
	}
	check(t, dir, "seed-1.mtree", "seed-1/root/file=one")
	replace := opts
	replace.Replace = true
	made, err = store.Create(t.Context(), "seed-1", text(t, "two"), replace)
	if err != nil || !made.Replaced {
		t.Fatalf("replaced = %+v, %v", made, err)
	}
	check(t, dir, "seed-1.mtree", "seed-1/root/file=two")
	if made, err = store.Create(t.Context(), "seed-2", text(t, "three"), replace); err != nil || made.Replaced {
		t.Errorf("nothing to replace: %+v, %v", made, err)
	}
	check(t, dir, "seed-1.mtree", "seed-1/root/file=two", "seed-2.mtree", "seed-2/root/file=three")
}

// A folder without METALOG, as people make it by hand, is replaced whole, and so is a METALOG
// without folder.
func TestReplaceHalf(t *testing.T) {
	for _, half := range []string{"seed/root/file", "seed.mtree"} {
		dir := t.TempDir()
		if err := errors.Join(os.MkdirAll(filepath.Join(dir, filepath.Dir(half)), 0o777), os.WriteFile(filepath.Join(dir, half), []byte("old"), 0o666)); err != nil {
			t.Fatal(err)
		}
		store := Store{Dir: dir}
		if _, err := store.Create(t.Context(), "seed", text(t, "new"), opts); !errors.Is(err, ErrExists) {
			t.Errorf("over %s: %v", half, err)
		}
		if made, err := store.Create(t.Context(), "seed", text(t, "new"), CreateOptions{Replace: true}); err != nil || made.Replaced != (half != "seed.mtree") {
			t.Errorf("over %s: %+v, %v", half, made, err)
		}
		check(t, dir, "seed.mtree", "seed/root/file=new")
	}
}

// What is no folder is in the way.
func TestInTheWay(t *testing.T) {
	store := Store{Dir: t.TempDir()}
	if err := os.WriteFile(filepath.Join(store.Dir, "file"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := store.Check(t.Context(), "file", true); err == nil || !strings.Contains(err.Error(), "is no folder") {
		t.Errorf("a file in the way: %v", err)
	}
	if err := (Store{Dir: filepath.Join(store.Dir, "file")}).Check(t.Context(), "x", false); err == nil || !strings.Contains(err.Error(), "is no folder") {
		t.Errorf("a store that is a file: %v", err)
	}
}

// broken is a content that ends a run: it fails, or has something happen.
type broken struct{ open func() error }

func (b broken) Open() (tree.File, error) { return nil, b.open() }

func TestCreateFails(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "zones")
	store := Store{Dir: dir}
	failing := dataset(t, broken{func() error { return errors.New("lost") }}, 1)
	if _, err := store.Create(t.Context(), "seed", failing, opts); err == nil || !strings.Contains(err.Error(), "lost") {
		t.Errorf("error %v", err)
	}
	check(t, top) // nor is the store there
	if _, err := os.Lstat(dir); err == nil {
		t.Error("the store is left")
	}
	if _, err := store.Create(t.Context(), "seed", text(t, "old"), opts); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	interrupted := dataset(t, broken{func() error { cancel(); return ctx.Err() }}, 1)
	for _, tr := range []*tree.Tree{failing, interrupted} {
		if _, err := store.Create(ctx, "seed", tr, CreateOptions{Replace: true}); err == nil {
			t.Error("no error")
		}
		check(t, dir, "seed.mtree", "seed/root/file=old")
	}
	// somebody else makes one of the name meanwhile
	late := dataset(t, late{func() { os.WriteFile(filepath.Join(dir, "other.mtree"), []byte("x"), 0o666) }}, 1)
	if _, err := store.Create(t.Context(), "other", late, opts); !errors.Is(err, ErrExists) {
		t.Errorf("error %v", err)
	}
	check(t, dir, "other.mtree", "seed.mtree", "seed/root/file=old")
}

// late has something happen while it is read.
type late struct{ happen func() }

func (l late) Open() (tree.File, error) {
	l.happen()
	return tree.Bytes("x").Open()
}

// What a killed run left of any dataset is removed by the next one, and what had been moved aside
// is put back, also by one that fails or finds the name taken. What is not of this program stays.
func TestKilled(t *testing.T) {
	failing := dataset(t, broken{func() error { return errors.New("lost") }}, 1)
	temp := func(kind string) string { return ".imagetools-ABCDEFGHIJKLMNOPQRSTUVWXYZ" + kind }
	for name, test := range map[string]struct {
		left    map[string]string // files, with their contents
		linked  bool              // the METALOG has its name, too
		replace bool
		want    []string
		note    string
	}{
		"in the middle": {
			left: map[string]string{temp("-seed") + "/root/file": "new", temp("-seed.mtree"): "new"}, note: "removed",
		},
		"METALOG named": {
			left: map[string]string{temp("-seed") + "/root/file": "new", temp("-seed.mtree"): "new"}, linked: true, note: "removed",
		},
		"older one aside": {
			left: map[string]string{temp("-seed") + "/root/file": "new", temp("-seed.mtree"): "new", temp("+seed") + "/root/file": "old", "seed.mtree": "old"},
			want: []string{"seed.mtree", "seed/root/file=old"}, note: "put back", replace: true,
		},
		"older METALOG aside": {
			left: map[string]string{temp("-seed") + "/root/file": "new", temp("+seed.mtree"): "old", temp("+seed") + "/root/file": "old", "seed.mtree": "new"},
			want: []string{"seed.mtree", "seed/root/file=old"}, note: "put back", replace: true,
		},
		"done": {
			left: map[string]string{"seed/root/file": "new", temp("+seed.mtree"): "old", temp("+seed") + "/root/file": "old", "seed.mtree": "new"},
			want: []string{"seed.mtree", "seed/root/file=new"}, note: "removed", replace: true,
		},
		"of others": {
			left: map[string]string{".imagetools-x/file": "x", ".seed": "x"},
			want: []string{".imagetools-x/file=x", ".seed=x"},
		},
	} {
		dir := t.TempDir()
		for path, content := range test.left {
			path = filepath.Join(dir, path)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o444)); err != nil {
				t.Fatal(err)
			}
		}
		if test.linked {
			if err := os.Link(filepath.Join(dir, temp("-seed.mtree")), filepath.Join(dir, "seed.mtree")); err != nil {
				t.Fatal(err)
			}
		}
		var notes []string
		store := Store{Dir: dir}
		if err := store.Check(t.Context(), "seed", test.replace); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		_, err := store.Create(t.Context(), "seed", failing, CreateOptions{Replace: test.replace, Note: func(text string) { notes = append(notes, text) }})
		if err == nil || !strings.Contains(err.Error(), "lost") {
			t.Errorf("%s: error %v", name, err)
		}
		if said := strings.Join(notes, "\n"); !strings.Contains(said, test.note) || test.note == "" && said != "" {
			t.Errorf("%s: it says %q", name, said)
		}
		if diff := cmp.Diff(append([]string{}, test.want...), names(t, dir)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if log, err := os.ReadFile(filepath.Join(dir, "seed.mtree")); err == nil && !strings.HasSuffix(test.want[1], string(log)) {
			t.Errorf("%s: METALOG of %q", name, log)
		}
	}
}

// Of runs for the same dataset that begin at once, one is first: the dataset is its own, whole,
// and the others fail.
func TestTwoRuns(t *testing.T) {
	const runs = 4
	for round := range 10 {
		dir := filepath.Join(t.TempDir(), "zones")
		var group sync.WaitGroup
		errs := make([]error, runs)
		for i := range runs {
			tr := text(t, fmt.Sprint(i))
			group.Go(func() { _, errs[i] = Store{Dir: dir}.Create(t.Context(), "seed", tr, opts) })
		}
		group.Wait()
		won := slices.Index(errs, nil)
		for i, err := range errs {
			if i != won && !errors.Is(err, ErrExists) {
				t.Errorf("round %d: run %d: %v", round, i, err)
			}
		}
		check(t, dir, "seed.mtree", fmt.Sprintf("seed/root/file=%d", won))
	}
}
