// Package lines edits a text of which only some lines are known: the rest stays as it is, byte
// for byte.
//
//	t := lines.Parse(data)
//	t.Put(lines.Matching(`^LANG=`), "LANG=C") // once, in the place of any that is there
//	data = t.Bytes()
//	t.Changes() // "-LANG=en_US.UTF-8", "+LANG=C"
//
// A line ends with LF or CR LF, and new lines with CR LF if all others do. A text that was
// changed ends with the end of a line; one that was not is what it was. Edits made twice are
// the same as made once.
package lines

import (
	"regexp"
	"slices"
	"strings"
)

// Text is a text as lines. It is not safe for concurrent use.
type Text struct {
	lines []line
	eol   string // of new lines
	log   []string
}

type line struct{ text, end string }

// Parse splits data into lines. Any data is a text.
func Parse(data []byte) *Text {
	t := &Text{eol: "\n"}
	for s := range strings.Lines(string(data)) {
		l := line{text: s}
		for _, end := range []string{"\r\n", "\n", "\r"} { // CR alone: the text ends amid an end
			if text, ok := strings.CutSuffix(s, end); ok {
				l = line{text, end}
				break
			}
		}
		t.lines = append(t.lines, l)
	}
	if len(t.lines) > 0 && t.lines[0].end != "" && !slices.ContainsFunc(t.lines, func(l line) bool { return l.end == "\n" }) {
		t.eol = "\r\n"
	}
	return t
}

// Bytes is the text as it is now.
func (t *Text) Bytes() []byte {
	var b []byte
	for _, l := range t.lines {
		b = append(append(b, l.text...), l.end...)
	}
	return b
}

// Changes are the lines that were removed, with "-" before them, and added, with "+", in the
// order in which that was done.
func (t *Text) Changes() []string { return t.log }

// Len is the number of lines.
func (t *Text) Len() int { return len(t.lines) }

// Line is the text of line i, counted from 0, without its end.
func (t *Text) Line(i int) string { return t.lines[i].text }

// Match says whether a line is one of those looked for.
type Match func(line string) bool

// Matching finds lines by a regular expression.
func Matching(pattern string) Match { return regexp.MustCompile(pattern).MatchString }

// Equal finds lines that are s, but for blanks at the end.
func Equal(s string) Match {
	return func(line string) bool { return strings.TrimRight(line, " \t") == s }
}

// Find is the number of the first line that matches, -1 if there is none.
func (t *Text) Find(m Match) int {
	return slices.IndexFunc(t.lines, func(l line) bool { return m(l.text) })
}

// Replace makes every line what f makes of it.
func (t *Text) Replace(f func(line string) string) {
	for i := range t.lines {
		t.set(i, f(t.lines[i].text))
	}
}

func (t *Text) set(i int, text string) {
	if old := t.lines[i].text; old != text {
		t.lines[i].text = text
		t.log = append(t.log, "-"+old, "+"+text)
		t.finish()
	}
}

// Put makes sure that exactly one line matches m and is text. It takes the place of the first
// that matched; the others go. If there was none, it becomes the last line.
func (t *Text) Put(m Match, text string) { t.PutBefore(len(t.lines), m, text) }

// PutBefore is Put in the lines before line end; those from there on are not looked at.
func (t *Text) PutBefore(end int, m Match, text string) {
	first := t.Find(m)
	if first < 0 || first >= end {
		t.Insert(end, text)
		return
	}
	t.set(first, text)
	for j := end - 1; j > first; j-- {
		if m(t.lines[j].text) {
			t.Remove(j, j+1)
		}
	}
}

// Insert puts lines before line i; Len is the end.
func (t *Text) Insert(i int, texts ...string) {
	var add []line
	for _, s := range texts {
		add = append(add, line{s, t.eol})
		t.log = append(t.log, "+"+s)
	}
	t.finish()
	t.lines = slices.Insert(t.lines, i, add...)
}

// Append adds lines at the end.
func (t *Text) Append(texts ...string) { t.Insert(len(t.lines), texts...) }

// Remove takes out the lines from i on, before j.
func (t *Text) Remove(i, j int) {
	for _, l := range t.lines[i:j] {
		t.log = append(t.log, "-"+l.text)
	}
	t.lines = slices.Delete(t.lines, i, j)
	t.finish()
}

// Delete takes out every line that matches.
func (t *Text) Delete(m Match) {
	for i := len(t.lines) - 1; i >= 0; i-- {
		if m(t.lines[i].text) {
			t.Remove(i, i+1)
		}
	}
}

// finish ends the last line.
func (t *Text) finish() {
	if len(t.lines) == 0 {
		return
	}
	switch last := &t.lines[len(t.lines)-1]; last.end {
	case "":
		last.end = t.eol
	case "\r":
		last.end = "\r\n"
	}
}
