package list

import "bytes"

// Edit switches the service in a manifest on or off, by lines: on each line whose first two
// fields are <instance and name='default', or whose first is <create_default_instance, the first
// 'false' becomes 'true', or the other way round. Fields are separated by spaces and tabs; the
// result ends in a newline.
//
// It is a rule of text and knows no XML, so that it has the result that brands and the classic
// create-smf-repo get: values in double quotes, values on a line of their own and instances of
// other names stay as they are, and a comment that looks like such a line is changed.
func Edit(manifest []byte, enabled bool) []byte {
	from, to := []byte("'true'"), []byte("'false'")
	if enabled {
		from, to = to, from
	}
	out := make([]byte, 0, len(manifest)+len(manifest)/32)
	for line := range bytes.Lines(manifest) {
		if isSwitch(line) {
			line = bytes.Replace(line, from, to, 1)
		}
		out = append(out, line...)
	}
	if n := len(out); n > 0 && out[n-1] != '\n' {
		out = append(out, '\n')
	}
	return out
}

// isSwitch tells whether a line is one to edit.
func isSwitch(line []byte) bool {
	first, rest := field(line)
	if string(first) == "<create_default_instance" {
		return true
	}
	second, _ := field(rest)
	return string(first) == "<instance" && string(second) == "name='default'"
}

// field cuts off the first field of a line.
func field(line []byte) (first, rest []byte) {
	const blank = " \t\n"
	line = bytes.TrimLeft(line, blank)
	if i := bytes.IndexAny(line, blank); i >= 0 {
		return line[:i], line[i:]
	}
	return line, nil
}
