package main

import (
	"testing"

	"imagetools/test/cost/sample"
)

// kept is a result that would otherwise be dropped.
var kept int

// sampleRows try the counting: all but the first grow with the square.
var sampleRows = []row{
	{"sample: linear", 1000, func(_ testing.TB, n int) func() { return func() { kept = sample.Linear(n) } }},
	{"sample: quadratic", 1000, func(_ testing.TB, n int) func() { return func() { kept = sample.Quadratic(n) } }},
	{"sample: searched", 1000, func(_ testing.TB, n int) func() { return func() { kept = sample.Searched(n) } }},
	{"sample: copied", 1000, func(_ testing.TB, n int) func() { return func() { kept = sample.Copied(n) } }},
}
