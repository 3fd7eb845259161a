package disk_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"imagetools/disk"
	"imagetools/internal/cli"
	"imagetools/internal/disktest"
)

// formats are the same disk in all of them.
func formats(data []byte) map[string][]byte {
	return map[string][]byte{
		"raw":          data,
		"qcow2":        disktest.QCOW2(data, disktest.QCOWOptions{Version: 3, Bits: 16}),
		"qcow2-2":      disktest.QCOW2(data, disktest.QCOWOptions{Version: 2, Bits: 12}),
		"qcow2-zero":   disktest.QCOW2(data, disktest.QCOWOptions{Version: 3, Bits: 12, Zeroed: true}),
		"qcow2-512":    disktest.QCOW2(data, disktest.QCOWOptions{Version: 3, Bits: 9}),
		"qcow2-zlib":   disktest.QCOW2(data, disktest.QCOWOptions{Version: 3, Bits: 16, Pack: "zlib"}),
		"qcow2-2-zlib": disktest.QCOW2(data, disktest.QCOWOptions{Version: 2, Bits: 10, Pack: "zlib"}),
		"qcow2-2M":     disktest.QCOW2(data, disktest.QCOWOptions{Version: 3, Bits: 21, Pack: "zlib"}),
		"qcow2-zstd":   disktest.QCOW2(data, disktest.QCOWOptions{Version: 3, Bits: 16, Pack: "zstd"}),
		"vmdk":         disktest.VMDK(data, 64<<10, false),
		"vmdk-small":   disktest.VMDK(data, 512, false),
		"vmdk-stream":  disktest.VMDK(data, 64<<10, true),
		"vhd":          disktest.VHD(data, 2<<20),
		"vhd-small":    disktest.VHD(data, 4096),
		"vhd-fixed":    disktest.VHDFixed(data),
		"vdi":          disktest.VDI(data, 1<<20),
		"vdi-small":    disktest.VDI(data, 4096),
	}
}

func TestFormats(t *testing.T) {
	data := disktest.Sample(3<<20 - 1024)
	for name, b := range formats(data) {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "disk")
			if err := os.WriteFile(path, b, 0o666); err != nil {
				t.Fatal(err)
			}
			d, err := disk.Open(t.Context(), path, disk.Options{})
			if err != nil {
				t.Fatal(err)
			}
			check(t, d, data)
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// check reads a disk by ranges, whole, and in parts from many goroutines.
func check(t *testing.T, d *disk.Disk, want []byte) {
	t.Helper()
	if d.Size != int64(len(want)) {
		t.Fatalf("size %d, want %d", d.Size, len(want))
	}
	got := make([]byte, d.Size)
	for off := int64(0); ; {
		start, end, err := d.NextData(off)
		if err == io.EOF {
			break
		}
		if err != nil || start < off || end <= start || end > d.Size {
			t.Fatalf("NextData(%d) = %d, %d, %v", off, start, end, err)
		}
		if n, err := d.ReadAt(got[start:end], start); n != int(end-start) {
			t.Fatal(err)
		}
		off = end
	}
	if !bytes.Equal(got, want) {
		t.Error("ranges of data: not the disk")
	}
	if got, err := io.ReadAll(io.NewSectionReader(d, 0, d.Size+1)); err != nil || !bytes.Equal(got, want) {
		t.Errorf("read from start to end: not the disk, %v", err)
	}
	var wg sync.WaitGroup
	for seed := range uint64(4) {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(seed, 0))
			for range 50 {
				off := rng.IntN(len(want))
				p := make([]byte, rng.IntN(min(200<<10, len(want)-off)+1))
				if n, err := d.ReadAt(p, int64(off)); n != len(p) || !bytes.Equal(p, want[off:][:n]) {
					t.Errorf("%d bytes at %d: %d, %v", len(p), off, n, err)
				}
			}
		})
	}
	wg.Wait()
}

// A hole in the tables costs nothing, however large.
func TestSparse(t *testing.T) {
	b := disktest.QCOW2(make([]byte, 1<<20), disktest.QCOWOptions{Version: 3, Bits: 16})
	const size = 3 << 40
	l1 := make([]byte, size>>29*8)
	be.PutUint64(b[24:], size)
	be.PutUint32(b[36:], uint32(len(l1)/8))
	be.PutUint64(b[40:], uint64(len(b)))
	d, err := disk.OpenBytes("x", append(b, l1...))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.NextData(0); err != io.EOF || d.Size != size {
		t.Errorf("size %d, %v", d.Size, err)
	}
}

func flatDescriptor(extents ...string) string {
	return "# Disk DescriptorFile\nversion=1\nparentCID=ffffffff\ncreateType=\"twoGbMaxExtentFlat\"\n" + strings.Join(extents, "\n") + "\n"
}

func TestFlatVMDK(t *testing.T) {
	dir := t.TempDir()
	data := disktest.Sample(64 << 10)
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("a b.vmdk", append(make([]byte, 1024), data[:32<<10]...))
	write("f2.vmdk", data[40<<10:])
	copy(data[32<<10:40<<10], make([]byte, 8<<10))
	if err := errors.Join(os.Symlink("f2.vmdk", filepath.Join(dir, "link.vmdk")), os.Mkdir(filepath.Join(dir, "dir.vmdk"), 0o777)); err != nil {
		t.Fatal(err)
	}
	d, err := disk.Open(t.Context(), write("disk.vmdk", []byte(flatDescriptor(`RW 64 FLAT "a b.vmdk" 2`, `RW 16 ZERO`, `RDONLY 48 VMFS "f2.vmdk"`))), disk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	check(t, d, data)
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	for extent, want := range map[string]string{
		`RW 1 FLAT "../f2.vmdk"`:          "only a plain name",
		`RW 1 FLAT "/etc/passwd" 0`:       "only a plain name",
		`RW 1 FLAT "a\f2.vmdk" 0`:         "only a plain name",
		`RW 1 FLAT ".."`:                  "only a plain name",
		`RW 1 FLAT`:                       "only a plain name",
		`RW 1 FLAT "link.vmdk" 0`:         "symbolic link",
		`RW 1 FLAT "dir.vmdk" 0`:          "no regular file",
		`RW 1 FLAT "none.vmdk" 0`:         "no such file",
		`RW 49 FLAT "f2.vmdk" 0`:          "unexpected EOF",
		`RW 1 FLAT "f2.vmdk" 99999999999`: "unexpected EOF",
		`RW 1 FLAT "f2.vmdk`:              "does not end",
		`RW x FLAT "f2.vmdk" 0`:           "no number of sectors",
		`RW 1 SPARSE "f2.vmdk"`:           `type "SPARSE"`,
		`RW 18446744073709551615 ZERO`:    "no number of sectors",
		`RW`:                              "empty",
	} {
		path := write("bad.vmdk", []byte(flatDescriptor(extent)))
		_, err := disk.Open(t.Context(), path, disk.Options{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", extent, err, want)
		}
	}
	// All of them at once, and from a pipe there is no folder.
	two := flatDescriptor(`RW 1 FLAT "none.vmdk"`, `RW 1 FLAT "../x"`)
	if _, err := disk.Open(t.Context(), write("bad.vmdk", []byte(two)), disk.Options{}); err == nil || !strings.Contains(err.Error(), "line 5") || !strings.Contains(err.Error(), "line 6") {
		t.Errorf("two faults: %v", err)
	}
	if _, err := disk.Read(t.Context(), strings.NewReader(flatDescriptor(`RW 1 FLAT "f2.vmdk"`)), disk.Options{Name: "pipe"}); err == nil || !strings.Contains(err.Error(), "from no folder") {
		t.Errorf("from a pipe: %v", err)
	}
}

// From a pipe, zeros become holes of the copy.
func TestRead(t *testing.T) {
	data := make([]byte, 8<<20+100)
	copy(data[5<<20:], "data")
	copy(data[len(data)-4:], "tail")
	tmp := t.TempDir()
	d, err := disk.Read(t.Context(), iotestReader{bytes.NewReader(data)}, disk.Options{Name: "pipe", TmpDir: tmp})
	if err != nil {
		t.Fatal(err)
	}
	check(t, d, data)
	if start, end, err := d.NextData(0); err != nil || start == 0 || end == d.Size {
		t.Errorf("data from %d to %d, %v", start, end, err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := disk.Read(ctx, bytes.NewReader(data), disk.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

// iotestReader returns odd parts.
type iotestReader struct{ r io.Reader }

func (r iotestReader) Read(p []byte) (int, error) { return r.r.Read(p[:min(len(p), 12345)]) }

// What is refused, and why.
func TestRefused(t *testing.T) {
	data := disktest.Sample(1 << 20)
	edit := func(b []byte, f func([]byte)) []byte {
		b = bytes.Clone(b)
		f(b)
		return b
	}
	q := disktest.QCOW2(data, disktest.QCOWOptions{Version: 3, Bits: 16})
	packed := disktest.QCOW2(data, disktest.QCOWOptions{Version: 3, Bits: 16, Pack: "zlib"})
	v, so, dyn, fixed, box := disktest.VMDK(data, 64<<10, false), disktest.VMDK(data, 64<<10, true), disktest.VHD(data, 64<<10), disktest.VHDFixed(data), disktest.VDI(data, 64<<10)
	const l1 = 64 << 10 // the first table is in the second cluster
	l2At := int(be.Uint64(q[l1:]) & 0xfffffffffffe00)
	packedL2 := int(be.Uint64(packed[l1:]) & 0xfffffffffffe00)
	u32 := func(b []byte, at int, v uint32) []byte { return edit(b, func(b []byte) { be.PutUint32(b[at:], v) }) }
	u64 := func(b []byte, at int, v uint64) []byte { return edit(b, func(b []byte) { be.PutUint64(b[at:], v) }) }
	l32 := func(b []byte, at int, v uint32) []byte { return edit(b, func(b []byte) { le.PutUint32(b[at:], v) }) }
	l64 := func(b []byte, at int, v uint64) []byte { return edit(b, func(b []byte) { le.PutUint64(b[at:], v) }) }
	resum := func(b []byte) []byte {
		disktest.SumVHD(b[:512], 64)
		disktest.SumVHD(b[512:1536], 36)
		return b
	}
	gdAt := int(le.Uint64(v[56:])) * 512
	gtAt := int(le.Uint32(v[gdAt:])) * 512
	for _, test := range []struct {
		name string
		b    []byte
		want string
		hint string
	}{
		{"empty", nil, "empty", ""},
		{"qcow2 of no size", u64(q, 24, 0), "empty", ""},
		{"qcow2 cut in its header", q[:100], "cut short", ""},
		{"qcow2 cut", q[:len(q)-1<<16], "no table within", ""},
		{"clusters", u32(q, 20, 63), "clusters of 2^63", ""},
		{"size", u64(q, 24, 1<<62), "size of 4611686018427387904", ""},
		{"more than the L1 table", u64(q, 24, 1<<40), "needs 2048", ""},
		{"L1 table of 2^32", edit(q, func(b []byte) { be.PutUint32(b[36:], 1<<32-1); be.PutUint64(b[24:], 1<<58) }), "the limit is", ""},
		{"L1 table outside", u64(q, 40, 1<<40), "file of", ""},
		{"L1 table at no cluster", u64(q, 40, 1<<16+512), "not at a cluster", ""},
		{"L2 table outside", u64(q, l1, 1<<50), "no table within", ""},
		{"L2 table at no cluster", u64(q, l1, 1<<16+512), "no table within", ""},
		{"L1 entry with reserved bits", u64(q, l1, 1), "no table within", ""},
		{"cluster outside", u64(q, l2At, 1<<50), "unexpected EOF", ""},
		{"cluster at no cluster", u64(q, l2At, 1<<16+512), "L2 entry", ""},
		{"reserved bits", u64(q, l2At, 1<<60), "L2 entry", ""},
		{"zero flag in version 2", u64(u32(q, 4, 2), l2At, 1), "L2 entry", ""},
		{"packed cluster outside", u64(packed, packedL2, 1<<62|1<<50), "packed bytes", ""},
		{"one cluster for all", edit(q, func(b []byte) {
			be.PutUint64(b[24:], 1<<28)
			for i := range 8192 {
				be.PutUint64(b[l2At+8*i:], uint64(l2At))
			}
		}), "more data than", ""},
		{"one packed cluster for all", edit(disktest.QCOW2(bytes.Repeat([]byte{1}, 1<<16), disktest.QCOWOptions{Version: 3, Bits: 16, Pack: "zlib"}), func(b []byte) {
			be.PutUint64(b[24:], 1<<29)
			at := int(be.Uint64(b[l1:]) & 0xfffffffffffe00)
			for i := range 8192 {
				copy(b[at+8*i:], b[at:at+8])
			}
		}), "more data than", ""},
		{"L2 table twice", append(edit(q, func(b []byte) {
			be.PutUint64(b[24:], 1<<30)
			be.PutUint32(b[36:], 2)
			copy(b[l1+8:], b[l1:l1+8])
		}), make([]byte, 1<<20)...), "used twice", ""},
		{"backing file", edit(q, func(b []byte) { be.PutUint64(b[8:], 300); be.PutUint32(b[16:], 8); copy(b[300:], "base.img") }),
			`backing file "base.img"`, "qemu-img convert -O qcow2 'my disk' new.qcow2"},
		{"backing file of no length", edit(q, func(b []byte) { be.PutUint64(b[8:], 1<<63); be.PutUint32(b[16:], 1<<31) }), `backing file ""`, "qemu-img convert"},
		{"data file", edit(q, func(b []byte) {
			be.PutUint64(b[72:], 4)
			be.PutUint32(b[104:], 0x44415441)
			be.PutUint32(b[108:], 8)
			copy(b[112:], "data.raw")
		}), `external file "data.raw"`, "qemu-img convert"},
		{"AES", u32(q, 32, 1), "encrypted (method 1 AES)", "encrypt.key-secret"},
		{"LUKS", u32(q, 32, 2), "encrypted (method 2 LUKS)", "encrypt.key-secret"},
		{"corrupt", u64(q, 72, 2), "marked corrupt", "qemu-img check"},
		{"subclusters", u64(q, 72, 16), "subclusters", "qemu-img convert"},
		{"unknown feature", u64(q, 72, 1<<40), "unknown incompatible features 0x10000000000", ""},
		{"compression type", edit(q, func(b []byte) { be.PutUint32(b[100:], 112); b[104] = 1 }), "compression type 1", ""},
		{"all faults at once", u32(u64(q, 72, 1<<40), 32, 1), "encrypted (method 1 AES)", ""},
		{"refcounts", u32(q, 96, 77), "reference counts of 2^77", ""},
		{"qcow", []byte("QFI\xfb\x00\x00\x00\x01"), "format qcow are not read", "qemu-img convert"},
		{"vhdx", []byte("vhdxfile"), "format vhdx are not read", "qemu-img convert"},
		{"a LUKS container", []byte("LUKS\xba\xbe"), "encrypted by LUKS", "driver=luks"},

		{"vmdk cut in its header", v[:300], "no header", ""},
		{"vmdk version", l32(v, 4, 9), "version 9", ""},
		{"vmdk grains", l64(v, 20, 3), "grains of 3", ""},
		{"vmdk large grains", l64(v, 20, 1<<40), "grains of", ""},
		{"vmdk tables", l32(v, 44, 0), "grain tables of 0", ""},
		{"vmdk capacity", l64(v, 12, 1<<60), "capacity of", ""},
		{"vmdk directory", l64(v, 56, 1<<40), "file of", ""},
		{"vmdk no directory", l64(v, 56, 0), "at sector 0", ""},
		{"vmdk large directory", l64(v, 12, 1<<50), "the limit is", ""},
		{"vmdk table outside", l32(v, gdAt, 1<<30), "table at byte", ""},
		{"vmdk grain outside", l32(v, gtAt, 1<<30), "unexpected EOF", ""},
		{"vmdk without a footer", so[:len(so)-512], "cut short", ""},
		{"vmdk compression", edit(so, func(b []byte) { b[77] = 9 }), "compression algorithm 9", ""},
		{"vmdk packed grain", edit(so, func(b []byte) { le.PutUint32(b[1024+8:], 1<<31) }), "packed bytes", ""},
		{"vmdk delta", bytes.Replace(v, []byte("ffffffff"), []byte("12341234"), 1), `parentCID "12341234"`, "qemu-img convert"},
		{"vmdk part", bytes.Replace(v, []byte("RW "), []byte("XX "), 1), "part of a disk", "name the file"},
		{"vmdk descriptor", l64(v, 36, 1<<40), "descriptor of", ""},

		{"vhd checksum", edit(dyn, func(b []byte) { b[50]++ }), "checksum", ""},
		{"vhd header's checksum", edit(dyn, func(b []byte) { b[600]++ }), "checksum", ""},
		{"vhd blocks", resum(u32(dyn, 512+32, 3)), "blocks of 3 bytes", ""},
		{"vhd table", resum(u32(dyn, 512+28, 2)), "table of 2 entries", ""},
		{"vhd table outside", resum(u64(dyn, 512+16, 1<<40)), "unexpected EOF", ""},
		{"vhd header outside", resum(u64(dyn, 16, 1<<60)), "unexpected EOF", ""},
		{"vhd block outside", u32(dyn, 1536, 1<<30), "unexpected EOF", ""},
		{"vhd difference", resum(u32(dyn, 60, 4)), "parent disk", "qemu-img convert"},
		{"vhd type", resum(u32(dyn, 60, 7)), "type 7", ""},
		{"vhd size", resum(u64(dyn, 48, 1<<63)), "size of", ""},
		{"fixed vhd cut", fixed[1<<19:], "unexpected EOF", ""},
		{"fixed vhd without its start", dyn[512:], "no copy of the footer", ""},

		{"vdi cut in its header", box[:380], "cut short", ""},
		{"vdi version", l32(box, 68, 2<<16), "version 2.0", ""},
		{"vdi difference", l32(box, 76, 4), "parent disk", "qemu-img convert"},
		{"vdi type", l32(box, 76, 9), "type 9", ""},
		{"vdi size", l64(box, 368, 1<<63), "size of", ""},
		{"vdi blocks", l32(box, 376, 12345), "blocks of 12345", ""},
		{"vdi table", l32(box, 384, 2), "table of 2 entries", ""},
		{"vdi table outside", l32(box, 340, 1<<30), "unexpected EOF", ""},
		{"vdi data outside", l32(box, 344, 1<<30), "unexpected EOF", ""},
		{"vdi block", l32(box, 512, 1000), "block 1000 of", ""},
		{"vdi cut", box[:len(box)-512], "unexpected EOF", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := disk.OpenBytes("my disk", test.b)
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), `"my disk": `) {
				t.Fatalf("error %v, want %q", err, test.want)
			}
			if hints := fmt.Sprint(cli.Hints(err)); !strings.Contains(hints, test.hint) {
				t.Errorf("hints %s, want %q", hints, test.hint)
			}
		})
	}
}

// Packed data that is damaged is named when it is read.
func TestDamagedCluster(t *testing.T) {
	for _, how := range []string{"zlib", "zstd"} {
		b := disktest.QCOW2(disktest.Sample(1<<20), disktest.QCOWOptions{Version: 3, Bits: 16, Pack: how})
		for i := range 40 {
			b[2<<16+i] ^= 0x55
		}
		d, err := disk.OpenBytes("x", b)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = d.ReadAt(make([]byte, 100), 0); err == nil || !strings.Contains(err.Error(), "packed data at byte 131072") {
			t.Errorf("%s: %v", how, err)
		}
	}
}

func TestPartitions(t *testing.T) {
	const esp, biosBoot = "\x28\x73\x2a\xc1\x1f\xf8\xd2\x11\xba\x4b\x00\xa0\xc9\x3e\xc9\x3b", "Hah!IdontNeedEFI"
	mbr := func(code string, types ...byte) []byte {
		b := make([]byte, 64<<10)
		copy(b, code)
		copy(b[510:], "\x55\xaa")
		for i, t := range types {
			b[446+16*i+4] = t
		}
		return b
	}
	wild := disktest.GPT(make([]byte, 64<<10), 512, esp)
	le.PutUint64(wild[512+72:], 1<<60)
	many := disktest.GPT(make([]byte, 64<<10), 512, esp)
	le.PutUint32(many[512+80:], 1<<31)
	for name, test := range map[string]struct {
		b    []byte
		want disk.Partitions
	}{
		"none":          {make([]byte, 64<<10), disk.Partitions{}},
		"tiny":          {make([]byte, 100), disk.Partitions{}},
		"MBR":           {mbr("code", 0x83), disk.Partitions{Scheme: "MBR", BIOSBoot: true}},
		"MBR with ESP":  {mbr("", 0x83, 0xef), disk.Partitions{Scheme: "MBR", ESP: true}},
		"GPT":           {disktest.GPT(make([]byte, 64<<10), 512, "other", esp), disk.Partitions{Scheme: "GPT", ESP: true}},
		"GPT of 4 KiB":  {disktest.GPT(make([]byte, 64<<10), 4096, esp), disk.Partitions{Scheme: "GPT", ESP: true}},
		"GPT for both":  {disktest.GPT(make([]byte, 64<<10), 512, esp, biosBoot), disk.Partitions{Scheme: "GPT", ESP: true, BIOSBoot: true}},
		"far away":      {wild, disk.Partitions{Scheme: "MBR"}},
		"2^31 of them":  {many, disk.Partitions{Scheme: "MBR"}},
		"cut behind it": {disktest.GPT(make([]byte, 64<<10), 512, esp)[:1024], disk.Partitions{Scheme: "GPT"}},
	} {
		got, err := disk.ReadPartitions(bytes.NewReader(test.b), int64(len(test.b)))
		if got.Faults = nil; err != nil || !reflect.DeepEqual(*got, test.want) { // faults are for TestContents
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, test.want)
		}
	}
}
