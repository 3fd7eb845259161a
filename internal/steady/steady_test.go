package steady

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// A change that comes at once after another one is seen, as are those that keep size and times.
func TestChangesAreSeen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	for name, change := range map[string]func(f *os.File) error{
		"contents": func(f *os.File) error { _, err := f.WriteAt([]byte("y"), 0); return err },
		"size":     func(f *os.File) error { return f.Truncate(0) },
		"contents, and the time put back": func(f *os.File) error {
			info, err := f.Stat()
			if err != nil {
				return err
			}
			_, err = f.WriteAt([]byte("y"), 0)
			return errors.Join(err, os.Chtimes(path, info.ModTime(), info.ModTime()))
		},
	} {
		for range 20 {
			if err := os.WriteFile(path, []byte("x"), 0o666); err != nil {
				t.Fatal(err)
			}
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			s, err := Watch(f)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Check("f"); err != nil {
				t.Fatalf("before: %v", err)
			}
			if err := change(f); err != nil {
				t.Fatal(err)
			}
			if err := s.Check("f"); !errors.Is(err, ErrChanged) {
				t.Fatalf("%s: error %v", name, err)
			}
			f.Close()
		}
	}
}
