package sqlite2

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
)

// File is a database that has been read and found sound.
type File struct {
	// Schema has the statements that made tables and indexes, in order of creation, each as
	// [Normal] writes it.
	Schema []string

	tables map[string]*contents
}

// contents are the rows of a table, in order.
type contents struct {
	table *table
	rows  []storedRow
}

type storedRow struct {
	record record
	id     int32
	offset int
}

// Rows are the rows of a table in order of their ID. A table that is not there has none.
func (f *File) Rows(table string) iter.Seq[Row] {
	return func(yield func(Row) bool) {
		t := f.tables[table]
		if t == nil {
			return
		}
		for _, r := range t.rows {
			if !yield(Row{ID: r.id, Values: r.values(t.table), Offset: r.offset}) {
				return
			}
		}
	}
}

func (r storedRow) values(t *table) []Value {
	values := make([]Value, len(t.columns))
	text := string(r.record.b)
	for i := range values {
		from, to := r.record.offset(i), r.record.offset(i+1)
		if from == to {
			values[i].Null = true
		} else {
			values[i].Text = text[from : to-1]
		}
	}
	return values
}

// Open reads a database and checks all of it: that every page is used exactly once and to
// the last byte, that keys are in order and leaves at one depth, that records have the form
// SQLite gives them, and that indexes have an entry for each row and no other. Faults
// are [FormatError]s, the first 20 of them joined. It keeps db.
func Open(db []byte) (*File, error) {
	r := &reader{db: db}
	if err := r.header(); err != nil {
		return nil, err
	}
	r.use = make([]string, len(db)/PageSize+1)
	r.use[1] = "the header"
	f := &File{tables: map[string]*contents{}}
	r.freeList()
	for _, t := range r.master(f) {
		f.tables[t.table.name] = r.table(t)
	}
	if r.count == 0 { // below damaged pages many are not reached
		r.unused()
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	return f, nil
}

// reader reads one file.
type reader struct {
	db    []byte
	order binary.ByteOrder
	use   []string // what each page is used by; 0 is no page
	faults
}

// page is page no, which is one of the file.
func (r *reader) page(no uint32) page {
	return page{r.db[start(no):][:PageSize], r.order}
}

// start is where a page begins in the file.
func start(no uint32) int { return (int(no) - 1) * PageSize }

// claim takes a page for a use. The number stands at an offset in the file.
func (r *reader) claim(no uint32, use string, at int) bool {
	switch {
	case no == 0 || uint64(no) >= uint64(len(r.use)):
		r.add(at, "%s: no page %d in a file of %d", use, no, len(r.use)-1)
	case r.use[no] != "":
		r.add(at, "%s: page %d belongs to %s", use, no, r.use[no])
	default:
		r.use[no] = use
		return true
	}
	return false
}

// unused adds a fault for each page that has no use.
func (r *reader) unused() {
	for no := 1; no < len(r.use); no++ {
		if r.use[no] == "" {
			r.add(start(uint32(no)), "nothing uses the page")
		}
	}
}

// header checks page 1.
func (r *reader) header() error {
	db := r.db
	fail := func(at int, format string, args ...any) error {
		return &FormatError{at/PageSize + 1, at, fmt.Errorf(format, args...)}
	}
	switch {
	case len(db) == 0:
		return errors.New("the file is empty, no SQLite 2 database")
	case bytes.HasPrefix(db, []byte("SQLite format 3\x00")):
		return fail(0, "an SQLite 3 database, not one of SQLite 2.1")
	case !bytes.HasPrefix(db, []byte(magic)[:min(len(db), len(magic))]):
		return fail(0, "no SQLite 2.1 database")
	case len(db)%PageSize != 0 || len(db) < 2*PageSize:
		return fail(len(db), "the file ends within a page: %w", io.ErrUnexpectedEOF)
	}
	switch {
	case binary.LittleEndian.Uint32(db[orderAt:]) == orderMark:
		r.order = binary.LittleEndian
	case binary.BigEndian.Uint32(db[orderAt:]) == orderMark:
		r.order = binary.BigEndian
	default:
		return fail(orderAt, "no mark of a byte order, but % x", db[orderAt:][:4])
	}
	if n := r.page(1).u32(fileFormatAt); n != fileFormat {
		return fail(fileFormatAt, "file format %d, not %d", n, fileFormat)
	}
	for at := headerEnd; at < PageSize; at++ {
		if db[at] != 0 {
			r.add(at, "%#02x behind the header", db[at])
			break
		}
	}
	return nil
}

func (r *reader) freeList() {
	head := r.page(1)
	seen := uint32(0)
	at := freeListAt
	for no := head.u32(at); no != 0; {
		if !r.claim(no, "the free list", at) {
			return
		}
		seen++
		p := r.page(no)
		n := p.u32(4)
		if n > maxFreeList {
			r.add(start(no)+4, "the free list: %d pages named in one", n)
			return
		}
		for i := range int(n) {
			if r.claim(p.u32(8+4*i), "the free list", start(no)+8+4*i) {
				seen++
			}
		}
		at = start(no)
		no = p.u32(0)
	}
	if n := head.u32(freeCountAt); n != seen {
		r.add(freeCountAt, "the free list has %d pages, not %d", seen, n)
	}
}

// rootedTable is a table and where its tree and those of its indexes begin.
type rootedTable struct {
	table   *table
	root    rootPage
	indexes []rootPage // as table.indexes
}

// rootPage is the number of a page and where in the file it stands.
type rootPage struct {
	no uint32
	at int
}

// masterTable is the table of tables; nothing says so but the program.
var masterTable = &table{name: "sqlite_master", columns: []column{
	{name: "type", text: true, notNull: true}, {name: "name", text: true, notNull: true},
	{name: "tbl_name", text: true, notNull: true}, {name: "rootpage", notNull: true},
	{name: "sql", text: true, notNull: true},
}}

// master reads which tables and indexes there are.
func (r *reader) master(f *File) []*rootedTable {
	var s schema
	var tables []*rootedTable
	byTable := map[*table]*rootedTable{}
	for _, row := range r.table(&rootedTable{table: masterTable, root: rootPage{no: masterRoot}}).rows {
		v := row.values(masterTable)
		if kind := v[0].Text; kind != "table" && kind != "index" {
			r.add(row.offset, "sqlite_master: a %q is not supported", kind)
			continue
		}
		if len(v[4].Text) > maxStatement {
			r.add(row.offset, "sqlite_master: a statement of %d bytes", len(v[4].Text))
			continue
		}
		o, err := s.add(Normal(v[4].Text))
		if err != nil {
			r.add(row.offset, "sqlite_master: %w", err)
			continue
		}
		if v[0].Text != o.kind() || v[1].Text != o.name() || v[2].Text != o.table.name {
			r.add(row.offset, "sqlite_master: %q %q of %q, but the statement makes %s %q of %q",
				v[0].Text, v[1].Text, v[2].Text, o.kind(), o.name(), o.table.name)
		}
		root, err := strconv.ParseUint(v[3].Text, 10, 32)
		if err != nil || strconv.FormatUint(root, 10) != v[3].Text {
			r.add(row.offset, "sqlite_master: root page %q", v[3].Text)
		}
		f.Schema = append(f.Schema, o.statement)
		at := rootPage{uint32(root), row.offset}
		if o.index != nil {
			byTable[o.table].indexes = append(byTable[o.table].indexes, at)
			continue
		}
		t := &rootedTable{table: o.table, root: at}
		byTable[o.table] = t
		tables = append(tables, t)
	}
	return tables
}

// table reads the rows of a table and checks them and its indexes.
func (r *reader) table(t *rootedTable) *contents {
	name := t.table.name
	c := &contents{table: t.table}
	sound := r.tree(t.root, "table "+name, func(e entry) bool {
		if len(e.key) != 4 {
			r.add(e.offset, "table %s: a key of %d bytes", name, len(e.key))
			return false
		}
		rec, err := parseRecord(e.data, t.table.columns)
		if err != nil {
			r.add(e.offset, "table %s, row %d: %w", name, rowid(e.key), err)
			return false
		}
		c.rows = append(c.rows, storedRow{rec, rowid(e.key), e.offset})
		return true
	})
	for i, root := range t.indexes {
		x := t.table.indexes[i]
		var entries []entry
		ok := r.tree(root, "index "+x.name, func(e entry) bool {
			if len(e.data) != 0 {
				r.add(e.offset, "index %s: data in an entry", x.name)
				return false
			}
			entries = append(entries, e)
			return true
		})
		if ok && sound { // else only more of the same would be told
			r.agree(c, x, entries)
		}
	}
	return c
}

// agree checks that an index has an entry for each row and no other.
func (r *reader) agree(c *contents, x *index, entries []entry) {
	found := make([]bool, len(entries))
	var key []byte
	for _, row := range c.rows {
		key = appendIndexKey(key[:0], c.table, x, row)
		if i, ok := search(entries, key); ok {
			found[i] = true
		} else {
			r.add(row.offset, "table %s, row %d: not in index %s", c.table.name, row.id, x.name)
		}
	}
	for i, ok := range found {
		if !ok {
			r.add(entries[i].offset, "index %s: an entry for no row", x.name)
		}
	}
}

func appendIndexKey(key []byte, t *table, x *index, row storedRow) []byte {
	for _, i := range x.columns {
		c := t.columns[i]
		value := row.record.value(i)
		switch {
		case c.rowid:
			key = appendIndexColumn(key, c, strconv.AppendInt(nil, int64(row.id), 10), false)
		case len(value) == 0:
			key = appendIndexColumn(key, c, nil, true)
		default:
			key = appendIndexColumn(key, c, value[:len(value)-1], false)
		}
	}
	return appendRowid(key, row.id)
}
