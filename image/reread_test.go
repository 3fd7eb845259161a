package image

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"imagetools/tree"
)

// A file that was changed after it was read the first time gives what it held, or an error.
func TestRereadFindsChanges(t *testing.T) {
	data := make([]byte, 3*pieceSize+1000)
	rng := rand.NewChaCha8([32]byte{1})
	rng.Read(data)
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	first := func() *reread {
		v := newReread(f, "the file")
		if _, err := io.CopyBuffer(struct{ io.Writer }{v}, struct{ io.Reader }{bytes.NewReader(data)}, make([]byte, 1017)); err != nil {
			t.Fatal(err)
		}
		v.done()
		return v
	}
	v := first()
	for range 200 {
		off := rng.Uint64() % uint64(len(data))
		p := make([]byte, 1+rng.Uint64()%(2*pieceSize))
		n, err := v.ReadAt(p, int64(off))
		if want := data[off:]; !bytes.Equal(p[:n], want[:min(len(want), len(p))]) || (err == io.EOF) != (len(want) < len(p)) {
			t.Fatalf("%d bytes from %d on: %d, %v", len(p), off, n, err)
		}
	}
	change := func(name string, change func() error, at int64) {
		v := first()
		if err := change(); err != nil {
			t.Fatal(err)
		}
		if _, err := v.ReadAt(make([]byte, 10), at); !errors.Is(err, tree.ErrChanged) {
			t.Errorf("%s: error %v", name, err)
		}
		if _, err := v.ReadAt(make([]byte, 10), 5); err != nil {
			t.Errorf("%s: the first piece: %v", name, err)
		}
	}
	change("one byte", func() error { _, err := f.WriteAt([]byte{data[2*pieceSize] + 1}, 2*pieceSize); return err }, 2*pieceSize+500)
	change("cut", func() error { return f.Truncate(3*pieceSize + 10) }, 3*pieceSize+1)
}
