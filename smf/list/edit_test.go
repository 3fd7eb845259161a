package list_test

import (
	"bytes"
	"strings"
	"testing"

	"imagetools/smf/list"
)

func TestEdit(t *testing.T) {
	for _, test := range []struct{ in, enabled, disabled string }{
		{"<create_default_instance enabled='false'/>\n", "<create_default_instance enabled='true'/>\n", ""},
		{"<create_default_instance enabled='true' />\n", "", "<create_default_instance enabled='false' />\n"},
		{"\t <instance name='default' enabled='false'>\n", "\t <instance name='default' enabled='true'>\n", ""},
		{"<instance\tname='default'\tenabled='true'>\n", "", "<instance\tname='default'\tenabled='false'>\n"},

		// Only single quotes count.
		{"<create_default_instance enabled=\"false\"/>\n", "", ""},
		{"<instance name=\"default\" enabled='false'>\n", "", ""},
		// Only the first value on the line is changed, whatever it belongs to.
		{"<create_default_instance enabled='false'/> <x a='false' b='true'/>\n",
			"<create_default_instance enabled='true'/> <x a='false' b='true'/>\n",
			"<create_default_instance enabled='false'/> <x a='false' b='false'/>\n"},
		// Both fields must be there as they are, with blanks around them.
		{"<instance enabled='false' name='default'>\n", "", ""},
		{"<instance name='default'>\n", "", ""},
		{"<instance name = 'default' enabled='false'>\n", "", ""},
		{"<instance name='default'enabled='false'>\n", "", ""},
		{"<create_default_instance/> 'false'\n", "", ""},
		{"x <create_default_instance enabled='false'/>\n", "", ""},
		{"<instance\rname='default'\renabled='false'>\n", "", ""},
		// Attributes on lines of their own are not seen.
		{"<instance name='default'\n  enabled='false'>\n", "", ""},
		{"<create_default_instance\n  enabled='false'/>\n", "", ""},
		// Other instances keep their state.
		{"<instance name='fetch' enabled='false'>\n", "", ""},
		// A comment is edited too.
		{"<!--\n<create_default_instance enabled='false' />\n-->\n", "<!--\n<create_default_instance enabled='true' />\n-->\n", ""},
		// Several lines, and a last one without its newline.
		{"<create_default_instance enabled='false'/>\n\n<instance name='default' enabled='false'/>",
			"<create_default_instance enabled='true'/>\n\n<instance name='default' enabled='true'/>\n",
			"<create_default_instance enabled='false'/>\n\n<instance name='default' enabled='false'/>\n"},
		{"", "", ""},
	} {
		for enabled, want := range map[bool]string{true: test.enabled, false: test.disabled} {
			if want == "" {
				want = test.in // nothing to change
			}
			if got := string(list.Edit([]byte(test.in), enabled)); got != want {
				t.Errorf("Edit(%q, %v) = %q, want %q", test.in, enabled, got, want)
			}
		}
	}
}

// FuzzEdit: an edit changes nothing but values on its lines, and once.
func FuzzEdit(f *testing.F) {
	f.Add([]byte("<create_default_instance enabled='false'/>\n<instance name='default' enabled='true'>\n"), true)
	f.Add([]byte("<instance name='default' x='false' enabled='true'>"), false)
	f.Add([]byte("<instance name='default' 'false'true'"), true)
	f.Fuzz(func(t *testing.T, text []byte, enabled bool) {
		got := list.Edit(text, enabled)
		plain := func(b []byte) string {
			return strings.TrimSuffix(strings.ReplaceAll(string(b), "true", "false"), "\n")
		}
		if plain(got) != plain(text) {
			t.Errorf("Edit(%q) = %q", text, got)
		}
		if bytes.Count(got, []byte("\n")) < bytes.Count(text, []byte("\n")) {
			t.Errorf("Edit(%q) = %q: lines are gone", text, got)
		}
		if len(got) > 0 && got[len(got)-1] != '\n' {
			t.Errorf("Edit(%q) = %q", text, got)
		}
	})
}
