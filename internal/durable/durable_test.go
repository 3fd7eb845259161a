package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"imagetools/internal/nobody"
)

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

// Of runs for one target that begin at the same time, one succeeds, and its outputs are whole.
func TestTwoRuns(t *testing.T) {
	for kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Chdir(t.TempDir())
			if err := errors.Join(os.Mkdir("else", 0o777), os.Mkdir("full", 0o777)); err != nil {
				t.Fatal(err)
			}
			const runs = 4
			errs := make([]error, runs)
			marks := []string{"0", "1", "2", "3"}
			var begun, group sync.WaitGroup
			begun.Add(runs)
			for i := range runs {
				group.Go(func() {
					s := New(Options{})
					errs[i] = kinds[kind](s, marks[i])
					begun.Done()
					begun.Wait()
					if errs[i] == nil {
						errs[i] = s.Commit(nil)
					}
					errs[i] = errors.Join(errs[i], s.Discard())
				})
			}
			group.Wait()
			won := slices.IndexFunc(errs, func(err error) bool { return err == nil })
			for i, err := range errs {
				if err == nil != (i == won) {
					t.Fatalf("run %d and %d succeed", won, i)
				}
				if err != nil && !errors.Is(err, ErrExists) && kind != "log and contents" {
					t.Errorf("run %d: %v", i, err)
				}
			}
			list, left := state(t)
			if won < 0 { // all found the contents of the others on their way
				if kind != "log and contents" || len(list) > 0 {
					t.Fatalf("nobody succeeds: %v", errs)
				}
			}
			for _, line := range list {
				if _, mark, ok := strings.Cut(line, "="); ok && mark != marks[won] {
					t.Errorf("%s is not of run %d", line, won)
				}
			}
			if len(left) > 0 {
				t.Errorf("left: %q", left)
			}
		})
	}
}

// What is in the way may be of a killed run: half of its outputs go, and what it had finished stays.
func TestCheckLeft(t *testing.T) {
	t.Chdir(t.TempDir())
	temp := func(base string) string { return tempName("ABCDEFGHIJKLMNOPQRSTUVWXYZ", making, base) }
	for _, name := range []string{"a", "b"} {
		write(t, temp(name), "left")
	}
	if err := os.Link(temp("a"), "a"); err != nil {
		t.Fatal(err)
	}
	if err := CheckFile("a", false, nil); !errors.Is(err, ErrExists) {
		t.Errorf("without note: %v", err)
	}
	var notes []string
	note := func(text string) { notes = append(notes, text) }
	if err := CheckFile("a", false, note); err != nil || len(notes) == 0 {
		t.Errorf("half of a pair: %v; it says %q", err, notes)
	}
	if list, left := state(t); len(list)+len(left) > 0 {
		t.Errorf("there is %q, %q", list, left)
	}
	write(t, temp("c"), "done")
	if err := os.Link(temp("c"), "c"); err != nil {
		t.Fatal(err)
	}
	if err := CheckFile("c", false, note); !errors.Is(err, ErrExists) {
		t.Errorf("finished: %v", err)
	}
	if list, left := state(t); !slices.Equal(list, []string{"c=done"}) || len(left) > 0 {
		t.Errorf("there is %q, %q", list, left)
	}
}

// A directory that two runs want to be made is made by one and used by both.
func TestDirectoryInUse(t *testing.T) {
	t.Chdir(t.TempDir())
	watched = func(f folder) folder { return shared{f} }
	s := New(Options{MakeDirs: true})
	err := errors.Join(put(s, "new/a", "x"), s.Commit(nil), s.Discard())
	watched = func(f folder) folder { return f }
	if list, _ := state(t); err != nil || !slices.Contains(list, "new/a=x") {
		t.Errorf("%v; there is %q", err, list)
	}
}

// shared is a folder in which others use each directory at once.
type shared struct{ folder }

func (s shared) Mkdir(name string, perm fs.FileMode) error {
	err := s.folder.Mkdir(name, perm)
	return errors.Join(err, os.WriteFile(filepath.Join(name, "theirs"), nil, 0o666))
}

// Of two runs that replace the same outputs, one does so after the other: none is of one and
// another is of the other.
func TestTwoReplace(t *testing.T) {
	for _, kind := range []string{"pair", "log and dir"} {
		for n := range int32(4) {
			testTwoReplace(t, kind, n)
		}
	}
}

// testTwoReplace has the second run come before a renaming of the first one.
func testTwoReplace(t *testing.T, kind string, n int32) {
	t.Chdir(t.TempDir())
	if err := runKind(kind, false, "old"); err != nil {
		t.Fatal(err)
	}
	first, second := New(Options{Replace: true}), New(Options{Replace: true})
	if err := errors.Join(kinds[kind](first, "first"), kinds[kind](second, "second")); err != nil {
		t.Fatal(err)
	}
	var at atomic.Int32
	ended := make(chan error, 1)
	begun := false
	renaming = func() {
		if at.Add(1) == n+1 {
			begun = true
			go func() { ended <- second.Commit(nil) }()
			time.Sleep(100 * time.Millisecond)
		}
	}
	err := first.Commit(nil)
	if !begun { // it has no further one
		renaming = func() {}
		ended <- second.Commit(nil)
	}
	err = errors.Join(err, <-ended, first.Discard(), second.Discard())
	renaming = func() {}
	list, left := state(t)
	marks := make(map[string]bool)
	for _, line := range list {
		if _, mark, ok := strings.Cut(line, "="); ok {
			marks[mark] = true
		}
	}
	if err != nil || len(marks) != 1 || marks["old"] || len(left) > 0 {
		t.Errorf("%s, renaming %d: %v; there is %q, left %q", kind, n, err, list, left)
	}
}

// eager is a folder that others clean: what is new in it is gone at once, a few times.
type eager struct {
	folder
	dirs, files *int
}

func (e eager) Mkdir(name string, perm fs.FileMode) error {
	err := e.folder.Mkdir(name, perm)
	if *e.dirs--; *e.dirs >= 0 {
		err = errors.Join(err, e.folder.Remove(name))
	}
	return err
}

func (e eager) OpenFile(name string, flag int, perm fs.FileMode) (*os.File, error) {
	f, err := e.folder.OpenFile(name, flag, perm)
	if *e.files--; *e.files >= 0 {
		err = errors.Join(err, e.folder.Remove(name))
	}
	return f, err
}

// Another run may take an output that has no lock yet for one that was left, and remove it. It is
// made again.
func TestRemovedBeforeLock(t *testing.T) {
	for _, kind := range []string{"file", "log and dir", "log and contents"} {
		t.Chdir(t.TempDir())
		if err := errors.Join(os.Mkdir("else", 0o777), os.Mkdir("full", 0o777)); err != nil {
			t.Fatal(err)
		}
		dirs, files := 3, 3
		watched = func(f folder) folder { return eager{f, &dirs, &files} }
		err := runKind(kind, false, "new")
		watched = func(f folder) folder { return f }
		if list, rest := state(t); err != nil || len(list) == 0 || len(rest) > 0 {
			t.Errorf("%s: %v; there is %q, left %q", kind, err, list, rest)
		}
	}
}

// What goes wrong when all have their names takes all names back.
func TestUndo(t *testing.T) {
	bad := errors.New("nobody listens")
	for kind := range kinds {
		for _, replace := range []bool{false, true} {
			if replace && kind == "log and contents" {
				continue
			}
			t.Chdir(t.TempDir())
			if err := errors.Join(os.Mkdir("else", 0o777), os.Mkdir("full", 0o777)); err != nil {
				t.Fatal(err)
			}
			if replace {
				if err := runKind(kind, false, "old"); err != nil {
					t.Fatal(err)
				}
			}
			before, _ := state(t)
			s := New(Options{Replace: replace})
			if err := kinds[kind](s, "new"); err != nil {
				t.Fatal(err)
			}
			err := s.Commit(func() error {
				if now, _ := state(t); len(now) == 0 || slices.Equal(now, before) {
					t.Errorf("%s: there is %q", kind, now)
				}
				return bad
			})
			if !errors.Is(err, bad) {
				t.Errorf("%s: error %v", kind, err)
			}
			if err := s.Discard(); err != nil {
				t.Error(err)
			}
			if after, left := state(t); !slices.Equal(after, before) || len(left) > 0 {
				t.Errorf("%s: %q after, %q before, left %q", kind, after, before, left)
			}
		}
	}
}

// A run that goes on is left alone by others.
func TestRunning(t *testing.T) {
	t.Chdir(t.TempDir())
	first := New(Options{})
	if err := errors.Join(put(first, "a", "first"), putDir(first, "d", "first")); err != nil {
		t.Fatal(err)
	}
	if err := runKind("pair", false, "second"); err != nil {
		t.Fatal(err)
	}
	if err := first.Commit(nil); !errors.Is(err, ErrExists) {
		t.Errorf("error %v", err)
	}
	if err := first.Discard(); err != nil {
		t.Error(err)
	}
	if list, left := state(t); !slices.Equal(list, []string{"a=second", "b=second"}) || len(left) > 0 {
		t.Errorf("there is %q, left %q", list, left)
	}
}

// Directories that were made for outputs go with them; one that holds something stays.
func TestMadeDirs(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, used := range []bool{false, true} {
		s := New(Options{MakeDirs: true})
		if err := put(s, "p/q/a", "x"); err != nil {
			t.Fatal(err)
		}
		if used {
			write(t, "p/other", "")
		}
		if err := s.Discard(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat("p"); (err == nil) != used {
			t.Errorf("used %v: %v", used, err)
		}
	}
	s := New(Options{MakeDirs: true})
	if err := errors.Join(put(s, "r/s/a", "x"), s.Commit(nil), s.Discard()); err != nil || read(t, "r/s/a") != "x" {
		t.Error(err)
	}
	if err := put(New(Options{}), "none/a", "x"); err == nil || err.Error() != `create "none/a": no such file or directory` {
		t.Errorf("error %v", err)
	}
}

// Names of 255 bytes are possible, as are directories 3000 levels deep that are thrown away with
// few descriptors.
func TestLongAndDeep(t *testing.T) {
	dir := t.TempDir()
	nobody.Become(t, dir)
	t.Chdir(dir)
	long := strings.Repeat("n", 255)
	s := New(Options{})
	if err := errors.Join(put(s, long, "x"), s.Commit(nil)); err != nil || read(t, long) != "x" {
		t.Error(err)
	}
	s = New(Options{})
	d, err := s.Dir("deep")
	if err != nil {
		t.Fatal(err)
	}
	at, err := d.Root.OpenRoot(".")
	if err != nil {
		t.Fatal(err)
	}
	for range 3000 {
		if err := errors.Join(at.Mkdir("d", 0o777), at.WriteFile("f", nil, 0o666)); err != nil {
			t.Fatal(err)
		}
		next, err := at.OpenRoot("d")
		if err != nil {
			t.Fatal(err)
		}
		at.Close()
		at = next
	}
	at.Close()
	if err := s.Discard(); err != nil {
		t.Error(err)
	}
	if _, left := state(t); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

// What is in the way is told before anything is written, and again at the end.
func TestInTheWay(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "file", "old")
	for _, err := range []error{os.Mkdir("dir", 0o777), os.Symlink("/dev/null", "null"), os.Symlink("dir", "link"), os.Symlink("none", "dangling")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string][2]error{
		"file": {ErrExists, nil}, "dir": {ErrDirectory, ErrDirectory}, "null": {ErrNotRegular, ErrNotRegular},
		"link": {ErrDirectory, ErrDirectory}, "dangling": {ErrExists, nil}, "none": {},
	} {
		for i, replace := range []bool{false, true} {
			if err := CheckFile(path, replace, nil); !errors.Is(err, want[i]) {
				t.Errorf("%s, replace %v: %v, want %v", path, replace, err, want[i])
			}
			s := New(Options{Replace: replace})
			err := errors.Join(put(s, path, "new"), s.Commit(nil))
			if !errors.Is(err, want[i]) {
				t.Errorf("%s, replace %v: commit: %v, want %v", path, replace, err, want[i])
			}
			s.Discard()
		}
	}
	if got, err := filepath.Glob(prefix + "*"); err != nil || len(got) > 0 {
		t.Errorf("left %q", got)
	}
}
