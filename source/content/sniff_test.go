package content_test

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"imagetools/compress"
	"imagetools/source/content"
)

// A packer packs data.
type packer func(t *testing.T, data []byte) []byte

func with(format compress.Format) packer {
	return func(t *testing.T, data []byte) []byte {
		t.Helper()
		var b bytes.Buffer
		w, err := compress.NewWriter(&b, format, compress.Options{})
		if err == nil {
			_, err = w.Write(data)
		}
		if err == nil {
			err = w.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
}

func withZstd(t *testing.T, data []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	return w.EncodeAll(data, nil)
}

// withPzstd is what pzstd writes: each frame follows a skippable one with its length.
func withPzstd(t *testing.T, data []byte) []byte {
	t.Helper()
	frame := withZstd(t, data)
	skip := binary.LittleEndian.AppendUint32([]byte{0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0}, uint32(len(frame)))
	return append(skip, frame...)
}

// inTar puts the data into a tar beside other files, all of them text.
func inTar(name string, others ...string) packer {
	return func(t *testing.T, data []byte) []byte {
		t.Helper()
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		put := func(name string, data []byte) {
			hdr := &tar.Header{Name: name, Mode: 0o644, Size: int64(len(data)), Typeflag: tar.TypeReg}
			if strings.HasSuffix(name, "/") {
				hdr.Typeflag, hdr.Size, data = tar.TypeDir, 0, nil
			}
			if err := w.WriteHeader(hdr); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(data); err != nil {
				t.Fatal(err)
			}
		}
		for _, other := range others {
			put(other, []byte("words\n"))
		}
		put(name, data)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
}

// rawDisk is one with a partition.
func rawDisk() []byte {
	b := make([]byte, 1<<20)
	copy(b[446:], "\x80\x00\x00\x00\x83\x00\x00\x00\x00\x08\x00\x00\x00\x10\x00\x00")
	b[510], b[511] = 0x55, 0xaa
	return b
}

func zeroHeader(magic string) []byte { return append([]byte(magic), make([]byte, 100<<10)...) }

func TestSniffLooksThroughPacking(t *testing.T) {
	t.Parallel()
	gz, bz, xz := with(compress.Gzip), with(compress.Bzip2), with(compress.XZ)
	stream := make([]byte, 400)
	binary.LittleEndian.PutUint64(stream[8:], 0x2F5BACBAC)
	qcow2 := zeroHeader("QFI\xfb\x00\x00\x00\x03")
	tests := []struct {
		name    string
		data    []byte
		packers []packer
		kind    content.Kind
		want    string
	}{
		{"raw", rawDisk(), nil, content.Disk, "a raw disk with an MBR partition table"},
		{"gzip", rawDisk(), []packer{gz}, content.Disk, "a raw disk with an MBR partition table, compressed with gzip"},
		{"bzip2", rawDisk(), []packer{bz}, content.Disk, "a raw disk with an MBR partition table, compressed with bzip2"},
		{"xz", qcow2, []packer{xz}, content.Disk, "a qcow2 disk, compressed with xz"},
		{"zstd", qcow2, []packer{withZstd}, content.Disk, "a qcow2 disk, compressed with zstd"},
		{"pzstd", qcow2, []packer{withPzstd}, content.Disk, "a qcow2 disk, compressed with zstd"},
		{"stream by pzstd", stream, []packer{withPzstd}, content.Stream, "a ZFS send stream, compressed with zstd"},
		{"twice", rawDisk(), []packer{gz, xz}, content.Disk, "a raw disk with an MBR partition table, compressed with gzip, compressed with xz"},
		{"tar.gz", rawDisk(), []packer{inTar("disk.raw"), gz}, content.Disk, `a raw disk with an MBR partition table: "disk.raw" in a tar archive, compressed with gzip`},
		{"tar with text", rawDisk(), []packer{inTar("./x/disk.bin", "README", "x/"), withPzstd}, content.Disk,
			`a raw disk with an MBR partition table: "x/disk.bin" in a tar archive, compressed with zstd`},
		{"packed in a tar", qcow2, []packer{xz, inTar("a.qcow2.xz", "SHA256SUMS")}, content.Disk,
			`a qcow2 disk, compressed with xz: "a.qcow2.xz" in a tar archive`},
		{"appliance", zeroHeader("KDMV"), []packer{inTar("x-disk1.vmdk", "x.ovf", "x.mf")}, content.Disk, `a vmdk disk: "x-disk1.vmdk" in a tar archive`},
		{"by its name", make([]byte, 5000), []packer{inTar("disk.raw"), gz}, content.Disk, `zeros: "disk.raw" in a tar archive, compressed with gzip`},
		{"stream in a tar", stream, []packer{gz, inTar("web.zfs.gz", "web.json")}, content.Stream, `a ZFS send stream, compressed with gzip: "web.zfs.gz" in a tar archive`},
		{"root with a disk", rawDisk(), []packer{inTar("root/disk.raw", "etc/passwd"), gz}, content.Tree, "a tar archive, compressed with gzip"},
		{"root", []byte("x"), []packer{inTar("./usr/bin/x", "./", "./usr/"), xz}, content.Tree, "a tar archive, compressed with xz"},
		{"files", []byte("x"), []packer{inTar("x", "README")}, content.Tree, "a tar archive"},
		{"docker save", []byte("{}"), []packer{inTar(strings.Repeat("ab", 32)+".json", "manifest.json"), gz}, content.Container, "the archive of a container image, compressed with gzip"},
		{"a disk named like a magic number", []byte("x"), []packer{inTar("QFI\xfb", "KDMV")}, content.Tree, "a tar archive"},
		{"zip", []byte("PK\x03\x04\x14\x00\x00\x00"), nil, content.Foreign, "a ZIP archive"},
		{"zip in xz", []byte("PK\x03\x04\x14\x00\x00\x00"), []packer{xz}, content.Foreign, "a ZIP archive, compressed with xz"},
		{"too deep", rawDisk(), []packer{gz, gz, gz, gz, gz}, content.Foreign,
			"a gzip file" + strings.Repeat(", compressed with gzip", content.MaxNesting)},
		{"json", []byte(" {\"v\": 2}\n"), nil, content.JSON, "a JSON document"},
		{"empty", nil, nil, content.Nothing, "nothing: it is empty"},
		{"zeros", make([]byte, 4096), nil, content.Nothing, "zeros"},
		{"noise", []byte("\x01\x02\x03\x04\xff\xfe"), nil, content.Unknown, "data of an unknown format"},
	}
	for _, test := range tests {
		data := test.data
		for _, pack := range test.packers {
			data = pack(t, data)
		}
		path := filepath.Join(t.TempDir(), "x")
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		file, err := content.SniffFile(path)
		if err != nil || file.Kind != test.kind || file.String() != test.want {
			t.Errorf("%s: %v: %v, %v; want %v: %s", test.name, file.Kind, file, err, test.kind, test.want)
		}
		pipe, err := content.Sniff(io.MultiReader(bytes.NewReader(data))) // cannot seek
		if err != nil || pipe.Kind != test.kind || pipe.String() != test.want {
			t.Errorf("%s from a pipe: %v: %v, %v; want %v: %s", test.name, pipe.Kind, pipe, err, test.kind, test.want)
		}
	}
}

func TestSniffNamesSeveralDisks(t *testing.T) {
	t.Parallel()
	two := joinTars(t, inTar("a.raw")(t, rawDisk()), inTar("b.raw")(t, rawDisk()))
	f, err := content.Sniff(bytes.NewReader(two))
	if err != nil || f.Kind != content.Disks || strings.Join(f.Members, " ") != "a.raw b.raw" || f.String() != "2 disks in a tar archive" {
		t.Errorf("%v: %v %q, %v", f.Kind, f, f.Members, err)
	}
}

// joinTars joins archives, without the marks at the ends of all but the last.
func joinTars(t *testing.T, tars ...[]byte) []byte {
	t.Helper()
	var all []byte
	for i, data := range tars {
		if i < len(tars)-1 {
			data = data[:len(data)-1024]
		}
		all = append(all, data...)
	}
	return all
}

func TestSniffFixedVHD(t *testing.T) {
	t.Parallel()
	data := append(rawDisk(), "conectix"...)
	data = append(data, make([]byte, 504)...)
	f, err := content.SniffAt(bytes.NewReader(data), int64(len(data)))
	if err != nil || f.Kind != content.Disk || f.Format.ID != "vhd-fixed" {
		t.Errorf("%v: %v, %v", f.Kind, f, err)
	}
}

func FuzzSniff(f *testing.F) {
	t := new(testing.T)
	f.Add(inTar("disk.raw", "x")(t, rawDisk()[:4096]))
	f.Add(with(compress.XZ)(t, inTar("disk.raw")(t, rawDisk()[:1024])))
	f.Add(withPzstd(t, zeroHeader("KDMV")[:2000]))
	f.Add([]byte("]\x00\x00\x80\x00\xff\xff\xff\xff\xff\xff\xff\xff\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := content.Sniff(bytes.NewReader(data))
		if err != nil || a.String() == "" || a.Kind.String() == "" {
			t.Fatalf("%v, %v", a, err)
		}
		b, err := content.Sniff(io.MultiReader(bytes.NewReader(data)))
		if err != nil || a.String() != b.String() || a.Kind != b.Kind {
			t.Fatalf("%v from a pipe, %v from a file, %v", b, a, err)
		}
	})
}
