package smf_test

import (
	"testing"

	"imagetools/smf"
	"imagetools/smf/internal/smftest"
)

// TestFlippedBits flips bits on each page of a real and of a written database. A flip must be
// found, or say nothing (padding, free blocks, numbers of the header that nobody asks for), or
// be in what stands in the file once, see Decode.
func TestFlippedBits(t *testing.T) {
	written, err := hostid().Encode()
	if err != nil {
		t.Fatal(err)
	}
	t.Run("written", func(t *testing.T) { flipBits(t, written) })
	t.Run("real", func(t *testing.T) { flipBits(t, smftest.Data(t, "smf-manifests/expected/system-hostid.db")) })
}

// flipCount counts what became of flipped bits.
type flipCount struct{ found, nothing, once int }

func (c *flipCount) add(d flipCount) {
	c.found, c.nothing, c.once = c.found+d.found, c.nothing+d.nothing, c.once+d.once
}

func flipBits(t *testing.T, db []byte) {
	const pageSize = 1024
	before, err := smf.Decode(db)
	if err != nil {
		t.Fatal(err)
	}
	var all flipCount
	for page := 0; page < len(db); page += pageSize {
		var count flipCount
		for i := page; i < page+pageSize; i += 11 { // all bits in turn, all fields of cells
			db[i] ^= 1 << (i % 8)
			after, err := smf.Decode(db)
			switch {
			case err != nil:
				count.found++
			case smftest.Text(t, before) == smftest.Text(t, after):
				count.nothing++
			default:
				count.once++
				if !once(smf.Diff(before, after)) {
					t.Errorf("page %d, byte %d: not found, though it changes %v", page/pageSize+1, i, smf.Diff(before, after))
				}
			}
			db[i] ^= 1 << (i % 8)
		}
		if count.found == 0 {
			t.Errorf("page %d: no flipped bit found", page/pageSize+1)
		}
		all.add(count)
	}
	t.Logf("%d pages: %d flipped bits found, %d say nothing, %d are of what stands there once", len(db)/pageSize, all.found, all.nothing, all.once)
}

// once tells whether all that changed is in one group, as often as it is named: properties of
// it, or its name or type in snapshots.
func once(changes []smf.Change) bool {
	groups := map[string]bool{}
	for _, c := range changes {
		if c.Group == "" || c.Property == "" && c.Snapshot == "" {
			return false
		}
		if c.Property == "" && c.Kind == smf.Added {
			continue // under another name
		}
		groups[c.Group] = true
	}
	return len(groups) == 1
}
