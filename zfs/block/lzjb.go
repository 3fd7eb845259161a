package block

// A block of lzjb is a row of groups: a control byte, whose bits from the lowest on tell what
// the next eight items are. 0 is a byte as it is; 1 is a match of two bytes, big-endian: six
// bits of length, less 3, and ten of distance (lzjb.c).
const (
	lzjbMinMatch     = 3
	lzjbMaxMatch     = 66
	lzjbDistanceBits = 10
	lzjbDistance     = 1<<lzjbDistanceBits - 1

	lzjbHashBits = 12
)

func decodeLZJB(dst, src []byte) *FormatError {
	d, s := 0, 0
	for d < len(dst) {
		if s == len(src) {
			return short(s, dst, d)
		}
		control := src[s]
		s++
		if control == 0 && len(src)-s >= 8 && len(dst)-d >= 8 {
			*(*[8]byte)(dst[d:]) = *(*[8]byte)(src[s:])
			s += 8
			d += 8
			continue
		}
		for bit := 0; bit < 8 && d < len(dst); bit++ {
			if control>>bit&1 == 0 {
				if s == len(src) {
					return short(s, dst, d)
				}
				dst[d] = src[s]
				s++
				d++
				continue
			}
			if len(src)-s < 2 {
				return short(s, dst, d)
			}
			match := int(src[s])<<8 | int(src[s+1])
			distance := match & lzjbDistance
			if distance == 0 || distance > d {
				return corrupt(s, "distance %d behind %d bytes", distance, d)
			}
			s += 2
			n := min(match>>lzjbDistanceBits+lzjbMinMatch, len(dst)-d)
			repeatMatch(dst, d, distance, n)
			d += n
		}
	}
	return nil
}

func encodeLZJB(dst, src []byte) []byte {
	var seen [1 << lzjbHashBits]uint32 // where three bytes with the hash began last
	control, bit := 0, 8
	for at := 0; at < len(src); bit++ {
		if bit == 8 {
			control, bit = len(dst), 0
			dst = append(dst, 0)
		}
		n, distance := 0, 0
		if len(src)-at >= lzjbMinMatch {
			next := src[at:min(at+lzjbMaxMatch, len(src))]
			word := uint32(next[0])<<16 | uint32(next[1])<<8 | uint32(next[2])
			slot := &seen[word*2654435761>>(32-lzjbHashBits)]
			distance = at - int(*slot)
			*slot = uint32(at)
			if distance > 0 && distance <= lzjbDistance {
				n = matchLength(next, src[at-distance:])
			}
		}
		if n < lzjbMinMatch {
			dst = append(dst, src[at])
			at++
			continue
		}
		match := (n-lzjbMinMatch)<<lzjbDistanceBits | distance
		dst[control] |= 1 << bit
		dst = append(dst, byte(match>>8), byte(match))
		at += n
	}
	return dst
}
