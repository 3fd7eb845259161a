package compress

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"

	"imagetools/compress/lzma2"
	"imagetools/internal/budget"
)

var (
	errXZStructure = errors.New("malformed structure")
	errXZFilter    = errors.New("unknown filter")
)

// An xzReader reads the streams of an .xz file in a row, on one core.
//
// The structure is that of "The .xz File Format" 1.2.1, sections 2 to 5: a stream is a header,
// blocks, an index and a footer; a block is a header, packed data, padding and a check.
type xzReader struct {
	src   *source
	err   error
	begun bool // a stream was read

	flags [2]byte // of the stream
	block *xzOpenBlock
	lzma  *lzma2.Reader
	index xzIndex

	budget *budget.Budget
	dict   uint64 // that the data asks for
	limit  uint64 // for the dictionary: half of what there was room for
	held   int64  // of it
}

// xzOpenBlock is a block that is being read.
type xzOpenBlock struct {
	r            io.Reader
	check        hash.Hash // nil for none
	size         uint64    // of what came out
	start        int64     // in the file
	header       int64     // its length
	packed, want uint64    // as the header has them
	hasPacked    bool
	hasWant      bool
}

func newXZReader(src *source, b *budget.Budget) *xzReader {
	return &xzReader{src: src, budget: b, limit: uint64(max(b.Limit()-b.Held(), 0) / 2)}
}

const xzDictionary = "dictionary of xz data"

// hold counts what the dictionary grows by: it has no more bytes than came out.
func (x *xzReader) hold(n int) error {
	err := x.budget.Hold(int64(n), xzDictionary)
	if err == nil {
		x.held += int64(n)
	}
	return err
}

func (x *xzReader) release() { x.budget.Release(x.held); x.held = 0 }

// at is the place in the file.
func (x *xzReader) at() int64 { return x.src.offset() }

func (x *xzReader) Read(p []byte) (int, error) {
	for x.err == nil {
		if x.block == nil {
			x.err = x.next()
			continue
		}
		n, err := x.block.r.Read(p)
		x.block.size += uint64(n)
		if x.block.check != nil {
			x.block.check.Write(p[:n])
		}
		if err == io.EOF {
			x.err = x.endBlock()
		} else {
			x.err = x.explain(err)
		}
		if n > 0 || len(p) == 0 {
			return n, nil
		}
	}
	return 0, x.err
}

// explain says of data that needs a larger dictionary what that would take.
func (x *xzReader) explain(err error) error {
	if errors.Is(err, lzma2.ErrMemory) {
		return fmt.Errorf("%w: %w: %w", ErrMemory, err, &budget.Error{
			What: xzDictionary, Held: x.budget.Held(), Need: int64(x.dict) - x.held, Limit: x.budget.Limit(),
		})
	}
	return err
}

// full reads n bytes.
func (x *xzReader) full(n int) ([]byte, error) {
	b := make([]byte, n)
	_, err := io.ReadFull(x.src.r, b)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return b, err
}

// next reads up to the next block; io.EOF is the end of the last stream.
func (x *xzReader) next() error {
	if x.index.sum == nil {
		if err := x.stream(); err != nil {
			return err
		}
	}
	b, err := x.full(1)
	if err != nil {
		return err
	}
	if b[0] != 0 {
		return x.blockHeader(b[0])
	}
	err = x.endStream()
	x.index = xzIndex{}
	return err
}

var xzMagic = []byte{0xfd, '7', 'z', 'X', 'Z', 0}

// stream reads a stream header, and before that the padding between streams: fours of zeros.
func (x *xzReader) stream() error {
	for x.begun {
		b, err := x.src.r.Peek(4)
		if len(b) == 0 && err == io.EOF {
			return io.EOF
		}
		if err == io.EOF {
			return io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
		if le32.Uint32(b) != 0 {
			break
		}
		_, _ = x.src.r.Discard(4) // cannot fail: it is buffered
	}
	at := x.at()
	b, err := x.full(12)
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(b, xzMagic) {
		return x.src.failAt(at, XZ, ErrTrailing)
	}
	if crc32.ChecksumIEEE(b[6:8]) != le32.Uint32(b[8:]) {
		return ErrChecksum
	}
	if b[6] != 0 || b[7]&0xf0 != 0 {
		return errXZStructure
	}
	x.begun, x.flags, x.index = true, [2]byte(b[6:8]), newXZIndex()
	return nil
}

// blockHeader reads the rest of a block header, which begins with its size.
func (x *xzReader) blockHeader(size byte) error {
	start := x.at() - 1
	b, err := x.full((int(size)+1)*4 - 1)
	if err != nil {
		return err
	}
	b = append([]byte{size}, b...)
	body, sum := b[:len(b)-4], b[len(b)-4:]
	if crc32.ChecksumIEEE(body) != le32.Uint32(sum) {
		return ErrChecksum
	}
	block := &xzOpenBlock{start: start, header: int64(len(b))}
	flags, rest := body[1], body[2:]
	if flags&0x3c != 0 {
		return errXZStructure
	}
	if block.hasPacked = flags&0x40 != 0; block.hasPacked {
		if block.packed, rest, err = xzNumber(rest); err != nil {
			return err
		}
	}
	if block.hasWant = flags&0x80 != 0; block.hasWant {
		if block.want, rest, err = xzNumber(rest); err != nil {
			return err
		}
	}
	if block.check, err = xzCheck(x.flags[1]); err != nil {
		return err
	}
	if block.r, err = x.filters(rest, int(flags&3)+1, block); err != nil {
		return err
	}
	x.block = block
	return nil
}

// xzNumber takes an integer of variable length, of at most nine bytes and in its shortest form.
func xzNumber(b []byte) (v uint64, rest []byte, err error) {
	v, n := binary.Uvarint(b[:min(len(b), 9)])
	if n <= 0 || n > 1 && b[n-1] == 0 {
		return 0, nil, errXZStructure
	}
	return v, b[n:], nil
}

// xzCheck returns the check of a type.
func xzCheck(kind byte) (hash.Hash, error) {
	switch kind {
	case 0:
		return nil, nil
	case 1:
		return crc32.NewIEEE(), nil
	case 4:
		return crc64.New(crc64Table), nil
	case 10:
		return sha256.New(), nil
	}
	return nil, fmt.Errorf("check of the unknown type %d", kind)
}

var crc64Table = crc64.MakeTable(crc64.ECMA)

// filters reads the chain of n filters in a header, and returns a reader that undoes them.
func (x *xzReader) filters(b []byte, n int, block *xzOpenBlock) (r io.Reader, err error) {
	type filter struct {
		id    uint64
		props []byte
	}
	var chain []filter
	for range n {
		var f filter
		var size uint64
		if f.id, b, err = xzNumber(b); err != nil {
			return nil, err
		}
		if size, b, err = xzNumber(b); err != nil {
			return nil, err
		}
		if size > uint64(len(b)) {
			return nil, errXZStructure
		}
		f.props, b = b[:size], b[size:]
		chain = append(chain, f)
	}
	if len(bytes.TrimLeft(b, "\x00")) > 0 { // padding
		return nil, errXZStructure
	}
	last := chain[n-1]
	if last.id != xzLZMA2 {
		return nil, fmt.Errorf("%w %#x at the end of the chain", errXZFilter, last.id)
	}
	dict, err := xzDictSize(last.props)
	if err != nil {
		return nil, err
	}
	if x.dict = dict; x.lzma == nil {
		x.lzma = lzma2.NewReader(x.src.r, dict, x.limit)
		x.lzma.Hold = x.hold
	} else {
		x.lzma.Reset(x.src.r, dict, x.limit)
	}
	r = x.lzma
	for i := n - 2; i >= 0; i-- {
		if r, err = xzFilter(r, chain[i].id, chain[i].props); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// xzFilter returns a reader that undoes a filter other than LZMA2.
func xzFilter(r io.Reader, id uint64, props []byte) (io.Reader, error) {
	if id == xzDelta {
		if len(props) != 1 {
			return nil, errXZStructure
		}
		return &deltaReader{r: r, distance: int(props[0]) + 1}, nil
	}
	start := uint32(0)
	switch len(props) {
	case 0:
	case 4:
		start = le32.Uint32(props)
	default:
		return nil, errXZStructure
	}
	if id == xzX86 {
		return newBranchReader(r, new(x86Filter).filter, start), nil
	}
	if f := branchFilters[byte(id)]; f != nil && id < 256 {
		return newBranchReader(r, f, start), nil
	}
	return nil, fmt.Errorf("%w %#x", errXZFilter, id)
}

// xzDictSize returns the size of a dictionary of its property (section 5.3.1).
func xzDictSize(props []byte) (uint64, error) {
	if len(props) != 1 || props[0] > 40 {
		return 0, errXZStructure
	}
	bits := uint(props[0])
	if bits == 40 {
		return 1<<32 - 1, nil
	}
	return uint64(2|bits&1) << (bits/2 + 11), nil
}

// endBlock reads the padding and the check behind the data of a block, and compares all sizes.
func (x *xzReader) endBlock() error {
	b := x.block
	x.block = nil
	packed := uint64(x.at() - b.start - b.header)
	if b.hasPacked && packed != b.packed || b.hasWant && b.size != b.want {
		return ErrLength
	}
	padding, err := x.full(int(-packed & 3))
	if err != nil {
		return err
	}
	if len(bytes.TrimLeft(padding, "\x00")) > 0 {
		return errXZStructure
	}
	unpadded := uint64(b.header) + packed
	if b.check != nil {
		sum, err := x.full(b.check.Size())
		if err != nil {
			return err
		}
		want := b.check.Sum(nil)
		if b.check.Size() <= 8 { // CRCs are little-endian
			reverse(want)
		}
		if !bytes.Equal(sum, want) {
			return ErrChecksum
		}
		unpadded += uint64(len(sum))
	}
	x.index.add(unpadded, b.size)
	return nil
}

func reverse(b []byte) {
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
}
