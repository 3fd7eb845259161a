package cli

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestWidenPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	size := func() int {
		n, err := unix.FcntlInt(r.Fd(), unix.F_GETPIPE_SZ, 0)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if size() >= pipeSize {
		t.Fatalf("a new pipe has %d bytes", size())
	}
	WidenPipe(w)
	if size() != pipeSize {
		t.Errorf("%d bytes, want %d", size(), pipeSize)
	}
	if _, err := unix.FcntlInt(r.Fd(), unix.F_SETPIPE_SZ, 2*pipeSize); err == nil { // root may
		if WidenPipe(w); size() != 2*pipeSize {
			t.Errorf("a wider pipe was cut to %d bytes", size())
		}
	}

	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	WidenPipe(f)
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	WidenPipe(f) // closed
}
