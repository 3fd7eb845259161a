// Package module_test gives a copy of the module another path, as whoever publishes it does.
package module_test

import (
	"bytes"
	"go/format"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"imagetools/internal/required"
)

const path = "example.org/imagetools"

// All that names the module is renamed, and under the other path it is built, vetted, and its
// examples run.
func TestAnotherPath(t *testing.T) {
	dir, before := copied(t)
	run(t, dir, "tools/module", path)
	withExamples := checkFiles(t, dir)
	for line := range strings.Lines(run(t, dir, "go", "list", "./...")) {
		if !strings.HasPrefix(line, path) {
			t.Errorf("there is a package %s", line)
		}
	}
	t.Run("built", func(t *testing.T) {
		if !required.All() {
			t.Skip("compiles all packages once more: make test does that")
		}
		run(t, dir, "go", "build", "./...")
		run(t, dir, "go", "vet", "./...")
		out := run(t, dir, "go", append([]string{"test", "-v", "-run", "^Example"}, withExamples...)...)
		if n := strings.Count(out, "--- PASS: Example"); n < len(withExamples) {
			t.Errorf("%d examples of %d packages ran:\n%s", n, len(withExamples), out)
		}
	})

	// There and back again, everything is as it was.
	run(t, dir, "tools/module", "imagetools")
	same(t, dir, before)
}

// A path that no module can have changes nothing.
func TestWrongPath(t *testing.T) {
	dir, before := copied(t)
	for _, wrong := range []string{"", "a b", "/a", "example.org//x"} {
		cmd := exec.Command("tools/module", wrong)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err == nil || !bytes.Contains(out, []byte("error: go.mod: ")) {
			t.Errorf("%q: %v, %s", wrong, err, out)
		}
	}
	same(t, dir, before)
}

// copied returns a copy of the checkout, without what is not part of it, and what is in its files.
func copied(t *testing.T) (to string, files map[string][]byte) {
	t.Helper()
	to, files = t.TempDir(), map[string][]byte{}
	top, err := required.Path(".")
	if err != nil {
		t.Fatal(err)
	}
	walk(t, top, func(name string, text []byte, mode fs.FileMode) {
		files[name] = text
		target := filepath.Join(to, name)
		if err := os.MkdirAll(filepath.Dir(target), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(target, text, mode); err != nil {
			t.Fatal(err)
		}
	})
	return to, files
}

// walk calls f for each file of a checkout that makes the module.
func walk(t *testing.T, top string, f func(name string, text []byte, mode fs.FileMode)) {
	t.Helper()
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(top, path)
		if err != nil {
			return err
		}
		switch {
		case d.IsDir() && (d.Name() == ".git" || slices.Contains([]string{"out", "output"}, name)):
			return fs.SkipDir
		case !d.Type().IsRegular() || filepath.Dir(name) == "." && !strings.HasPrefix(name, "go."):
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		if err == nil {
			f(name, text, info.Mode().Perm()|0o200)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// checkFiles looks whether Go files are formatted and no longer name the old path, and returns the
// packages that have examples.
func checkFiles(t *testing.T, dir string) (withExamples []string) {
	t.Helper()
	walk(t, dir, func(name string, text []byte, _ fs.FileMode) {
		if filepath.Ext(name) != ".go" {
			return
		}
		if formatted, err := format.Source(text); err != nil || !bytes.Equal(formatted, text) {
			t.Errorf("%s is not formatted: %v", name, err)
		}
		if pkg := "./" + filepath.ToSlash(filepath.Dir(name)); bytes.Contains(text, []byte("\nfunc Example")) && !slices.Contains(withExamples, pkg) {
			withExamples = append(withExamples, pkg)
		}
		for _, imported := range bytes.Split(text, []byte(`"imagetools/`))[1:] {
			if below, _, _ := bytes.Cut(imported, []byte(`"`)); !bytes.ContainsAny(below, "` \n%") {
				if _, err := os.Stat(filepath.Join(dir, string(below))); err == nil {
					t.Errorf(`%s names "imagetools/%s"`, name, below)
				}
			}
		}
	})
	return withExamples
}

// same compares a copy with what it was.
func same(t *testing.T, dir string, before map[string][]byte) {
	t.Helper()
	for name, want := range before {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s has changed: %v", name, err)
		}
	}
}

func run(t *testing.T, dir, program string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = dir
	if strings.Contains(program, "/") {
		cmd.Path = filepath.Join(dir, program)
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
	return string(out)
}
