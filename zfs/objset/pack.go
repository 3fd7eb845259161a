package objset

import (
	"encoding/binary"
	"math/bits"
)

// Dnodes and directories are mostly zeros, small numbers and short names. They are held with
// their zero bytes left out: for each word of eight bytes one that tells which of them
// follow. Zero words at the end are dropped.

func appendPacked(dst, src []byte) []byte {
	for len(src) >= 8 {
		w := binary.LittleEndian.Uint64(src)
		src = src[8:]
		if w == 0 {
			if allZero(src) {
				return dst
			}
			dst = append(dst, 0)
			continue
		}
		at := len(dst)
		dst = append(dst, 0)
		var mask byte
		for w != 0 {
			i := bits.TrailingZeros64(w) / 8
			mask |= 1 << i
			dst = append(dst, byte(w>>(8*i)))
			w &^= 0xFF << (8 * i)
		}
		dst[at] = mask
	}
	if len(src) > 0 {
		var last [8]byte
		copy(last[:], src)
		dst = appendPacked(dst, last[:])
	}
	return dst
}

// unpack fills dst with what was packed, and zeros behind it.
func unpack(dst, src []byte) {
	clear(dst)
	for at := 0; len(src) > 0 && at < len(dst); at += 8 {
		mask := src[0]
		src = src[1:]
		for ; mask != 0; mask &= mask - 1 {
			if i := at + bits.TrailingZeros8(mask); i < len(dst) {
				dst[i] = src[0]
			}
			src = src[1:]
		}
	}
}

func allZero(p []byte) bool {
	for len(p) >= 8 {
		if binary.LittleEndian.Uint64(p) != 0 {
			return false
		}
		p = p[8:]
	}
	for _, b := range p {
		if b != 0 {
			return false
		}
	}
	return true
}

// arena allocates many small byte slices that live as long as one another.
type arena struct{ free []byte }

const arenaChunk = 256 << 10

// keep returns a packed copy of p.
func (a *arena) keep(p []byte) []byte {
	if cap(a.free)-len(a.free) < len(p)+len(p)/8+2 {
		a.free = make([]byte, 0, max(arenaChunk, len(p)+len(p)/8+2))
	}
	start := len(a.free)
	a.free = appendPacked(a.free, p)
	return a.free[start:len(a.free):len(a.free)]
}
