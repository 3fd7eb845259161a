package deflate

import "math"

const (
	// segmentBytes is the grain of block boundaries.
	segmentBytes = 1 << 10

	headerCost       = 160 << costShift
	headerSymbolCost = 3 << costShift
	storedHeaderCost = 40 << costShift
)

// jointCost returns the cost of two neighbouring segments as one block.
func jointCost(a, b *segment) int64 {
	sum, used := jointEntropy(&a.counts, &b.counts)
	cost := weigh(a.symbols+b.symbols) + weigh(a.matches+b.matches) - sum
	cost += uint64(a.extra+b.extra)<<costShift + headerCost + uint64(used)*headerSymbolCost
	return int64(min(cost, uint64(a.bytes+b.bytes)*8<<costShift+storedHeaderCost))
}

// merge joins neighbouring segments as long as that makes the output smaller. In each pass those
// pairs are joined that gain more than either of the two would with its other neighbour.
func (p *parser) merge() {
	var none segment
	row := p.row[:0]
	for i := range p.segments {
		row = append(row, &p.segments[i])
		row[i].cost = jointCost(row[i], &none)
	}
	for i := range row {
		setGain(row, i)
	}
	for n := len(row) + 1; len(row) < n; {
		n = len(row)
		row = mergePass(row)
	}
	p.row = row
}

// mergePass joins pairs of segments, sets the gains of those that changed and returns the row
// without the joined.
func mergePass(row []*segment) []*segment {
	kept := row[:0]
	before := int64(math.MinInt64) // the gain of joining row[i] with the one before it
	for i := 0; i < len(row); i++ {
		s := row[i]
		kept = append(kept, s)
		gain := s.gain
		if gain > 0 && gain > before && gain >= row[i+1].gain {
			s.cost += row[i+1].cost - gain
			s.add(row[i+1])
			s.stale = true
			gain = row[i+1].gain
			i++
		}
		before = gain
	}
	for i, s := range kept {
		if s.stale || i+1 < len(kept) && kept[i+1].stale {
			setGain(kept, i)
		}
	}
	for _, s := range kept {
		s.stale = false
	}
	return kept
}

// setGain computes what joining row[i] with the next one saves.
func setGain(row []*segment, i int) {
	row[i].gain = math.MinInt64
	if i+1 < len(row) {
		row[i].gain = row[i].cost + row[i+1].cost - jointCost(row[i], row[i+1])
	}
}
