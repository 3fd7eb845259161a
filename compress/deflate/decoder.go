package deflate

import (
	"errors"
	"fmt"
	"io"
)

// A CorruptError reports input that is no DEFLATE stream.
type CorruptError struct {
	Offset int64 // in the stream, of the byte with the next bit
	Err    error
}

// Error gives the offset and the cause.
func (e *CorruptError) Error() string {
	return fmt.Sprintf("deflate: at byte %d: %v", e.Offset, e.Err)
}

// Unwrap returns the cause.
func (e *CorruptError) Unwrap() error { return e.Err }

var (
	errBlockType   = errors.New("unknown block type")
	errStored      = errors.New("length of a stored block does not fit its complement")
	errSymbolCount = errors.New("more length or distance symbols than there are")
	errRepeat      = errors.New("repetition of code lengths without the first, or beyond the last")
	errNoEnd       = errors.New("code without an end of the block")
	errSymbol      = errors.New("invalid code")
	errDistance    = errors.New("distance reaches before the start of the output")
)

// A Decoder decompresses a stream that comes in pieces of any size. The zero value is ready. It
// takes 20 KiB, allocates nothing but errors, and is not safe for concurrent use.
type Decoder struct {
	src []byte
	out []byte
	pos int // in src, of the next byte
	at  int // in out, where the next byte goes

	bits  uint64 // those read ahead, the next one lowest
	count uint   // of valid ones in bits; below 8 between calls

	state  func(*Decoder) error // what comes next; nil stands for a block
	last   bool                 // no block follows this one
	stored int                  // bytes left of a stored block
	offset int64                // of src in the stream
	err    error                // the final one

	fixed  bool // the tables are those of fixed blocks
	litLen [litLenTable]decodeEntry
	dist   [distTable]decodeEntry
	header [1 << headerCodeBits]decodeEntry
}

// Reset prepares for another stream.
func (d *Decoder) Reset() {
	d.bits, d.count = 0, 0
	d.state, d.last = nil, false
	d.offset, d.err = 0, nil
}

// Inflate decompresses the stream that src begins with to dst, and returns the bytes of output and
// of input. The error is nil at the end of the stream, [io.ErrShortBuffer] if dst is too small,
// [io.ErrUnexpectedEOF] if src is cut and else a [CorruptError]. What dst holds behind the output
// is undefined.
func (d *Decoder) Inflate(dst, src []byte) (n, consumed int, err error) {
	d.Reset()
	out, consumed, err := d.Append(dst[:0:len(dst)], src)
	if err == io.EOF {
		err = nil
	}
	return len(out), consumed, err
}

// Append appends to dst what src, the next piece of the stream, decompresses to, as far as the
// capacity of dst goes, and returns the result and the number of bytes consumed. What it is given
// in dst must end in the last 32 KiB of output, or all if there is less; what lies between the
// length of the result and its capacity is undefined. The error is
//
//   - [io.EOF] at the end of the stream, behind the last byte consumed;
//   - [io.ErrShortBuffer] if there is more output; room for 258 bytes is enough to advance;
//   - [io.ErrUnexpectedEOF] if the rest of src, below 1 KiB, needs what follows in the stream:
//     the next call takes both;
//   - a [CorruptError] with the output that precedes it, from then on in each call.
func (d *Decoder) Append(dst, src []byte) (out []byte, consumed int, err error) {
	if d.err != nil {
		return dst, 0, d.err
	}
	d.src, d.pos = src, 0
	d.out, d.at = dst[:cap(dst)], len(dst)
	for err == nil {
		if d.state == nil {
			d.state = (*Decoder).block
		}
		err = d.state(d)
	}
	d.unread()
	if err != io.ErrShortBuffer && err != io.ErrUnexpectedEOF {
		if err != io.EOF {
			err = &CorruptError{d.offset + int64(d.pos) - int64(d.count+7)>>3, err}
		}
		d.err = err
	}
	out, consumed = d.out[:d.at], d.pos
	d.offset += int64(d.pos)
	d.src, d.out = nil, nil
	return out, consumed, err
}

// unread gives back the whole bytes read ahead: all are of src, as there are none between calls.
func (d *Decoder) unread() {
	d.pos -= int(d.count >> 3)
	d.count &= 7
	d.bits &= 1<<d.count - 1
}

// A position is one that Append returns to when the input ends inside of something.
type position struct {
	bits  uint64
	count uint
	pos   int
}

func (d *Decoder) position() position { return position{d.bits, d.count, d.pos} }

func (d *Decoder) back(p position) { d.bits, d.count, d.pos = p.bits, p.count, p.pos }

// refill reads ahead as much as there is room for: 56 bits, unless the input ends.
func (d *Decoder) refill() {
	if len(d.src)-d.pos >= 8 {
		d.bits, d.count, d.pos = readAhead(d.src, d.pos, d.bits, d.count)
		return
	}
	for d.count < 56 && d.pos < len(d.src) {
		d.bits |= uint64(d.src[d.pos]) << d.count
		d.pos++
		d.count += 8
	}
}

func (d *Decoder) drop(n uint) {
	d.bits >>= n
	d.count -= n
}

// take returns the next n bits, 16 at most, and reports whether there are so many.
func (d *Decoder) take(n uint) (uint, bool) {
	if d.count < n {
		if d.refill(); d.count < n {
			return 0, false
		}
	}
	v := uint(d.bits & (1<<n - 1))
	d.drop(n)
	return v, true
}

// block reads the header of a block.
func (d *Decoder) block() error {
	if d.last {
		return io.EOF
	}
	start := d.position()
	head, ok := d.take(3)
	if ok {
		d.last = head&1 != 0
		var err error
		switch head >> 1 {
		case blockStored:
			err = d.storedHeader()
		case blockFixed:
			err = d.fixedCodes()
		case blockDynamic:
			err = d.dynamicCodes()
		default:
			err = errBlockType
		}
		if err != io.ErrUnexpectedEOF {
			return err
		}
	}
	d.last = false
	d.back(start)
	return io.ErrUnexpectedEOF
}

func (d *Decoder) storedHeader() error {
	d.drop(d.count & 7)
	n, _ := d.take(16)
	complement, ok := d.take(16)
	if !ok {
		return io.ErrUnexpectedEOF
	}
	if n != ^complement&0xffff {
		return errStored
	}
	d.unread()
	d.stored = int(n)
	d.state = (*Decoder).storedBytes
	return nil
}

func (d *Decoder) storedBytes() error {
	n := copy(d.out[d.at:], d.src[d.pos:min(len(d.src), d.pos+d.stored)])
	d.at += n
	d.pos += n
	d.stored -= n
	switch {
	case d.stored == 0:
		d.state = nil
		return nil
	case d.at == len(d.out):
		return io.ErrShortBuffer
	}
	return io.ErrUnexpectedEOF
}

func (d *Decoder) fixedCodes() error {
	if !d.fixed {
		if err := buildTable(d.litLen[:], litLenBits, fixedLitLen.length[:], litLenEntries[:]); err != nil {
			return err
		}
		if err := buildTable(d.dist[:], distBits, fixedDist.length[:distSymbols+2], distEntries[:]); err != nil {
			return err
		}
		d.fixed = true
	}
	d.state = (*Decoder).symbols
	return nil
}

// dynamicCodes reads the description of two codes (RFC 1951, section 3.2.7).
func (d *Decoder) dynamicCodes() error {
	fields, ok := d.take(headerFixedFields)
	if !ok {
		return io.ErrUnexpectedEOF
	}
	litLens, dists, orders := int(fields&31)+firstLength, int(fields>>5&31)+1, int(fields>>10)+4
	if litLens > litLenSymbols || dists > distSymbols {
		return errSymbolCount
	}
	var order [headerSymbols]uint8
	for _, symbol := range headerOrder[:orders] {
		n, ok := d.take(3)
		if !ok {
			return io.ErrUnexpectedEOF
		}
		order[symbol] = uint8(n)
	}
	if err := buildTable(d.header[:], headerCodeBits, order[:], headerEntries[:]); err != nil {
		return err
	}
	var lengths [litLenSymbols + distSymbols]uint8
	if err := d.codeLengths(lengths[:litLens+dists]); err != nil {
		return err
	}
	if lengths[endOfBlock] == 0 {
		return errNoEnd
	}
	d.fixed = false
	if err := buildTable(d.litLen[:], litLenBits, lengths[:litLens], litLenEntries[:]); err != nil {
		return err
	}
	d.state = (*Decoder).symbols
	return buildTable(d.dist[:], distBits, lengths[litLens:litLens+dists], distEntries[:])
}

func (d *Decoder) codeLengths(lengths []uint8) error {
	for i := 0; i < len(lengths); {
		if d.count < headerCodeBits+7 {
			d.refill()
		}
		e := d.header[d.bits&(1<<headerCodeBits-1)]
		if e.used() > d.count {
			return io.ErrUnexpectedEOF
		}
		if e&entrySpecial != 0 {
			return errSymbol
		}
		d.drop(e.used())
		symbol := e >> entryValue
		if symbol < repeatPrevious {
			lengths[i] = uint8(symbol)
			i++
			continue
		}
		base, extra, length := 3, uint(2), uint8(0)
		switch symbol {
		case repeatPrevious:
			if i == 0 {
				return errRepeat
			}
			length = lengths[i-1]
		case repeatZero:
			extra = 3
		default: // repeatZeroLong
			base, extra = 11, 7
		}
		n, ok := d.take(extra)
		if !ok {
			return io.ErrUnexpectedEOF
		}
		run := base + int(n)
		if run > len(lengths)-i {
			return errRepeat
		}
		for range run {
			lengths[i] = length
			i++
		}
	}
	return nil
}

// symbols decodes the rest of a block: fast, as long as no end is near, else with care.
func (d *Decoder) symbols() error {
	for {
		if err := d.fast(); err != nil {
			return err
		}
		start := d.position()
		e, next, err := d.entry(d.litLen[:], litLenBits)
		switch {
		case err != nil:
		case e&entryEnd != 0:
			d.state = nil
			return nil
		case e&entryLiteral == 0:
			err = d.match(e.value(next))
		case d.at < len(d.out):
			d.out[d.at] = uint8(e >> entryValue)
			d.at++
		default:
			err = io.ErrShortBuffer
		}
		if err == io.ErrUnexpectedEOF || err == io.ErrShortBuffer {
			d.back(start)
		}
		if err != nil {
			return err
		}
	}
}

// match reads a distance and copies length bytes.
func (d *Decoder) match(length int) error {
	e, next, err := d.entry(d.dist[:], distBits)
	if err != nil {
		return err
	}
	distance := e.value(next)
	switch {
	case distance > d.at:
		return errDistance
	case length > len(d.out)-d.at:
		return io.ErrShortBuffer
	}
	for range length {
		d.out[d.at] = d.out[d.at-distance]
		d.at++
	}
	return nil
}

// entry consumes a code with its extra bits. It returns the valid entry that the code leads to and
// the bits that this entry is about.
func (d *Decoder) entry(table []decodeEntry, tableBits uint) (e decodeEntry, next uint64, err error) {
	d.refill()
	e = table[d.bits&(1<<tableBits-1)]
	if e&entryLink != 0 && tableBits <= d.count {
		d.drop(tableBits)
		e = table[e.index(d.bits)]
	}
	switch {
	case e.used() > d.count:
		return 0, 0, io.ErrUnexpectedEOF
	case e&(entrySpecial|entryEnd) == entrySpecial:
		return 0, 0, errSymbol
	}
	next = d.bits
	d.drop(e.used())
	return e, next, nil
}
