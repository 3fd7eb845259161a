// Package shell writes commands as one can paste them into a POSIX shell. Nothing is run by one.
package shell

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._/+-@:"

// Quote returns the word that a shell reads as s. It has nothing in it that a terminal obeys.
func Quote(s string) string {
	if s != "" && strings.Trim(s, plain) == "" {
		return s
	}
	if visible(s) {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return quoteBytes(s)
}

// visible reports whether s is text that is seen as it is, in one or several lines.
func visible(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) && r != '\n' && r != '\t' })
}

// quoteBytes has printf(1) write what is not visible.
func quoteBytes(s string) string {
	text := strings.TrimRight(s, "\n") // which $( ) takes away
	var b strings.Builder
	for i := range len(text) {
		switch c := text[i]; {
		case c != '-' && strings.IndexByte(plain+" ", c) >= 0:
			b.WriteByte(c)
		case c == '%':
			b.WriteString("%%")
		default:
			fmt.Fprintf(&b, `\%03o`, c)
		}
	}
	word := `"$(printf '` + b.String() + `')"`
	if end := s[len(text):]; end != "" {
		word += "'" + end + "'"
	}
	return word
}

// Join returns the line that a shell reads as these words.
func Join(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = Quote(w)
	}
	return strings.Join(quoted, " ")
}
