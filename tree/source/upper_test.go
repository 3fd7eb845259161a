package source_test

import (
	"strings"
	"testing"

	"imagetools/tree"
	"imagetools/tree/source"
)

// What only the upper directory of an overlay file system has is told of: such a directory is not a
// root file system.
func TestOverlayWhiteoutsWarned(t *testing.T) {
	device := func(major, minor uint32) *tree.Node {
		return &tree.Node{Mode: tree.TypeChar, Device: &tree.Device{Major: major, Minor: minor}}
	}
	marked := func(name string) *tree.Node {
		n := tree.NewDir(0o755)
		n.Attrs = &tree.Attrs{Xattrs: []tree.Xattr{{Name: name, Value: []byte("y")}}}
		return n
	}
	for want, names := range map[string]map[string]*tree.Node{
		"":                      {"null": device(1, 3), "d": marked("trusted.other")},
		`"d/gone": 1 entry is`:  {"gone": device(0, 0)},
		`"d/a": 1 entry is`:     {"a": marked("trusted.overlay.opaque")},
		`"d/b": 1 entry is`:     {"b": marked("user.overlay.redirect")},
		`"d/a": 2 entries are `: {"a": device(0, 0), "b": marked("trusted.overlay.opaque")},
	} {
		tr := tree.New()
		dir := tree.NewDir(0o755)
		if err := tr.Root.Add("d", dir); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"null", "d", "gone", "a", "b"} {
			if n := names[name]; n != nil {
				if err := dir.Add(name, n); err != nil {
					t.Fatal(err)
				}
			}
		}
		report := &source.Report{}
		report.Survey(tr, nil)
		var got string
		for _, w := range report.Warnings {
			got += w.String()
		}
		if (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
