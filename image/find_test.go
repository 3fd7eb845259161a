package image_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"imagetools/image"
)

// Origins are found by their UUID, whatever else lies in the folder.
func TestFindOrigins(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	put("a.zfs.gz", "x")
	a := put("a.json", `{"uuid": "A"}`)
	b := put("b.zfs", "x")
	bManifest := put("b.json", `{"uuid": "B", "origin": "A"}`)
	put("c.zvol.xz", "x")
	c := put("c.imgmanifest", `{"uuid": "C", "origin": "B"}`)
	put("no-stream.json", `{"uuid": "D", "origin": "A"}`)
	put("package.json", `{"name": "other"}`)
	put("broken.json", `{`)
	put("empty.json", ``)
	put("data.json", strings.Repeat(" ", 32<<20))
	if err := os.Mkdir(filepath.Join(dir, "folder.json"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(put("a-huge.json", "{"), 1<<30); err != nil {
		t.Fatal(err)
	}
	lost := put("lost.zfs", "x")
	put("lost.json", `{"uuid": "E", "origin": "D"}`)
	put("loop.zfs", "x")
	loop := put("loop.json", `{"uuid": "F", "origin": "G"}`)
	put("ring.zfs", "x")
	put("ring.json", `{"uuid": "G", "origin": "F"}`)
	alone := put("alone.zfs.gz", "x")

	for _, test := range []struct {
		path string
		want []string
		err  string
	}{
		{a, []string{a}, ""},
		{b, []string{a, b}, ""},
		{c, []string{a, bManifest, c}, ""},
		{alone, []string{alone}, ""},
		{"-", []string{"-"}, ""},
		{lost, nil, "origin D: "},
		{loop, nil, "image F is an increment on itself"},
		{filepath.Join(dir, "no-stream.json"), nil, "no stream lies beside it"},
		{filepath.Join(dir, "none"), nil, "no such file"},
	} {
		var got []string
		found, err := image.Find(test.path, nil)
		if err == nil {
			got, err = append(found.Origins(), test.path), found.NoOrigin
		}
		if test.err != "" {
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("Find(%q): %v, want %q", test.path, err, test.err)
			}
			continue
		}
		if err != nil || !slices.Equal(got, test.want) {
			t.Errorf("Find(%q) = %q, %v, want %q", test.path, got, err, test.want)
		}
	}
	if found, err := image.Find(lost, nil); err != nil || !errors.Is(found.NoOrigin, image.ErrNoOrigin) {
		t.Errorf("an origin without a stream: %v, %v", found, err)
	}
}
