package plain

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Entry writes the name of a file for a list: backslashes as \\, and the bytes of what is no
// letter, mark, number, punctuation, symbol or space as \ooo. So bytes that are not UTF-8,
// control characters, and characters that turn or hide what stands around them (U+202E and the
// like) are told from others.
func Entry(s string) string {
	if isASCII(s) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		switch c := s[:size]; {
		case r == '\\':
			b.WriteString(`\\`)
		case shown(r) && (r != utf8.RuneError || size > 1):
			b.WriteString(c)
		default:
			for _, x := range []byte(c) {
				fmt.Fprintf(&b, `\%03o`, x)
			}
		}
		s = s[size:]
	}
	return b.String()
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] >= 0x7f || s[i] == '\\' {
			return false
		}
	}
	return true
}

// shown tells whether a character is one that people see, and see where it stands.
func shown(r rune) bool { return unicode.IsPrint(r) }

// JSON writes what is not shown in a JSON document, which is only ever in strings, as \uXXXX: it
// means the same.
func JSON(doc []byte) []byte {
	var out []byte
	for at := 0; at < len(doc); {
		r, size := utf8.DecodeRune(doc[at:])
		if r < utf8.RuneSelf && r != 0x7f || shown(r) {
			if out != nil {
				out = append(out, doc[at:at+size]...)
			}
			at += size
			continue
		}
		if out == nil {
			out = append(make([]byte, 0, len(doc)+64), doc[:at]...)
		}
		if r > 0xffff {
			r -= 0x10000
			out = fmt.Appendf(out, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		} else {
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		at += size
	}
	if out == nil {
		return doc
	}
	return out
}

// JSONWriter writes documents as [JSON] has them. Each is one Write, as those of a json.Encoder
// are.
func JSONWriter(w io.Writer) io.Writer { return jsonWriter{w} }

type jsonWriter struct{ w io.Writer }

func (j jsonWriter) Write(p []byte) (int, error) {
	if _, err := j.w.Write(JSON(p)); err != nil {
		return 0, err
	}
	return len(p), nil
}
