package lines_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"imagetools/internal/lines"
)

func TestEdits(t *testing.T) {
	lang := lines.Matching(`^LANG=`)
	for _, tt := range []struct {
		name, in, want string
		edit           func(*lines.Text)
		changes        []string
	}{
		{"put in place", "A=1\nLANG=x\nB=2\n", "A=1\nLANG=C\nB=2\n",
			func(t *lines.Text) { t.Put(lang, "LANG=C") }, []string{"-LANG=x", "+LANG=C"}},
		{"put once of several", "LANG=x\nA=1\nLANG=y\nLANG=z\n", "LANG=C\nA=1\n",
			func(t *lines.Text) { t.Put(lang, "LANG=C") }, []string{"-LANG=x", "+LANG=C", "-LANG=z", "-LANG=y"}},
		{"put at the end", "A=1\n", "A=1\nLANG=C\n",
			func(t *lines.Text) { t.Put(lang, "LANG=C") }, []string{"+LANG=C"}},
		{"put into nothing", "", "LANG=C\n",
			func(t *lines.Text) { t.Put(lang, "LANG=C") }, []string{"+LANG=C"}},
		{"put before", "A=1\nM\nLANG=x\n", "A=1\nLANG=C\nM\nLANG=x\n",
			func(t *lines.Text) { t.PutBefore(t.Find(lines.Equal("M")), lang, "LANG=C") }, []string{"+LANG=C"}},
		{"put once before", "LANG=x\nLANG=y\nM\nLANG=z\n", "LANG=C\nM\nLANG=z\n",
			func(t *lines.Text) { t.PutBefore(t.Find(lines.Equal("M")), lang, "LANG=C") },
			[]string{"-LANG=x", "+LANG=C", "-LANG=y"}},
		{"the end of the last line", "A=1\nB=2", "A=1\nB=2\nLANG=C\n",
			func(t *lines.Text) { t.Put(lang, "LANG=C") }, []string{"+LANG=C"}},
		{"the end of a changed text", "LANG=x\nB=2", "LANG=C\nB=2\n",
			func(t *lines.Text) { t.Put(lang, "LANG=C") }, []string{"-LANG=x", "+LANG=C"}},
		{"no edit, no end", "A=1\nLANG=C\nB=2", "A=1\nLANG=C\nB=2",
			func(t *lines.Text) { t.Put(lang, "LANG=C") }, nil},
		{"CR LF", "A=1\r\nLANG=x\r\n", "A=1\r\nLANG=C\r\nB=2\r\n",
			func(t *lines.Text) { t.Put(lang, "LANG=C"); t.Put(lines.Equal("B=2"), "B=2") },
			[]string{"-LANG=x", "+LANG=C", "+B=2"}},
		{"mixed ends stay", "A=1\nLANG=x\r\nB=2\r\n", "A=1\nLANG=C\r\nB=2\r\n",
			func(t *lines.Text) { t.Put(lang, "LANG=C") }, []string{"-LANG=x", "+LANG=C"}},
		{"half an end", "A=1\nLANG=C\r", "A=1\nLANG=C\r\nB=2\n",
			func(t *lines.Text) { t.Put(lang, "LANG=C"); t.Put(lines.Equal("B=2"), "B=2") }, []string{"+B=2"}},
		{"half an end alone", "A\r", "A\r\nB=2\r\n",
			func(t *lines.Text) { t.Put(lines.Equal("B=2"), "B=2") }, []string{"+B=2"}},
		{"delete", "vm 1\nA\nvm 2", "A\n",
			func(t *lines.Text) { t.Delete(lines.Matching(`^vm`)) }, []string{"-vm 2", "-vm 1"}},
		{"replace", "a.log\nb\n", "a_log\nb\n",
			func(t *lines.Text) {
				t.Replace(func(s string) string { return strings.ReplaceAll(s, ".log", "_log") })
			},
			[]string{"-a.log", "+a_log"}},
		{"any bytes", "\xff\x00\r\n\rX\n", "\xff\x00\r\n\rX\nLANG=C\n",
			func(t *lines.Text) { t.Put(lang, "LANG=C") }, []string{"+LANG=C"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := lines.Parse([]byte(tt.in))
			tt.edit(text)
			if got := string(text.Bytes()); got != tt.want {
				t.Errorf("%q becomes %q, want %q", tt.in, got, tt.want)
			}
			if !slices.Equal(text.Changes(), tt.changes) {
				t.Errorf("changes of %q: %q, want %q", tt.in, text.Changes(), tt.changes)
			}
			again := lines.Parse(text.Bytes())
			tt.edit(again)
			if string(again.Bytes()) != tt.want || len(again.Changes()) > 0 {
				t.Errorf("the second time %q becomes %q, by %q", tt.want, again.Bytes(), again.Changes())
			}
		})
	}
}

// Any text comes back as it was, and stays a text under edits.
func FuzzText(f *testing.F) {
	f.Add([]byte("A=1\nLANG=x\r\nB"), byte(1))
	f.Add([]byte("\r\n\r\r\n\n"), byte(0))
	f.Fuzz(func(t *testing.T, data []byte, at byte) {
		text := lines.Parse(data)
		if !bytes.Equal(text.Bytes(), data) {
			t.Fatalf("Parse(%q) is %q", data, text.Bytes())
		}
		edit := func(text *lines.Text) {
			text.Put(lines.Matching(`^LANG=`), "LANG=C")
			text.Delete(func(s string) bool { return len(s) > 0 && s[0] == at })
			text.Put(lines.Equal("B"), "B")
		}
		edit(text)
		once := text.Bytes()
		again := lines.Parse(once)
		edit(again)
		if !bytes.Equal(again.Bytes(), once) {
			t.Fatalf("%q: once %q, twice %q", data, once, again.Bytes())
		}
	})
}
