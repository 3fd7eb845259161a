package image_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"imagetools/compress"
	"imagetools/image"
	"imagetools/manifest"
	"imagetools/zfs/stream"
	"imagetools/zfs/zap"
)

// volumeStream is that of a volume of size bytes with one block of data.
func volumeStream(t *testing.T, size uint64, edit func(*stream.Begin)) []byte {
	t.Helper()
	const guid = 7
	begin := &stream.Begin{HeaderType: stream.Substream, Objset: stream.ObjsetZvol, ToGUID: guid, ToName: "zones/disk@x"}
	if edit != nil {
		edit(begin)
	}
	props, err := zap.Build(zap.Entries{zap.Uint64("size", size)}, 1)
	if err != nil {
		t.Fatal(err)
	}
	var block []byte
	for b, err := range props.Blocks() {
		if err != nil {
			t.Fatal(err)
		}
		block = bytes.Clone(b)
	}
	var out bytes.Buffer
	w := stream.NewWriter(&out)
	for _, r := range []struct {
		rec     stream.Record
		payload []byte
	}{
		{begin, nil},
		{&stream.Object{Object: 1, ObjType: stream.ObjZvol, BlockSize: 8192, DnSlots: 1, ToGUID: guid}, nil},
		{&stream.Object{Object: 2, ObjType: stream.ObjZvolProp, BlockSize: uint32(len(block)), DnSlots: 1, ToGUID: guid}, nil},
		{&stream.Write{Object: 1, ObjType: stream.ObjZvol, LogicalSize: 8192, ToGUID: guid}, bytes.Repeat([]byte("data"), 2048)},
		{&stream.Write{Object: 2, ObjType: stream.ObjZvolProp, LogicalSize: uint64(len(block)), ToGUID: guid}, block},
		{&stream.End{ToGUID: guid}, nil},
	} {
		if err := w.WriteRecord(r.rec, r.payload); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

// sent is a stream whose end the test sees.
type sent struct {
	io.Reader
	closeErr error
	closed   *int
}

func (s sent) Close() error { *s.closed++; return s.closeErr }

func streamOptions(dir, imageType string) image.Options {
	return image.Options{
		Dir: dir, Compression: compress.None, Now: time.Unix(1e9, 0),
		Manifest: manifest.Options{Name: "disk", Version: "1.0", Type: imageType},
	}
}

// A stream becomes the image byte by byte, and says what the manifest must.
func TestCreateFromStream(t *testing.T) {
	dir, closed := t.TempDir(), 0
	data := volumeStream(t, 10<<20+512, nil)
	res, err := image.CreateFromStream(t.Context(), func(context.Context) (io.ReadCloser, error) {
		return sent{bytes.NewReader(data), nil, &closed}, nil
	}, streamOptions(dir, manifest.TypeZvol))
	if err != nil {
		t.Fatal(err)
	}
	if got := read(filepath.Join(dir, "disk-1.0.zvol")); got != string(data) {
		t.Errorf("the image has %d bytes, the stream %d", len(got), len(data))
	}
	m := res.Manifest
	if m.Type != manifest.TypeZvol || m.ImageSize != 11 || m.Files[0].DatasetGUID != "7" || res.GUID != 7 || res.StreamSize != int64(len(data)) {
		t.Errorf("result %+v, manifest %+v", res, m)
	}
	if parsed, err := manifest.Parse([]byte(read(res.ManifestPath))); err != nil || parsed.ImageSize != 11 {
		t.Errorf("manifest %+v: %v", parsed, err)
	}
	if closed != 1 {
		t.Errorf("the stream was closed %d times", closed)
	}
}

// An increment is taken if it begins where it is to; the size of a volume is given with it.
func TestCreateFromIncrement(t *testing.T) {
	dir, closed := t.TempDir(), 0
	data := volumeStream(t, 10<<20, func(b *stream.Begin) { b.FromGUID = 3 })
	opts := streamOptions(dir, manifest.TypeZvol)
	opts.FromGUID, opts.Manifest.Base = 3, &manifest.Manifest{Origin: "88a04a6c-d413-11e6-8341-ff5fa45bf3e9", ImageSize: 10}
	res, err := image.CreateFromStream(t.Context(), func(context.Context) (io.ReadCloser, error) {
		return sent{bytes.NewReader(data), nil, &closed}, nil
	}, opts)
	if err != nil || res.Manifest.Origin != opts.Manifest.Base.Origin || res.Manifest.ImageSize != 10 {
		t.Errorf("%+v, %v", res, err)
	}
}

// What goes wrong leaves no file and an ended stream.
func TestCreateFromStreamFails(t *testing.T) {
	good := volumeStream(t, 10<<20, nil)
	flipped := bytes.Clone(good)
	flipped[len(flipped)/2] ^= 1
	raw := bytes.Clone(good)
	raw[16+3] |= 1 << 2 // bit 24 of the features, which begin at bit 2 of BEGIN's versioninfo
	errPool := errors.New("the pool is gone")
	for _, test := range []struct {
		name string
		in   io.Reader
		edit func(*image.Options)
		end  error // of Close
		want string
	}{
		{name: "incremental", in: bytes.NewReader(volumeStream(t, 10<<20, func(b *stream.Begin) { b.FromGUID = 3 })), want: "it is incremental"},
		{name: "full", in: bytes.NewReader(good), edit: func(o *image.Options) { o.FromGUID = 3 }, want: "guid 0, not at 3"},
		{name: "another increment", in: bytes.NewReader(volumeStream(t, 10<<20, func(b *stream.Begin) { b.FromGUID = 4 })), edit: func(o *image.Options) { o.FromGUID = 3 }, want: "guid 4, not at 3"},
		{name: "volume for a zone", in: bytes.NewReader(good), edit: func(o *image.Options) { o.Manifest.Type = manifest.TypeZone }, want: "a volume makes no zone-dataset"},
		{name: "file system for a disk", in: bytes.NewReader(volumeStream(t, 10<<20, func(b *stream.Begin) { b.Objset = stream.ObjsetZFS })), want: "a file system makes no zvol"},
		{name: "size 0", in: bytes.NewReader(volumeStream(t, 0, nil)), want: "size of 0 bytes"},
		{name: "size of the manifest", in: bytes.NewReader(good), edit: func(o *image.Options) { o.Manifest.Base = &manifest.Manifest{ImageSize: 9} }, want: "image_size is 9"},
		{name: "raw", in: bytes.NewReader(raw), want: "not in a plain stream: RAW"},
		{name: "flipped bit", in: bytes.NewReader(flipped), want: "checksum mismatch"},
		{name: "cut", in: bytes.NewReader(good[:len(good)-1]), want: "unexpected EOF"},
		{name: "empty", in: bytes.NewReader(nil), want: "no ZFS send stream"},
		{name: "more behind", in: io.MultiReader(bytes.NewReader(good), strings.NewReader("x")), want: "more follows"},
		{name: "read error", in: io.MultiReader(bytes.NewReader(good[:1000]), failing{errPool}), want: errPool.Error()},
		{name: "read error at the end", in: io.MultiReader(bytes.NewReader(good), failing{errPool}), want: errPool.Error()},
		{name: "close error", in: bytes.NewReader(good), end: errPool, want: errPool.Error()},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir, closed := filepath.Join(t.TempDir(), "out"), 0
			opts := streamOptions(dir, manifest.TypeZvol)
			if test.edit != nil {
				test.edit(&opts)
			}
			_, err := image.CreateFromStream(t.Context(), func(context.Context) (io.ReadCloser, error) {
				return sent{test.in, test.end, &closed}, nil
			}, opts)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
			if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the folder is left: %v", err)
			}
			if closed != 1 {
				t.Errorf("the stream was closed %d times", closed)
			}
		})
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// An interrupt is told as such, whatever the end of the sender looked like.
func TestCreateFromStreamInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	closed := 0
	_, err := image.CreateFromStream(ctx, func(context.Context) (io.ReadCloser, error) {
		cancel()
		return sent{failing{errors.New("terminated")}, nil, &closed}, nil
	}, streamOptions(t.TempDir(), manifest.TypeZvol))
	if !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "terminated") || closed != 1 {
		t.Errorf("error %v, closed %d times", err, closed)
	}
}

// Nothing is sent that could have been refused before.
func TestCreateFromStreamRefusesFirst(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "disk-1.0.json"), "theirs")
	_, err := image.CreateFromStream(t.Context(), func(context.Context) (io.ReadCloser, error) {
		t.Error("the stream was opened")
		return nil, errors.New("opened")
	}, streamOptions(dir, manifest.TypeZvol))
	if !errors.Is(err, image.ErrExists) {
		t.Errorf("error %v", err)
	}
}
