package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// killing is a folder in which a run is killed before one of its steps.
type killing struct{ folder }

var steps, killAt int

func step() {
	if steps++; steps == killAt {
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}

func (k killing) OpenFile(name string, flag int, perm fs.FileMode) (*os.File, error) {
	step()
	return k.folder.OpenFile(name, flag, perm)
}
func (k killing) Mkdir(name string, perm fs.FileMode) error {
	step()
	return k.folder.Mkdir(name, perm)
}
func (k killing) Link(old, name string) error { step(); return k.folder.Link(old, name) }
func (k killing) Remove(name string) error    { step(); return k.folder.Remove(name) }

// what a run makes.
var kinds = map[string]func(s *Set, mark string) error{
	"file":        func(s *Set, mark string) error { return put(s, "a", mark) },
	"pair":        func(s *Set, mark string) error { return errors.Join(put(s, "a", mark), put(s, "b", mark)) },
	"log and dir": func(s *Set, mark string) error { return errors.Join(put(s, "a", mark), putDir(s, "d", mark)) },
	"log elsewhere and dir": func(s *Set, mark string) error {
		return errors.Join(s.Open("else", "."), put(s, "else/a", mark), putDir(s, "d", mark))
	},
	"log and contents": func(s *Set, mark string) error {
		if err := errors.Join(s.Open(".", "full"), put(s, "a", mark)); err != nil {
			return err
		}
		in, err := s.Into("full")
		if err != nil {
			return err
		}
		return fill(in.Root, mark)
	},
}

func put(s *Set, name, mark string) error {
	f, err := s.File(name, 0o666)
	if err != nil {
		return err
	}
	_, err = f.Write([]byte(mark))
	return err
}

func putDir(s *Set, name, mark string) error {
	d, err := s.Dir(name)
	if err != nil {
		return err
	}
	return fill(d.Root, mark)
}

func fill(root *os.Root, mark string) error {
	return errors.Join(root.Mkdir("x", 0o777), root.WriteFile("x/f", []byte(mark), 0o666), root.WriteFile("y", []byte(mark), 0o666), root.Mkdir("z", 0o777))
}

func runKind(kind string, replace bool, mark string) (err error) {
	s := New(Options{Replace: replace})
	defer func() { err = errors.Join(err, s.Discard()) }()
	if err := kinds[kind](s, mark); err != nil {
		return err
	}
	return s.Commit(nil)
}

// TestMain is, in a child of TestKilled, the run that is killed.
func TestMain(m *testing.M) {
	kind := os.Getenv("DURABLE_KIND")
	if kind == "" {
		os.Exit(m.Run())
	}
	killAt, _ = strconv.Atoi(os.Getenv("DURABLE_STEP"))
	watched = func(f folder) folder { return killing{f} }
	renaming = step
	if err := runKind(kind, os.Getenv("DURABLE_REPLACE") != "", "new"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// state is what a run finds, without what is temporary: names and contents.
func state(t *testing.T) (list []string, left []string) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == "." || path == "else" || path == "full" {
			return err
		}
		if strings.HasPrefix(d.Name(), prefix) {
			left = append(left, path)
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		text := "/"
		if !d.IsDir() {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			text = "=" + string(data)
		}
		list = append(list, path+text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list, left
}

// TestKilled kills a run before each of its steps. The next run, one that fails, finds all outputs
// as they were or all new, and nothing else.
func TestKilled(t *testing.T) {
	for kind := range kinds {
		for _, replace := range []bool{false, true} {
			if replace && kind == "log and contents" {
				continue // a directory must be empty
			}
			t.Run(fmt.Sprintf("%s,%v", kind, replace), func(t *testing.T) {
				killed := 0
				for n := 1; ; n++ {
					if !killAtStep(t, kind, replace, n) {
						break
					}
					killed++
				}
				if killed < 3 {
					t.Errorf("%d steps", killed)
				}
			})
		}
	}
}

func killAtStep(t *testing.T, kind string, replace bool, n int) bool {
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
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "DURABLE_KIND="+kind, fmt.Sprintf("DURABLE_STEP=%d", n))
	if replace {
		cmd.Env = append(cmd.Env, "DURABLE_REPLACE=1")
	}
	out, err := cmd.CombinedOutput()
	if err == nil {
		return false
	}
	if cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("%v: %s", err, out)
	}
	atOnce, left := state(t)
	checkLog(t, kind, atOnce, n)
	var notes []string
	s := New(Options{Replace: replace, Note: func(text string) { notes = append(notes, text) }})
	kinds[kind](s, "third") // it may refuse a directory that is full now
	if err := s.Discard(); err != nil {
		t.Error(err)
	}
	after, still := state(t)
	if len(still) > 0 {
		t.Errorf("step %d: %q are left of %q", n, still, left)
	}
	if len(left) > 0 && len(notes) == 0 {
		t.Errorf("step %d: nothing is said of %q", n, left)
	}
	fresh := slices.Clone(before)
	for i, line := range fresh {
		fresh[i] = strings.ReplaceAll(line, "=old", "=new")
	}
	if !replace {
		fresh = finished(t, kind)
	}
	if !slices.Equal(after, before) && !slices.Equal(after, fresh) {
		t.Errorf("step %d: found %q, want %q or %q; left was %q; it said %q", n, after, before, fresh, left, notes)
	}
	return true
}

// checkLog reports a directory beside which lies what belongs to another one.
func checkLog(t *testing.T, kind string, list []string, step int) {
	t.Helper()
	marks := make(map[string]string)
	for _, line := range list {
		name, mark, _ := strings.Cut(line, "=")
		marks[filepath.Base(name)] = mark
	}
	if strings.HasSuffix(kind, "and dir") && slices.Contains(list, "d/") && marks["f"] != marks["a"] {
		t.Errorf("step %d: a directory of the run %q beside a log of the run %q", step, marks["f"], marks["a"])
	}
}

// finished is the state after a run that nobody killed.
func finished(t *testing.T, kind string) []string {
	t.Helper()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := errors.Join(os.Chdir(dir), os.Mkdir("else", 0o777), os.Mkdir("full", 0o777), runKind(kind, false, "new")); err != nil {
		t.Fatal(err)
	}
	list, _ := state(t)
	if err := os.Chdir(here); err != nil {
		t.Fatal(err)
	}
	return list
}
