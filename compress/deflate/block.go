package deflate

import "encoding/binary"

// Block types (RFC 1951, section 3.2.3).
const (
	blockStored  = 0
	blockFixed   = 1
	blockDynamic = 2
)

const maxStored = 65535

// fixedCodes are the codes of blocks without a description of their own (section 3.2.6).
var fixedLitLen, fixedDist = func() (l, d prefixCode) {
	var perLength [maxCodeBits + 1]int
	for i := range 288 {
		n := 8
		switch {
		case i < 144 || i >= 280:
		case i < 256:
			n = 9
		default:
			n = 7
		}
		l.length[i] = uint8(n)
		perLength[n]++
	}
	l.assign(&perLength, 288)
	for i := range 32 {
		d.length[i] = 5
	}
	d.assign(&[maxCodeBits + 1]int{5: 32}, 32)
	return l, d
}()

// A blockWriter writes sequences as blocks of the type that is the smallest for them.
type blockWriter struct {
	bitWriter
	huffman huffmanBuilder
	litLen  prefixCode
	dist    prefixCode
	header  codeHeader

	literal [256]uint32 // code | bits<<24
	match   [256]uint32 // by length - 3: code and extra bits | bits<<24
	offset  [32]uint32
}

func (b *blockWriter) writeBlock(s *segment, src []byte, seqs []sequence, final bool) {
	s.counts[endOfBlock] = 1
	b.huffman.build(&b.litLen, s.counts.litLen(), maxCodeBits)
	b.huffman.build(&b.dist, s.counts.dist(), maxCodeBits)
	headerBits := b.header.describe(&b.huffman, &b.litLen, &b.dist)
	dynamic := headerBits + s.bitsWith(&b.litLen, &b.dist)
	fixed := s.bitsWith(&fixedLitLen, &fixedDist)
	stored := uint64(len(src))*8 + uint64(len(src)/maxStored+1)*40
	last := uint64(0)
	if final {
		last = 1
	}
	b.reserve(int(min(dynamic, fixed, stored)/8) + 64)
	switch {
	case stored <= dynamic && stored <= fixed:
		b.writeStored(src, last)
	case fixed <= dynamic:
		b.write(last|blockFixed<<1, 3)
		b.writeSequences(src, seqs, &fixedLitLen, &fixedDist)
	default:
		b.write(last|blockDynamic<<1, 3)
		b.header.write(&b.bitWriter)
		b.writeSequences(src, seqs, &b.litLen, &b.dist)
	}
}

// bitsWith returns the size of the segment in a code, without a header.
func (s *segment) bitsWith(litLen, dist *prefixCode) uint64 {
	n := uint64(s.extra)
	for i, count := range s.counts.litLen() {
		n += uint64(count) * uint64(litLen.length[i])
	}
	for i, count := range s.counts.dist() {
		n += uint64(count) * uint64(dist.length[i])
	}
	return n
}

func (b *blockWriter) writeStored(src []byte, last uint64) {
	for {
		n := min(len(src), maxStored)
		final := last
		if n < len(src) {
			final = 0
		}
		b.write(final|blockStored<<1, 3)
		b.align()
		b.out = binary.LittleEndian.AppendUint16(b.out, uint16(n))
		b.out = binary.LittleEndian.AppendUint16(b.out, ^uint16(n))
		b.out = append(b.out, src[:n]...)
		src = src[n:]
		if len(src) == 0 {
			return
		}
	}
}

const bitsShift = 24

// prepare makes the tables that writeSequences reads.
func (b *blockWriter) prepare(litLen, dist *prefixCode) {
	for i := range b.literal {
		b.literal[i] = uint32(litLen.code[i]) | uint32(litLen.length[i])<<bitsShift
	}
	for i, c := range lengthCodes {
		n := litLen.length[c.symbol]
		extra := uint32(i+minMatch) - uint32(c.base)
		b.match[i] = uint32(litLen.code[c.symbol]) | extra<<n | uint32(n+c.extra)<<bitsShift
	}
	for i := range b.offset {
		b.offset[i] = uint32(dist.code[i]) | uint32(dist.length[i])<<bitsShift
	}
}

func (b *blockWriter) writeSequences(src []byte, seqs []sequence, litLen, dist *prefixCode) {
	b.prepare(litLen, dist)
	out := b.out[:cap(b.out)]
	at, acc, count := len(b.out), b.acc, b.count
	const mask = 1<<bitsShift - 1
	for _, s := range seqs {
		run := src[:s.literals]
		src = src[int(s.literals)+int(s.length):]
		for len(run) >= 3 {
			c0, c1, c2 := b.literal[run[0]], b.literal[run[1]], b.literal[run[2]]
			acc |= uint64(c0&mask) << (count & 63)
			count += uint(c0 >> bitsShift)
			acc |= uint64(c1&mask) << (count & 63)
			count += uint(c1 >> bitsShift)
			acc |= uint64(c2&mask) << (count & 63)
			count += uint(c2 >> bitsShift)
			binary.LittleEndian.PutUint64(out[at:], acc)
			at += int(count >> 3)
			acc >>= count &^ 7 & 63
			count &= 7
			run = run[3:]
		}
		for _, c := range run {
			c0 := b.literal[c]
			acc |= uint64(c0&mask) << (count & 63)
			count += uint(c0 >> bitsShift)
		}
		binary.LittleEndian.PutUint64(out[at:], acc)
		at += int(count >> 3)
		acc >>= count &^ 7 & 63
		count &= 7
		if s.length == 0 {
			continue
		}
		c := b.match[uint8(s.length-minMatch)]
		acc |= uint64(c&mask) << (count & 63)
		count += uint(c >> bitsShift)
		symbol := distSymbol(uint32(s.dist1))
		c = b.offset[symbol&31]
		acc |= uint64(c&mask) << (count & 63)
		count += uint(c >> bitsShift)
		extra := distExtra(symbol)
		acc |= uint64(uint32(s.dist1)&(1<<extra-1)) << (count & 63)
		count += uint(extra)
		binary.LittleEndian.PutUint64(out[at:], acc)
		at += int(count >> 3)
		acc >>= count &^ 7 & 63
		count &= 7
	}
	b.out = out[:at]
	b.acc, b.count = acc, count
	b.write(uint64(litLen.code[endOfBlock]), uint(litLen.length[endOfBlock]))
}
