// Steps runs each parser and each walk of the project on input of three sizes and writes how much
// work that was. It is built with counters of steps by the tests of test/cost, which judge it.
//
//	steps OUTPUT [ROW]
//
// OUTPUT gets a JSON document, a list of [Result].
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"imagetools/test/cost/counter"
)

// row is one way in which input grows.
type row struct {
	name string
	n    int // the smallest size; the others are twice and four times as large

	// make makes input of a size. What it returns does the work.
	make func(t testing.TB, n int) func()
}

// Result is what one row took.
type Result struct {
	Name   string
	Sizes  []int
	Work   []counter.Work
	Failed bool
}

func rows() []row {
	return slices.Concat(sampleRows, treeRows, ociRows, zfsRows, zplRows, diskRows, smfRows, imageRows, rootRows, moreRows)
}

func main() {
	testing.Init()
	flag.Parse()
	if flag.NArg() < 1 {
		fmt.Fprintln(os.Stderr, "usage: steps OUTPUT [ROW]")
		os.Exit(2)
	}
	var results []Result
	var tests []testing.InternalTest
	for _, r := range rows() {
		if flag.NArg() > 1 && !strings.Contains(r.name, flag.Arg(1)) {
			continue
		}
		tests = append(tests, testing.InternalTest{Name: r.name, F: func(t *testing.T) {
			res := Result{Name: r.name, Failed: true}
			defer func() { results = append(results, res) }()
			// One processor: what is done at the same time is done in the same pieces each time.
			runtime.GOMAXPROCS(1)
			r.make(t, 3)() // what is made once is made
			for _, n := range []int{r.n, 2 * r.n, 4 * r.n} {
				run := r.make(t, n)
				before := must2(counter.Done())(t)
				run()
				after := must2(counter.Done())(t)
				res.Sizes, res.Work = append(res.Sizes, n), append(res.Work, after.Less(before))
			}
			res.Failed = t.Failed()
		}})
	}
	tests = append(tests, testing.InternalTest{Name: "output", F: func(t *testing.T) {
		text := must2(json.MarshalIndent(results, "", "\t"))(t)
		must(t, os.WriteFile(flag.Arg(0), text, 0o644))
	}})
	testing.Main(func(_, _ string) (bool, error) { return true, nil }, tests, nil, nil)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// repeat joins n pieces, which a format with an index makes.
func repeat(n int, piece func(i int) string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(piece(i))
	}
	return b.String()
}
