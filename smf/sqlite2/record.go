package sqlite2

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// A record is N+1 offsets into itself, little-endian whatever the file is, then N values. An
// empty value is NULL, any other is a text with a NUL behind it.

// offsetWidth is how many bytes an offset takes in a record of size bytes.
func offsetWidth(size int) int {
	switch {
	case size < 1<<8:
		return 1
	case size < 1<<16:
		return 2
	}
	return 3
}

// appendRecord adds the record of values to b.
func appendRecord(b []byte, values []Value) ([]byte, error) {
	size := 0
	for _, v := range values {
		if v.Null {
			continue
		}
		if strings.IndexByte(v.Text, 0) >= 0 {
			return nil, errNUL
		}
		if size += len(v.Text) + 1; size > maxPayload {
			return nil, errors.New("row over 16 MiB")
		}
	}
	// Wider offsets make the record longer, so the width cannot be told from its size alone.
	width := 1
	for width < offsetWidth(size+(len(values)+1)*width) {
		width++
	}
	at := (len(values) + 1) * width
	if at+size > maxPayload {
		return nil, errors.New("row over 16 MiB")
	}
	put := func() {
		for i := range width {
			b = append(b, byte(at>>(8*i)))
		}
	}
	for _, v := range values {
		put()
		if !v.Null {
			at += len(v.Text) + 1
		}
	}
	put()
	for _, v := range values {
		if !v.Null {
			b = append(append(b, v.Text...), 0)
		}
	}
	return b, nil
}

// record is a record whose form has been checked.
type record struct {
	b     []byte
	width int
}

func (r record) offset(i int) int {
	n := 0
	for k := range r.width {
		n |= int(r.b[i*r.width+k]) << (8 * k)
	}
	return n
}

// value is value number i with its NUL, empty for NULL.
func (r record) value(i int) []byte { return r.b[r.offset(i):r.offset(i+1)] }

// parseRecord checks that b is a record for the columns of a table.
func parseRecord(b []byte, columns []column) (record, error) {
	r := record{b, offsetWidth(len(b))}
	first := (len(columns) + 1) * r.width
	if len(b) < first {
		return r, fmt.Errorf("record of %d bytes for %d columns", len(b), len(columns))
	}
	if got := r.offset(0); got != first {
		return r, fmt.Errorf("values begin at %d of the record, not %d", got, first)
	}
	if got := r.offset(len(columns)); got != len(b) {
		return r, fmt.Errorf("values end at %d of a record of %d bytes", got, len(b))
	}
	for i, c := range columns {
		from, to := r.offset(i), r.offset(i+1)
		switch {
		case to < from || to > len(b):
			return r, fmt.Errorf("column %s: from %d to %d of a record of %d bytes", c.name, from, to, len(b))
		case to == from && c.notNull:
			return r, fmt.Errorf("column %s: NULL", c.name)
		case to > from && c.rowid:
			return r, fmt.Errorf("column %s: a value beside the rowid", c.name)
		case to > from && bytes.IndexByte(b[from:to], 0) != to-from-1:
			return r, fmt.Errorf("column %s: no single NUL at the end of the text", c.name)
		}
	}
	return r, nil
}
