//go:build linux

package oracle

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"imagetools/internal/required"
)

func TestKept(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("IMAGETOOLS_CACHE", cache)
	t.Setenv("IMAGETOOLS_REQUIRE_ORACLES", "")
	if _, err := Kept("things", "one", nil); !errors.Is(err, required.ErrNotPrepared) {
		t.Errorf("where nothing is prepared: %v", err)
	}
	t.Setenv("IMAGETOOLS_REQUIRE_ORACLES", "1")
	filled := 0
	fill := func(dir string) error {
		filled++
		return os.WriteFile(filepath.Join(dir, "file"), nil, 0o666)
	}
	kept := func(key string, fill func(string) error) (string, error) {
		dir, err := Kept("things", key, fill)
		if err == nil {
			_, err = os.Stat(filepath.Join(dir, "file"))
		}
		return dir, err
	}
	one, err := kept("one", fill)
	if again, errAgain := kept("one", fill); err != nil || errAgain != nil || one != again || filled != 1 {
		t.Errorf("%s, %v; then %s, %v; filled %d times", one, err, again, errAgain, filled)
	}
	broken := errors.New("broken")
	if _, err := kept("two", func(string) error { return broken }); err != broken {
		t.Errorf("what cannot be filled: %v", err)
	}
	if _, err := os.Stat(filepath.Join(cache, "things-two")); err == nil {
		t.Error("half a folder has its name")
	}
	old := time.Now().Add(-2 * keptFor)
	if err := os.Chtimes(one, old, old); err != nil {
		t.Fatal(err)
	}
	if _, err := kept("two", fill); err != nil || filled != 2 {
		t.Errorf("%v, filled %d times", err, filled)
	}
	if _, err := os.Stat(one); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("nobody uses it, and it is there: %v", err)
	}
}
