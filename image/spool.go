package image

import (
	"bufio"
	"fmt"
	"io"
	"os"

	"imagetools/internal/scratch"
)

// spool holds the file contents of a stream that cannot be read at any place: a temporary
// file without a name, in which blocks of zeros take no room.
type spool struct {
	f     *os.File
	w     *bufio.Writer
	size  int64
	limit int64
}

// DefaultSpoolLimit is how large a spool may get if nothing else is said.
const DefaultSpoolLimit = 64 << 30

const spoolBuffer = 1 << 20

func newSpool(dir string, limit int64) (*spool, error) {
	f, err := scratch.File(dir)
	if err != nil {
		return nil, err
	}
	if limit == 0 {
		limit = DefaultSpoolLimit
	}
	return &spool{f: f, w: bufio.NewWriterSize(f, spoolBuffer), limit: limit}, nil
}

// Put implements objset.Store.
func (s *spool) Put(_ int64, p []byte) (int64, error) {
	if isZero(p) {
		return -1, nil
	}
	if int64(len(p)) > s.limit-s.size {
		return 0, fmt.Errorf("its file contents take more than %d bytes of the temporary folder", s.limit)
	}
	at := s.size
	n, err := s.w.Write(p)
	s.size += int64(n)
	if err != nil {
		return 0, fmt.Errorf("temporary file: %w", err)
	}
	return at, nil
}

// flush makes all that was put readable.
func (s *spool) flush() error {
	if err := s.w.Flush(); err != nil {
		return fmt.Errorf("temporary file: %w", err)
	}
	s.w = nil
	return nil
}

// ReadAt implements objset.Store.
func (s *spool) ReadAt(p []byte, off int64) (int, error) { return s.f.ReadAt(p, off) }

func (s *spool) Close() error { return s.f.Close() }

func isZero(p []byte) bool {
	for _, b := range p {
		if b != 0 {
			return false
		}
	}
	return true
}

var _ io.ReaderAt = (*spool)(nil)
