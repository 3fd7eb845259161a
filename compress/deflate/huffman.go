package deflate

import (
	"math/bits"
	"slices"
)

const maxCodeBits = 15

// A prefixCode is a Huffman code in canonical form (RFC 1951, section 3.2.2).
type prefixCode struct {
	length [litLenSymbols + 2]uint8
	code   [litLenSymbols + 2]uint16 // bits in the order of output, first bit lowest
}

// A huffmanBuilder makes prefix codes. The zero value is ready.
type huffmanBuilder struct {
	leaves  [litLenSymbols]uint64 // count<<16 | symbol, sorted
	weight  [litLenSymbols]uint32 // see depths; in the end the length of the code of each leaf
	limited limitedBuilder
}

// build gives each symbol that occurs a code of at most limit bits, such that the counted symbols
// take the fewest bits. At least two symbols get a code: not every reader takes a code of one.
func (b *huffmanBuilder) build(c *prefixCode, counts []uint32, limit int) {
	clear(c.length[:])
	n := 0
	for symbol, count := range counts {
		if count != 0 {
			b.leaves[n] = uint64(count)<<16 | uint64(symbol)
			n++
		}
	}
	for symbol := uint64(0); n < 2; symbol++ {
		if counts[symbol] == 0 {
			b.leaves[n] = symbol
			n++
		}
	}
	leaves := b.leaves[:n]
	slices.Sort(leaves)
	b.depths(leaves)
	if int(b.weight[0]) > limit { // the rarest symbol lies deepest
		b.limited.lengths(b.weight[:n], leaves, limit)
	}
	var perLength [maxCodeBits + 1]int
	for i, leaf := range leaves {
		c.length[leaf&0xffff] = uint8(b.weight[i])
		perLength[b.weight[i]]++
	}
	c.assign(&perLength, len(counts))
}

// depths sets weight[i] to the depth of leaf i in a Huffman tree. It needs no tree: inner nodes
// are made in the order of their weights, so parents can be kept in place of weights consumed
// (Moffat and Katajainen, 1995).
func (b *huffmanBuilder) depths(leaves []uint64) {
	n := len(leaves)
	a := b.weight[:n]
	for i, leaf := range leaves {
		a[i] = uint32(leaf >> 16)
	}
	// a[:inner] becomes the parents of used inner nodes, then weights of unused ones; a[leaf:]
	// are leaves not used yet.
	leaf, unused := 0, 0
	take := func(next int) uint32 {
		if leaf >= n || unused < next && a[unused] < a[leaf] {
			w := a[unused]
			a[unused] = uint32(next)
			unused++
			return w
		}
		leaf++
		return a[leaf-1]
	}
	for next := range n - 1 {
		w := take(next)
		a[next] = w + take(next)
	}
	// From parents to depths of inner nodes, from the root down.
	a[n-2] = 0
	for i := n - 3; i >= 0; i-- {
		a[i] = a[a[i]] + 1
	}
	// Count the leaves of each depth: places on it that no inner node takes.
	places, inner, depth, out := 1, n-2, uint32(0), n-1
	for places > 0 {
		used := 0
		for inner >= 0 && a[inner] == depth {
			used++
			inner--
		}
		for range places - used {
			a[out] = depth
			out--
		}
		places = 2 * used
		depth++
	}
}

// assign numbers the codes by length, then symbol.
func (c *prefixCode) assign(perLength *[maxCodeBits + 1]int, symbols int) {
	var next [maxCodeBits + 2]uint16
	for length := 1; length <= maxCodeBits; length++ {
		next[length+1] = (next[length] + uint16(perLength[length])) << 1
	}
	for symbol := range symbols {
		if length := c.length[symbol]; length != 0 {
			c.code[symbol] = bits.Reverse16(next[length]) >> (16 - length)
			next[length]++
		}
	}
}
