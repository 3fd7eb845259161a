package smf

import (
	"fmt"
	"iter"
	"strconv"

	"imagetools/smf/sqlite2"
	"imagetools/tree/source"
)

// rows reads rows of tables and collects what is wrong with them.
type rows struct {
	source.Faults
	file *sqlite2.File
}

// row is a row that tells its place with a fault.
type row struct {
	sqlite2.Row
	table string
	rows  *rows
}

func (r *rows) each(table string) iter.Seq[row] {
	return func(yield func(row) bool) {
		for x := range r.file.Rows(table) {
			if !yield(row{x, table, r}) {
				return
			}
		}
	}
}

// pageSize is that of the databases.
const pageSize = 1024

func (r row) fault(format string, args ...any) {
	r.rows.Add("", fmt.Errorf("%s, row %d (page %d, byte %d): "+format,
		append([]any{r.table, r.ID, r.Offset/pageSize + 1, r.Offset}, args...)...))
}

func (r row) check(err error) {
	if err != nil {
		r.fault("%w", err)
	}
}

func (r row) null(column int) bool   { return r.Values[column].Null }
func (r row) text(column int) string { return r.Values[column].Text }

// number is a column with a number in the form that configd writes.
func (r row) number(column int) uint32 {
	text := r.text(column)
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil || strconv.FormatUint(n, 10) != text {
		r.fault("column %d: %q is no number", column+1, shorten(text))
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
	if r.ID < 1 {
		r.fault("it has a number below 1")
		return 0
	}
	return uint32(r.ID)
}
