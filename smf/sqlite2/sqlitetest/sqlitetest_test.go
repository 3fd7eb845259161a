package sqlitetest_test

import (
	"slices"
	"strings"
	"testing"

	"imagetools/smf/sqlite2"
	"imagetools/smf/sqlite2/sqlitetest"
)

// TestCheck plants faults in each part of a small file.
func TestCheck(t *testing.T) {
	row := func(id int32, a string) sqlite2.Row {
		return sqlite2.Row{ID: id, Values: []sqlite2.Value{sqlite2.Text(a), sqlite2.Null()}}
	}
	good, err := sqlite2.Encode([]string{"CREATE TABLE t (a INTEGER, b CHAR)", "CREATE INDEX t_a ON t (a)"},
		map[string][]sqlite2.Row{"t": {row(1, "7"), row(2, "-5"), row(3, strings.Repeat("x", 300))}})
	if err != nil {
		t.Fatal(err)
	}
	if got := sqlitetest.Read(t, good)["t"]; len(got) != 3 || got[1].ID != 2 || *got[1].Values[0] != "-5" || got[1].Values[1] != nil {
		t.Errorf("rows %v", got)
	}
	// Page 3 is the overflow of t, 4 its root, 5 and 6 the same of the index.
	for at, want := range map[int]string{
		0:           "magic",
		48:          "byte order",
		52:          "free list",
		64:          "file format",
		200:         "rest of the header",
		2 * 1024:    "overflow goes on to page",
		2*1024 + 30: "index t_a: key",
		3*1024 - 1:  "end of overflow",
		3 * 1024:    "left child 0, right child 1",
		3*1024 + 4:  "left child 67108864",
		3*1024 + 6:  "free block: bytes",
		3*1024 + 20: "tree of page 4: keys",
		3*1024 + 24: "values at",
		4*1024 - 1:  "free block",
		5*1024 + 23: "index t_a: key",
	} {
		bad := slices.Clone(good)
		bad[at] ^= 1
		if err := sqlitetest.Check(bad); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("byte %d flipped: %v, want %q", at, err, want)
		}
	}
	if err := sqlitetest.Check(append(good, make([]byte, 1024)...)); err == nil || !strings.Contains(err.Error(), "page 7: byte 6144 is nothing") {
		t.Errorf("a page too many: %v", err)
	}
}
