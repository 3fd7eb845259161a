package compress

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
)

// xzMaxDict is the largest dictionary accepted, that of xz -9.
const xzMaxDict = 64 << 20

var errXZStructure = errors.New("malformed structure")

// An xzGate passes an xz file through to the decoder, following its structure, and stops with
// [ErrMemory] at a block whose dictionary is larger than xzMaxDict: the decoder would allocate
// that before it reads on. Checksums and contents it leaves to the decoder.
//
// The structure is that of "The .xz File Format" 1.2.0, sections 2 to 4: a stream is a header,
// blocks, an index and a footer; a block is a header, LZMA2 chunks, padding and a check.
type xzGate struct {
	r    *bufio.Reader
	pass int          // bytes to pass before something of interest
	look func() error // looks at what is next, sets pass and look

	check   int    // length of the check of each block
	size    int    // of chunks or index so far, modulo 4
	records uint64 // numbers left in the index
}

func newXZGate(r *bufio.Reader) *xzGate {
	g := &xzGate{r: r}
	g.look = g.stream
	return g
}

func (g *xzGate) Read(p []byte) (int, error) {
	for g.pass == 0 {
		if err := g.look(); err != nil {
			return 0, err
		}
	}
	n, err := g.r.Read(p[:min(len(p), g.pass)])
	g.pass -= n
	return n, err
}

// peek returns the next n bytes, or an error that says that the file is cut.
func (g *xzGate) peek(n int) ([]byte, error) {
	b, err := g.r.Peek(n)
	if err == io.EOF && len(b) > 0 {
		err = io.ErrUnexpectedEOF
	}
	return b, err
}

// stream looks at a stream header, or at padding between streams: four zeros.
func (g *xzGate) stream() error {
	b, err := g.peek(4)
	if err != nil {
		return err
	}
	if binary.LittleEndian.Uint32(b) == 0 {
		g.pass = 4
		return nil
	}
	if b, err = g.peek(12); err != nil {
		return err
	}
	g.check = [16]int{0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64}[b[7]&15]
	g.pass, g.look = 12, g.block
	return nil
}

// block looks at a block header, or at the zero that begins the index.
func (g *xzGate) block() error {
	b, err := g.peek(1)
	if err != nil {
		return err
	}
	g.size = 0
	if b[0] == 0 {
		g.pass, g.size, g.look = 1, 1, g.indexCount
		return nil
	}
	if b, err = g.peek((int(b[0]) + 1) * 4); err != nil {
		return err
	}
	dict, err := xzDictSize(b)
	if err != nil {
		return err
	}
	if dict > xzMaxDict {
		return ErrMemory
	}
	g.pass, g.look = len(b), g.chunk
	return nil
}

// xzDictSize returns the dictionary size of a block, whose only filter must be LZMA2: the decoder
// knows no other (sections 3.1 and 5.3.1).
func xzDictSize(header []byte) (uint64, error) {
	flags, rest := header[1], header[2:]
	for _, present := range []byte{0x40, 0x80} { // compressed and uncompressed size
		if flags&present != 0 {
			_, n := binary.Uvarint(rest)
			if n <= 0 {
				return 0, errXZStructure
			}
			rest = rest[n:]
		}
	}
	if flags&3 != 0 || len(rest) < 3 || rest[0] != 0x21 || rest[1] != 1 {
		return 0, errors.New("filter other than LZMA2")
	}
	switch bits := uint(rest[2]); {
	case bits > 40:
		return 0, errXZStructure
	case bits == 40:
		return 1<<32 - 1, nil
	default:
		return uint64(2|bits&1) << (bits/2 + 11), nil
	}
}

// chunk looks at the header of an LZMA2 chunk.
func (g *xzGate) chunk() error {
	b, err := g.peek(1)
	if err != nil {
		return err
	}
	switch control := b[0]; {
	case control == 0: // the end; padding and check follow
		g.size++
		g.pass, g.look = 1+-g.size&3+g.check, g.block
		return nil
	case control < 3: // stored
		if b, err = g.peek(3); err != nil {
			return err
		}
		g.pass = 3 + int(binary.BigEndian.Uint16(b[1:])) + 1
	case control < 0x80:
		return errXZStructure
	default:
		if b, err = g.peek(5); err != nil {
			return err
		}
		g.pass = 5 + int(binary.BigEndian.Uint16(b[3:])) + 1
		if control >= 0xc0 { // with properties
			g.pass++
		}
	}
	g.size = (g.size + g.pass) & 3
	return nil
}

// indexCount looks at the number of records in the index, each of two numbers.
func (g *xzGate) indexCount() error {
	n, err := g.number()
	g.records, g.look = 2*n, g.indexNumber
	return err
}

// indexNumber looks at a number in the index, or at what follows the last: padding, a checksum
// and the footer.
func (g *xzGate) indexNumber() error {
	if g.records == 0 {
		g.pass, g.look = -g.size&3+4+12, g.stream
		return nil
	}
	g.records--
	_, err := g.number()
	return err
}

// number looks at an integer of variable length.
func (g *xzGate) number() (uint64, error) {
	b, err := g.r.Peek(binary.MaxVarintLen64)
	if err != nil && err != io.EOF {
		return 0, err
	}
	value, n := binary.Uvarint(b)
	switch {
	case n == 0:
		return 0, io.ErrUnexpectedEOF
	case n < 0:
		return 0, errXZStructure
	}
	g.pass = n
	g.size = (g.size + n) & 3
	return value, nil
}
