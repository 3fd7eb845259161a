package bundle_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"imagetools/smf"
	"imagetools/smf/bundle"
)

// testdata is the folder of real manifests and of what the real importer made of them, which
// the project does not carry.
func testdata(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("IMAGETOOLS_TESTDATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "testdata")
	}
	if _, err := os.Stat(filepath.Join(dir, "smf-expected")); err != nil {
		if os.Getenv("IMAGETOOLS_REQUIRE_ORACLES") == "1" {
			t.Fatalf("real manifests are required: %v", err)
		}
		t.Skipf("no real manifests (IMAGETOOLS_TESTDATA): %v", err)
	}
	return dir
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(path, ".gz") {
		r, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if data, err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
	return data
}

func text(t testing.TB, repo *smf.Repository) string {
	t.Helper()
	var b strings.Builder
	if err := repo.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
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

func TestRealManifests(t *testing.T) {
	dir := testdata(t)
	tests := map[string]string{filepath.Join(dir, "smf-expected", "everything.xml"): filepath.Join(dir, "smf-expected", "everything.txt")}
	manifests := filepath.Join(dir, "smf-manifests")
	expected, err := filepath.Glob(filepath.Join(manifests, "expected", "*.txt"))
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(manifests, func(path string, d fs.DirEntry, err error) error {
		if filepath.Ext(path) == ".xml" {
			name := strings.TrimSuffix(strings.TrimPrefix(path, manifests+"/"), ".xml")
			tests[path] = filepath.Join(manifests, "expected", strings.ReplaceAll(name, "/", "-")+".txt")
		}
		return err
	})
	if err != nil || len(expected) < 16 || len(tests) != len(expected)+1 {
		t.Fatalf("%d manifests, %d expected texts: %v", len(tests), len(expected), err)
	}
	for path, want := range tests {
		t.Run(filepath.Base(want), func(t *testing.T) {
			var repo smf.Repository
			importAll(t, &repo, read(t, path))
			if diff := cmp.Diff(string(read(t, want)), text(t, &repo)); diff != "" {
				t.Errorf("import %s (-want +got):\n%s", path, diff)
			}
		})
	}
}

// list is the manifests of a list, edited, as create-smf-repo takes them.
func list(t testing.TB, path string, dirs ...string) (manifests [][]byte) {
	t.Helper()
	for line := range strings.Lines(string(read(t, path))) {
		f := strings.Fields(line)
		if len(f) == 0 || strings.HasPrefix(f[0], "#") || len(f) > 2 && f[2] == "noimport" {
			continue
		}
		found := false
		for _, dir := range dirs {
			data, err := os.ReadFile(filepath.Join(dir, f[0]))
			if found = err == nil; found {
				manifests = append(manifests, edit(data, f[1] == "enabled"))
				break
			}
		}
		if !found {
			t.Fatalf("%s is nowhere", f[0])
		}
	}
	return manifests
}

// edit switches the default instance.
func edit(manifest []byte, enabled bool) []byte {
	from, to := "'true'", "'false'"
	if enabled {
		from, to = to, from
	}
	var out strings.Builder
	for line := range strings.Lines(string(manifest)) {
		f := strings.Fields(line)
		if len(f) > 1 && f[0] == "<instance" && f[1] == "name='default'" || len(f) > 0 && f[0] == "<create_default_instance" {
			line = strings.Replace(line, from, to, 1)
		}
		out.WriteString(line)
	}
	return []byte(out.String())
}

// build is where manifests of the miniature build are looked for: first among the tool's own,
// which are one.
func build(t testing.TB) []string {
	dir := testdata(t)
	own, live := t.TempDir(), filepath.Join(dir, "smartos-live")
	mdata := read(t, filepath.Join(dir, "smf-expected", "imagetools-mdata.xml"))
	if err := os.Mkdir(filepath.Join(own, "system"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(own, "system", "mdata.xml"), mdata, 0o644); err != nil {
		t.Fatal(err)
	}
	return []string{
		own,
		filepath.Join(live, "overlay/generic/lib/svc/manifest"),
		filepath.Join(live, "proto/lib/svc/manifest"),
		filepath.Join(live, "overlay/smartos/lib/svc/manifest"),
	}
}

// classic is the manifests of imagetools' own list.
func classic(t testing.TB) [][]byte {
	return list(t, filepath.Join(testdata(t), "smf-expected", "imagetools.manifests"), build(t)...)
}

func TestRealLists(t *testing.T) {
	dir := testdata(t)
	manifests, expected := filepath.Join(dir, "smf-manifests"), filepath.Join(dir, "smf-expected")
	for _, tt := range []struct {
		name      string
		manifests [][]byte
		count     int
		want      string
	}{
		{"all", list(t, filepath.Join(manifests, "manifests"), manifests), 16, filepath.Join(manifests, "expected", "all-with-list.txt.gz")},
		{"classic", classic(t), 104, filepath.Join(expected, "imagetools-list.txt.gz")},
		{"minimal", list(t, filepath.Join(expected, "joyent-minimal.manifests"), build(t)...), 30, filepath.Join(expected, "joyent-minimal-list.txt.gz")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if len(tt.manifests) < tt.count {
				t.Errorf("%d manifests, want %d", len(tt.manifests), tt.count)
			}
			var repo smf.Repository
			importAll(t, &repo, tt.manifests...)
			if diff := cmp.Diff(string(read(t, tt.want)), text(t, &repo)); diff != "" {
				t.Errorf("import (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRealBuild(t *testing.T) {
	count := 0
	for _, dir := range build(t)[1:] {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if filepath.Ext(path) != ".xml" {
				return err
			}
			count++
			if b, err := bundle.Parse(path, read(t, path)); err != nil || len(b.Services) == 0 {
				t.Errorf("Parse(%q): %v", path, err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if count < 135 {
		t.Errorf("%d manifests, want 135", count)
	}
}

func BenchmarkClassicList(b *testing.B) {
	manifests := classic(b)
	for b.Loop() {
		importAll(b, new(smf.Repository), manifests...)
	}
}
