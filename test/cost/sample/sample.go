// Package sample has loops whose cost is known, to try the counting of steps on.
package sample

import "slices"

// Linear looks at each of n numbers once.
func Linear(n int) (sum int) {
	for i := range n {
		sum += i & 3
	}
	return sum
}

// Quadratic looks at each pair of n numbers.
func Quadratic(n int) (sum int) {
	for i := range n {
		sum += Linear(i)
	}
	return sum
}

// Searched looks up each of n numbers in a list of them: its steps are those of another package.
func Searched(n int) (found int) {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	for i := range n {
		if slices.Contains(list, i) {
			found++
		}
	}
	return found
}

var last []byte

// Copied holds n copies, each longer than the last: no statement is executed more often than
// n times.
func Copied(n int) int {
	text := []byte("0123456789abcdef")
	for range n {
		last = make([]byte, len(text)+16)
		copy(last, text)
		text = last
	}
	return len(text)
}
