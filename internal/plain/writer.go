package plain

import (
	"io"
	"sync"
	"unicode/utf8"
)

// Writer writes texts to another writer as [Text] shows them, whatever is in them. It is safe for
// concurrent use.
type Writer struct {
	w    io.Writer
	mu   sync.Mutex
	rest []byte // the start of a character, of which the next Write has the rest
}

// NewWriter returns a Writer to w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Unwrap returns the writer that gets the texts.
func (t *Writer) Unwrap() io.Writer { return t.w }

// Write implements io.Writer. A character that p has the start of waits for the next Write.
func (t *Writer) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := append(t.rest, p...)
	whole := len(text) - started(text)
	t.rest = append([]byte(nil), text[whole:]...)
	if _, err := io.WriteString(t.w, Text(string(text[:whole]))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// started is how many bytes at the end of a text are the start of a character.
func started(text []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(text); n++ {
		if last := text[len(text)-n:]; utf8.RuneStart(last[0]) {
			if utf8.FullRune(last) {
				return 0
			}
			return n
		}
	}
	return 0
}
