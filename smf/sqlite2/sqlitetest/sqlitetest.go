// Package sqlitetest judges SQLite 2.1 database files in tests. It shares nothing with the
// package that reads and writes them: it was written on its own, from the format's
// description, in the simplest way, for little-endian files without free pages, as we write
// them.
//
// It accounts for every byte of a file: each must be part of exactly one thing, and those
// that stand for nothing must be zero.
package sqlitetest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Row is a row: its number and its columns, nil for NULL.
type Row struct {
	ID     int32
	Values []*string
}

// Read fails the test if a file is not sound, and returns the rows of its tables.
func Read(t testing.TB, db []byte) map[string][]Row {
	t.Helper()
	rows, err := read(db)
	if err != nil {
		t.Fatalf("database of %d bytes: %v", len(db), err)
	}
	return rows
}

// Check tells what is wrong with a file.
func Check(db []byte) error {
	_, err := read(db)
	return err
}

type fault struct{ error }

func fail(format string, args ...any) { panic(fault{fmt.Errorf(format, args...)}) }

func read(db []byte) (rows map[string][]Row, err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case fault:
			err = p.error
		default: // an index that the file told us
			err = fmt.Errorf("%v", p)
		}
	}()
	c := &checker{db: db, taken: make([]bool, len(db))}
	return c.run(), nil
}

// checker marks the bytes of a file that are accounted for.
type checker struct {
	db    []byte
	taken []bool
}

func (c *checker) take(at, n int, what string) []byte {
	if at < 0 || n < 0 || at+n > len(c.db) {
		fail("%s: bytes %d to %d of %d", what, at, at+n, len(c.db))
	}
	for i := at; i < at+n; i++ {
		if c.taken[i] {
			fail("%s: byte %d is something else already", what, i)
		}
		c.taken[i] = true
	}
	return c.db[at : at+n]
}

func (c *checker) zeros(at, n int, what string) {
	if len(bytes.Trim(c.take(at, n, what), "\x00")) > 0 {
		fail("%s: bytes %d to %d are not zero", what, at, at+n)
	}
}

func (c *checker) number(at, n int, what string) int {
	v := 0
	for i, b := range c.take(at, n, what) {
		v |= int(b) << (8 * i)
	}
	return v
}

func (c *checker) run() map[string][]Row {
	if len(c.db)%1024 != 0 {
		fail("%d bytes are no whole number of pages", len(c.db))
	}
	if got := string(c.take(0, 48, "magic")); got != "** This file contains an SQLite 2.1 database **\x00" {
		fail("magic %q", got)
	}
	if got := c.take(48, 4, "byte order"); !bytes.Equal(got, []byte{0x28, 0x75, 0xe3, 0xda}) {
		fail("byte order % x", got)
	}
	c.take(60, 4, "cookie")
	for _, f := range []struct {
		at, want int
		name     string
	}{{52, 0, "free list"}, {56, 0, "free pages"}, {64, 4, "file format"}, {68, 2000, "cache size"}, {72, 2, "safety level"}} {
		if got := c.number(f.at, 4, f.name); got != f.want {
			fail("%s %d, want %d", f.name, got, f.want)
		}
	}
	c.zeros(76, 1024-76, "rest of the header")

	tables := map[string][]Row{}
	columns := map[string][]string{} // "name type" by table
	master := c.table(2, make([]string, 5))
	for _, m := range master {
		kind, name, table, sql := *m.Values[0], *m.Values[1], *m.Values[2], *m.Values[4]
		root, err := strconv.Atoi(*m.Values[3])
		if err != nil {
			fail("%s: root page %q", name, *m.Values[3])
		}
		switch kind {
		case "table":
			columns[name] = columnsOf(sql, name)
			tables[name] = c.table(root, columns[name])
		case "index":
			c.index(root, columns[table], tables[table], sql, name, table)
		default:
			fail("%s is a %q", name, kind)
		}
	}
	if i := slices.Index(c.taken, false); i >= 0 {
		fail("page %d: byte %d is nothing", i/1024+1, i)
	}
	return tables
}

var createTable = regexp.MustCompile(`(?s)^CREATE TABLE (\w+)\s*\((.*)\)$`)
var createIndex = regexp.MustCompile(`(?s)^CREATE INDEX (\w+) ON (\w+)\s*\((.*)\)$`)

func columnsOf(sql, name string) []string {
	m := createTable.FindStringSubmatch(sql)
	if m == nil || m[1] != name {
		fail("table %s: statement %q", name, sql)
	}
	list := strings.Split(m[2], ",")
	for i := range list {
		list[i] = strings.Join(strings.Fields(list[i]), " ")
	}
	return list
}

// pair is an entry of a tree.
type pair struct{ key, data []byte }

// tree returns all entries below a page in their order, and the depth of the leaves.
func (c *checker) tree(no int) ([]pair, int) {
	if no < 2 || no > len(c.db)/1024 {
		fail("no page %d", no)
	}
	base := (no - 1) * 1024
	right := c.number(base, 4, "right child")
	next := c.number(base+4, 2, "first cell")
	free := c.number(base+6, 2, "first free block")
	var all []pair
	depth := -1
	child := func(no int) {
		below, d := c.tree(no)
		if depth >= 0 && d != depth {
			fail("page %d: leaves at depths %d and %d", no, d, depth)
		}
		depth = d
		all = append(all, below...)
	}
	for next != 0 {
		at := base + next
		left := c.number(at, 4, "left child")
		key := c.number(at+4, 2, "key length")
		next = c.number(at+6, 2, "next cell")
		key += c.number(at+8, 1, "key length") << 16
		data := c.number(at+9, 1, "data length") << 16
		data += c.number(at+10, 2, "data length")
		if (left != 0) != (right != 0) {
			fail("page %d: left child %d, right child %d", no, left, right)
		}
		if left != 0 {
			child(left)
		}
		payload := slices.Clone(c.take(at+12, min(key+data, 236), "payload"))
		if key+data > 236 {
			payload = c.overflow(payload, c.number(at+248, 4, "overflow"), key+data)
		} else {
			c.zeros(at+12+len(payload), -len(payload)&3, "padding")
		}
		all = append(all, pair{payload[:key], payload[key:]})
	}
	if right != 0 {
		child(right)
	}
	for free != 0 {
		at := base + free
		size := c.number(at, 2, "free block size")
		free = c.number(at+2, 2, "next free block")
		c.zeros(at+4, size-4, "free block")
	}
	if i := slices.Index(c.taken[base:base+1024], false); i >= 0 {
		fail("page %d: byte %d is nothing", no, i)
	}
	return all, depth + 1
}

func (c *checker) overflow(payload []byte, no, size int) []byte {
	for len(payload) < size {
		base := (no - 1) * 1024
		no = c.number(base, 4, "next overflow page")
		n := min(1020, size-len(payload))
		payload = append(payload, c.take(base+4, n, "overflow")...)
		c.zeros(base+4+n, 1020-n, "end of overflow")
	}
	if no != 0 {
		fail("overflow goes on to page %d", no)
	}
	return payload
}

func (c *checker) sorted(root int) []pair {
	all, _ := c.tree(root)
	for i := 1; i < len(all); i++ {
		if bytes.Compare(all[i-1].key, all[i].key) >= 0 {
			fail("tree of page %d: keys %x and %x", root, all[i-1].key, all[i].key)
		}
	}
	return all
}

// table returns the rows of a table.
func (c *checker) table(root int, columns []string) []Row {
	var rows []Row
	for _, p := range c.sorted(root) {
		if len(p.key) != 4 {
			fail("table of page %d: key %x", root, p.key)
		}
		id := int32(int64(binary.BigEndian.Uint32(p.key)) - 1<<31)
		rows = append(rows, Row{id, values(p.data, len(columns))})
	}
	return rows
}

func values(data []byte, columns int) []*string {
	width := 1
	if len(data) > 255 {
		width++
	}
	if len(data) > 65535 {
		width++
	}
	var at []int
	for i := range columns + 1 {
		var n [4]byte
		copy(n[:], data[i*width:(i+1)*width])
		at = append(at, int(binary.LittleEndian.Uint32(n[:])))
	}
	if at[0] != (columns+1)*width || at[columns] != len(data) || !slices.IsSorted(at) {
		fail("record of %d bytes with values at %d", len(data), at)
	}
	var list []*string
	for i := range columns {
		v := string(data[at[i]:at[i+1]])
		switch {
		case v == "":
			list = append(list, nil)
		case strings.Index(v, "\x00") != len(v)-1:
			fail("value %q", v)
		default:
			list = append(list, new(v[:len(v)-1]))
		}
	}
	return list
}

// index checks the entries of an index against those its table should have there.
func (c *checker) index(root int, columns []string, rows []Row, sql, name, table string) {
	m := createIndex.FindStringSubmatch(sql)
	if m == nil || m[1] != name || m[2] != table {
		fail("index %s: statement %q", name, sql)
	}
	var want []string
	for _, row := range rows {
		var key strings.Builder
		for _, col := range strings.Split(m[3], ",") {
			key.WriteString(keyPart(columns, row, strings.TrimSpace(col)))
		}
		key.Write(binary.BigEndian.AppendUint32(nil, uint32(int64(row.ID)+1<<31)))
		want = append(want, key.String())
	}
	slices.Sort(want)
	got := c.sorted(root)
	if len(got) != len(want) {
		fail("index %s: %d entries for %d rows", name, len(got), len(want))
	}
	for i := range got {
		if string(got[i].key) != want[i] || len(got[i].data) > 0 {
			fail("index %s: key %q, want %q", name, got[i].key, want[i])
		}
	}
}

var textColumn = regexp.MustCompile(`(?i)char|clob|blob|text`)

func keyPart(columns []string, row Row, name string) string {
	for i, col := range columns {
		if strings.Fields(col)[0] != name {
			continue
		}
		v := row.Values[i]
		if strings.Contains(col, "INTEGER PRIMARY KEY") {
			v = new(strconv.Itoa(int(row.ID)))
		}
		if v == nil {
			return "a\x00"
		}
		if n, ok := new(big.Int).SetString(*v, 10); ok && !textColumn.MatchString(col) {
			return "b" + sortable(n) + "\x00"
		}
		return "c" + *v + "\x00"
	}
	fail("no column %s", name)
	return ""
}

// sortable is the form of an integer in an index, by its definition in whole numbers.
func sortable(n *big.Int) string {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz|~"
	if n.Sign() == 0 {
		return "000W"
	}
	e, power := int64(0), big.NewInt(1) // 64^e
	for new(big.Int).Lsh(new(big.Int).Abs(n), 1).Cmp(power) >= 0 {
		e, power = e+1, power.Lsh(power, 6)
	}
	sign := "0"
	if n.Sign() < 0 {
		sign, e = "-", -e
	}
	f := new(big.Rat).Add(big.NewRat(1, 2), new(big.Rat).SetFrac(n, power))
	out := sign + string(digits[(1024+e)/64]) + string(digits[(1024+e)%64])
	for i := 0; i < 10 && f.Sign() > 0; i++ {
		f.Mul(f, big.NewRat(64, 1))
		d := new(big.Int).Quo(f.Num(), f.Denom())
		f.Sub(f, new(big.Rat).SetInt(d))
		out += string(digits[d.Int64()])
	}
	return out
}
