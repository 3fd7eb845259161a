package plain_test

import (
	"testing"

	"imagetools/internal/plain"
)

func TestText(t *testing.T) {
	for _, tt := range []struct{ in, text, line string }{
		{"", "", ""},
		{"plain \"quoted\" ü\ttab", "plain \"quoted\" ü\ttab", "plain \"quoted\" ü\ttab"},
		{"two\nlines", "two\nlines", `two\nlines`},
		{"\x1b[2J\a\r\x00", `\x1b[2J\a\r\x00`, `\x1b[2J\a\r\x00`},
		{"\xff\u202e\u0085\ufffd", `\xff\u202e\u0085` + "\ufffd", `\xff\u202e\u0085` + "\ufffd"},
	} {
		if got := plain.Text(tt.in); got != tt.text {
			t.Errorf("Text(%q) = %q, want %q", tt.in, got, tt.text)
		}
		if got := plain.Line(tt.in); got != tt.line {
			t.Errorf("Line(%q) = %q, want %q", tt.in, got, tt.line)
		}
	}
}
