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
