package compress_test

import (
	"errors"
	"io"
	"io/fs"
	"runtime"
	"testing"
	"time"

	"imagetools/compress"
)

var errFull = errors.New("disk full")

// A limitedWriter fails after n bytes.
type limitedWriter struct{ n int }

func (l *limitedWriter) Write(p []byte) (int, error) {
	n := min(len(p), l.n)
	l.n -= n
	if n < len(p) {
		return n, errFull
	}
	return n, nil
}

func TestWriterReportsErrorOfOutput(t *testing.T) {
	t.Parallel()
	for _, room := range []int{0, 10, member / 2, 3 * member} {
		w, err := compress.NewWriter(&limitedWriter{room}, compress.Gzip, compress.Options{Workers: 2})
		if err != nil {
			t.Fatal(err)
		}
		// The four blocks that may be on their way, and one that tells.
		limit := room + 6*member
		n, err := io.CopyN(w, &endless{}, int64(limit))
		if !errors.Is(err, errFull) {
			t.Errorf("room for %d bytes: wrote %d bytes, %v; want %v", room, n, err, errFull)
		}
		if _, err := w.Write([]byte{1}); !errors.Is(err, errFull) {
			t.Errorf("room for %d bytes: Write after the error: %v", room, err)
		}
		for range 2 {
			if err := w.Close(); !errors.Is(err, errFull) {
				t.Errorf("room for %d bytes: Close: %v", room, err)
			}
		}
	}
}

func TestWriterReportsErrorInClose(t *testing.T) {
	t.Parallel()
	for _, format := range formats[1:] {
		w, err := compress.NewWriter(&limitedWriter{5}, format, compress.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(text(1000)); err != nil {
			t.Errorf("%s: Write: %v", format, err)
		}
		if err := w.Close(); !errors.Is(err, errFull) {
			t.Errorf("%s: Close = %v, want %v", format, err, errFull)
		}
	}
}

func TestWriteAfterClose(t *testing.T) {
	t.Parallel()
	for _, format := range formats {
		w, err := compress.NewWriter(io.Discard, format, compress.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Errorf("%s: Close: %v", format, err)
		}
		if _, err := w.Write([]byte{1}); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("%s: Write after Close: %v, want %v", format, err, fs.ErrClosed)
		}
	}
}

func TestNewWriterRefusesFormat(t *testing.T) {
	t.Parallel()
	for _, format := range []compress.Format{compress.Zstd, "GZIP", "lz4"} {
		if _, err := compress.NewWriter(io.Discard, format, compress.Options{}); err == nil {
			t.Errorf("NewWriter(%q) succeeds", string(format))
		}
	}
}

// endless is incompressible enough: a counter in a scrambled order.
type endless struct{ state uint64 }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		e.state = e.state*6364136223846793005 + 1442695040888963407
		p[i] = byte(e.state >> 56)
	}
	return len(p), nil
}

// TestAbandonedLeaksNothing is not parallel: it counts goroutines.
func TestAbandonedLeaksNothing(t *testing.T) {
	packed := [][]byte{pack(t, compress.Gzip, 2, mixed(6*member), nil), foreign(t, mixed(2*member))}
	before := runtime.NumGoroutine()
	w, err := compress.NewWriter(io.Discard, compress.Gzip, compress.Options{Workers: 4})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(mixed(3*member + 1)); err != nil {
		t.Fatal(err)
	}
	for _, packed := range packed {
		r, _, err := compress.NewReader(newSlowReader(packed), compress.Options{Workers: 4})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(r, make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
	}
	deadline := time.Now().Add(20 * time.Second)
	for runtime.NumGoroutine() > before {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
