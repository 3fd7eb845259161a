package disk_test

import (
	"bytes"
	"io"
	"testing"

	"imagetools/disk"
	"imagetools/internal/disktest"
)

// fuzz opens files that begin as files of a format do, after fix if that is not nil. What opens
// must read the same in one piece and in parts, and within its bounds.
func fuzz(f *testing.F, fix func([]byte), seeds ...[]byte) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if fix != nil {
			b = bytes.Clone(b)
			fix(b)
		}
		d, err := disk.OpenBytes("fuzz", b)
		if err != nil {
			return
		}
		defer d.Close()
		if c, err := disk.ReadContents(d, d.Size); err == nil {
			if c.Warnings(); c.String() == "" {
				t.Fatal("contents without a name")
			}
		} else if d.Size < 1<<10 {
			// There is no room for a table, so only what cannot be read is a fault.
			if _, unread := d.ReadAt(make([]byte, d.Size), 0); unread == nil || unread == io.EOF {
				t.Fatal(err)
			}
		}
		off := int64(0)
		for range 50 {
			start, end, err := d.NextData(off)
			if err != nil {
				return
			}
			if start < off || end <= start || end > d.Size {
				t.Fatalf("NextData(%d) = %d, %d of %d", off, start, end, d.Size)
			}
			p := make([]byte, min(end-start, 256<<10))
			n, err := d.ReadAt(p, start)
			if n < len(p) && err == nil || err == io.EOF && start+int64(n) != d.Size {
				t.Fatalf("%d bytes of %d at %d, %v", n, len(p), start, err)
			}
			half := make([]byte, n/2)
			if m, err := d.ReadAt(half, start); m < len(half) && n == len(p) || !bytes.Equal(half[:m], p[:m]) {
				t.Fatalf("%d bytes of %d at %d: other ones, or %v", m, len(half), start, err)
			}
			off = end
		}
	})
}

// small is a disk that makes small seeds.
func small() []byte { return disktest.Sample(16 << 10) }

func FuzzRaw(f *testing.F) {
	fuzz(f, nil, small(), disktest.GPT(make([]byte, 8<<10), 512, "x"))
}

func FuzzQCOW2(f *testing.F) {
	fuzz(f, nil, disktest.QCOW2(small(), disktest.QCOWOptions{Version: 3, Bits: 9}), disktest.QCOW2(small(), disktest.QCOWOptions{Version: 2, Bits: 10, Pack: "zlib"}),
		disktest.QCOW2(small(), disktest.QCOWOptions{Version: 3, Bits: 12, Pack: "zstd"}))
}

func FuzzVMDK(f *testing.F) {
	fuzz(f, nil, disktest.VMDK(small(), 1024, false), disktest.VMDK(small(), 4096, true), []byte(flatDescriptor(`RW 16 ZERO`, `RW 1 FLAT "x" 1`)))
}

func FuzzVHD(f *testing.F) {
	sums := func(b []byte) {
		if len(b) >= 1536 {
			disktest.SumVHD(b[:512], 64)
			disktest.SumVHD(b[512:1536], 36)
			disktest.SumVHD(b[len(b)-512:], 64)
		}
	}
	fuzz(f, sums, disktest.VHD(small(), 4096), disktest.VHD(small(), 512), disktest.VHDFixed(small()))
}

func FuzzVDI(f *testing.F) {
	fuzz(f, nil, disktest.VDI(small(), 4096))
}
