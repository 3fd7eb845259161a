package content_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"imagetools/compress"
	"imagetools/disk"
	"imagetools/internal/cli"
	"imagetools/source/content"
)

// open opens a disk from a file and from a pipe, and returns what both give.
func open(t *testing.T, data []byte) ([]byte, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	tmp := t.TempDir()
	opts := content.DiskOptions{Name: "pipe", TmpDir: tmp}
	read := func(d *disk.Disk, err error) ([]byte, error) {
		if err != nil {
			return nil, err
		}
		defer d.Close()
		return io.ReadAll(io.NewSectionReader(d, 0, d.Size))
	}
	fromFile, fileErr := read(content.OpenDisk(t.Context(), path, opts))
	fromPipe, pipeErr := read(content.ReadDisk(t.Context(), io.MultiReader(bytes.NewReader(data)), opts))
	if !bytes.Equal(fromFile, fromPipe) || (fileErr == nil) != (pipeErr == nil) {
		t.Errorf("file: %d bytes, %v; pipe: %d bytes, %v", len(fromFile), fileErr, len(fromPipe), pipeErr)
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	return fromFile, fileErr
}

// TestOnlyDiskInPackingIsTaken: whatever a disk is packed in, what is read is the disk.
func TestOnlyDiskInPackingIsTaken(t *testing.T) {
	t.Parallel()
	gz, xz := with(compress.Gzip), with(compress.XZ)
	want := rawDisk()
	copy(want[700_000:], "some data")
	for name, packers := range map[string][]packer{
		"plain": nil, "gzip": {gz}, "pzstd": {withPzstd}, "gzip in xz": {gz, xz},
		"tar": {inTar("disk.raw")}, "tar.gz with text": {inTar("a/disk.bin", "README", "a/"), gz}, "packed in a tar": {xz, inTar("d.xz", "SHA256SUMS")},
		"tar in a tar": {inTar("disk.raw"), inTar("a.tar")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := want
			for _, pack := range packers {
				data = pack(t, data)
			}
			if got, err := open(t, data); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
	zeros := make([]byte, 1<<20)
	if got, err := open(t, inTar("disk.raw")(t, zeros)); err != nil || !bytes.Equal(got, zeros) {
		t.Errorf("by its name: %d bytes, %v", len(got), err)
	}
	noise := []byte("\x01\x02\xff\xfe")
	if got, err := open(t, noise); err != nil || !bytes.Equal(got, noise) {
		t.Errorf("unknown data: %d bytes, %v", len(got), err)
	}
}

// TestOtherFormatsAreNoDisk: what is recognised as something else is refused, and the error says
// what helps.
func TestOtherFormatsAreNoDisk(t *testing.T) {
	t.Parallel()
	gz, bz := with(compress.Gzip), with(compress.Bzip2)
	stream := append(make([]byte, 8), "\xac\xcb\xba\xf5\x02\x00\x00\x00"...)
	stream = append(stream, make([]byte, 300)...)
	late := joinTars(t, inTar("a.raw")(t, rawDisk()), inTar("big.txt")(t, bytes.Repeat([]byte("text "), 5<<20)), inTar("b.raw")(t, rawDisk()))
	tests := []struct {
		name string
		data []byte
		want string
		hint string
	}{
		{"zip", zeroHeader("PK\x03\x04"), "a ZIP archive, not a disk", "unzip "},
		{"zip in gzip", gz(t, zeroHeader("PK\x03\x04")), "a ZIP archive, compressed with gzip, not a disk", "> FILE && unzip FILE"},
		{"7z", zeroHeader("7z\xbc\xaf\x27\x1c"), "a 7z archive, not a disk", "7z x "},
		{"lzma", []byte("\x5d\x00\x00\x80\x00\xff\xff\xff\xff\xff\xff\xff\xff\x00\x12\x34"), "an lzma file, not a disk", "xz -dc --format=lzma "},
		{"lz4 in bzip2", bz(t, zeroHeader("\x04\x22\x4d\x18")), "an lz4 file, compressed with bzip2, not a disk", "| lz4 -dc - > FILE"},
		{"cpio", zeroHeader("070701"), "a cpio archive, not a disk", "cpio -id < "},
		{"deb", []byte("!<arch>\ndebian-binary   "), "a Debian package, not a disk", "dpkg-deb -x "},
		{"rpm", zeroHeader("\xed\xab\xee\xdb"), "an RPM package, not a disk", "rpm2archive "},
		{"text", []byte("no disk\n"), "text, not a disk", ""},
		{"html", []byte("<html>404</html>"), "an HTML page, not a disk", ""},
		{"stream", stream, "a ZFS send stream, not a disk", ""},
		{"root", inTar("etc/passwd", "usr/")(t, []byte("root")), "a tar archive, not a disk", "content.tree"},
		{"root with a disk", gz(t, inTar("var/lib/disk.raw", "etc/passwd")(t, rawDisk())), "a tar archive, compressed with gzip, not a disk", "content.tree"},
		{"root behind a disk", joinTars(t, inTar("disk.raw")(t, rawDisk()), inTar("etc/passwd")(t, nil)), "a tar archive, not a disk", "content.tree"},
		{"container", inTar(strings.Repeat("ab", 32)+".json", "manifest.json")(t, nil), "the archive of a container image", ""},
		{"appliance without a disk", inTar("x.ovf")(t, []byte("<Envelope/>")), "an appliance, not a disk", "tar -xf "},
		{"two disks", gz(t, late), `2 disks in a tar archive, compressed with gzip, not one: "a.raw", "b.raw"`, "tar -xf "},
		{"too deep", gz(t, gz(t, gz(t, gz(t, gz(t, rawDisk()))))), "not a disk", "gzip -dc"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := open(t, test.data)
			if _, ok := errors.AsType[*content.NotDiskError](err); !ok || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("%v; want %q", err, test.want)
			}
			if hints := strings.Join(cli.Hints(err), "; "); !strings.Contains(hints, test.hint) || test.hint == "" && hints != "" {
				t.Errorf("hints %q; want %q", hints, test.hint)
			}
		})
	}
}

func TestDamagedPackingIsAnError(t *testing.T) {
	t.Parallel()
	packed := with(compress.Gzip)(t, inTar("disk.raw")(t, rawDisk()))
	if _, err := open(t, packed[:len(packed)-9]); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("cut: %v", err)
	}
	tar := inTar("disk.raw")(t, rawDisk())
	if _, err := open(t, tar[:len(tar)-100_000]); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("cut tar: %v", err)
	}
	if _, err := open(t, nil); err == nil || !strings.Contains(err.Error(), "empty") {
		t.Errorf("nothing: %v", err)
	}
}
