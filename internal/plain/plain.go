// Package plain writes texts of others so that no terminal obeys them.
package plain

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxName is the most bytes of a name, path or value of others that a message has.
const MaxName = 200

// Name writes a name or a path of others as Go does, in quotes; of a long one, the bytes in the
// middle are left out, and how many they are is said.
func Name(s string) string { return strconv.Quote(cut(s, MaxName)) }

// MaxLine is the most bytes of one line of a message.
const MaxLine = 4000

// cut leaves out the middle of what is longer than limit.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	head, tail := limit*3/5, limit/5
	for head > 0 && !utf8.RuneStart(s[head]) && limit*3/5-head < utf8.UTFMax {
		head--
	}
	from := len(s) - tail
	for from < len(s) && !utf8.RuneStart(s[from]) && from-len(s)+tail < utf8.UTFMax {
		from++
	}
	return fmt.Sprintf("%s...[%d bytes]...%s", s[:head], from-head, s[from:])
}

// Message is Text, with lines of [MaxLine] bytes at most: it is for what a person reads.
func Message(s string) string {
	if len(s) <= MaxLine {
		return Text(s)
	}
	var b strings.Builder
	for line := range strings.Lines(s) {
		text, end := strings.CutSuffix(line, "\n")
		b.WriteString(cut(Text(cut(text, MaxLine)), MaxLine))
		if end {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

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
