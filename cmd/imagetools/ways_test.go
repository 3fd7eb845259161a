package main

import (
	"testing"

	"imagetools/fault"
)

func TestEveryWayHasAHint(t *testing.T) {
	for _, w := range fault.Ways() {
		if ways[w] == "" {
			t.Errorf("%s: no hint", w)
		}
	}
}
