// SPDX-License-Identifier: MIT

package manifest

import "unicode/utf8"

// lineMarks is how many bytes of a text lie between two marks of its [lineIndex].
const lineMarks = 1 << 10

// A lineIndex finds lines and columns in a text. It knows those of every lineMarks-th byte, so that
// looking one up costs the same wherever it is, also in a text that is one long line.
type lineIndex struct {
	marks []lineMark
	steps int // bytes that were looked at, for tests
}

// lineMark is the place of a byte; both numbers count from 0.
type lineMark struct{ line, column int }

// next is the place behind a byte. Bytes inside of a character take no column.
func (m *lineMark) next(b byte) {
	switch {
	case b == '\n':
		*m = lineMark{m.line + 1, 0}
	case utf8.RuneStart(b):
		m.column++
	}
}

// at returns the line and the column, from 1, of the character that begins at off.
func (x *lineIndex) at(text []byte, off int) (line, column int) {
	if x.marks == nil {
		x.read(text)
	}
	mark := x.marks[off/lineMarks]
	for _, b := range text[off/lineMarks*lineMarks : off] {
		mark.next(b)
		x.steps++
	}
	return mark.line + 1, mark.column + 1
}

func (x *lineIndex) read(text []byte) {
	x.marks = make([]lineMark, 1, len(text)/lineMarks+1)
	var place lineMark
	for i, b := range text {
		place.next(b)
		if x.steps++; (i+1)%lineMarks == 0 {
			x.marks = append(x.marks, place)
		}
	}
}
