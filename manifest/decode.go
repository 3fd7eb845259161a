// SPDX-License-Identifier: MIT

package manifest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	// maxDepth bounds how deep arrays and objects may nest. Real manifests, docker's tags
	// included, stay below ten.
	maxDepth = 256

	// maxPath bounds the name of a place, in bytes; what is inside a longer one goes by the name
	// of what is around it. Without it a long key with many keys inside would take time and
	// memory by the square of the input.
	maxPath = 256
)

// An Error is one mistake in the text of a manifest.
type Error struct {
	Line, Column int    // from 1; columns count characters
	Field        string // such as "files[0].size"; empty where the mistake is in no field
	Message      string
}

func (e *Error) Error() string {
	where := fmt.Sprintf("manifest: %d:%d: ", e.Line, e.Column)
	if e.Field != "" {
		where += e.Field + ": "
	}
	return where + e.Message
}

// A Document is the text of a manifest, decoded but not yet judged.
type Document struct {
	// Value is the decoded JSON: nil, bool, string, json.Number, []any or map[string]any.
	Value any

	data   []byte
	starts map[string]int // byte offset of each key or array element, by path
	lines  *lineIndex
	prefix string // of the paths in it, of a manifest inside of another document; see Manifests
}

// Decode reads one JSON value. It is stricter than JSON.parse where that picks silently among
// readings: a repeated key, half a surrogate pair and bytes that are not UTF-8 are errors. Errors
// are of type [*Error], several joined in order of their position.
func Decode(data []byte) (*Document, error) {
	d := &Document{data: data, starts: map[string]int{}, lines: &lineIndex{}}
	if !utf8.Valid(data) {
		off := 0
		for {
			r, n := utf8.DecodeRune(data[off:])
			if r == utf8.RuneError && n == 1 {
				return nil, d.errorAt(off, "", "invalid UTF-8")
			}
			off += n
		}
	}
	var text json.RawMessage
	if err := json.Unmarshal(data, &text); err != nil {
		syntax, ok := errors.AsType[*json.SyntaxError](err)
		if !ok {
			return nil, fmt.Errorf("manifest: %w", err)
		}
		off := max(0, int(syntax.Offset)-1)
		if len(bytes.TrimSpace(data)) == 0 || syntax.Error() == "unexpected end of JSON input" {
			off = len(data)
		}
		return nil, d.errorAt(off, "", syntax.Error())
	}
	w := walker{Document: d, dec: json.NewDecoder(bytes.NewReader(data))}
	w.dec.UseNumber()
	d.Value = w.value("", 0)
	if err := d.errors(w.found); err != nil {
		return nil, err
	}
	return d, nil
}

// Position returns the line and column, from 1, at which field begins in the text. Fields are
// named as in [Fault] and [Error]; the requirements that imgmanifest reports without their prefix
// are found too. It returns zeros for a field that is not there.
func (d *Document) Position(field string) (line, column int) {
	off, ok := d.starts[d.prefix+field]
	if !ok {
		off, ok = d.starts[d.prefix+"requirements."+field]
	}
	if !ok {
		return 0, 0
	}
	return d.lineColumn(off)
}

func (d *Document) lineColumn(off int) (line, column int) { return d.lines.at(d.data, off) }

func (d *Document) errorAt(off int, field, message string) *Error {
	e := &Error{Field: field, Message: message}
	e.Line, e.Column = d.lineColumn(off)
	return e
}

// walker builds the value of text that is known to be well-formed JSON.
type walker struct {
	*Document
	dec   *json.Decoder
	found []mistake
	deep  bool // maxDepth was exceeded, and reported
}

func (w *walker) failf(off int, field, format string, args ...any) {
	w.found = append(w.found, mistake{off, field, fmt.Sprintf(format, args...)})
}

// next returns the next token and the offset it begins at.
func (w *walker) next() (json.Token, int) {
	start := w.peek()
	tok, err := w.dec.Token()
	if err != nil {
		panic("manifest: internal error: " + err.Error())
	}
	return tok, start
}

func (w *walker) value(path string, depth int) any {
	tok, start := w.next()
	switch tok := tok.(type) {
	case string:
		w.checkString(path, start)
		return tok
	case json.Delim:
		if depth == maxDepth && !w.deep {
			w.deep = true
			w.failf(start, "", "nested deeper than %d levels", maxDepth)
		}
		if tok == '[' {
			return w.array(path, depth+1)
		}
		return w.object(path, depth+1)
	}
	return tok
}

func (w *walker) array(path string, depth int) any {
	list := []any{}
	for w.dec.More() {
		at := extend(path, "["+strconv.Itoa(len(list))+"]")
		w.mark(at, w.peek(), depth)
		list = append(list, w.value(at, depth))
	}
	w.next() // the closing bracket
	return list
}

func (w *walker) object(path string, depth int) any {
	members := map[string]any{}
	for w.dec.More() {
		tok, start := w.next()
		key := tok.(string)
		at := key
		if path != "" {
			at = "." + key
		}
		at = extend(path, at)
		w.checkString(at, start)
		if _, ok := members[key]; ok {
			w.failf(start, at, "key appears twice")
		} else {
			w.mark(at, start, depth)
		}
		members[key] = w.value(at, depth)
	}
	w.next() // the closing brace
	return members
}

// peek returns the offset at which the next token begins.
func (w *walker) peek() int {
	off := int(w.dec.InputOffset())
	for off < len(w.data) && strings.IndexByte(" \t\r\n,:", w.data[off]) >= 0 {
		off++
	}
	return off
}

// extend returns the path of something in path, or path itself where that gets too long.
func extend(path, suffix string) string {
	if len(path)+len(suffix) > maxPath {
		return path
	}
	return path + suffix
}

// mark notes where a field begins, of a manifest in a list as well. Deeper levels are inside tags
// and traits, which nothing looks into.
func (w *walker) mark(path string, start, depth int) {
	if _, ok := w.starts[path]; !ok && depth <= 6 {
		w.starts[path] = start
	}
}

// checkString looks for half a surrogate pair in the string literal that was just read, which
// begins at start. It has no spelling in UTF-8, so two different strings would become one.
func (w *walker) checkString(path string, start int) {
	raw := w.data[start:w.dec.InputOffset()]
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			continue
		}
		i++
		if raw[i] != 'u' {
			continue
		}
		if isSurrogate(raw[i+1:], "89ab") && bytes.HasPrefix(raw[i+5:], []byte(`\u`)) && isSurrogate(raw[i+7:], "cdef") {
			i += 6
		} else if isSurrogate(raw[i+1:], "89abcdef") {
			w.failf(start, path, `half a surrogate pair, \u%s`, raw[i+1:i+5])
			return
		}
		i += 4
	}
}

// isSurrogate reports whether hex begins with d and one of second.
func isSurrogate(hex []byte, second string) bool {
	return hex[0]|0x20 == 'd' && strings.IndexByte(second, hex[1]|0x20) >= 0
}

// A mistake is an [Error] whose line is not yet counted.
type mistake struct {
	off     int
	field   string
	message string
}

// errors joins mistakes in the order of their place.
func (d *Document) errors(found []mistake) error {
	slices.SortStableFunc(found, func(a, b mistake) int { return cmp.Compare(a.off, b.off) })
	all := make([]error, len(found))
	for i, m := range found {
		all[i] = d.errorAt(m.off, m.field, m.message)
	}
	return errors.Join(all...)
}
