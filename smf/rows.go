package smf

import (
	"fmt"
	"iter"
	"strconv"

	"imagetools/fault"

	"imagetools/smf/sqlite2"
)

// rows reads rows of tables and collects what is wrong with them.
type rows struct {
	fault.Faults
	file *sqlite2.File
}

// rowPlace is where a row is, for faults.
type rowPlace struct {
	rows   *rows
	table  string
	no     int32
	offset int
}

// row is a row of a table.
type row struct {
	rowPlace
	values []sqlite2.Value
}

func (r *rows) each(table string) iter.Seq[row] {
	return func(yield func(row) bool) {
		for x := range r.file.Rows(table) {
			if !yield(row{rowPlace{r, table, x.ID, x.Offset}, x.Values}) {
				return
			}
		}
	}
}

// fault notes what is wrong in a row. Texts of the file are shortened.
func (p rowPlace) fault(format string, args ...any) {
	for i, a := range args {
		if s, ok := a.(string); ok {
			args[i] = shorten(s)
		}
	}
	p.rows.Add("", fmt.Errorf("%s, row %d (page %d, byte %d): "+format,
		append([]any{p.table, p.no, p.offset/sqlite2.PageSize + 1, p.offset}, args...)...))
}

func (p rowPlace) check(err error) {
	if err != nil {
		p.fault("%w", err)
	}
}

func (r row) null(column int) bool   { return r.values[column].Null }
func (r row) text(column int) string { return r.values[column].Text }

// number is a column with a number in the form that configd writes.
func (r row) number(column int) uint32 {
	text := r.text(column)
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil || strconv.FormatUint(n, 10) != text {
		r.fault("column %d: %q is no number", column+1, text)
		return 0
	}
	return uint32(n)
}

// id is a number from 1.
func (r row) id(column int) uint32 {
	n := r.number(column)
	if n == 0 {
		r.fault("column %d: 0 is the number of nothing", column+1)
	}
	return n
}

// rowid is the number of the row, from 1.
func (r row) rowid() uint32 {
	if r.no < 1 {
		r.fault("it has a number below 1")
		return 0
	}
	return uint32(r.no)
}
