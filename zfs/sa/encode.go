package sa

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"imagetools/zfs/zap"
)

// maxLayout is the largest number that the header of a buffer has room for.
const maxLayout = 0x3FF

// Clone returns tables of their own, which Encode may add to.
func (t *Tables) Clone() *Tables {
	c := *t
	c.layouts = maps.Clone(t.layouts)
	return &c
}

// Encode is the function [Encode] for a file system that has tables of its own: numbers of
// attributes and layouts are those of the tables. A layout that they lack is added to them,
// under the number behind the largest; see [Tables.Added]. An attribute that they lack is an
// error.
func (t *Tables) Encode(values []Value) (bonus, spill []byte, err error) {
	return split(values, t.layoutOf)
}

// layoutOf finds or adds the layout of values.
func (t *Tables) layoutOf(values []Value) (int, error) {
	want := make([]uint64, 0, len(values))
	for _, v := range values {
		n, ok := t.numbers[v.Attr]
		if !ok {
			return 0, fmt.Errorf("sa: the file system has no attribute %v", v.Attr)
		}
		want = append(want, n)
	}
	best, last := -1, firstLayout-1
	for n, l := range t.layouts {
		last = max(last, int(n))
		if n >= firstLayout && slices.Equal(l, want) && (best < 0 || int(n) < best) {
			best = int(n)
		}
	}
	if best < 0 {
		if best = last + 1; best > maxLayout {
			return 0, fmt.Errorf("sa: layout %d: the last number is %d", best, maxLayout)
		}
		t.layouts[uint16(best)] = want
		t.added++
	}
	return best, nil
}

// Added is how many layouts [Tables.Encode] has added.
func (t *Tables) Added() int { return t.added }

// Layouts is the content of the SA_ATTR_LAYOUTS object, with what was added.
func (t *Tables) Layouts() zap.Entries {
	var out zap.Entries
	for _, n := range slices.Sorted(maps.Keys(t.layouts)) {
		if values := t.layouts[n]; len(values) > 0 { // a ZAP holds none without values
			out = append(out, zap.Entry{Name: strconv.Itoa(int(n)), IntSize: 2, Values: values})
		}
	}
	return out
}
