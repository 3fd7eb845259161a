package deflate

import "math/bits"

const (
	hash4Bits = 16
	hash3Bits = 14

	windowMask = windowSize - 1

	// searchMargin is the number of bytes that follow each position searched: no hash, and so no
	// choice, depends on what lies behind the input.
	searchMargin = 8

	// niceLength is a match length that ends a search.
	niceLength = 64
)

// positionBias is added to positions in tables, so that the zero value lies outside of every
// window.
const positionBias = 2 * windowSize

// A matcher finds earlier occurrences of the bytes at a position. Positions with the same hash of
// four bytes are chained from the newest to the oldest; with the same hash of three bytes, only
// the newest is known. Positions are entered in ascending order, each once at most, by search or by
// insert.
type matcher struct {
	in    *Input
	head4 [1 << hash4Bits]int32
	head3 [1 << hash3Bits]int32
	// next is the distance from a position to the one behind it in the chain, cut to 16 bits:
	// more than windowSize is the end.
	next [windowSize]uint16
}

func (m *matcher) reset(in *Input) {
	m.in = in
	clear(m.head4[:])
	clear(m.head3[:])
}

// The hashes are the high bits of a product with Knuth's multiplier, 2³² over the golden ratio.
func hash4(v uint32) uint32 { return v * 2654435761 >> (32 - hash4Bits) }
func hash3(v uint32) uint32 { return (v << 8) * 2654435761 >> (32 - hash3Bits) }

// insert enters the positions from pos up to end.
func (m *matcher) insert(pos, end int) {
	in := m.in
	for end = min(end, in.n-searchMargin); pos < end; pos++ {
		v := in.load32(pos)
		at := int32(pos + positionBias)
		m.head3[hash3(v)] = at
		h := hash4(v)
		m.next[pos&windowMask] = uint16(min(at-m.head4[h], 1<<16-1))
		m.head4[h] = at
	}
}

// search enters pos and returns the longest match found there, looking at depth candidates at
// most. The length is best, and the distance zero, if there is none longer than that.
func (m *matcher) search(pos, best, depth int) (length, dist int) {
	in := m.in
	if pos >= in.n-searchMargin {
		return best, 0
	}
	v := in.load32(pos)
	at := int32(pos + positionBias)
	h3, h4 := hash3(v), hash4(v)
	dist3, dist4 := int(at-m.head3[h3]), int(at-m.head4[h4])
	m.head3[h3] = at
	m.head4[h4] = at
	m.next[pos&windowMask] = uint16(min(dist4, 1<<16-1))

	if best < minMatch && dist3 <= windowSize && (in.load32(pos-dist3)^v)<<8 == 0 {
		best, dist = minMatch, dist3
	}
	if best > minMatch {
		return m.walk(pos, dist4, best, dist, depth)
	}
	// Any match of four bytes is better.
	for ; dist4 <= windowSize && depth > 0; depth-- {
		if in.load32(pos-dist4) == v {
			best, dist = m.common(pos, dist4), dist4
			if best >= niceLength {
				return best, dist
			}
			dist4 += int(m.next[(pos-dist4)&windowMask])
			return m.walk(pos, dist4, best, dist, depth-1)
		}
		dist4 += int(m.next[(pos-dist4)&windowMask])
	}
	return best, dist
}

// walk goes down the chain from the candidate at distance far, looking for a match longer than
// length, which is at least 4, and returns it or the one given.
func (m *matcher) walk(pos, far, length, dist, depth int) (int, int) {
	in := m.in
	if pos+length >= in.n {
		return length, dist
	}
	// A longer match agrees in the four bytes that end one behind the match known: those differ
	// more often than the first four.
	first, last := in.load32(pos), in.load32(pos+length-3)
	for ; far <= windowSize && depth > 0; depth-- {
		candidate := pos - far
		if in.load32(candidate+length-3) == last && in.load32(candidate) == first {
			if n := m.common(pos, far); n > length {
				length, dist = n, far
				if n >= niceLength || pos+n >= in.n {
					break
				}
				last = in.load32(pos + length - 3)
			}
		}
		far += int(m.next[candidate&windowMask])
	}
	return length, dist
}

// common counts the bytes from pos on that equal those at a distance before, of which the first
// four are known to. A match neither exceeds maxMatch nor the input.
func (m *matcher) common(pos, dist int) int {
	in := m.in
	limit := min(in.n-pos, maxMatch)
	for n := 4; n < limit; n += 8 {
		if x := in.load64(pos+n) ^ in.load64(pos+n-dist); x != 0 {
			return min(n+bits.TrailingZeros64(x)>>3, limit)
		}
	}
	return limit
}
