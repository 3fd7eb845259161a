package shell

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

func TestQuote(t *testing.T) {
	for s, want := range map[string]string{
		"": "''", "zones/a@b": "zones/a@b", "a=b": "'a=b'", "it's": `'it'\''s'`, "a b": "'a b'", "~": "'~'", "$(x)": "'$(x)'",
		"a\x1b": `"$(printf 'a\033')"`, "\u202e\n": "\"$(printf '\\342\\200\\256')\"'\n'",
	} {
		if got := Quote(s); got != want {
			t.Errorf("Quote(%q) = %s, want %s", s, got, want)
		}
	}
}

// A real shell reads what was written.
func TestJoin(t *testing.T) {
	words := []string{"", "a b", "it's", "'", "\\", "$HOME", "`id`", "*", "~", "a\nb", "-n", "ü", "{a,b}", "!x", "#", "a\x1b[31m'%d\\n", "\xff", "-\u202eb\n\n"}
	out, err := exec.Command("sh", "-c", `for w in `+Join(words)+`; do printf '%s\0' "$w"; done`).Output()
	if got := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00"); err != nil || !slices.Equal(got, words) {
		t.Errorf("sh reads %s as %q, %v", Join(words), got, err)
	}
}
