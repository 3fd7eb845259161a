// SPDX-License-Identifier: MIT

package manifest_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"imagetools/manifest"
)

// Lines and columns are found with work that grows as the text does, however many are asked for.
func TestPositionCost(t *testing.T) {
	t.Parallel()
	for _, separator := range []string{",", ",\n", ", \n\n"} {
		steps := func(n int) int {
			var b strings.Builder
			b.WriteString(`{"v":2`)
			for i := range n {
				fmt.Fprintf(&b, `%s"unknown%d":0`, separator, i)
			}
			d, err := manifest.Decode([]byte(b.String() + "}"))
			if err != nil {
				t.Fatal(err)
			}
			faults, _, err := d.Lint(manifest.IMGADM)
			if err != nil || len(faults) < n {
				t.Fatalf("%d faults, %v", len(faults), err)
			}
			for _, f := range faults {
				if line, _ := d.Position(f.Field); line == 0 && strings.HasPrefix(f.Field, "unknown") {
					t.Fatalf("%q is nowhere", f.Field)
				}
			}
			if _, err := d.Manifest(); err == nil {
				t.Fatal("a manifest with unknown fields")
			}
			return d.LineSteps()
		}
		const n = 5000
		one, two := steps(n), steps(2*n)
		if two > one*5/2 {
			t.Errorf("separator %q: %d steps for %d fields, %d for twice as many", separator, one, n, two)
		}
	}
}

// Every place of a text has the line and column that counting from its start gives.
func TestPositionEverywhere(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString(`{"é€🙂":[` + strings.Repeat(`"é",`, 700) + "0]")
	for i := range 900 {
		b.WriteString([]string{",", ", ", ",\n\t", ",\n\n"}[i%4])
		fmt.Fprintf(&b, `"k%d":"é🙂"`, i)
	}
	text := b.String() + "}"
	d, err := manifest.Decode([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 900 {
		key := fmt.Sprintf("k%d", i)
		before := text[:strings.Index(text, `"`+key+`"`)]
		line := strings.Count(before, "\n") + 1
		column := utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1
		if l, c := d.Position(key); l != line || c != column {
			t.Errorf("Position(%q) = %d:%d, want %d:%d", key, l, c, line, column)
		}
	}
}
