package compare

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"imagetools/tree"
)

// bufferSize is how much of each file is held.
const bufferSize = 256 << 10

// contents returns the first byte at which two files differ, -1 if they are the same as far as
// both go.
func (d *differ) contents(a, b *tree.Node) (int64, error) {
	if min(a.Size, b.Size) == 0 {
		return -1, nil
	}
	pair := [2]*tree.Node{a, b}
	linked := a.Links > 1 && b.Links > 1
	if at, ok := d.met[pair]; ok && linked {
		return at, nil
	}
	x, err := openSide(a, 0)
	if err != nil {
		return 0, err
	}
	y, err := openSide(b, 1)
	if err != nil {
		return 0, errors.Join(err, x.file.Close())
	}
	at, err := d.scan(x, y, min(a.Size, b.Size))
	for _, s := range []*side{x, y} {
		if e := s.file.Close(); err == nil && e != nil {
			err = sideError(s.which, e)
		}
	}
	if err != nil {
		return 0, err
	}
	if linked {
		d.met[pair] = at
	}
	return at, nil
}

// side is one of two files that are compared.
type side struct {
	file       tree.File
	which      int
	size       int64
	start, end int64 // the range of data that is not passed yet; start is the size if there is none
}

func openSide(n *tree.Node, which int) (*side, error) {
	f, err := n.Content.Open()
	if err != nil {
		return nil, sideError(which, err)
	}
	return &side{file: f, which: which, size: n.Size}, nil
}

// sideError tells in which tree a file could not be read.
func sideError(which int, err error) error {
	return fmt.Errorf("%s tree: %w", [2]string{"first", "second"}[which], err)
}

// seek finds the data at or after off.
func (s *side) seek(off int64) error {
	if off < s.end {
		s.start = max(s.start, off)
		return nil
	}
	start, end, err := s.file.NextData(off)
	switch {
	case errors.Is(err, io.EOF) || err == nil && start >= s.size && start >= off:
		s.start, s.end = s.size, s.size
		return nil
	case err == nil && (start < off || end <= start):
		err = fmt.Errorf("data from byte %d to %d is said to follow byte %d", start, end, off)
	}
	if err != nil {
		return sideError(s.which, err)
	}
	s.start, s.end = start, min(end, s.size)
	return nil
}

// scan compares the first size bytes.
func (d *differ) scan(x, y *side, size int64) (int64, error) {
	for off := int64(0); ; {
		for _, s := range []*side{x, y} {
			if err := s.seek(off); err != nil {
				return 0, err
			}
		}
		if off = min(x.start, y.start); off >= size {
			return -1, nil
		}
		// A piece is data or hole in each file, not both.
		till := min(off+bufferSize, size)
		for _, s := range []*side{x, y} {
			if s.start > off {
				till = min(till, s.start)
			} else {
				till = min(till, s.end)
			}
		}
		if err := d.ctx.Err(); err != nil {
			return 0, err
		}
		p, err := d.piece(x, off, till)
		if err != nil {
			return 0, err
		}
		q, err := d.piece(y, off, till)
		if err != nil {
			return 0, err
		}
		if !bytes.Equal(p, q) {
			for i := range p {
				if p[i] != q[i] {
					return off + int64(i), nil
				}
			}
		}
		off = till
	}
}

// piece reads the bytes from off to till, zeros in a hole.
func (d *differ) piece(s *side, off, till int64) ([]byte, error) {
	if d.bufs[s.which] == nil {
		d.bufs[s.which] = make([]byte, bufferSize)
	}
	p := d.bufs[s.which][:till-off]
	if s.start > off {
		clear(p)
		return p, nil
	}
	n, err := s.file.ReadAt(p, off)
	if n < len(p) {
		if err == nil || errors.Is(err, io.EOF) {
			err = fmt.Errorf("at byte %d: %w", off+int64(n), io.ErrUnexpectedEOF)
		}
		return nil, sideError(s.which, err)
	}
	return p, nil
}
