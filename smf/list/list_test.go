package list_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"imagetools/smf/list"
)

func TestParse(t *testing.T) {
	const text = `# comment
  # one that is indented

network/ssh.xml		enabled
	network/inetd.xml disabled
system/some.xml enabled noimport
system/other.xml noimport
a.xml
b.xml Enabled
c.xml enabled optional # why
d.xml enabled # noimport
e.xml enabled noimport # comment
../x.xml enabled noimport
/f.xml enabled
./g//h/../i enabled` + "\r\nj.xml enabled"
	l, err := list.Parse("LIST", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	want := []list.Entry{
		{Name: "network/ssh.xml", Enabled: true, Line: 4},
		{Name: "network/inetd.xml", Line: 5},
		{Name: "system/other.xml", Line: 7},
		{Name: "a.xml", Line: 8},
		{Name: "b.xml", Line: 9},
		{Name: "c.xml", Enabled: true, Optional: true, Line: 10},
		{Name: "d.xml", Enabled: true, Line: 11},
		{Name: "f.xml", Enabled: true, Line: 14},
		{Name: "g/i", Enabled: true, Line: 15},
		{Name: "j.xml", Enabled: true, Line: 16},
	}
	if d := cmp.Diff(want, l.Entries); d != "" {
		t.Errorf("entries (-want +got)\n%s", d)
	}
	warnings := []string{
		`list "LIST": line 7: system/other.xml is disabled: "noimport" means that, as all but "enabled" does`,
		`list "LIST": line 8: a.xml says neither enabled nor disabled, and so is disabled`,
		`list "LIST": line 9: b.xml is disabled: "Enabled" means that, as all but "enabled" does`,
	}
	if d := cmp.Diff(warnings, l.Warnings); d != "" {
		t.Errorf("warnings (-want +got)\n%s", d)
	}
}

func TestThirdField(t *testing.T) {
	l, err := list.Parse("LIST", []byte("a.xml enabled optinal\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{`list "LIST": line 1: a.xml: "optinal" in the third place means nothing`}
	if d := cmp.Diff(want, l.Warnings); d != "" || l.Entries[0].Optional {
		t.Errorf("%+v, warnings (-want +got)\n%s", l.Entries, d)
	}
}

func TestParseFaults(t *testing.T) {
	for name, why := range map[string]string{
		"../etc/passwd":     "leaves the folder of manifests",
		"..":                "leaves the folder of manifests",
		"a/../../b.xml":     "leaves the folder of manifests",
		"//../b.xml":        "leaves the folder of manifests",
		".":                 "is the folder of manifests itself",
		"/":                 "is the folder of manifests itself",
		"a/..":              "is the folder of manifests itself",
		"a\x00.xml":         "no file is called that",
		"caf\xe9.xml":       "no file is called that",
		"network/\xff/a..b": "no file is called that",
	} {
		l, err := list.Parse("LIST", []byte("good.xml enabled\n"+name+" enabled\n"))
		want := fmt.Sprintf("list \"LIST\": line 2: name %q: %s", name, why)
		if l != nil || err == nil || err.Error() != want {
			t.Errorf("Parse(%q) = %v, %v, want %s", name, l, err, want)
		}
	}

	var text strings.Builder
	for range 12 {
		text.WriteString("../a enabled\nok.xml enabled\n")
	}
	_, err := list.Parse("LIST", []byte(text.String()))
	lines := strings.Split(fmt.Sprint(err), "\n")
	if len(lines) != 12 || !strings.Contains(lines[0], "line 1:") || !strings.Contains(lines[11], "line 23:") {
		t.Errorf("12 faults give\n%v", err)
	}
	if _, err := list.Parse("LIST", make([]byte, list.MaxSize+1)); err == nil {
		t.Error("a list of more than a megabyte is taken")
	}
}

// FuzzParse: names stay below their folder, and an entry written again is read as it was.
func FuzzParse(f *testing.F) {
	f.Add([]byte(list.Default()))
	f.Add([]byte("a.xml enabled noimport\n\n# x\n/b//c.xml off\n../d\r\ne optional\x00"))
	f.Fuzz(func(t *testing.T, text []byte) {
		l, err := list.Parse("LIST", text)
		if err != nil {
			if l != nil {
				t.Errorf("Parse = %v and %v", l, err)
			}
			return
		}
		for _, e := range l.Entries {
			if strings.HasPrefix(e.Name, "/") || strings.Contains("/"+e.Name+"/", "/../") {
				t.Errorf("name %q", e.Name)
			}
			third := map[bool]string{true: "optional"}[e.Optional]
			again, err := list.Parse("LIST", fmt.Appendln(nil, e.Name, e.Status(), third))
			if strings.HasPrefix(e.Name, "#") { // was /#, say
				continue
			}
			if err != nil || len(again.Entries) != 1 || again.Entries[0].Name != e.Name || again.Entries[0].Enabled != e.Enabled || again.Entries[0].Optional != e.Optional {
				t.Errorf("%+v is read again as %+v, %v", e, again, err)
			}
		}
	})
}
