package bundle_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"imagetools/internal/required"
	"imagetools/smf"
	"imagetools/smf/bundle"
	"imagetools/smf/internal/smftest"
)

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func importAll(t testing.TB, repo *smf.Repository, manifests ...[]byte) {
	t.Helper()
	importer := bundle.NewImporter(repo)
	for k, m := range manifests {
		b, err := bundle.Parse(fmt.Sprintf("manifest-%d", k), m)
		if err != nil {
			t.Fatal(err)
		}
		if err := importer.Import(b); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRealManifests compares with what the real importer made of single manifests, also when it
// was written as a database and read again.
func TestRealManifests(t *testing.T) {
	tests := map[string]string{"smf-expected/everything.xml": "smf-expected/everything.txt"}
	manifests := required.Data(t, "smf-manifests")
	expected, err := filepath.Glob(filepath.Join(manifests, "expected", "*.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range xmlFiles(t, manifests) {
		text := strings.ReplaceAll(strings.TrimSuffix(name, ".xml"), "/", "-") + ".txt"
		tests["smf-manifests/"+name] = "smf-manifests/expected/" + text
	}
	if len(expected) < 16 || len(tests) != len(expected)+1 {
		t.Fatalf("%d manifests, %d expected texts", len(tests), len(expected))
	}
	for name, want := range tests {
		t.Run(filepath.Base(want), func(t *testing.T) {
			var repo smf.Repository
			importAll(t, &repo, smftest.Data(t, name))
			if diff := cmp.Diff(string(smftest.Data(t, want)), smftest.Text(t, &repo)); diff != "" {
				t.Errorf("import %s (-want +got):\n%s", name, diff)
			}
			smftest.RoundTrip(t, &repo)
		})
	}
}

// xmlFiles are the names of manifests in and below a folder.
func xmlFiles(t testing.TB, dir string) (names []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, _ fs.DirEntry, err error) error {
		if filepath.Ext(name) == ".xml" {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestRealBuild(t *testing.T) {
	live, count := required.Data(t, "smartos-live"), 0
	for _, root := range []string{"proto", "overlay/generic", "overlay/smartos"} {
		dir := filepath.Join(live, root, "lib/svc/manifest")
		for _, name := range xmlFiles(t, dir) {
			count++
			if b, err := bundle.Parse(name, read(t, filepath.Join(dir, name))); err != nil || len(b.Services) == 0 {
				t.Errorf("Parse(%q): %v", name, err)
			}
		}
	}
	if count < 135 {
		t.Errorf("%d manifests, want 135", count)
	}
}
