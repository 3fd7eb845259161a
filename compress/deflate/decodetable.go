package deflate

import (
	"errors"
	"math/bits"
)

// A decodeEntry is what a table says about the next bits of the input:
//
//	bits 0–5    bits to consume: of the code and, behind it, of extra bits
//	bits 8–11   of these, those of the code; of a link, the bits that index the subtable
//	bit 13      the end of the block
//	bit 14      a link to a subtable, whose entries leave out the bits of the link
//	bit 15      neither a literal nor a base: one of the above or, without them, invalid
//	bits 16–30  a literal, the base of a length or distance, or the start of the subtable
//	bit 31      a literal
type decodeEntry uint32

const (
	entryEnd     decodeEntry = 1 << 13
	entryLink    decodeEntry = 1 << 14
	entrySpecial decodeEntry = 1 << 15
	entryLiteral decodeEntry = 1 << 31

	entryValue = 16       // shift of the value
	entryCode  = 1<<8 | 1 // times the bits of a code, to be added to an entry without them
)

// used is the number of bits to consume.
func (e decodeEntry) used() uint { return uint(e & 63) }

// index is the place in the table of the entry that a link and the bits behind it lead to.
func (e decodeEntry) index(next uint64) uint {
	return uint(e>>entryValue) + uint(next)&(1<<(e>>8&15)-1)
}

// value is the base of a length or distance with the extra bits, from the bits of the code on.
func (e decodeEntry) value(next uint64) int {
	return int(e>>entryValue) + int(next&(1<<(e&63)-1)>>(e>>8&15))
}

// Tables are indexed by the next litLenBits or distBits of the input. Longer codes lead to
// subtables; all fit the sizes: 2342 and 402 entries are the most that codes of 288 and 32 symbols
// take, which the program enough.c of zlib finds.
const (
	litLenBits = 11
	distBits   = 8

	litLenTable = 1 << 12
	distTable   = 1 << 9

	litLenMask = 1<<litLenBits - 1
	distMask   = 1<<distBits - 1

	maxDistExtra = 13 // extra bits of a distance
)

// Symbols with their extra bits, without the bits of a code. The last two of each alphabet have
// codes in fixed blocks, but no meaning (RFC 1951, section 3.2.6).
var (
	headerEntries = func() (t [headerSymbols]decodeEntry) {
		for symbol := range t {
			t[symbol] = decodeEntry(symbol) << entryValue
		}
		return t
	}()

	litLenEntries = func() (t [litLenSymbols + 2]decodeEntry) {
		for literal := range endOfBlock {
			t[literal] = entryLiteral | decodeEntry(literal)<<entryValue
		}
		t[endOfBlock] = entrySpecial | entryEnd
		for _, c := range lengthCodes {
			t[c.symbol] = decodeEntry(c.base)<<entryValue | decodeEntry(c.extra)
		}
		t[litLenSymbols], t[litLenSymbols+1] = entrySpecial, entrySpecial
		return t
	}()

	distEntries = func() (t [distSymbols + 2]decodeEntry) {
		base := 1
		for symbol := range uint32(distSymbols) {
			extra := distExtra(symbol)
			t[symbol] = decodeEntry(base)<<entryValue | decodeEntry(extra)
			base += 1 << extra
		}
		t[distSymbols], t[distSymbols+1] = entrySpecial, entrySpecial
		return t
	}()
)

var (
	errOversubscribed = errors.New("more codes than their lengths allow")
	errIncomplete     = errors.New("incomplete code")
)

// buildTable fills table for the canonical code with the given length for each symbol, zero for
// none, at most maxCodeBits. Of codes that leave bits without a symbol it takes two: the one
// without symbols, and that of a single bit for a single symbol. What is left are invalid entries.
func buildTable(table []decodeEntry, tableBits uint, lengths []uint8, symbols []decodeEntry) error {
	var count [maxCodeBits + 1]uint16
	for _, n := range lengths {
		count[n&15]++
	}
	var start [maxCodeBits + 2]uint16 // of each length in sorted
	places := 1                       // left for longer codes
	for n := 1; n <= maxCodeBits; n++ {
		start[n+1] = start[n] + count[n]
		places = places<<1 - int(count[n])
		if places < 0 {
			return errOversubscribed
		}
	}
	used := start[maxCodeBits+1]
	if places > 0 {
		if used > 1 || used != count[1] {
			return errIncomplete
		}
		invalid := entrySpecial | entryCode
		for i := range table[:1<<tableBits] {
			table[i] = invalid
		}
	}
	var sorted [litLenSymbols + 2]uint16
	for symbol, n := range lengths {
		if n != 0 {
			sorted[start[n]] = uint16(symbol)
			start[n]++
		}
	}
	if places > 0 {
		for i := uint(0); used == 1 && i < 1<<tableBits; i += 2 {
			table[i] = symbols[sorted[0]] + entryCode
		}
		return nil
	}

	// code has its first bit lowest. Codes of up to tableBits fill a table that doubles with each
	// further bit; a zero at its end does not change code.
	code := uint(0)
	rest := sorted[:used]
	for n := uint(1); n <= tableBits; n++ {
		for range count[n] {
			table[code] = symbols[rest[0]] + decodeEntry(n)*entryCode
			rest = rest[1:]
			code = nextCode(code, n)
		}
		if n < tableBits {
			copy(table[1<<n:1<<(n+1)], table[:1<<n])
		}
	}
	// A subtable for each group of longer codes that begin with the same tableBits.
	prefix, end, subStart, subBits := ^uint(0), uint(1)<<tableBits, uint(0), uint(0)
	for n := tableBits + 1; n <= maxCodeBits; n++ {
		for left := count[n]; left > 0; left-- {
			if code&(1<<tableBits-1) != prefix {
				prefix = code & (1<<tableBits - 1)
				subStart, subBits = end, n-tableBits
				for inside := uint(left); inside < 1<<subBits; {
					subBits++
					inside = inside<<1 + uint(count[tableBits+subBits])
				}
				end += 1 << subBits
				table[prefix] = entrySpecial | entryLink | decodeEntry(subStart)<<entryValue |
					decodeEntry(subBits)<<8 | decodeEntry(tableBits)
			}
			entry := symbols[rest[0]] + decodeEntry(n-tableBits)*entryCode
			rest = rest[1:]
			for i := code >> tableBits; i < 1<<subBits; i += 1 << (n - tableBits) {
				table[subStart+i] = entry
			}
			code = nextCode(code, n)
		}
	}
	return nil
}

// nextCode adds one to a code of n bits whose first bit is the lowest: the last zero becomes a
// one, the ones behind it zeros. That of ones alone is the last of a complete code; it becomes zero.
func nextCode(code, n uint) uint {
	zeros := code ^ (1<<n - 1)
	if zeros == 0 {
		return 0
	}
	bit := uint(1) << (bits.Len(zeros) - 1)
	return code&(bit-1) | bit
}
