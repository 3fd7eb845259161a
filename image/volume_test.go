package image_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"imagetools/compress"
	"imagetools/image"
	"imagetools/manifest"
	"imagetools/tree"
	"imagetools/zfs/zvol"
)

// A volume says its size in the manifest; one that contradicts it is refused before it is read.
func TestCreateVolume(t *testing.T) {
	created := int64(1e9)
	b := append(bytes.Repeat([]byte("data"), 1<<20), 1)
	for _, test := range []struct {
		base int64 // image_size in the manifest
		size int64
		want int64
		err  string
	}{
		{0, 0, 5, ""}, {5, 0, 5, ""}, {7, 7 << 20, 7, ""},
		{4, 0, 0, "image_size is 4 in the manifest, the volume has 5 MiB"},
		{0, 4 << 20, 0, "larger than the volume"},
	} {
		f, err := tree.Bytes(b).Open()
		if err != nil {
			t.Fatal(err)
		}
		opts := image.Options{
			Dir: t.TempDir(), Compression: compress.Gzip, Now: time.Unix(1e9, 0), Volume: zvol.Options{Size: test.size},
			Manifest: manifest.Options{Name: "disk", Version: "1.0", Type: manifest.TypeZvol, Base: &manifest.Manifest{ImageSize: test.base}},
		}
		opts.FileSystem.Created = &created
		res, err := image.CreateVolume(t.Context(), f, int64(len(b)), opts)
		if test.err != "" {
			if err == nil || !strings.Contains(err.Error(), test.err) || names(t, opts.Dir) != "" {
				t.Errorf("%+v: %v, %q", test, err, names(t, opts.Dir))
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if res.Manifest.ImageSize != test.want || !strings.HasSuffix(res.Image, "disk-1.0.zvol.gz") {
			t.Errorf("%+v: image_size %d, %s", test, res.Manifest.ImageSize, res.Image)
		}
	}
}

// What fails in the middle leaves nothing.
func TestCreateVolumeFails(t *testing.T) {
	dir := t.TempDir()
	_, err := image.CreateVolume(t.Context(), broken{}, 1<<20, image.Options{
		Dir: dir, Compression: compress.Gzip, Now: time.Unix(1e9, 0),
		Manifest: manifest.Options{Name: "disk", Version: "1.0", Type: manifest.TypeZvol},
	})
	if !errors.Is(err, io.ErrUnexpectedEOF) || names(t, dir) != "" {
		t.Errorf("%v, left %q", err, names(t, dir))
	}
}

type broken struct{}

func (broken) ReadAt([]byte, int64) (int, error) { return 0, io.ErrUnexpectedEOF }

func (broken) NextData(off int64) (int64, int64, error) { return off, 1 << 20, nil }
