package block

import "encoding/binary"

// A block of LZ4 is a row of sequences: a token, literals, a distance (u16, little-endian)
// and thereby a match. The token has the number of literals in its upper half and that of
// matching bytes, less 4, in the lower; 15 says that bytes follow which add to it, up to one
// that is not 255. The last sequence ends with its literals (lz4_Block_format.md).
const (
	lz4Header   = 4 // bytes of length before the block
	lz4MinMatch = 4
	lz4Extended = 15 // the length goes on
	lz4Distance = 1<<16 - 1

	// Encoders leave the last bytes to literals, since decoders copy ahead.
	lz4LastLiterals  = 5
	lz4LastMatchFrom = 12 // bytes before the end where the last match begins

	lz4HashBits = 13
)

func decodeLZ4(dst, src []byte) *FormatError {
	if len(src) < lz4Header {
		return cut(src)
	}
	size := binary.BigEndian.Uint32(src)
	if uint64(size) > uint64(len(src)-lz4Header) {
		return corrupt(0, "length %d, %d bytes follow", size, len(src)-lz4Header)
	}
	src = src[:lz4Header+int(size)]
	d, s := 0, lz4Header
	for s < len(src) {
		token := src[s]
		s++

		n := int(token >> 4)
		if n == lz4Extended {
			n, s = lz4Length(src, s)
		}
		if uint(n) <= 16 && len(src)-s >= 16 && len(dst)-d >= 16 {
			*(*[16]byte)(dst[d:]) = *(*[16]byte)(src[s:])
		} else {
			if uint(n) > uint(len(src)-s) {
				return cut(src)
			}
			if n > len(dst)-d {
				return long(s, dst)
			}
			copy(dst[d:d+n], src[s:])
		}
		s += n
		d += n
		if s == len(src) {
			if d < len(dst) {
				return short(s, dst, d)
			}
			return nil
		}

		if len(src)-s < 2 {
			return cut(src)
		}
		distance := int(binary.LittleEndian.Uint16(src[s:]))
		if distance == 0 || distance > d {
			return corrupt(s, "distance %d behind %d bytes", distance, d)
		}
		s += 2
		n = int(token & 15)
		if n == lz4Extended {
			n, s = lz4Length(src, s)
		}
		n += lz4MinMatch
		if uint(n) > uint(len(dst)-d) {
			return long(s, dst)
		}
		if from := d - distance; n <= 16 && distance >= 8 && len(dst)-d >= 16 {
			// The second half may be made of the first.
			*(*[8]byte)(dst[d:]) = *(*[8]byte)(dst[from:])
			*(*[8]byte)(dst[d+8:]) = *(*[8]byte)(dst[from+8:])
		} else {
			repeatMatch(dst, d, distance, n)
		}
		d += n
	}
	return cut(src)
}

// lz4Length returns a length whose extension stands at src[at:], and where that ends. If it
// does not, the length is one that fits nowhere.
func lz4Length(src []byte, at int) (n, end int) {
	n = lz4Extended
	for at < len(src) {
		b := src[at]
		at++
		if n += int(b); b != 255 {
			return n, at
		}
	}
	return -1 - lz4MinMatch, at
}

func encodeLZ4(dst, src []byte) []byte {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	var seen [1 << lz4HashBits]uint32 // where four bytes with the hash began last
	literals, at := 0, 0
	for at <= len(src)-lz4LastMatchFrom {
		word := binary.LittleEndian.Uint32(src[at:])
		slot := &seen[word*2654435761>>(32-lz4HashBits)]
		from := int(*slot)
		*slot = uint32(at)
		if from == at || at-from > lz4Distance || binary.LittleEndian.Uint32(src[from:]) != word {
			at += 1 + (at-literals)>>6 // what does not compress is skipped ever faster
			continue
		}
		n := lz4MinMatch + matchLength(src[at+lz4MinMatch:len(src)-lz4LastLiterals], src[from+lz4MinMatch:])
		dst = appendLiterals(dst, src[literals:at], n-lz4MinMatch)
		dst = binary.LittleEndian.AppendUint16(dst, uint16(at-from))
		dst = appendLength(dst, n-lz4MinMatch)
		at += n
		literals = at
	}
	dst = appendLiterals(dst, src[literals:], 0)
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start-lz4Header))
	return dst
}

// appendLiterals begins a sequence, whose match has the given length.
func appendLiterals(dst, literals []byte, match int) []byte {
	dst = append(dst, byte(min(len(literals), lz4Extended)<<4|min(match, lz4Extended)))
	dst = appendLength(dst, len(literals))
	return append(dst, literals...)
}

// appendLength appends what of a length does not fit into the token.
func appendLength(dst []byte, n int) []byte {
	if n -= lz4Extended; n < 0 {
		return dst
	}
	for ; n >= 255; n -= 255 {
		dst = append(dst, 255)
	}
	return append(dst, byte(n))
}
