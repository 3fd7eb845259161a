package totar

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"imagetools/tree"
)

// span is a range of data in a file.
type span struct{ start, end int64 }

// sparseMap is where the data of a file lies. Spans begin and end on blocks, except for the
// end of the file: GNU tar lets each take whole blocks in the archive, others put one right
// behind the other, and so both mean the same. What a span covers beyond the data is zeros.
type sparseMap struct {
	spans []span
	data  int64 // bytes in the spans
	gap   int64 // holes smaller than this are filled, to keep the map short
	room  int64 // bytes of text that the spans take at most
	holes int64 // bytes of holes that were filled
}

const (
	// maxMap is how long a map archive/tar reads (maxSpecialFileSize), the number in front
	// and the fill of the last block included.
	maxMap = 1<<20 - 2*blockSize

	// freeFill is how many bytes of holes may be filled in any file.
	freeFill = 1 << 30
)

// mapOf asks f for its data. It holds at most 1 MiB of text in ranges, whatever f says.
func mapOf(ctx context.Context, f tree.File, size int64) (*sparseMap, error) {
	m := &sparseMap{}
	var real int64
	for off, count := int64(0), 0; off < size; count++ {
		if count%1024 == 1023 {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
		}
		start, end, err := nextData(f, off, size)
		if err != nil {
			return nil, err
		}
		if start == size {
			break
		}
		real += end - start
		off = end
		if end = min(end, size); end%blockSize != 0 {
			end += min(blockSize-end%blockSize, size-end)
		}
		m.add(span{start &^ (blockSize - 1), end})
		for m.room > maxMap {
			m.coarsen()
		}
	}
	for _, s := range m.spans {
		m.data += s.end - s.start
	}
	if m.holes > max(freeFill, real) {
		return nil, fmt.Errorf("%d bytes of data in too many pieces: the map of a sparse file is at most %d bytes", real, maxMap)
	}
	return m, nil
}

// add takes the next range.
func (m *sparseMap) add(s span) {
	if n := len(m.spans); n > 0 {
		last := &m.spans[n-1]
		if hole := s.start - last.end; hole <= 0 || hole < m.gap {
			m.holes += max(0, hole)
			m.room -= textLen(*last)
			last.end = max(last.end, s.end)
			m.room += textLen(*last)
			return
		}
	}
	m.spans = append(m.spans, s)
	m.room += textLen(s)
}

// coarsen fills the smallest holes.
func (m *sparseMap) coarsen() {
	m.gap = max(2*m.gap, 2*blockSize)
	old := m.spans
	m.spans, m.room = m.spans[:0], 0
	for _, s := range old { // writes behind where it reads
		m.add(s)
	}
}

// textLen is how many bytes the map needs for a span.
func textLen(s span) int64 {
	var b [2 * 20]byte
	return int64(len(strconv.AppendInt(strconv.AppendInt(b[:0], s.start, 10), s.end-s.start, 10))) + 2
}

// sparse tells whether there are holes.
func (m *sparseMap) sparse(size int64) bool {
	return len(m.spans) != 1 || m.spans[0] != span{0, size}
}

// text is the map in GNU's form 1.0: numbers in decimal, each with a newline; how many
// pairs, then offset and length of each; filled up to whole blocks. A hole at the end is
// marked by an empty range, or GNU tar would make the file too short.
func (m *sparseMap) text(size int64) []byte {
	spans := m.spans
	if n := len(spans); n == 0 || spans[n-1].end < size {
		spans = append(spans[:n:n], span{size, size})
	}
	b := make([]byte, 0, m.room+3*blockSize)
	b = append(strconv.AppendInt(b, int64(len(spans)), 10), '\n')
	for _, s := range spans {
		b = append(strconv.AppendInt(b, s.start, 10), '\n')
		b = append(strconv.AppendInt(b, s.end-s.start, 10), '\n')
	}
	return append(b, make([]byte, -len(b)&(blockSize-1))...)
}

// nextData is f.NextData within a file of size bytes, with size, size for no more data. What
// would make the caller go in circles is an error.
func nextData(f tree.File, off, size int64) (start, end int64, err error) {
	start, end, err = f.NextData(off)
	switch {
	case err == io.EOF:
		return size, size, nil
	case err != nil:
		return 0, 0, err
	case start < off || end <= start:
		return 0, 0, fmt.Errorf("data from byte %d to %d is said to follow byte %d", start, end, off)
	case start >= size:
		return size, size, nil
	}
	return start, min(end, size), nil
}
