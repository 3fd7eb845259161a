// Package plain writes texts of others so that no terminal obeys them.
package plain

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text writes control characters but newlines and tabs, and bytes that are no text, as Go does.
func Text(s string) string { return escape(s, "\n\t") }

// Line is Text for what has to stay on its line.
func Line(s string) string { return escape(s, "\t") }

func escape(s, keep string) string {
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		c := s[:size]
		if strings.Contains(keep, c) || unicode.IsPrint(r) && (r != utf8.RuneError || size > 1) {
			b.WriteString(c)
		} else {
			b.WriteString(strings.Trim(strconv.Quote(c), `"`))
		}
		s = s[size:]
	}
	return b.String()
}
