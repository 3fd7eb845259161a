package bundle

import (
	"bytes"
	"regexp"
	"strings"
	"unicode/utf8"
)

// declarationForm is an XML declaration (XML 1.0, 2.8), of which encoding/xml takes anything.
var declarationForm = regexp.MustCompile(`^<\?xml[ \t\r\n]+version[ \t\r\n]*=[ \t\r\n]*(?:"[\w.:-]+"|'[\w.:-]+')` +
	`(?:[ \t\r\n]+encoding[ \t\r\n]*=[ \t\r\n]*(?:"([A-Za-z][\w.-]*)"|'([A-Za-z][\w.-]*)'))?` +
	`(?:[ \t\r\n]+standalone[ \t\r\n]*=[ \t\r\n]*(?:"(?:yes|no)"|'(?:yes|no)'))?[ \t\r\n]*\?>`)

// decode returns a manifest as UTF-8, all characters of which XML can have. libxml knows many
// more encodings; no manifest is known that uses them.
func (p *parser) decode(data []byte) ([]byte, bool) {
	const hint = "convert it to UTF-8, the declaration in its first line included"
	for _, mark := range []string{"\xfe\xff", "\xff\xfe", "\x00<", "<\x00"} {
		if bytes.HasPrefix(data, []byte(mark)) {
			p.faultHint(1, hint, "the encoding UTF-16 is not supported")
			return nil, false
		}
	}
	data, marked := bytes.CutPrefix(data, []byte("\ufeff"))
	encoding := "UTF-8"
	if rest, ok := bytes.CutPrefix(data, []byte("<?xml")); ok && len(rest) > 0 && strings.IndexByte(blanks+"?", rest[0]) >= 0 {
		m := declarationForm.FindSubmatch(data)
		if m == nil {
			p.fault(1, "not well-formed: <?xml has a version, then it can have encoding and standalone, all as NAME=\"VALUE\"")
			return nil, false
		}
		if name := string(m[1]) + string(m[2]); name != "" && !marked {
			encoding = name
		}
	}
	switch strings.ToUpper(encoding) {
	case "UTF-8", "UTF8":
	case "ASCII", "US-ASCII":
		if i := bytes.IndexFunc(data, func(r rune) bool { return r >= utf8.RuneSelf }); i >= 0 {
			p.fault(lineOf(data, i), "byte 0x%02x in a file that says it is %s", data[i], encoding)
			return nil, false
		}
	case "ISO-8859-1", "ISO-LATIN-1", "LATIN1":
		out := make([]byte, 0, len(data)+len(data)/8)
		for _, c := range data {
			out = utf8.AppendRune(out, rune(c))
		}
		data = out
	default:
		p.faultHint(1, hint, "the encoding %q is not supported", encoding)
		return nil, false
	}
	return data, p.characters(data)
}

// characters checks all of a file, comments and the like too, where encoding/xml does not look.
func (p *parser) characters(data []byte) bool {
	for i := 0; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			p.fault(lineOf(data, i), "not well-formed: invalid UTF-8")
			return false
		case !isCharacter(r):
			p.fault(lineOf(data, i), "not well-formed: illegal character code %U", r)
			return false
		}
		i += n
	}
	return true
}

// isCharacter tells what a document can hold (XML 1.0, 2.2).
func isCharacter(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' || r >= ' ' && r < 0xd800 || r >= 0xe000 && r < 0xfffe || r >= 0x10000
}

func lineOf(data []byte, offset int) int { return 1 + bytes.Count(data[:offset], []byte("\n")) }
