package image_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"imagetools/compress"
	"imagetools/image"
	"imagetools/image/check/checktest"
	"imagetools/manifest"
	"imagetools/zfs/zpl"
)

// imageOf writes an image of a tree to a folder.
func imageOf(t *testing.T, dir, files string, m manifest.Options) string {
	t.Helper()
	m.Name, m.Version, m.Description = "web", "1.0", "a test"
	res, err := image.Create(context.Background(), checktest.Tree(t, files), image.Options{
		Dir: dir, Compression: compress.None, Now: time.Unix(1e9, 0), Manifest: m,
	})
	if err != nil {
		t.Fatal(err)
	}
	return res.ManifestPath
}

// Verify says of a stream what is said of the tree that it was written from.
func TestVerifyZone(t *testing.T) {
	t.Parallel()
	for _, test := range checktest.Cases {
		if test.Type == "" {
			continue
		}
		t.Run(test.Name, func(t *testing.T) {
			path := imageOf(t, t.TempDir(), test.Files, manifest.Options{Type: test.Type, Brand: test.Brand})
			res, err := image.Verify(t.Context(), []string{path}, image.VerifyOptions{})
			if err != nil {
				t.Fatal(err)
			}
			var got, want []string
			for _, f := range res.Faults {
				got = append(got, map[bool]string{true: "!"}[f.Severity == zpl.Damage]+f.Path+": "+f.Message)
			}
			for line := range strings.Lines(test.Want) {
				if line = strings.TrimSpace(line); line != "" {
					want = append(want, line)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// An increment is verified with the origin that lies beside it; alone it is incomplete, and says why.
func TestVerifyIncomplete(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	base := imageOf(t, dir, checktest.LX, manifest.Options{Type: manifest.TypeLX})
	o, err := image.FindOrigin([]string{base})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if err := o.Open(t.Context(), image.OpenOptions{TmpDir: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	m := manifest.Options{Name: "app", Version: "1.0", Description: "a test"}
	if m.Base, err = o.Inherit(nil); err != nil {
		t.Fatal(err)
	}
	res, err := image.Create(t.Context(), checktest.Tree(t, checktest.LX+"\nroot/etc/new"), image.Options{
		Dir: dir, Now: time.Unix(1e9, 0), Manifest: m, Origin: o,
	})
	if err != nil {
		t.Fatal(err)
	}
	verify := func(find bool, paths ...string) *image.Verified {
		t.Helper()
		v, err := image.Verify(t.Context(), paths, image.VerifyOptions{FindOrigins: find})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, path := range []string{res.ManifestPath, res.Image} {
		if v := verify(true, path); v.Incomplete || len(v.Faults) > 0 || v.Files != 2 {
			t.Errorf("%s beside its origin: %+v", filepath.Base(path), v)
		}
	}
	if v := verify(true, res.ManifestPath, base, res.Image); v.Files != 2 || v.Incomplete || len(v.Faults) > 0 {
		t.Errorf("images that are named twice: %+v", v)
	}
	if v := verify(false, res.ManifestPath); !v.Incomplete || v.Count[zpl.Warning] != 1 || v.Files != 1 {
		t.Errorf("alone: %+v", v)
	}
	text := read(base)
	write(t, base, strings.ReplaceAll(text, `"uuid": "`+o.Manifest.UUID, `"uuid": "01234567-89ab-4def-8123-456789abcdef`))
	v := verify(true, res.ManifestPath)
	if !v.Incomplete || !slices.ContainsFunc(v.Faults, func(f image.Fault) bool {
		return strings.HasPrefix(f.Message, "incomplete: ") && strings.Contains(f.Message, "origin "+o.Manifest.UUID)
	}) {
		t.Errorf("without the manifest of its origin: %+v", v)
	}
	if v := verify(true, base, res.ManifestPath); v.Incomplete || v.Count[zpl.Warning] != 1 || !strings.Contains(v.Faults[0].Message, "builds on the snapshot of image 01234567") {
		t.Errorf("with an origin of another UUID: %+v", v)
	}
}

// A manifest of the old dataset servers is found beside its stream, under the name that it has there.
func TestDsmanifest(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := imageOf(t, dir, checktest.Native, manifest.Options{})
	old := strings.TrimSuffix(path, ".json") + ".dsmanifest"
	text := read(path)
	text = strings.ReplaceAll(text, `"v": 2`, `"creator_uuid": "01234567-89ab-4def-8123-456789abcdef"`)
	text = strings.ReplaceAll(text, `"owner": "00000000-0000-0000-0000-000000000000",`, "")
	text = strings.ReplaceAll(text, `"public": false,`, "")
	write(t, old, text)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	stream := strings.TrimSuffix(path, ".json") + ".zfs"
	for _, named := range []string{old, stream} {
		in, err := image.Locate(named)
		if err != nil || in.ManifestPath != old || in.Path != stream {
			t.Errorf("Locate(%q) = %+v, %v", filepath.Base(named), in, err)
		}
		if got := faults(t, named); got != "" {
			t.Errorf("%s: %s", filepath.Base(named), got)
		}
	}
	write(t, stream, read(stream)+"x")
	if got := faults(t, old); !strings.Contains(got, "files[0].size") {
		t.Errorf("a file of another size: %s", got)
	}
}

// A stream that is sent is judged while it is copied, by the same rules.
func TestCreateFromStreamFindings(t *testing.T) {
	t.Parallel()
	for _, test := range checktest.Cases {
		if test.Type == "" {
			continue
		}
		t.Run(test.Name, func(t *testing.T) {
			path := imageOf(t, t.TempDir(), test.Files+"\nconfig/metadata.json", manifest.Options{Type: test.Type, Brand: test.Brand})
			sent, err := os.Open(strings.TrimSuffix(path, ".json") + ".zfs")
			if err != nil {
				t.Fatal(err)
			}
			res, err := image.CreateFromStream(t.Context(), func(context.Context) (io.ReadCloser, error) { return sent, nil }, image.Options{
				Dir: t.TempDir(), Now: time.Unix(1e9, 0), Manifest: manifest.Options{Name: "web", Version: "1.0", Type: test.Type, Brand: test.Brand},
			})
			if err != nil {
				t.Fatal(err)
			}
			v, err := image.Verify(t.Context(), []string{path}, image.VerifyOptions{})
			if err != nil {
				t.Fatal(err)
			}
			var got, want []string
			for _, f := range slices.Concat(res.Findings.Zone, res.Findings.Leaks) {
				got = append(got, f.Path+": "+f.Message)
			}
			for _, f := range v.Faults {
				want = append(want, f.Path+": "+f.Message)
			}
			if diff := cmp.Diff(want, got); diff != "" || res.Findings.Unchecked != nil || len(got) == 0 {
				t.Errorf("%v: -verify +got\n%s", res.Findings.Unchecked, diff)
			}
		})
	}
}
