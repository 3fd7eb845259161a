// Package attack sizes the tests that repeat one attack many times: random layers, damaged
// streams, processes killed at random moments. They are named TestAttack….
//
// A run of all tests does a small share of each, always the same one. With
// IMAGETOOLS_ATTACK=full, as make attack sets it, each does its full number of runs.
// IMAGETOOLS_ATTACK_SEED, a decimal number, replaces the seed that every share begins with.
package attack

import (
	"os"
	"strconv"
	"testing"
)

// DefaultSeed is what random choices begin with.
const DefaultSeed = 1

// Full reports whether all runs are wanted.
func Full() bool { return os.Getenv("IMAGETOOLS_ATTACK") == "full" }

// Runs returns how many runs t does: share, or full if all are wanted. It logs the number.
func Runs(t testing.TB, share, full int) int {
	t.Helper()
	n := share
	if Full() {
		n = full
	}
	t.Logf("%d runs (of %d), seed %d", n, full, Seed(t))
	return n
}

// Seed returns the seed for the random choices of t.
func Seed(t testing.TB) uint64 {
	t.Helper()
	text := os.Getenv("IMAGETOOLS_ATTACK_SEED")
	if text == "" {
		return DefaultSeed
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("IMAGETOOLS_ATTACK_SEED: %v", err)
	}
	return seed
}
