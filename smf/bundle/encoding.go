package bundle

import (
	"bytes"
	"regexp"
	"strings"
	"unicode/utf8"
)

var encodingForm = regexp.MustCompile(`^<\?xml\s[^>]*?\sencoding\s*=\s*["']([^"'>]*)["']`)

// decode returns a manifest as UTF-8. libxml knows many more encodings; no manifest is known
// that uses them.
func (p *parser) decode(data []byte) ([]byte, bool) {
	const hint = "convert it to UTF-8, the declaration in its first line included"
	for _, mark := range []string{"\xfe\xff", "\xff\xfe", "\x00<", "<\x00"} {
		if bytes.HasPrefix(data, []byte(mark)) {
			p.faultHint(1, hint, "the encoding UTF-16 is not supported")
			return nil, false
		}
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	encoding := "UTF-8"
	if m := encodingForm.FindSubmatch(data); m != nil {
		encoding = string(m[1])
	}
	switch strings.ToUpper(encoding) {
	case "UTF-8", "UTF8":
		return data, true // encoding/xml finds what is none
	case "ASCII", "US-ASCII":
		if i := bytes.IndexFunc(data, func(r rune) bool { return r >= utf8.RuneSelf }); i >= 0 {
			p.fault(1+bytes.Count(data[:i], []byte("\n")), "byte 0x%02x in a file that says it is %s", data[i], encoding)
			return nil, false
		}
		return data, true
	case "ISO-8859-1", "ISO-LATIN-1", "LATIN1":
		out := make([]byte, 0, len(data)+len(data)/8)
		for _, c := range data {
			out = utf8.AppendRune(out, rune(c))
		}
		return out, true
	}
	p.faultHint(1, hint, "the encoding %q is not supported", encoding)
	return nil, false
}
