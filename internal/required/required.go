// Package required finds what tests need that the tree does not have: files of others, and what
// scripts of this project prepare. A test that lacks something is skipped with the reason, or
// fails if IMAGETOOLS_REQUIRE_ORACLES is 1, which make test sets.
package required

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Variable is the environment variable that is 1 where nothing may be missing.
const Variable = "IMAGETOOLS_REQUIRE_ORACLES"

// All reports whether nothing may be missing. What is slow to prepare is then prepared by the
// first test that asks for it; otherwise only what is there already is used.
func All() bool { return os.Getenv(Variable) == "1" }

// ErrNotPrepared says that something is not in the cache.
var ErrNotPrepared = errors.New("not prepared: run make oracles")

// Unavailable ends t for a reason: it is skipped, or fails where nothing may be missing.
func Unavailable(t testing.TB, reason error) {
	t.Helper()
	if All() {
		t.Fatal(reason)
	}
	t.Skip(reason)
}

// Data returns a path in $IMAGETOOLS_TESTDATA, by default shared/testdata beside the checkout.
// It has what real programs wrote.
func Data(t testing.TB, elem ...string) string {
	t.Helper()
	path, err := FindData(elem...)
	if err != nil {
		Unavailable(t, err)
	}
	return path
}

// FindData is [Data] outside of a test.
func FindData(elem ...string) (string, error) {
	return find("IMAGETOOLS_TESTDATA", "shared/testdata", elem)
}

// Case returns a path in $IMAGETOOLS_CASES, by default shared/cases beside the checkout. It has
// inputs that once failed.
func Case(t testing.TB, elem ...string) string {
	t.Helper()
	path, err := find("IMAGETOOLS_CASES", "shared/cases", elem)
	if err != nil {
		Unavailable(t, err)
	}
	return path
}

func find(variable, usual string, elem []string) (string, error) {
	dir := os.Getenv(variable)
	if dir == "" {
		top, err := root()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(filepath.Dir(top), usual)
	}
	path := filepath.Join(append([]string{dir}, elem...)...)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("no such test data ($%s): %w", variable, err)
	}
	return path, nil
}

// root is the directory of go.mod, above the package under test.
func root() (string, error) {
	dir, err := os.Getwd()
	for err == nil {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("no go.mod above the working directory")
		}
		dir = up
	}
	return "", err
}

// Path returns where a file of the checkout is, from the working directory of a test.
func Path(name string) (string, error) {
	top, err := root()
	return filepath.Join(top, name), err
}

// Prepare runs a script, named by its path in the checkout, that makes something once and prints
// its path, which is returned. Unless [All] is true the script makes nothing and fails if what it
// would make is missing.
func Prepare(script string, args ...string) (string, error) {
	path, err := Path(script)
	if err != nil {
		return "", err
	}
	cmd := exec.Command("bash", append([]string{path}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if !All() {
		cmd.Env = append(os.Environ(), "IMAGETOOLS_PREPARED_ONLY=1")
	}
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", strings.Join(append([]string{script}, args...), " "), err, &stderr)
	}
	return strings.TrimSpace(string(out)), nil
}
