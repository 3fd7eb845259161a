package image_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"imagetools/image"
	"imagetools/image/check/checktest"
	"imagetools/manifest"
	"imagetools/zfs/block"
	"imagetools/zfs/filter"
)

// What verify cannot keep of contents while it reads a stream is not judged, and it says so; what it
// keeps is judged in whatever form it is sent.
func TestContentsKeptOfStreams(t *testing.T) {
	t.Parallel()
	const zoneinit = "root/var/zoneinit/zoneinit.json"
	spaces := strings.Repeat(" ", 3<<10)
	for name, test := range map[string]struct{ json, want, note string }{
		"small":             {json: `{"features": {}}`, want: "features.var_svc_provisioning is not true"},
		"with spaces":       {json: spaces + `{` + spaces + `"features": {}}`, want: "features.var_svc_provisioning is not true"},
		"right and large":   {json: `{"features": {"var_svc_provisioning": true}` + spaces + `}`},
		"large, not JSON":   {json: "x" + spaces + "x", note: zoneinit},
		"of several blocks": {json: `{"features":` + strings.Repeat(" ", 300<<10) + `{}}`, note: zoneinit},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := imageOf(t, dir, checktest.Native+"\n"+zoneinit+" = "+test.json, manifest.Options{Type: manifest.TypeZone})
			said, notes := verified(t, path)
			if (test.want == "") != (said == "") || !strings.Contains(said, test.want) {
				t.Errorf("verify says %q, want %q", said, test.want)
			}
			if (test.note == "") != (notes == "") || !strings.Contains(notes, test.note) {
				t.Errorf("notes %q, want %q", notes, test.note)
			}
			// What is packed may be small enough to be kept; it is judged alike or not at all.
			said, notes = verified(t, recompressed(t, path, filepath.Join(dir, "web-1.0.zfs")))
			if notes == "" && test.note == "" && !strings.Contains(said, test.want) {
				t.Errorf("packed: verify says %q, notes %q, want %q", said, notes, test.want)
			}
		})
	}
}

// verified returns what verify finds in an image, except of the manifest, and notes.
func verified(t *testing.T, path string) (said, notes string) {
	t.Helper()
	res, err := image.Verify(t.Context(), []string{path}, image.VerifyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range res.Faults {
		if f.Path != "" {
			said += f.Path + ": " + f.Message + "\n"
		}
	}
	return said, strings.Join(res.Notes, "\n")
}

// recompressed packs the blocks of a stream as zfs send -c does, and returns the path of the result,
// which has the manifest beside it.
func recompressed(t *testing.T, manifestPath, streamPath string) string {
	t.Helper()
	in, err := os.Open(streamPath)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	dir := filepath.Join(filepath.Dir(streamPath), "packed")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	out, err := os.Create(filepath.Join(dir, filepath.Base(streamPath)))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if _, err := filter.Recompress(out, in, block.LZ4); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(manifestPath)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, filepath.Base(manifestPath))
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
