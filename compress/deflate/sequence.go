package deflate

// A sequence is a run of literals followed by a match. A match length of zero means that there
// is none: the run ends a segment.
type sequence struct {
	literals uint32
	length   uint16
	dist1    uint16 // distance - 1
}

// A histogram counts symbols: those of the literal/length alphabet from 0 on, those of the
// distance alphabet from firstDist on.
type histogram [firstDist + 32]uint32

const firstDist = 288

func (h *histogram) litLen() []uint32 { return h[:litLenSymbols] }
func (h *histogram) dist() []uint32   { return h[firstDist:][:distSymbols] }

// A segment is a part of the input that can become a block.
type segment struct {
	counts    histogram
	bytes     int    // input covered
	sequences int    // number of sequences
	symbols   uint32 // sum of the counts of litLen
	matches   uint32 // sum of the counts of dist
	extra     uint32 // extra bits of all lengths and distances

	cost  int64 // as a block of its own, see jointCost
	gain  int64 // what joining it with the next one saves
	stale bool  // joined in this pass
}

// count enters literals and the match behind them, and returns their sequence.
func (s *segment) count(literals []byte, length, dist int) sequence {
	for _, c := range literals {
		s.counts[c]++
	}
	s.sequences++
	s.symbols += uint32(len(literals))
	if length == 0 {
		return sequence{literals: uint32(len(literals))}
	}
	code := &lengthCodes[uint8(length-minMatch)]
	symbol := distSymbol(uint32(dist - 1))
	s.counts[code.symbol]++
	s.counts[firstDist+(symbol&31)]++
	s.symbols++
	s.matches++
	s.extra += uint32(code.extra) + distExtra(symbol)
	return sequence{uint32(len(literals)), uint16(length), uint16(dist - 1)}
}

// add joins the segment that follows.
func (s *segment) add(next *segment) {
	for i := range s.counts {
		s.counts[i] += next.counts[i]
	}
	s.bytes += next.bytes
	s.sequences += next.sequences
	s.symbols += next.symbols
	s.matches += next.matches
	s.extra += next.extra
}
