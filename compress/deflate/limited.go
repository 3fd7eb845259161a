package deflate

// A limitedBuilder finds the lengths of codes where a Huffman tree would be too deep, by the
// package-merge algorithm (Larmore and Hirschberg, 1990): a level is the leaves merged with the
// level before it taken in pairs; the 2n-2 lightest items of the last level are a cover of the
// code, and each time a leaf occurs in it, its code is one bit longer.
type limitedBuilder struct {
	isPair [maxCodeBits][2 * litLenSymbols]bool
	weight [2][2 * litLenSymbols]uint32 // of the items of this level and the one before it
}

// lengths sets the code length of each leaf; leaves are sorted.
func (b *limitedBuilder) lengths(length []uint32, leaves []uint64, limit int) {
	before := b.weight[0][:0]
	for level := range limit {
		before = b.merge(b.weight[(level+1)&1][:0], before, leaves, b.isPair[level][:])
	}
	clear(length)
	taken := 2*len(leaves) - 2
	for level := limit - 1; level >= 0; level-- {
		pairs := 0
		for _, pair := range b.isPair[level][:taken] {
			if pair {
				pairs++
			}
		}
		for i := range taken - pairs {
			length[i]++
		}
		taken = 2 * pairs
	}
}

// merge appends the items of a level, and tells which are pairs.
func (b *limitedBuilder) merge(items, before []uint32, leaves []uint64, isPair []bool) []uint32 {
	for len(leaves) > 0 || len(before) >= 2 {
		pair := len(before) >= 2 && (len(leaves) == 0 || before[0]+before[1] < uint32(leaves[0]>>16))
		isPair[len(items)] = pair
		if pair {
			items = append(items, before[0]+before[1])
			before = before[2:]
		} else {
			items = append(items, uint32(leaves[0]>>16))
			leaves = leaves[1:]
		}
	}
	return items
}
