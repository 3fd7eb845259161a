package image

import (
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"sync"

	"imagetools/tree"
)

// pieceSize is how much of a file has one sum: eight bytes of memory for each.
const pieceSize = 256 << 10

// reread reads a file a second time, and compares it with the first: somebody may write to it
// meanwhile. It is used for an uncompressed stream, whose contents stay where they are; the
// first time, the checksums of the stream itself tell what was damaged.
type reread struct {
	r    io.ReaderAt
	name string
	seed maphash.Seed
	sums []uint64     // of the pieces
	last maphash.Hash // of the piece that is being read
	size int64        // of what was read

	mu   sync.Mutex
	free []*piece // that was read, the latest last
}

// piece is a part of the file that was found to be the same.
type piece struct {
	number int64 // -1 for none
	buf    []byte
}

// maxFree is how many pieces are kept: more than files are read at once.
const maxFree = 8

func newReread(r io.ReaderAt, name string) *reread {
	v := &reread{r: r, name: name, seed: maphash.MakeSeed()}
	v.last.SetSeed(v.seed)
	return v
}

// Write takes what was read the first time, in order.
func (v *reread) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		k := min(len(p), pieceSize-int(v.size%pieceSize))
		v.last.Write(p[:k])
		v.size += int64(k)
		p = p[k:]
		if v.size%pieceSize == 0 {
			v.end()
		}
	}
	return n, nil
}

func (v *reread) end() {
	v.sums = append(v.sums, v.last.Sum64())
	v.last.Reset()
}

// done ends the first reading.
func (v *reread) done() {
	if v.size%pieceSize != 0 {
		v.end()
	}
}

// ReadAt reads what is the same as the first time; the error for other contents is
// [tree.ErrChanged]. What lies behind the end of the first reading is not there.
func (v *reread) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) {
		at := off + int64(n)
		if at >= v.size {
			return n, io.EOF
		}
		c, err := v.take(at / pieceSize)
		if err != nil {
			return n, err
		}
		n += copy(p[n:], c.buf[at%pieceSize:])
		v.give(c)
	}
	return n, nil
}

// take returns a piece that nobody else uses.
func (v *reread) take(number int64) (*piece, error) {
	c := v.find(number)
	if c.number == number {
		return c, nil
	}
	c.number = -1
	from := number * pieceSize
	c.buf = c.buf[:min(pieceSize, v.size-from)]
	n, err := v.r.ReadAt(c.buf, from)
	if n < len(c.buf) && (err == nil || errors.Is(err, io.EOF)) {
		err = v.changed(from)
	}
	if n == len(c.buf) {
		err = nil
		if number >= int64(len(v.sums)) || maphash.Bytes(v.seed, c.buf) != v.sums[number] {
			err = v.changed(from)
		}
	}
	if err != nil {
		v.give(c)
		return nil, err
	}
	c.number = number
	return c, nil
}

func (v *reread) changed(at int64) error {
	return fmt.Errorf("%s: from byte %d on: %w", v.name, at, tree.ErrChanged)
}

// find takes the piece from those that were read before, or else the oldest, or a new one.
func (v *reread) find(number int64) *piece {
	v.mu.Lock()
	defer v.mu.Unlock()
	at := 0
	for i, c := range v.free {
		if c.number == number {
			at = i
		}
	}
	if len(v.free) == 0 || len(v.free) < maxFree && v.free[at].number != number {
		return &piece{number: -1, buf: make([]byte, pieceSize)}
	}
	c := v.free[at]
	v.free = append(v.free[:at], v.free[at+1:]...)
	return c
}

func (v *reread) give(c *piece) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.free) < maxFree {
		v.free = append(v.free, c)
	}
}
