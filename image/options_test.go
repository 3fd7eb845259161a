package image_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"path/filepath"
	"testing"
	"time"

	"imagetools/compress"
	"imagetools/image"
	"imagetools/manifest"
	"imagetools/tree"
)

// The zero value of Compression stands for gzip: in the name, in the file and in the manifest.
func TestZeroCompression(t *testing.T) {
	t.Parallel()
	tr := tree.New()
	if err := tr.Seal(); err != nil {
		t.Fatal(err)
	}
	closed := 0
	for name, create := range map[string]func(image.Options) (*image.Result, error){
		"tree": func(o image.Options) (*image.Result, error) { return image.Create(t.Context(), tr, o) },
		"stream": func(o image.Options) (*image.Result, error) {
			o.Manifest.Type = manifest.TypeZvol
			return image.CreateFromStream(t.Context(), func(context.Context) (io.ReadCloser, error) {
				return sent{bytes.NewReader(volumeStream(t, 1<<20, nil)), nil, &closed}, nil
			}, o)
		},
		"disk": func(o image.Options) (*image.Result, error) {
			o.Manifest.Type = manifest.TypeZvol
			f, err := tree.Bytes("disk").Open()
			if err != nil {
				return nil, err
			}
			return image.CreateVolume(t.Context(), f, 4, o)
		},
	} {
		opts := image.Options{Dir: t.TempDir(), Now: time.Unix(1e9, 0), Manifest: manifest.Options{Name: "web", Version: "1.0"}}
		res, err := create(opts)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := res.Manifest.Files[0].Compression; got != "gzip" || filepath.Ext(res.Image) != ".gz" || read(res.Image)[:2] != "\x1f\x8b" {
			t.Errorf("%s: %s says compression %q", name, filepath.Base(res.Image), got)
		}
		opts.Force, opts.Compression = true, compress.Zstd
		if _, err := create(opts); err == nil {
			t.Errorf("%s: an image was written with zstd, which no host reads", name)
		}
	}
}

// A tree that is not sealed is an error of all that write images.
func TestCreateUnsealed(t *testing.T) {
	t.Parallel()
	tr := tree.New()
	_, err := image.Create(t.Context(), tr, image.Options{Dir: t.TempDir(), Now: time.Unix(1e9, 0), Manifest: manifest.Options{Name: "web", Version: "1.0"}})
	if !errors.Is(err, tree.ErrNotSealed) {
		t.Errorf("Create of an unsealed tree = %v", err)
	}
}
