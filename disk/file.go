package disk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"imagetools/fault"
	"imagetools/internal/holes"
	"imagetools/internal/scratch"
	"imagetools/internal/steady"
	"imagetools/tree/source"
)

// hostFile is a regular file of the host with its holes, as a tree.File.
type hostFile struct {
	*os.File
	size  int64
	watch *steady.File // nil for a copy, which is nobody else's
}

// newHostFile returns nil for what is no regular file.
func newHostFile(f *os.File) (*hostFile, error) {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, err
	}
	watch, err := steady.Watch(f)
	if err != nil {
		return nil, err
	}
	if info, err = f.Stat(); err != nil {
		return nil, err
	}
	return &hostFile{f, info.Size(), watch}, nil
}

// ReadAt reads what the file held when it was opened, or reports that it was changed.
func (h *hostFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := h.File.ReadAt(p, off)
	if changed := h.check(err); changed != nil {
		return 0, changed
	}
	return n, err
}

// check looks whether the file was changed, if err is no other error.
func (h *hostFile) check(err error) error {
	if h.watch == nil || err != nil && err != io.EOF {
		return nil
	}
	return h.watch.Check(h.Name())
}

func (h *hostFile) NextData(off int64) (start, end int64, err error) {
	start, end, err = holes.Next(int(h.Fd()), off, h.size)
	if changed := h.check(err); changed != nil {
		return 0, 0, changed
	}
	return start, end, err
}

const (
	spoolPiece = 256 << 10
	zeroPiece  = 4 << 10 // bytes of zeros that become a hole
)

// spool copies r into a temporary file without a name.
func spool(ctx context.Context, r io.Reader, opts Options) (_ *hostFile, err error) {
	f, err := scratch.File(opts.TmpDir)
	if err != nil {
		return nil, fmt.Errorf("temporary copy of %q: %w", opts.Name, err)
	}
	h := &hostFile{File: f}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	buf := make([]byte, spoolPiece)
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n, readErr := io.ReadFull(r, buf)
		if err := h.put(buf[:n]); err != nil {
			return nil, spoolError(f, opts.Name, h.size, err)
		}
		switch readErr {
		case nil:
		case io.EOF, io.ErrUnexpectedEOF:
			if err := f.Truncate(h.size); err != nil {
				return nil, spoolError(f, opts.Name, h.size, err)
			}
			return h, nil
		default:
			return nil, fmt.Errorf("read %q: after %d bytes: %w", opts.Name, h.size, readErr)
		}
	}
}

// put appends to the file what is not zero.
func (h *hostFile) put(p []byte) error {
	for len(p) > 0 {
		n, hole := 0, false
		for n < len(p) {
			piece := p[n:min(n+zeroPiece, len(p))]
			if zero := isZero(piece); n == 0 {
				hole = zero
			} else if zero != hole {
				break
			}
			n += len(piece)
		}
		if !hole {
			if _, err := h.WriteAt(p[:n], h.size); err != nil {
				return err
			}
		}
		h.size += int64(n)
		p = p[n:]
	}
	return nil
}

func isZero(p []byte) bool {
	for _, b := range p {
		if b != 0 {
			return false
		}
	}
	return true
}

func spoolError(f *os.File, name string, done int64, err error) error {
	if e, ok := errors.AsType[*os.PathError](err); ok {
		err = e.Err
	}
	err = fmt.Errorf("temporary copy of %q in %q: after %d bytes: %w", name, filepath.Dir(f.Name()), done, err)
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG) {
		return fault.With(err, source.WayRoom)
	}
	return err
}
