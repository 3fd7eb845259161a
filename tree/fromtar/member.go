package fromtar

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"math"
	"sort"
	"sync/atomic"

	"imagetools/tree"
)

const blockSize = 512

// member is where the data of a member lies.
type member struct {
	content tree.Content // nil for what has none
	spans   int          // of a sparse file
	next    int64        // where the headers of the member after it begin
}

// locate finds the data of a member, whose headers in has just read.
func locate(a *archive, hdr *tar.Header, in input) (member, error) {
	pos := in.offset()
	spans, physical, sparse, err := dataOf(hdr, in.raw)
	if err != nil {
		return member{}, err
	}
	if physical < 0 || physical > a.size-pos {
		return member{}, fmt.Errorf("cut: its %d bytes begin at byte %d, the archive ends at %d: %w",
			physical, pos, a.size, io.ErrUnexpectedEOF)
	}
	m := member{next: pos + physical + (-(pos + physical))&(blockSize-1)}
	switch {
	case sparse && hdr.Size > 0:
		m.content, m.spans = &sparseContent{a, hdr.Size, pos, spans}, len(spans)
	case hdr.Size > 0:
		m.content = &content{a, pos, hdr.Size}
	}
	return m, nil
}

// maxHeaders bounds the headers of one sparse file. archive/tar takes 1 MiB for each of them and
// for the map.
const maxHeaders = 8 << 20

var errHeaders = fmt.Errorf("a sparse file with more than %d bytes of headers", maxHeaders)

// dataOf is [sparseMap] for members of any type.
func dataOf(hdr *tar.Header, headers func() ([]byte, error)) (spans []span, physical int64, sparse bool, err error) {
	switch hdr.Typeflag {
	case tar.TypeLink, tar.TypeSymlink, tar.TypeChar, tar.TypeBlock, tar.TypeDir, tar.TypeFifo, tar.TypeXGlobalHeader:
		return nil, 0, false, nil // a header alone
	}
	return sparseMap(hdr, headers)
}

// content is a member whose bytes lie in one piece.
type content struct {
	archive *archive
	off     int64
	size    int64
}

func (c *content) Open() (tree.File, error) {
	if err := c.archive.check(); err != nil {
		return nil, err
	}
	return &contentFile{content: c}, nil
}

type contentFile struct {
	*content
	closed atomic.Bool
}

func (f *contentFile) ReadAt(p []byte, off int64) (int, error) {
	p, end, err := bounds(p, off, f.size)
	if err != nil {
		return 0, err
	}
	n, err := f.archive.readAt(p, f.off+off)
	if err == nil {
		err = end
	}
	return n, err
}

func (f *contentFile) NextData(off int64) (int64, int64, error) {
	if off < 0 {
		return 0, 0, errOffset
	}
	if off >= f.size {
		return 0, 0, io.EOF
	}
	return off, f.size, nil
}

func (f *contentFile) Close() error {
	if f.closed.Swap(true) {
		return nil
	}
	return f.archive.check()
}

var errOffset = errors.New("negative offset")

// bounds cuts a read at off to a file of size bytes; end is io.EOF if something was cut.
func bounds(p []byte, off, size int64) (_ []byte, end, err error) {
	if off < 0 {
		return nil, nil, errOffset
	}
	if left := max(0, size-off); int64(len(p)) > left {
		return p[:left], io.EOF, nil
	}
	return p, nil, nil
}

// span is a range of data in a sparse file.
type span struct {
	start, end int64
	pos        int64 // of the data, counted from the first of the file
}

// sparseContent is a member of which only the data between holes is in the archive.
type sparseContent struct {
	archive *archive
	size    int64
	off     int64  // of the data
	spans   []span // in order, none empty, none touching
}

func (c *sparseContent) Open() (tree.File, error) {
	if err := c.archive.check(); err != nil {
		return nil, err
	}
	return &sparseFile{sparseContent: c}, nil
}

type sparseFile struct {
	*sparseContent
	closed atomic.Bool
}

// from is the index of the first span that ends after off.
func (c *sparseContent) from(off int64) int {
	return sort.Search(len(c.spans), func(i int) bool { return c.spans[i].end > off })
}

func (f *sparseFile) ReadAt(p []byte, off int64) (int, error) {
	p, end, err := bounds(p, off, f.size)
	if err != nil {
		return 0, err
	}
	done := 0
	for i := f.from(off); done < len(p); i++ {
		here := off + int64(done)
		hole := int64(math.MaxInt64)
		if i < len(f.spans) {
			hole = f.spans[i].start - here
		}
		if hole > 0 {
			n := int(min(hole, int64(len(p)-done)))
			clear(p[done : done+n])
			done += n
			here += int64(n)
		}
		if done == len(p) {
			break
		}
		s := f.spans[i]
		n := int(min(s.end-here, int64(len(p)-done)))
		m, err := f.archive.readAt(p[done:done+n], f.off+s.pos+here-s.start)
		done += m
		if err != nil {
			return done, err
		}
	}
	return done, end
}

func (f *sparseFile) NextData(off int64) (int64, int64, error) {
	if off < 0 {
		return 0, 0, errOffset
	}
	i := f.from(off)
	if i == len(f.spans) {
		return 0, 0, io.EOF
	}
	return max(off, f.spans[i].start), f.spans[i].end, nil
}

func (f *sparseFile) Close() error {
	if f.closed.Swap(true) {
		return nil
	}
	return f.archive.check()
}
