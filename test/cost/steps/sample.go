package main

import (
	"testing"

	"imagetools/test/cost/sample"
)

// sampleRows try the counting: all but the first grow with the square.
var sampleRows = []row{
	{"sample: linear", 1000, func(_ testing.TB, n int) func() { return func() { _ = sample.Linear(n) } }},
	{"sample: quadratic", 1000, func(_ testing.TB, n int) func() { return func() { _ = sample.Quadratic(n) } }},
	{"sample: searched", 1000, func(_ testing.TB, n int) func() { return func() { _ = sample.Searched(n) } }},
	{"sample: copied", 1000, func(_ testing.TB, n int) func() { return func() { _ = sample.Copied(n) } }},
}
