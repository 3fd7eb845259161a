package image_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"imagetools/compress"
	"imagetools/disk"
	"imagetools/image"
	"imagetools/manifest"
	"imagetools/tree"
	"imagetools/zfs/block"
	"imagetools/zfs/filter"
	"imagetools/zfs/zvol"
)

// makeVolume makes the image of a volume and returns its stream, not compressed.
func makeVolume(t *testing.T, name string, data []byte, blockSize int, origin ...string) string {
	t.Helper()
	f, err := tree.Bytes(data).Open()
	if err != nil {
		t.Fatal(err)
	}
	opts := image.Options{
		Dir: t.TempDir(), Compression: compress.None, Now: time.Unix(1e9, 0), Volume: zvol.Options{BlockSize: blockSize},
		Manifest: manifest.Options{Name: name, Version: "1.0", Type: manifest.TypeZvol, OS: "linux"},
	}
	if len(origin) > 0 {
		if opts.Origin, err = image.FindOrigin(origin); err != nil {
			t.Fatal(err)
		}
		if err := opts.Origin.Open(t.Context(), image.OpenOptions{}); err != nil {
			t.Fatal(err)
		}
		defer opts.Origin.Close()
		opts.Manifest.Base = &manifest.Manifest{Origin: opts.Origin.Manifest.UUID}
	}
	res, err := image.CreateVolume(t.Context(), f, int64(len(data)), opts)
	if err != nil {
		t.Fatal(err)
	}
	return res.Image
}

// begins returns what verify says of the start of volumes, and the warnings of their data.
func begins(t *testing.T, paths ...string) (begins, warnings string) {
	t.Helper()
	res, err := image.Verify(t.Context(), paths, image.VerifyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, f := range res.Faults {
		if f.Object == 1 {
			all = append(all, f.Severity.String()+": "+f.Message)
		}
	}
	return strings.Join(res.Begins, "\n"), strings.Join(all, "\n")
}

// TestVolumeThatNoMachineBootsIsWarnedOf: a volume of packed bytes, or with the header of another
// disk format, is not sound, whatever its blocks are and however they are compressed.
func TestVolumeThatNoMachineBootsIsWarnedOf(t *testing.T) {
	t.Parallel()
	put := func(at int, magic string) []byte {
		b := bytes.Repeat([]byte{0, 1, 0, 2}, 1<<18)
		clear(b[:80<<10])
		copy(b[at:], magic)
		return b
	}
	mbr := put(446, "\x80\x00\x00\x00\x83\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00")
	copy(mbr[510:], "\x55\xaa")
	tests := []struct {
		name    string
		data    []byte
		begins  string
		warning string
	}{
		{"mbr", mbr, "an MBR partition table", ""},
		{"btrfs", put(65536+64, "_BHRfS_M"), "a btrfs file system", ""},
		{"tar", put(257, "ustar"), "a tar archive", "warning: it begins with a tar archive: machines find neither"},
		{"zip", put(0, "PK\x03\x04"), "a ZIP archive", "warning: it begins with a ZIP archive"},
		{"qcow2", put(0, "QFI\xfb\x00\x00\x00\x03"), "a qcow2 disk", "warning: it begins with the header of a qcow2 disk"},
		{"zeros", put(0, ""), "zeros", "warning: it begins with zeros"},
		{"large sectors", put(4096, "EFI PART"), "a GPT partition table", ""},
	}
	for _, test := range tests {
		for _, blockSize := range []int{4 << 10, 8 << 10, 128 << 10} {
			path := makeVolume(t, "disk", test.data, blockSize)
			b, w := begins(t, path)
			if !strings.HasSuffix(b, `" begins with `+test.begins) || !strings.HasPrefix(w, test.warning) || test.warning == "" && test.name != "large sectors" && w != "" {
				t.Errorf("%s in blocks of %d: %q, %q", test.name, blockSize, b, w)
			}
			if opened, err := image.Open(t.Context(), path, image.OpenOptions{MetadataOnly: true}); err != nil {
				t.Errorf("%s: %v", test.name, err)
			} else {
				checkOpened(t, opened, test.begins)
			}
		}
	}
}

// checkOpened looks what the last volume begins with, of an image that was opened without contents.
func checkOpened(t *testing.T, opened *image.Image, want string) {
	t.Helper()
	defer opened.Close()
	v, err := opened.Volume()
	if err != nil {
		t.Fatal(err)
	}
	if c, err := disk.ReadContents(v, v.Size); err != nil || c.String() != want {
		t.Errorf("%v, %v; want %s", c, err, want)
	}
	if _, err := v.ReadAt(make([]byte, 512), 512<<10); err == nil {
		t.Error("contents were kept that nobody asked for")
	}
}

func TestVolumeStartOfCompressedStreamAndIncrement(t *testing.T) {
	t.Parallel()
	old := bytes.Repeat([]byte{7, 7, 0, 2}, 1<<18)
	copy(old, "QFI\xfb\x00\x00\x00\x03")
	base := makeVolume(t, "base", old, 8<<10)
	changed := bytes.Clone(old)
	copy(changed, "PK\x03\x04")
	increment := makeVolume(t, "top", changed, 0, base)
	if b, w := begins(t, base, increment); !strings.Contains(b, "a qcow2 disk\n") || !strings.HasSuffix(b, "a ZIP archive") || strings.Count(w, "\n") != 1 {
		t.Errorf("increment: %q, %q", b, w)
	}
	in, err := os.ReadFile(base)
	if err != nil {
		t.Fatal(err)
	}
	for _, comp := range []block.Compression{block.LZ4, block.Gzip6, block.Zstd} {
		var out bytes.Buffer
		if _, err := filter.Recompress(&out, bytes.NewReader(in), comp); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "x")
		if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		if b, _ := begins(t, path); !strings.HasSuffix(b, "a qcow2 disk") {
			t.Errorf("%v: %q", comp, b)
		}
	}
}
