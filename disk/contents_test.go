package disk_test

import (
	"bytes"
	"strings"
	"testing"

	"imagetools/disk"
	"imagetools/internal/disktest"
)

// TestContentsThatNoMachineFinds has what keeps machines from a disk.
func TestContentsThatNoMachineFinds(t *testing.T) {
	t.Parallel()
	const size = 64 << 10
	whole := func(block int) []byte {
		b := disktest.GPT(make([]byte, size), block, "a type of a part")
		le.PutUint64(b[block+32:], uint64(size/block-1))
		le.PutUint64(b[2*block+40:], uint64(size/block-2))
		return b
	}
	mbr := func(start, count uint32, typ byte) []byte {
		b := make([]byte, size)
		copy(b[510:], "\x55\xaa")
		b[450] = typ
		le.PutUint32(b[454:], start)
		le.PutUint32(b[458:], count)
		return b
	}
	put := func(at int, magic string) []byte {
		b := make([]byte, size)
		copy(b[at:], magic)
		return b
	}
	const neither = "machines find neither a partition table nor a file system"
	tests := []struct {
		name     string
		b        []byte
		begins   string
		warnings []string
	}{
		{"GPT", whole(512), "a GPT partition table", nil},
		{"GPT of a longer disk", whole(512)[:size/2], "a GPT partition table",
			[]string{"the GPT is for a disk of 65536 bytes, this one has 32768 bytes", "GPT: partition 1 ends at byte 65024, the disk at byte 32768"}},
		{"GPT of large sectors", whole(4096), "a GPT partition table", []string{"the GPT is for sectors of 4096 bytes"}},
		{"MBR", mbr(1, size/512-1, 0x83), "an MBR partition table", nil},
		{"MBR of a longer disk", mbr(1, size/512, 0x83), "an MBR partition table", []string{"MBR: partition 1 ends at byte 66048, the disk at byte 65536"}},
		{"MBR that stands for a GPT", mbr(1, 1<<32-1, 0xee), "an MBR partition table", []string{"the MBR stands for a GPT, and there is none"}},
		{"XFS", put(0, "XFSB"), "an XFS file system", nil},
		{"qcow2 in a volume", put(0, "QFI\xfb\x00\x00\x00\x03"), "a qcow2 disk", []string{"the header of a qcow2 disk: the contents are those of a file in that format, and " + neither}},
		{"gzip", put(0, "\x1f\x8b\x08"), "a gzip file", []string{"it begins with a gzip file: " + neither}},
		{"ZIP", put(0, "PK\x03\x04"), "a ZIP archive", []string{"it begins with a ZIP archive: " + neither}},
		{"tar", put(257, "ustar"), "a tar archive", []string{"it begins with a tar archive: " + neither}},
		{"zeros", put(0, ""), "zeros", []string{"it begins with zeros: " + neither}},
		{"noise", put(0, "\x01\x02"), "data of an unknown format", []string{"unknown format: " + neither}},
	}
	for _, test := range tests {
		c, err := disk.ReadContents(bytes.NewReader(test.b), int64(len(test.b)))
		if err != nil {
			t.Fatal(err)
		}
		got := c.Warnings()
		if c.String() != test.begins || len(got) != len(test.warnings) {
			t.Errorf("%s: %v, %q; want %s, %q", test.name, c, got, test.begins, test.warnings)
			continue
		}
		for i := range got {
			if !strings.Contains(got[i], test.warnings[i]) {
				t.Errorf("%s: %q; want %q", test.name, got[i], test.warnings[i])
			}
		}
	}
}
