// Package osrelease reads the file in which a Linux says what it is, os-release(5).
package osrelease

import "strings"

// Paths are where the file is, the first having the first word.
var Paths = []string{"/etc/os-release", "/usr/lib/os-release"}

// Parse returns the values by their names. A value in quotes is what stands between them, with
// the backslash taking its meaning from quotes, "$", "`" and itself. What is no assignment is left
// out, and of several ones the last counts.
func Parse(text string) map[string]string {
	values := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if ok && name != "" && !strings.HasPrefix(name, "#") {
			values[name] = unquote(value)
		}
	}
	return values
}

func unquote(s string) string {
	if len(s) < 2 || s[0] != '"' && s[0] != '\'' || s[len(s)-1] != s[0] {
		return s
	}
	quote := s[0]
	s = s[1 : len(s)-1]
	if quote == '\'' {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) && strings.IndexByte("\"'$`\\", s[i+1]) >= 0 {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
