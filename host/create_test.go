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
	"syscall"
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

// Runs that are killed leave their folder in one of these states, move by move. The next run
// puts things right before it does anything else.
func TestKilled(t *testing.T) {
	dead := taker{time.Unix(1e9, 0), 1<<31 - 1, ""}
	me, err := self(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	dead.host = me.host
	for _, older := range []bool{false, true} {
		for moves := 0; ; moves++ {
			dir := t.TempDir()
			work := filepath.Join(dir, ".seed."+dead.String())
			put := func(base, content string) {
				err := errors.Join(os.MkdirAll(filepath.Join(base, "root"), 0o777), os.WriteFile(filepath.Join(base, "root/file"), []byte(content), 0o444),
					os.WriteFile(base+".mtree", []byte(content), 0o666), os.Chmod(filepath.Join(base, "root"), 0o555))
				if err != nil {
					t.Fatal(err)
				}
			}
			if older {
				put(filepath.Join(dir, "seed"), "old")
			}
			put(filepath.Join(work, "new"), "new")
			list := []move{{"seed", work + "/old"}, {"seed.mtree", work + "/old.mtree"}, {work + "/new.mtree", "seed.mtree"}, {work + "/new", "seed"}}
			if !older {
				list = list[2:]
			}
			if moves > len(list) {
				break
			}
			for _, m := range list[:moves] {
				at := func(p string) string {
					if filepath.IsAbs(p) {
						return p
					}
					return filepath.Join(dir, p)
				}
				if err := os.Rename(at(m.from), at(m.to)); err != nil {
					t.Fatal(err)
				}
			}
			failing := dataset(t, broken{func() error { return errors.New("lost") }}, 1)
			var notes []string
			_, err := Store{Dir: dir}.Create(t.Context(), "seed", failing, CreateOptions{
				Replace: true, Now: time.Now(), Note: func(text string) { notes = append(notes, text) },
			})
			if back := older && 0 < moves && moves < len(list); len(notes) != 1 || strings.Contains(notes[0], "put back") != back {
				t.Errorf("it says %q", notes)
			}
			if err == nil || !strings.Contains(err.Error(), "lost") {
				t.Fatalf("error %v", err)
			}
			want := map[bool]string{true: "old", false: "new"}[moves < len(list)]
			name := fmt.Sprintf("older one %v, %d moves", older, moves)
			if !older && moves < len(list) {
				if got := names(t, dir); len(got) > 0 {
					t.Errorf("%s: left %v", name, got)
				}
				continue
			}
			check(t, dir, "seed.mtree", "seed/root/file="+want)
			if log, err := os.ReadFile(filepath.Join(dir, "seed.mtree")); err != nil || string(log) != want {
				t.Errorf("%s: METALOG of %q, %v", name, log, err)
			}
		}
	}
}

// The folder of a run that goes on is not touched, nor that of another host or another seed.
func TestOthersWork(t *testing.T) {
	dir := t.TempDir()
	me, err := self(time.Unix(1e9, 0))
	if err != nil {
		t.Fatal(err)
	}
	alive, far := me, me
	alive.pid, far.host = os.Getppid(), "00000000"
	work := []string{".seed." + alive.String(), ".seed." + far.String(), ".other." + me.String(), ".seed.x"}
	for _, w := range work {
		if err := os.MkdirAll(filepath.Join(dir, w, "old"), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	note := func(text string) { t.Errorf("it says %q", text) }
	if _, err := (Store{Dir: dir}).Create(t.Context(), "seed", text(t, "x"), CreateOptions{Now: time.Now(), Note: note}); err != nil {
		t.Error(err)
	}
	for _, w := range work {
		if _, err := os.Stat(filepath.Join(dir, w, "old")); err != nil {
			t.Error(err)
		}
	}
}

// A run that is killed between the two halves of a move leaves both names.
func TestKilledBetweenNames(t *testing.T) {
	dir := t.TempDir()
	me, err := self(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	me.pid = 1<<31 - 1
	work := filepath.Join(dir, ".seed."+me.String())
	err = errors.Join(os.MkdirAll(filepath.Join(work, "new/root"), 0o777), os.WriteFile(filepath.Join(work, "new.mtree"), nil, 0o666),
		os.Link(filepath.Join(work, "new.mtree"), filepath.Join(dir, "seed.mtree")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (Store{Dir: dir}).Create(t.Context(), "seed", text(t, "x"), opts); err != nil {
		t.Error(err)
	}
	check(t, dir, "seed.mtree", "seed/root/file=x")
}

// Of runs for the same dataset one is first, and the others leave its METALOG alone, whenever
// they come: the moves themselves tell.
func TestTwoRuns(t *testing.T) {
	dir := t.TempDir()
	store := Store{Dir: dir}
	if _, err := store.Create(t.Context(), "seed", text(t, "first"), opts); err != nil {
		t.Fatal(err)
	}
	log := func() string {
		content, err := os.ReadFile(filepath.Join(dir, "seed.mtree"))
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
	first, work := log(), filepath.Join(dir, "work")
	if err := errors.Join(os.MkdirAll(filepath.Join(work, "new"), 0o777), os.WriteFile(filepath.Join(work, "new.mtree"), []byte("second"), 0o666)); err != nil {
		t.Fatal(err)
	}
	moves := []move{{work + "/new.mtree", dir + "/seed.mtree"}, {work + "/new", dir + "/seed"}}
	if err := moveAll(moves, dir); !errors.Is(err, fs.ErrExist) || log() != first {
		t.Errorf("error %v, METALOG %q", err, log())
	}
	if err := errors.Join(os.Remove(dir+"/seed.mtree"), moveAll(moves, dir)); !errors.Is(err, fs.ErrExist) && !errors.Is(err, syscall.ENOTEMPTY) {
		t.Errorf("error %v", err)
	}
	check(t, dir, "seed/root/file=first", "work/new.mtree")
}

// What lies where an older dataset is moved is not thrown away after a failure: it may be one that
// could not be put back. The next run knows.
func TestOlderIsKept(t *testing.T) {
	dir := t.TempDir()
	store := Store{Dir: dir}
	if _, err := store.Create(t.Context(), "seed", text(t, "old"), opts); err != nil {
		t.Fatal(err)
	}
	me, err := self(opts.Now)
	if err != nil {
		t.Fatal(err)
	}
	work := ".seed." + me.String()
	moved := late{func() { os.MkdirAll(filepath.Join(dir, work, "old", "dir"), 0o777) }}
	replace := CreateOptions{Replace: true, Now: opts.Now}
	if _, err = store.Create(t.Context(), "seed", dataset(t, moved, 1), replace); err == nil {
		t.Error("no error")
	}
	if _, err := os.Stat(filepath.Join(dir, work, "old", "dir")); err != nil {
		t.Error(err)
	}
	if got := names(t, dir); !slices.Contains(got, "seed/root/file=old") || !slices.Contains(got, "seed.mtree") {
		t.Errorf("left are %q", got)
	}
	if _, err := store.Create(t.Context(), "seed", text(t, "new"), replace); err != nil {
		t.Error(err)
	}
	check(t, dir, "seed.mtree", "seed/root/file=new")
}

func TestMoveAll(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"a", "b"} {
		if err := os.WriteFile(at(name), []byte(name), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	moves := []move{{at("a"), at("x")}, {at("b"), at("a")}, {at("none"), at("b")}}
	if err := moveAll(moves, dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	check(t, dir, "a=a", "b=b")
	if err := moveAll(moves[:2], dir); err != nil {
		t.Error(err)
	}
	check(t, dir, "a=b", "x=a")
}
