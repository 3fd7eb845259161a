package deflate

import (
	"math/rand/v2"
	"testing"
)

// TestHuffman compares with the cost of the best code, found by the package-merge algorithm, and
// checks that the lengths make a complete code.
func TestHuffman(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	var builder huffmanBuilder
	for range 500 {
		counts := make([]uint32, 2+r.IntN(100))
		exponent := r.IntN(20)
		for i := range counts {
			counts[i] = r.Uint32() & (1<<r.IntN(exponent+1) - 1)
		}
		for _, limit := range []int{headerCodeBits, maxCodeBits} {
			var code prefixCode
			builder.build(&code, counts, limit)
			kraft, cost := 0, uint64(0)
			for i, n := range code.length[:len(counts)] {
				if n > 0 {
					kraft += 1 << (limit - int(n))
				}
				if int(n) > limit || n == 0 && counts[i] > 0 {
					t.Fatalf("symbol %d, %d times: %d bits of %d", i, counts[i], n, limit)
				}
				cost += uint64(n) * uint64(counts[i])
			}
			if kraft != 1<<limit {
				t.Fatalf("code of %v fills %d of %d", counts, kraft, 1<<limit)
			}
			if best := bestCost(counts, limit); cost != best {
				t.Errorf("limit %d: %d bits, best are %d", limit, cost, best)
			}
		}
	}
}

// bestCost sums the packages of each level, the slow and simple way.
func bestCost(counts []uint32, limit int) uint64 {
	var leaves, level []uint64
	for _, n := range counts {
		if n > 0 {
			leaves = insertSorted(leaves, uint64(n))
		}
	}
	if len(leaves) < 2 {
		if len(leaves) == 1 {
			return leaves[0]
		}
		return 0
	}
	for range limit {
		next := append([]uint64(nil), leaves...)
		for i := 0; i+1 < len(level); i += 2 {
			next = insertSorted(next, level[i]+level[i+1])
		}
		level = next
	}
	sum := uint64(0)
	for _, w := range level[:2*len(leaves)-2] {
		sum += w
	}
	return sum
}

func insertSorted(list []uint64, v uint64) []uint64 {
	list = append(list, v)
	for i := len(list) - 1; i > 0 && list[i-1] > list[i]; i-- {
		list[i-1], list[i] = list[i], list[i-1]
	}
	return list
}

func TestLog2(t *testing.T) {
	t.Parallel()
	for x, want := range map[uint32]uint64{0: 0, 1: 0, 2: 2, 4: 8, 1024: 10240, 4096: 12 * 4096, 1 << 20: 20 << 20} {
		if got := weigh(x); got != want<<costShift {
			t.Errorf("weigh(%d) = %d/256, want %d", x, got, want)
		}
	}
	// 1000·log2(1000) = 9965.784
	if got := weigh(1000); got < 9965<<costShift || got > 9966<<costShift {
		t.Errorf("weigh(1000) = %d/256", got)
	}
}
