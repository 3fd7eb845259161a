package plain

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode"
)

// What turns or hides the text around it is written as bytes; what people see stays.
func TestEntryShowsEachCharacter(t *testing.T) {
	for in, want := range map[string]string{
		"plain name": "plain name", "über 日本": "über 日本", `a\b`: `a\\b`, "a\nb": `a\012b`, "\x7f": `\177`,
		"a\u202egpj.exe": `a\342\200\256gpj.exe`, "\u2066x\u2069": `\342\201\246x\342\201\251`, "\u200b": `\342\200\213`,
		"\ufeff": `\357\273\277`, "\u009b31m": `\302\23331m`, "\xff": `\377`, "\ufffd": "\ufffd", "\u2028": `\342\200\250`,
		"\U000e0041": `\363\240\201\201`, "\u00a0": `\302\240`,
	} {
		if got := Entry(in); got != want {
			t.Errorf("Entry(%q) = %s, want %s", in, got, want)
		}
	}
}

// A document means the same, and holds nothing that a terminal obeys.
func TestJSONMeansTheSame(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if r >= 0xd800 && r < 0xe000 || r > 0x3000 && r%61 != 0 {
			continue
		}
		in := "x" + string(r) + "y"
		var b bytes.Buffer
		if err := json.NewEncoder(JSONWriter(&b)).Encode(in); err != nil {
			t.Fatal(err)
		}
		for _, c := range bytes.TrimSuffix(b.Bytes(), []byte("\n")) {
			if c < ' ' || c == 0x7f {
				t.Fatalf("%U: %q", r, b.Bytes())
			}
		}
		for _, c := range b.String() {
			if c != '\n' && !unicode.IsPrint(c) {
				t.Fatalf("%U: %q", r, b.Bytes())
			}
		}
		var back string
		if err := json.Unmarshal(b.Bytes(), &back); err != nil || back != in {
			t.Fatalf("%U: %q is read as %q, %v", r, b.Bytes(), back, err)
		}
	}
}
