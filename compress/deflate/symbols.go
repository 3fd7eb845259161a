package deflate

import "math/bits"

// The alphabets of RFC 1951, section 3.2.5. Symbols of the literal/length alphabet: a byte, the
// end of the block, then 29 length codes; the distance alphabet has 30 codes.
const (
	endOfBlock    = 256
	firstLength   = 257
	litLenSymbols = 286
	distSymbols   = 30

	minMatch   = 3
	maxMatch   = 258
	windowSize = 1 << 15
)

// A lengthCode says how a match length is written: symbol, then extra bits on top of base.
type lengthCode struct {
	symbol uint16
	extra  uint8
	base   uint16
}

// lengthCodes is indexed by match length - minMatch.
var lengthCodes = func() (t [maxMatch - minMatch + 1]lengthCode) {
	base := minMatch
	for code := range 28 {
		extra := 0
		if code >= 8 {
			extra = code/4 - 1
		}
		for length := base; length < base+1<<extra && length <= maxMatch; length++ {
			t[length-minMatch] = lengthCode{uint16(firstLength + code), uint8(extra), uint16(base)}
		}
		base += 1 << extra
	}
	// The longest match has a code of its own and no extra bits.
	t[maxMatch-minMatch] = lengthCode{litLenSymbols - 1, 0, maxMatch}
	return t
}()

// distSymbol returns the code of a distance given as distance - 1, which is below windowSize.
// From the fourth on, two codes share each power of two.
func distSymbol(dist1 uint32) uint32 {
	if dist1 < 4 {
		return dist1
	}
	log := uint32(bits.Len32(dist1)) - 1
	return 2*log + dist1>>(log-1)&1
}

// distExtra returns the number of extra bits of a distance code.
func distExtra(symbol uint32) uint32 {
	return max(symbol>>1, 1) - 1
}
