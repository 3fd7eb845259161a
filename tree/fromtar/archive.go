package fromtar

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"

	"imagetools/fault"
	"imagetools/internal/plain"
	"imagetools/internal/scratch"
	"imagetools/internal/steady"
	"imagetools/tree/source"
)

// archive is the file that members are read from: the archive itself or its unpacked copy.
type archive struct {
	file   *os.File
	name   string // in messages
	size   int64
	watch  *steady.File // nil for a copy, which is nobody else's
	closed atomic.Bool
}

// check reports whether the archive is still the one that was read.
func (a *archive) check() error {
	if a.watch == nil {
		return nil
	}
	return a.watch.Check(a.name)
}

func (a *archive) changed() error { return fmt.Errorf("%q: %w", a.name, source.ErrChanged) }

// place puts the place of a member before an error.
func (a *archive) place(member string, at int64, err error) error {
	return fmt.Errorf("%q: member %s at byte %d: %w", a.name, plain.Name(member), at, err)
}

func (a *archive) close() error {
	if a.closed.Swap(true) {
		return nil
	}
	return a.file.Close()
}

// readAt fills p from the archive. A short read means that it was cut since.
func (a *archive) readAt(p []byte, off int64) (int, error) {
	n, err := a.file.ReadAt(p, off)
	if n == len(p) {
		return n, nil
	}
	if err == io.EOF {
		return n, a.changed()
	}
	return n, err
}

// spool copies r into a temporary file that has no name, if it begins like an archive.
func spool(ctx context.Context, r io.Reader, opts Options) (_ *archive, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	br := bufio.NewReader(r)
	start, err := br.Peek(startSize)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("unpack %q: after %d bytes: %w", opts.Name, len(start), err)
	}
	if err := checkStart(opts.Name, start); err != nil {
		return nil, err
	}
	f, err := scratch.File(opts.TmpDir)
	if err != nil {
		return nil, fmt.Errorf("temporary copy of %q: %w", opts.Name, err)
	}
	a := &archive{file: f, name: opts.Name}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close())
		}
	}()
	buf := make([]byte, 256<<10)
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n, readErr := br.Read(buf)
		if n > 0 {
			if _, err := f.Write(buf[:n]); err != nil {
				return nil, spoolError(f, opts.Name, a.size, err)
			}
			a.size += int64(n)
		}
		if readErr == io.EOF {
			return a, nil
		}
		if readErr != nil {
			return nil, fmt.Errorf("unpack %q: after %d bytes: %w", opts.Name, a.size, readErr)
		}
	}
}

func spoolError(f *os.File, name string, done int64, err error) error {
	if pe, ok := errors.AsType[*os.PathError](err); ok {
		err = pe.Err
	}
	err = fmt.Errorf("temporary copy of %q in %q: after %d bytes: %w", name, filepath.Dir(f.Name()), done, err)
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG) {
		return fault.With(err, source.WayRoom)
	}
	return err
}

// seekReader reads an archive from front to back with a small buffer, but for what is skipped.
type seekReader struct {
	archive *archive
	pos     int64
	from    int64 // where headers begin
	buf     [8 << 10]byte
	start   int64 // of buf[:n]
	n       int
}

func (s *seekReader) Read(p []byte) (int, error) {
	if s.pos >= s.archive.size {
		return 0, io.EOF
	}
	if s.pos < s.start || s.pos >= s.start+int64(s.n) {
		want := min(int64(len(s.buf)), s.archive.size-s.pos)
		n, err := s.archive.file.ReadAt(s.buf[:want], s.pos)
		if n == 0 {
			return 0, err
		}
		s.start, s.n = s.pos, n
	}
	n := copy(p, s.buf[s.pos-s.start:s.n])
	s.pos += int64(n)
	return n, nil
}

func (s *seekReader) offset() int64 { return s.pos }

func (s *seekReader) begin(off int64) { s.pos, s.from = off, off }

func (s *seekReader) raw() ([]byte, error) {
	if s.pos-s.from > maxHeaders {
		return nil, errHeaders
	}
	raw := make([]byte, s.pos-s.from)
	_, err := s.archive.readAt(raw, s.from)
	return raw, err
}
