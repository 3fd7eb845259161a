package block

import (
	"encoding/binary"
	"math/bits"
)

// repeatMatch writes to dst[at:at+n] what stands distance before it. The two may overlap,
// then the bytes between them repeat. The caller has checked that distance is 1 to at, and
// that dst has room.
func repeatMatch(dst []byte, at, distance, n int) {
	from, end := at-distance, at+n
	for at < end {
		at += copy(dst[at:end], dst[from:at]) // twice as much each time
	}
}

// matchLength is the number of bytes, from the first on, that a and b have in common. It
// never looks beyond the end of a; b must be at least as long.
func matchLength(a, b []byte) int {
	n := 0
	for len(a)-n >= 8 {
		if diff := binary.LittleEndian.Uint64(a[n:]) ^ binary.LittleEndian.Uint64(b[n:]); diff != 0 {
			return n + bits.TrailingZeros64(diff)/8
		}
		n += 8
	}
	for n < len(a) && a[n] == b[n] {
		n++
	}
	return n
}
