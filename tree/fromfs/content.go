package fromfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"

	"imagetools/internal/plain"
	"imagetools/tree"
)

// content is the data of a regular file.
type content struct {
	files fs.FS
	path  string
	size  int64
}

// Open opens the file, and compares its size with what was read of it before.
func (c *content) Open() (tree.File, error) {
	f, err := c.files.Open(c.path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", plain.Name(c.path), err)
	}
	info, err := f.Stat()
	if err == nil && (!info.Mode().IsRegular() || info.Size() != c.size) {
		err = tree.ErrChanged
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", plain.Name(c.path), err)
	}
	o := &file{content: c, File: f}
	switch at := f.(type) {
	case io.ReaderAt:
		o.at = at
	case io.ReadSeeker:
		o.at = &seeking{r: at}
	default:
		o.at = &forward{file: o}
	}
	return o, nil
}

// file is an open file.
type file struct {
	*content
	fs.File
	at io.ReaderAt
}

// ReadAt reads as [tree.File] does: less than the size is an error.
func (f *file) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, f.fail(errors.New("negative offset"))
	}
	if off >= f.size {
		return 0, io.EOF
	}
	want := int(min(int64(len(p)), f.size-off))
	n, err := f.at.ReadAt(p[:want], off)
	switch {
	case n == want && want < len(p):
		return n, io.EOF
	case n == want:
		return n, nil
	case err == nil || err == io.EOF:
		err = io.ErrUnexpectedEOF
	}
	return n, f.fail(err)
}

func (f *file) fail(err error) error { return fmt.Errorf("%s: %w", plain.Name(f.path), err) }

// NextData is what the file says, or all of it.
func (f *file) NextData(off int64) (start, end int64, err error) {
	if sparse, ok := f.File.(interface {
		NextData(off int64) (start, end int64, err error)
	}); ok {
		return sparse.NextData(off)
	}
	if off >= f.size {
		return 0, 0, io.EOF
	}
	return off, f.size, nil
}

// seeking reads at any offset of what can seek.
type seeking struct {
	mu sync.Mutex
	r  io.ReadSeeker
}

func (s *seeking) ReadAt(p []byte, off int64) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.r.Seek(off, io.SeekStart); err != nil {
		return 0, err
	}
	return io.ReadFull(s.r, p)
}

// forward reads at any offset of what can only be read from its start: it goes forward by reading, and
// back by opening the file anew.
type forward struct {
	mu   sync.Mutex
	file *file
	at   int64
}

func (f *forward) ReadAt(p []byte, off int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if off < f.at {
		again, err := f.file.files.Open(f.file.path)
		if err != nil {
			return 0, err
		}
		f.file.File.Close()
		f.file.File, f.at = again, 0
	}
	n, err := io.CopyN(io.Discard, f.file.File, off-f.at)
	f.at += n
	if err != nil {
		return 0, err
	}
	k, err := io.ReadFull(f.file.File, p)
	f.at += int64(k)
	return k, err
}
