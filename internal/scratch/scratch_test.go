package scratch

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// A file can be used, and its directory is empty at any time.
func TestFile(t *testing.T) {
	for name, make := range map[string]func(string) (*os.File, error){"file": File, "named": named} {
		dir := t.TempDir()
		// What a run left that was killed before the name was taken away.
		left := filepath.Join(dir, ".imagetools-ABCDEFGHIJKLMNOPQRSTUVWXYZ-scratch")
		if name == "named" {
			if err := os.WriteFile(left, []byte("left"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		f, err := make(dir)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if filepath.Dir(f.Name()) != dir {
			t.Errorf("%s: it is said to be in %q", name, f.Name())
		}
		if list, err := os.ReadDir(dir); err != nil || len(list) > 0 {
			t.Errorf("%s: there is %v, %v", name, list, err)
		}
		if _, err := f.WriteAt([]byte("text"), 3); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		got, err := io.ReadAll(f)
		if err = errors.Join(err, f.Close()); err != nil || string(got) != "\x00\x00\x00text" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestNoDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "none")
	if _, err := File(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	t.Setenv("TMPDIR", dir)
	if _, err := File(""); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}
