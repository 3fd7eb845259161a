package bundle_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"imagetools/smf"
	"imagetools/smf/bundle"
	"imagetools/smf/internal/smftest"
)

var update = flag.Bool("update", false, "write testdata/*.txt anew")

// TestOwnManifests compares what our own manifests give with testdata/NAME.txt. The real
// importer never saw them; TestRealManifests has what it made of others.
func TestOwnManifests(t *testing.T) {
	manifests, err := filepath.Glob("testdata/*.xml")
	if err != nil || len(manifests) < 2 {
		t.Fatalf("testdata: %q, %v", manifests, err)
	}
	for _, path := range manifests {
		var repo smf.Repository
		importAll(t, &repo, read(t, path))
		golden(t, strings.TrimSuffix(path, ".xml")+".txt", smftest.Text(t, &repo))
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(string(read(t, path)), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// TestEncodings has one manifest in several.
func TestEncodings(t *testing.T) {
	const body = doctype + `
<service_bundle type="manifest" name="latin">
  <service name="lab/latin" type="service" version="1">
    <property_group name="text" type="application"><propval name="street" type="ustring" value="Königsallee
1"/></property_group>
    <template><common_name><loctext xml:lang="C">Straße
und Haus</loctext></common_name></template>
  </service>
</service_bundle>
`
	latin := strings.NewReplacer("ö", "\xf6", "ß", "\xdf").Replace(body)
	for name, manifest := range map[string]string{
		"no declaration":         body,
		"mark":                   "\ufeff" + body,
		"UTF-8":                  `<?xml version="1.0" encoding="utf-8" standalone="no"?>` + body,
		"mark, and a wrong name": "\ufeff" + `<?xml version="1.0" encoding="ISO-8859-1"?>` + body, // libxml believes the mark
		"CR LF":                  strings.ReplaceAll(body, "\n", "\r\n"),
		"ISO-8859-1":             `<?xml version='1.0' encoding='ISO-8859-1'?>` + latin,
		"ASCII":                  `<?xml version='1.0' encoding='us-ascii'?>` + strings.NewReplacer("ö", "&#246;", "ß", "&#xDf;").Replace(body),
	} {
		var repo smf.Repository
		importAll(t, &repo, []byte(manifest))
		const want = `service lab/latin
  text application 0
    street su "Königsallee 1"
  tm_common_name template 0
    C su "Straße\nund Haus"
`
		if got := smftest.Text(t, &repo); got != want {
			t.Errorf("%s: import = %s", name, got)
		}
	}
}

func FuzzImport(f *testing.F) {
	manifests, err := filepath.Glob("testdata/*.xml")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range manifests {
		f.Add(read(f, path))
	}
	for _, tt := range refused {
		if len(tt.body) < 1000 {
			f.Add([]byte(tt.in.before + tt.body + tt.in.after))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := bundle.Parse("m.xml", data)
		again, errAgain := bundle.Parse("m.xml", bytes.Clone(data))
		if err != nil {
			if b != nil || errAgain == nil || err.Error() != errAgain.Error() {
				t.Fatalf("Parse = %v, %v and then %v", b, err, errAgain)
			}
			return
		}
		if diff := cmp.Diff(b, again); diff != "" {
			t.Fatalf("the same manifest twice:\n%s", diff)
		}
		var repo smf.Repository
		importer := bundle.NewImporter(&repo)
		if importer.Import(b) != nil {
			return // dependents that get into each other's way
		}
		first := smftest.Text(t, &repo)
		var other smf.Repository
		if err := bundle.NewImporter(&other).Import(again); err != nil || smftest.Text(t, &other) != first {
			t.Fatalf("the same bundle again gives something else: %v", err)
		}
	})
}
