package sqlite2

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"imagetools/smf/sqlite2/sqlitetest"
)

var testSchema = []string{
	"CREATE TABLE plain (name VARCHAR NOT NULL, number INTEGER, free CHAR(20))",
	"CREATE INDEX plain_name ON plain (name)",
	"CREATE TABLE keyed (id INTEGER PRIMARY KEY, of INTEGER NOT NULL, name TEXT)",
	"CREATE INDEX keyed_of ON keyed (of, name)",
	"CREATE INDEX keyed_id ON keyed (id)",
}

// testRows are n rows for each table of testSchema, with texts of up to size bytes.
func testRows(n, size int) map[string][]Row {
	r := rand.New(rand.NewPCG(1, uint64(n*size)))
	word := func() Value {
		b := make([]byte, r.IntN(size+1))
		for i := range b {
			b[i] = byte(r.IntN(255) + 1)
		}
		return Text(string(b))
	}
	rows := map[string][]Row{}
	for i := range n {
		number := Null()
		if i%3 > 0 {
			number = Text(fmt.Sprint(r.IntN(1<<16) - 1<<8))
		}
		rows["plain"] = append(rows["plain"], Row{ID: int32(i + 1), Values: []Value{word(), number, word()}})
		rows["keyed"] = append(rows["keyed"], Row{ID: int32(7*i - n), Values: []Value{Null(), Text(fmt.Sprint(i % 5)), word()}})
	}
	return rows
}

// readRows reads a sound database.
func readRows(t testing.TB, db []byte) map[string][]Row {
	t.Helper()
	f, err := Open(db)
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string][]Row{}
	for name := range f.tables {
		for row := range f.Rows(name) {
			row.Offset = 0
			rows[name] = append(rows[name], row)
		}
	}
	return rows
}

func TestEncode(t *testing.T) {
	for _, test := range []struct{ rows, size int }{
		{0, 0}, {1, 3}, {63, 0}, {64, 0}, {65, 10}, {300, 100}, {5000, 30},
		{40, 300}, {200, 1500}, {30, 40000}, {3, 200000}, // overflow chains, long keys
		{3000, 230}, // a deep tree
	} {
		t.Run(fmt.Sprintf("%d rows of %d", test.rows, test.size), func(t *testing.T) {
			rows := testRows(test.rows, test.size)
			db, err := Encode(testSchema, rows)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(rows, readRows(t, db)); diff != "" {
				t.Errorf("rows read (-want +got):\n%s", diff)
			}
			judged := sqlitetest.Read(t, db)
			for name := range rows {
				if !slices.EqualFunc(rows[name], judged[name], sameRow) {
					t.Errorf("table %s: the judge reads other rows", name)
				}
			}
			again, err := Encode(testSchema, maps.Clone(rows))
			if err != nil || !bytes.Equal(db, again) {
				t.Errorf("written twice: equal %v, %v", bytes.Equal(db, again), err)
			}
			swapped, err := encode(binary.BigEndian, testSchema, rows)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(rows, readRows(t, swapped)); diff != "" {
				t.Errorf("rows read of a big-endian file (-want +got):\n%s", diff)
			}
		})
	}
}

func sameRow(a Row, b sqlitetest.Row) bool {
	return a.ID == b.ID && slices.EqualFunc(a.Values, b.Values, func(v Value, s *string) bool {
		return v.Null == (s == nil) && (v.Null || v.Text == *s)
	})
}

// TestFullPages has cells of the least size, 63 of which fill a page.
func TestFullPages(t *testing.T) {
	schema := []string{"CREATE TABLE t (a CHAR)"}
	for n := range 200 {
		var rows []Row
		for i := range n {
			rows = append(rows, Row{ID: int32(i), Values: []Value{Null()}})
		}
		// A cell is 12 bytes and 4 of key and 2 of record, which are 20.
		db, err := Encode(schema, map[string][]Row{"t": rows})
		if err != nil {
			t.Fatal(err)
		}
		if got := sqlitetest.Read(t, db)["t"]; len(got) != n {
			t.Errorf("%d rows, want %d", len(got), n)
		}
		// 50 cells fill a page but for 16 bytes; one between any two pages is above them.
		pages := 3
		if n > 50 {
			pages += (n-51)/51 + 2
		}
		if len(db) != pages*PageSize {
			t.Errorf("%d rows: %d pages, want %d", n, len(db)/PageSize, pages)
		}
	}
}

func TestEncodeErrors(t *testing.T) {
	table := []string{"CREATE TABLE t (id INTEGER PRIMARY KEY, a CHAR NOT NULL)"}
	row := func(id int32, values ...Value) Row { return Row{ID: id, Values: values} }
	for _, test := range []struct {
		schema []string
		rows   map[string][]Row
		want   string
	}{
		{[]string{"CREATE VIEW v AS SELECT 1"}, nil, `CREATE "VIEW" is not supported`},
		{[]string{"CREATE UNIQUE INDEX i ON t (a)"}, nil, `CREATE "UNIQUE" is not supported`},
		{[]string{"DROP TABLE t"}, nil, `"DROP" in place of "CREATE"`},
		{[]string{"CREATE TABLE t (a CHAR UNIQUE)"}, nil, `constraint "UNIQUE" is not supported`},
		{[]string{"CREATE TABLE t (a CHAR PRIMARY KEY)"}, nil, `a primary key of type "CHAR"`},
		{[]string{"CREATE TABLE t (a, PRIMARY KEY (a))"}, nil, `constraint "PRIMARY" is not supported`},
		{[]string{"CREATE TABLE t (a CHAR"}, nil, "ends too early"},
		{[]string{"CREATE TABLE t (a CHAR) x"}, nil, `"x" after its end`},
		{[]string{"CREATE TABLE t (a CHAR, A CHAR)"}, nil, `column "A" is there twice`},
		{[]string{"CREATE TABLE t (a)", "CREATE TABLE T (a)"}, nil, `"T" is there already`},
		{[]string{"CREATE TABLE t (a CHAR NULL \x1b)"}, nil, `constraint "\x1b" is not supported`},
		{[]string{"CREATE TABLE t (a)", "CREATE INDEX i ON t (a, a)"}, nil, `column "a" is there twice`},
		{[]string{"CREATE INDEX i ON t (a)"}, nil, `no table "t"`},
		{[]string{"CREATE TABLE t (a)", "CREATE INDEX i ON t (b)"}, nil, `table "t" has no column "b"`},
		{table, map[string][]Row{"u": nil}, `rows of a table "u" that is not in the schema`},
		{table, map[string][]Row{"t": {row(1, Null(), Text("")), row(1, Null(), Text(""))}}, "table t: row 1 behind row 1"},
		{table, map[string][]Row{"t": {row(1, Null())}}, "row 1: 1 values for 2 columns"},
		{table, map[string][]Row{"t": {row(1, Null(), Null())}}, "row 1: column a: NULL"},
		{table, map[string][]Row{"t": {row(1, Text("1"), Text(""))}}, "row 1: column id: a value beside the rowid"},
		{table, map[string][]Row{"t": {row(1, Null(), Text("a\x00b"))}}, "row 1: a text with a NUL"},
		{table, map[string][]Row{"t": {row(1, Null(), Text(strings.Repeat("x", 1<<24)))}}, "row 1: row over 16 MiB"},
	} {
		db, err := Encode(test.schema, test.rows)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("Encode(%q) = %d bytes, %v, want %q", test.schema, len(db), err, test.want)
		}
	}
}

// TestLimits has more of a schema than anybody needs.
func TestLimits(t *testing.T) {
	var columns, tables []string
	for i := range 101 {
		columns = append(columns, fmt.Sprint("a", i))
		tables = append(tables, fmt.Sprintf("CREATE TABLE t%d (a)", i))
	}
	wide := "CREATE TABLE t (" + strings.Join(columns, ", ") + ")"
	for want, schema := range map[string][]string{"more than 100 columns": {wide}, "more than 100 tables and indexes": tables} {
		if _, err := Encode(schema, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// TestLongWords has words in faults that are as long as a statement can be.
func TestLongWords(t *testing.T) {
	long := strings.Repeat("x", 60000)
	for _, schema := range [][]string{{"CREATE " + long}, {"CREATE TABLE t (a " + long + " PRIMARY KEY)"}, {"CREATE INDEX i ON " + long + " (a)"}} {
		if _, err := Encode(schema, nil); err == nil || len(err.Error()) > 400 {
			t.Errorf("an error of %d bytes: %.200v", len(fmt.Sprint(err)), err)
		}
	}
}

func TestSortable(t *testing.T) {
	for text, want := range map[string]string{
		"0": "b000W\x00", "1": "b0G1X\x00", "2": "b0G1Y\x00", "5": "b0G1b\x00", "63": "b0G2W~\x00", "64": "b0G2X\x00",
		"1795": "b0G2y3\x00", "-7": "b-F~P\x00", "007": "b0G1d\x00", "1e3": "b0G2le\x00", "+0.5": "b0G1WW\x00",
		"1e999": "b0~~~~~~~~~~~~\x00",
		"":      "c\x00", "1.": "c1.\x00", ".5": "c.5\x00", "1e": "c1e\x00", "-": "c-\x00", " 1": "c 1\x00", "SI": "cSI\x00",
	} {
		if got := appendIndexColumn(nil, column{}, []byte(text), false); string(got) != want {
			t.Errorf("key of number %q = %q, want %q", text, got, want)
		}
	}
	if got := appendIndexColumn(nil, column{text: true}, []byte("12"), false); string(got) != "c12\x00" {
		t.Errorf("key of text 12 = %q", got)
	}
	if got := appendIndexColumn(nil, column{}, nil, true); string(got) != "a\x00" {
		t.Errorf("key of NULL = %q", got)
	}
}

// TestIndexKey has a row of an index on two columns of a repository.
func TestIndexKey(t *testing.T) {
	var s schema
	for _, statement := range []string{"CREATE TABLE pg_tbl (pg_id INTEGER PRIMARY KEY, pg_parent_id INTEGER NOT NULL, pg_name CHAR(256) NOT NULL)",
		"CREATE INDEX pg_tbl_name ON pg_tbl (pg_parent_id, pg_name)"} {
		if _, err := s.add(statement); err != nil {
			t.Fatal(err)
		}
	}
	entries, rows, err := tableEntries(s.tables[0], []Row{{ID: 9, Values: []Value{Null(), Text("2"), Text("general")}}})
	if err != nil {
		t.Fatal(err)
	}
	if want := "\x80\x00\x00\x09"; string(entries[0].key) != want {
		t.Errorf("key of the row %x, want %x", entries[0].key, want)
	}
	const want = "b0G1Y\x00cgeneral\x00\x80\x00\x00\x09"
	if got := appendIndexKey(nil, s.tables[0], s.tables[0].indexes[0], rows[0]); string(got) != want {
		t.Errorf("key in the index %q, want %q", got, want)
	}
}

func TestRecord(t *testing.T) {
	b, err := appendRecord(nil, []Value{Text("hello"), Null(), Text("5")})
	want := []byte{4, 10, 10, 12, 'h', 'e', 'l', 'l', 'o', 0, '5', 0}
	if err != nil || !bytes.Equal(b, want) {
		t.Errorf("record % x, %v, want % x", b, err, want)
	}
	columns := make([]column, 1)
	for size, width := range map[int]int{252: 1, 253: 2, 65530: 2, 65531: 3} { // of the text
		b, err := appendRecord(nil, []Value{Text(strings.Repeat("x", size))})
		if err != nil {
			t.Fatal(err)
		}
		if want := size + 1 + 2*width; len(b) != want {
			t.Errorf("text of %d bytes: record of %d, want %d", size, len(b), want)
		}
		if _, err := parseRecord(b, columns); err != nil {
			t.Errorf("text of %d bytes: %v", size, err)
		}
	}
}

func TestNormal(t *testing.T) {
	const want = "CREATE TABLE t(a INTEGER PRIMARY KEY,b CHAR(9) NOT NULL)"
	for _, s := range []string{want, "CREATE  TABLE t\n( a INTEGER PRIMARY KEY ,\tb CHAR (9)NOT NULL )"} {
		if got := Normal(s); got != want {
			t.Errorf("Normal(%q) = %q", s, got)
		}
	}
}
