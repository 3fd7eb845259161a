package stream

import (
	"encoding/binary"
	"math/bits"
)

// Checksum is a fletcher-4 state: four running sums of 32-bit words. The zero value is the
// state at the start of a stream.
type Checksum [4]uint64

// Update runs p through the sum. Its length must be a multiple of 4; the words are read in
// the order the stream is in.
func (c *Checksum) Update(p []byte, order binary.ByteOrder) {
	if len(p)%4 != 0 {
		panic("stream: internal error: checksum over a partial word")
	}
	if order == binary.BigEndian {
		c.updateSwapped(p)
		return
	}
	s0, s1, s2, s3 := c[0], c[1], c[2], c[3]
	for len(p) >= 32 {
		w := p[:32:32]
		s0 += uint64(binary.LittleEndian.Uint32(w))
		s1 += s0
		s2 += s1
		s3 += s2
		s0 += uint64(binary.LittleEndian.Uint32(w[4:]))
		s1 += s0
		s2 += s1
		s3 += s2
		s0 += uint64(binary.LittleEndian.Uint32(w[8:]))
		s1 += s0
		s2 += s1
		s3 += s2
		s0 += uint64(binary.LittleEndian.Uint32(w[12:]))
		s1 += s0
		s2 += s1
		s3 += s2
		s0 += uint64(binary.LittleEndian.Uint32(w[16:]))
		s1 += s0
		s2 += s1
		s3 += s2
		s0 += uint64(binary.LittleEndian.Uint32(w[20:]))
		s1 += s0
		s2 += s1
		s3 += s2
		s0 += uint64(binary.LittleEndian.Uint32(w[24:]))
		s1 += s0
		s2 += s1
		s3 += s2
		s0 += uint64(binary.LittleEndian.Uint32(w[28:]))
		s1 += s0
		s2 += s1
		s3 += s2
		p = p[32:]
	}
	for ; len(p) >= 4; p = p[4:] {
		s0 += uint64(binary.LittleEndian.Uint32(p))
		s1 += s0
		s2 += s1
		s3 += s2
	}
	c[0], c[1], c[2], c[3] = s0, s1, s2, s3
}

// Append runs n bytes through the sum of which only their own sum is known: what Update made of
// them from the zero value. n must be a multiple of 4 below 4 GiB. Parts of a stream can so be
// summed on several cores.
func (c *Checksum) Append(sum Checksum, n int) {
	// In n words each sum counts the one before it once a word: these are the binomials.
	const third = 0xAAAAAAAAAAAAAAAB // 1/3 modulo 2⁶⁴: divides multiples of 3, wrapped ones too
	w := uint64(n) / 4
	w2 := w * (w + 1) / 2
	w3 := w2 * (w + 2) * third
	c[3] += w*c[2] + w2*c[1] + w3*c[0] + sum[3]
	c[2] += w*c[1] + w2*c[0] + sum[2]
	c[1] += w*c[0] + sum[1]
	c[0] += sum[0]
}

func (c *Checksum) updateSwapped(p []byte) {
	s0, s1, s2, s3 := c[0], c[1], c[2], c[3]
	for ; len(p) >= 4; p = p[4:] {
		s0 += uint64(bits.ReverseBytes32(binary.LittleEndian.Uint32(p)))
		s1 += s0
		s2 += s1
		s3 += s2
	}
	c[0], c[1], c[2], c[3] = s0, s1, s2, s3
}

func (c Checksum) put(b []byte, order binary.ByteOrder) {
	for i, v := range c {
		order.PutUint64(b[8*i:], v)
	}
}

func readChecksum(b []byte, order binary.ByteOrder) (c Checksum) {
	for i := range c {
		c[i] = order.Uint64(b[8*i:])
	}
	return c
}
