package overlay

import (
	"bytes"
	"fmt"
	"regexp"
)

// maxFile is the largest file that is read or made.
const maxFile = 256 << 20

// variable is a literal (first group), or a variable (second).
var variable = regexp.MustCompile(`@@([A-Z][A-Z0-9_]*)@@|@([A-Z][A-Z0-9_]*)@`)

// expander fills in variables.
type expander struct {
	values map[string]string
	keep   map[string]bool
}

// undefined is a variable without a value.
type undefined struct {
	line int
	name string
}

// expand fills in the variables of text, and lists those that cannot be. What is binary comes
// back as it is.
func (x *expander) expand(text []byte) ([]byte, []undefined, error) {
	if bytes.IndexByte(text, 0) >= 0 {
		return text, nil, nil
	}
	var faults []undefined
	var out []byte
	line, done := 1, 0
	for _, m := range variable.FindAllSubmatchIndex(text, -1) {
		start, end := m[0], m[1]
		line += bytes.Count(text[done:start], []byte{'\n'})
		out = append(out, text[done:start]...)
		done = end
		if m[2] >= 0 {
			out = append(out, text[start+1:end-1]...)
			continue
		}
		name := string(text[m[4]:m[5]])
		value, ok := x.values[name]
		switch {
		case ok:
			out = append(out, value...)
		case x.keep[name]:
			out = append(out, text[start:end]...)
		default:
			faults = append(faults, undefined{line, name})
		}
		if len(out) > maxFile {
			return nil, nil, fmt.Errorf("larger than %d bytes when its variables are filled in", maxFile)
		}
	}
	if done == 0 {
		return text, nil, nil
	}
	return append(out, text[done:]...), faults, nil
}
