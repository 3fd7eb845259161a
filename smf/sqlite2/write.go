package sqlite2

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
)

// Encode makes a database. The schema has a CREATE TABLE statement for each table and CREATE
// INDEX statements behind those of their tables. Rows, by the name of their table, are in
// order of their ID. Pages are packed full, in little-endian byte order: tables first, then
// indexes, as the schema has them.
func Encode(schema []string, rows map[string][]Row) ([]byte, error) {
	return encode(binary.LittleEndian, schema, rows)
}

func encode(order byteOrder, schema []string, rows map[string][]Row) ([]byte, error) {
	w := &writer{order: order}
	header := w.page(w.grow())
	w.grow() // the root of sqlite_master
	if err := w.objects(schema, rows); err != nil {
		return nil, err
	}
	copy(header, magic)
	order.PutUint32(header[orderAt:], orderMark)
	order.PutUint32(header[cookieAt:], uint32(len(schema)))
	order.PutUint32(header[fileFormatAt:], fileFormat)
	order.PutUint32(header[cacheSizeAt:], 2000) // SQLite's default
	order.PutUint32(header[safetyAt:], 2)       // as configd sets it
	return bytes.Join(w.pages, nil), nil
}

// writer makes the pages of a file.
type writer struct {
	order byteOrder
	pages [][]byte
	room  []byte // for more of them
}

type byteOrder interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

// grow adds a page of zeros and returns its number.
func (w *writer) grow() uint32 {
	if len(w.room) == 0 {
		w.room = make([]byte, 64*PageSize)
	}
	w.pages = append(w.pages, w.room[:PageSize:PageSize])
	w.room = w.room[PageSize:]
	return uint32(len(w.pages))
}

func (w *writer) page(no uint32) []byte { return w.pages[no-1] }

// objects writes all trees, that of sqlite_master last.
func (w *writer) objects(statements []string, rows map[string][]Row) error {
	var s schema
	for _, statement := range statements {
		if _, err := s.add(statement); err != nil {
			return err
		}
	}
	roots := map[string]uint32{}
	stored := map[*table][]storedRow{}
	for _, t := range s.tables {
		entries, sr, err := tableEntries(t, rows[t.name])
		if err != nil {
			return fmt.Errorf("table %s: %w", t.name, err)
		}
		stored[t] = sr
		roots[t.name] = w.tree(0, entries)
	}
	for name := range rows {
		if _, ok := roots[name]; !ok {
			return fmt.Errorf("rows of a table %q that is not in the schema", name)
		}
	}
	for _, o := range s.objects {
		if o.index == nil {
			continue
		}
		entries, err := indexEntries(o.table, o.index, stored[o.table])
		if err != nil {
			return fmt.Errorf("index %s: %w", o.index.name, err)
		}
		roots[o.index.name] = w.tree(0, entries)
	}
	var master []Row
	for i, o := range s.objects {
		root := strconv.FormatUint(uint64(roots[o.name()]), 10)
		master = append(master, Row{ID: int32(i + 1), Values: []Value{
			Text(o.kind()), Text(o.name()), Text(o.table.name), Text(root), Text(o.statement)}})
	}
	entries, _, err := tableEntries(masterTable, master)
	if err != nil {
		return err
	}
	w.tree(masterRoot, entries)
	return nil
}

func tableEntries(t *table, rows []Row) ([]entry, []storedRow, error) {
	entries := make([]entry, 0, len(rows))
	stored := make([]storedRow, 0, len(rows))
	for i, row := range rows {
		if i > 0 && rows[i-1].ID >= row.ID {
			return nil, nil, fmt.Errorf("row %d behind row %d", row.ID, rows[i-1].ID)
		}
		if len(row.Values) != len(t.columns) {
			return nil, nil, fmt.Errorf("row %d: %d values for %d columns", row.ID, len(row.Values), len(t.columns))
		}
		payload, err := appendRecord(appendRowid(nil, row.ID), row.Values)
		if err != nil {
			return nil, nil, fmt.Errorf("row %d: %w", row.ID, err)
		}
		rec, err := parseRecord(payload[4:], t.columns)
		if err != nil {
			return nil, nil, fmt.Errorf("row %d: %w", row.ID, err)
		}
		entries = append(entries, entry{key: payload[:4], data: payload[4:]})
		stored = append(stored, storedRow{record: rec, id: row.ID})
	}
	return entries, stored, nil
}

func indexEntries(t *table, x *index, rows []storedRow) ([]entry, error) {
	entries := make([]entry, 0, len(rows))
	for _, row := range rows {
		key := appendIndexKey(nil, t, x, row)
		if len(key) > maxPayload {
			return nil, fmt.Errorf("row %d: a key over 16 MiB", row.id)
		}
		entries = append(entries, entry{key: key})
	}
	slices.SortFunc(entries, func(a, b entry) int { return bytes.Compare(a.key, b.key) })
	return entries, nil
}

// tree writes entries, which are in order, and returns the root; root is the page to take
// for it, 0 for a new one.
//
// A level of pages is made of cells and of one child more than there are cells. Cells that
// do not fit a page any more move up and become the cells of the next level, between the
// pages made.
func (w *writer) tree(root uint32, entries []entry) uint32 {
	cells := make([][]byte, len(entries))
	for i, e := range entries {
		cells[i] = w.cell(e)
	}
	children := make([]uint32, len(cells)+1) // none
	for {
		var above [][]byte
		var pages []uint32
		last := split(cells, func(from, to int) {
			no := w.grow()
			w.fill(no, cells[from:to], children[from:])
			pages = append(pages, no)
			above = append(above, cells[to])
		})
		no := root
		if no == 0 || len(pages) > 0 {
			no = w.grow()
		}
		w.fill(no, cells[last:], children[last:])
		if len(pages) == 0 {
			return no
		}
		cells, children = above, append(pages, no)
	}
}

// split calls full for each run of cells that fills a page, with the number of the cell
// behind it, which is in no page. It returns where the cells of the last page begin.
func split(cells [][]byte, full func(from, to int)) (last int) {
	from, free := 0, PageSize-pageHeader
	for i := 0; i < len(cells); i++ {
		if len(cells[i]) <= free {
			free -= len(cells[i])
			continue
		}
		if i == len(cells)-1 {
			i-- // the last page must not be empty
		}
		full(from, i)
		from, free = i+1, PageSize-pageHeader
	}
	return from
}

// cell is an entry as it stands in a page, but for its place there.
func (w *writer) cell(e entry) []byte {
	size := len(e.key) + len(e.data)
	c := make([]byte, cellHeader, cellSize(size))
	w.order.PutUint16(c[4:], uint16(len(e.key)))
	c[8], c[9] = byte(len(e.key)>>16), byte(len(e.data)>>16)
	w.order.PutUint16(c[10:], uint16(len(e.data)))
	if size <= maxLocal {
		c = append(append(c, e.key...), e.data...)
		return c[:cap(c)]
	}
	payload := slices.Concat(e.key, e.data)
	c = append(c, payload[:maxLocal]...)
	return w.order.AppendUint32(c, w.overflow(payload[maxLocal:]))
}

// overflow writes a chain of pages and returns the first.
func (w *writer) overflow(payload []byte) uint32 {
	first := uint32(len(w.pages)) + 1
	for len(payload) > 0 {
		p := w.page(w.grow())
		n := copy(p[4:], payload)
		if payload = payload[n:]; len(payload) > 0 {
			w.order.PutUint32(p, uint32(len(w.pages))+1)
		}
	}
	return first
}

// fill writes a tree page: cells one behind the other, each with the child left of it, and
// the child right of the last.
func (w *writer) fill(no uint32, cells [][]byte, children []uint32) {
	p := w.page(no)
	w.order.PutUint32(p, children[len(cells)])
	at, link := pageHeader, 4
	for i, c := range cells {
		w.order.PutUint16(p[link:], uint16(at))
		copy(p[at:], c)
		w.order.PutUint32(p[at:], children[i])
		at, link = at+len(c), at+6
	}
	if at < PageSize {
		w.order.PutUint16(p[6:], uint16(at))
		w.order.PutUint16(p[at:], uint16(PageSize-at))
	}
}
