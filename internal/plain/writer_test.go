package plain

import (
	"errors"
	"strings"
	"testing"
)

// However a text is cut into pieces, it is written as Text shows it, but for a character that it
// ends within.
func TestWriter(t *testing.T) {
	const text = "a\x1b[31m é\u202e\u009b\t€😀\xff\xc3x\xe2\x82\n\x7f end\n"
	for size := 1; size <= len(text); size++ {
		var b strings.Builder
		w := NewWriter(&b)
		for at := 0; at < len(text); at += size {
			piece := text[at:min(at+size, len(text))]
			if n, err := w.Write([]byte(piece)); n != len(piece) || err != nil {
				t.Fatalf("Write: %d, %v", n, err)
			}
		}
		if b.String() != Text(text) {
			t.Errorf("in pieces of %d bytes: %q, want %q", size, &b, Text(text))
		}
	}
	full := errors.New("full")
	if _, err := NewWriter(failing{full}).Write([]byte("x")); !errors.Is(err, full) {
		t.Errorf("a writer that fails: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
