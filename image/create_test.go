package image_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"imagetools/compress"
	"imagetools/image"
	"imagetools/manifest"
	"imagetools/tree"
)

// hooked is a content that calls hook whenever it is opened.
type hooked struct {
	tree.Content
	hook func()
}

func (h hooked) Open() (tree.File, error) {
	h.hook()
	return h.Content.Open()
}

// create makes the image web-1.0 in dir, while meanwhile happens.
func create(t *testing.T, dir string, force bool, meanwhile func()) error {
	t.Helper()
	tr := tree.New()
	n := &tree.Node{Mode: tree.TypeFile | 0o644, Size: 1, Content: hooked{tree.Bytes("x"), meanwhile}}
	if err := errors.Join(tr.Root.Add("file", n), tr.Seal()); err != nil {
		t.Fatal(err)
	}
	_, err := image.Create(context.Background(), tr, image.Options{
		Dir: dir, Force: force, Compression: compress.Gzip, Now: time.Unix(1e9, 0),
		Manifest: manifest.Options{Name: "web", Version: "1.0"},
	})
	return err
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Error(err)
	}
}

func read(path string) string {
	text, _ := os.ReadFile(path)
	return string(text)
}

func names(t *testing.T, dir string) string {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

// What somebody else made while the image was written is not replaced without Force.
func TestCreatedMeanwhile(t *testing.T) {
	dir := t.TempDir()
	other := filepath.Join(dir, "web-1.0.json")
	err := create(t, dir, false, func() { write(t, other, "theirs") })
	if !errors.Is(err, image.ErrExists) {
		t.Errorf("error %v, want ErrExists", err)
	}
	if got := names(t, dir); got != "web-1.0.json" || read(other) != "theirs" {
		t.Errorf("the folder holds %s, the other's manifest says %q", got, read(other))
	}
}

// With Force, the image that was there stays if its manifest cannot be replaced.
func TestForceKeepsImage(t *testing.T) {
	for _, test := range []struct {
		name          string
		before, while func(dir string)
		want          string
	}{
		{"directory in the way", func(dir string) { os.Mkdir(filepath.Join(dir, "web-1.0.json"), 0o777) }, nil, "web-1.0.json web-1.0.zfs.gz"},
		{"directory later", nil, func(dir string) { os.Mkdir(filepath.Join(dir, "web-1.0.json"), 0o777) }, "web-1.0.json web-1.0.zfs.gz"},
		{"manifest cannot be renamed", nil, func(dir string) {
			list, _ := filepath.Glob(filepath.Join(dir, ".imagetools-*-web-1.0.json"))
			for _, path := range list {
				os.Remove(path)
			}
		}, "web-1.0.zfs.gz"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			old := filepath.Join(dir, "web-1.0.zfs.gz")
			write(t, old, "old")
			if test.before != nil {
				test.before(dir)
			}
			err := create(t, dir, true, func() {
				if test.while != nil {
					test.while(dir)
				}
			})
			if err == nil || !strings.Contains(err.Error(), "web-1.0.json") {
				t.Errorf("error %v, want one that names the manifest", err)
			}
			if got := names(t, dir); got != test.want || read(old) != "old" {
				t.Errorf("the folder holds %s, the image says %q", got, read(old))
			}
		})
	}
}

// With Force, both files are replaced and nothing stays beside them.
func TestForceReplaces(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "web-1.0.zfs.gz"), "old")
	write(t, filepath.Join(dir, "web-1.0.json"), "old")
	if err := create(t, dir, true, func() {}); err != nil {
		t.Fatal(err)
	}
	if got := names(t, dir); got != "web-1.0.json web-1.0.zfs.gz" || read(filepath.Join(dir, "web-1.0.zfs.gz")) == "old" || read(filepath.Join(dir, "web-1.0.json")) == "old" {
		t.Errorf("the folder holds %s", got)
	}
}
