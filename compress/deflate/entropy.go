package deflate

import "math/bits"

// Costs for choosing block boundaries are in bits with costShift fractional bits: integers, so
// that every machine chooses the same.
const costShift = 8

const xlogxSize = 4096

// xlogx holds x·log2(x).
var xlogx = func() (t [xlogxSize]uint32) {
	for x := 2; x < xlogxSize; x++ {
		t[x] = uint32((uint64(x)*log2(uint64(x)) + 1<<15) >> 16)
	}
	return t
}()

// log2 computes the logarithm of x < 1<<16 with 24 fractional bits, by squaring.
func log2(x uint64) uint64 {
	n := bits.Len64(x) - 1
	result := uint64(n)
	x = x << 31 >> n // 1 ≤ x < 2 with 31 fractional bits
	for range 24 {
		x = x * x >> 31
		result <<= 1
		if x >= 1<<32 {
			result++
			x >>= 1
		}
	}
	return result
}

// weigh returns x·log2(x).
func weigh(x uint32) uint64 {
	if x < xlogxSize {
		return uint64(xlogx[x])
	}
	shift := bits.Len32(x) - 12
	return (uint64(xlogx[x>>shift]) + uint64(x>>shift)*uint64(shift)<<costShift) << shift
}

// jointEntropy sums x·log2(x) over the counts of two segments together, and counts the symbols
// that occur. It has no branch that depends on which do: those cannot be predicted.
func jointEntropy(a, b *histogram) (sum uint64, used uint32) {
	for i := range a {
		n := a[i] + b[i]
		if n < xlogxSize {
			sum += uint64(xlogx[n])
		} else {
			sum += weigh(n)
		}
		used += -n >> 31
	}
	return sum, used
}
