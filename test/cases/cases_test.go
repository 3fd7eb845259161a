// Package cases runs inputs that once failed: a table of each input and of what must come out.
// They are looked for in $IMAGETOOLS_CASES, by default shared/cases beside the checkout.
package cases

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"imagetools/internal/required"
)

// A row is a case: a script, which is run by bash with $IT, the program, and $CASES, in a
// directory of its own, and what stands in its output, or must not.
type row struct {
	name   string
	script string // by default the file of that name in the directory smartos
	want   []string
	never  []string
}

const crash = `panic:|goroutine \d|runtime error`

func TestCases(t *testing.T) {
	t.Parallel()
	cases := required.Case(t)
	for _, name := range []string{"python3", "qemu-img", "sfdisk", "mke2fs", "lz4", "pzstd", "xz", "bzip2", "xxd"} {
		if _, err := exec.LookPath(name); err != nil {
			required.Unavailable(t, err)
		}
	}
	program := tool(t)
	seen := make(map[string]bool)
	for _, r := range rows {
		for file := range strings.FieldsSeq(r.name) {
			seen[file] = true
		}
		t.Run(strings.ReplaceAll(r.name, "/", " "), func(t *testing.T) { r.run(t, cases, program) })
	}
	for _, dir := range []string{"smartos", "attack", "formats", "hosts"} {
		entries, err := os.ReadDir(filepath.Join(cases, dir))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if name := dir + "/" + e.Name(); !seen[name] && elsewhere[name] == "" {
				t.Errorf("%s has no row", name)
			}
		}
	}
}

func (r row) run(t *testing.T, cases, program string) {
	script := r.script
	if script == "" {
		script = `bash "$CASES/` + r.name + `"`
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-c", script)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "IT="+program, "CASES="+cases, "TMPDIR="+cmd.Dir, "CI=1")
	out, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	for _, w := range r.want {
		if !regexp.MustCompile("(?m)" + w).Match(out) {
			t.Errorf("%q is not in the output:\n%s", w, short(out))
		}
	}
	for _, w := range append(r.never, crash) {
		if regexp.MustCompile("(?m)" + w).Match(out) {
			t.Errorf("%q is in the output:\n%s", w, short(out))
		}
	}
}

func short(out []byte) string {
	if len(out) > 4000 {
		return fmt.Sprintf("%s\n(%d bytes more)", out[:4000], len(out)-4000)
	}
	return string(out)
}

var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "imagetools-cases")
	if err != nil {
		return "", err
	}
	built = dir
	path := filepath.Join(dir, "imagetools")
	if out, err := exec.Command("go", "build", "-o", path, "imagetools/cmd/imagetools").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

var built string

func tool(t *testing.T) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestMain(m *testing.M) {
	code := m.Run()
	if built != "" {
		os.RemoveAll(built)
	}
	os.Exit(code)
}
