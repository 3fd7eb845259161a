package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"imagetools/compress"
	"imagetools/disk"
	"imagetools/internal/disktest"
)

var diskRows = []row{
	{"qcow2: clusters", 1000, virtual(func(data []byte) []byte { return disktest.QCOW2(data, disktest.QCOWOptions{Version: 3, Bits: 9}) })},
	{"qcow2: compressed clusters", 500, virtual(func(data []byte) []byte {
		return disktest.QCOW2(data, disktest.QCOWOptions{Version: 3, Bits: 9, Pack: "zlib"})
	})},
	{"vmdk: grains", 1000, virtual(func(data []byte) []byte { return disktest.VMDK(data, 512, false) })},
	{"vmdk: packed grains", 500, virtual(func(data []byte) []byte { return disktest.VMDK(data, 512, true) })},
	{"vhd: blocks", 1000, virtual(func(data []byte) []byte { return disktest.VHD(data, 512) })},
	{"vdi: blocks", 1000, virtual(func(data []byte) []byte { return disktest.VDI(data, 4096) })},
	{"vmdk: extents", 100, func(t testing.TB, n int) func() {
		text := "# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\ncreateType=\"custom\"\n\n" + strings.Repeat("RW 1 ZERO\n", n)
		return opened(t, []byte(text))
	}},
	{"disk: partitions", 30, func(t testing.TB, n int) func() {
		types := make([]string, min(n, 128))
		for i := range types {
			types[i] = fmt.Sprintf("type of %08d", i)
		}
		data := disktest.GPT(make([]byte, 1<<20), 512, types...)
		return func() {
			must2(disk.ReadContents(bytes.NewReader(data), int64(len(data))))(t)
			must2(disk.ReadPartitions(bytes.NewReader(data), int64(len(data))))(t)
		}
	}},
	{"disk: from a pipe", 1000, func(t testing.TB, n int) func() {
		data := disktest.QCOW2(full(n), disktest.QCOWOptions{Version: 3, Bits: 9})
		return func() { must(t, must2(disk.Read(t.Context(), bytes.NewReader(data), disk.Options{}))(t).Close()) }
	}},
	{"gzip: members", 500, unpacked(func(t testing.TB, n int) []byte {
		return bytes.Repeat(pack(t, compress.Gzip, "abc"), n)
	})},
	{"gzip: bytes", 256 << 10, unpacked(func(t testing.TB, n int) []byte { return pack(t, compress.Gzip, text(n)) })},
	{"gzip: stored blocks", 256 << 10, unpacked(func(t testing.TB, n int) []byte {
		var out bytes.Buffer
		w := must2(gzip.NewWriterLevel(&out, gzip.NoCompression))(t)
		must2(io.WriteString(w, text(n)))(t)
		must(t, w.Close())
		return out.Bytes()
	})},
	{"bzip2: streams", 100, unpacked(func(t testing.TB, n int) []byte { return bytes.Repeat(pack(t, compress.Bzip2, "abc"), n) })},
	{"bzip2: bytes", 64 << 10, unpacked(func(t testing.TB, n int) []byte { return pack(t, compress.Bzip2, text(n)) })},
	{"xz: streams", 50, unpacked(func(t testing.TB, n int) []byte { return bytes.Repeat(pack(t, compress.XZ, "abc"), n) })},
	{"xz: bytes", 256 << 10, unpacked(func(t testing.TB, n int) []byte { return pack(t, compress.XZ, text(n)) })},
	{"zstd: frames", 500, unpacked(func(t testing.TB, n int) []byte { return bytes.Repeat(frame(t, "abc"), n) })},
	{"zstd: frames to be skipped", 500, unpacked(func(t testing.TB, n int) []byte {
		return append(bytes.Repeat([]byte("\x50\x2a\x4d\x18\x04\x00\x00\x00abcd"), n), frame(t, "abc")...)
	})},
	{"zstd: bytes", 256 << 10, unpacked(func(t testing.TB, n int) []byte { return frame(t, text(n)) })},
	{"write gzip: bytes", 256 << 10, written(compress.Gzip)},
	{"write bzip2: bytes", 64 << 10, written(compress.Bzip2)},
	{"write xz: bytes", 256 << 10, written(compress.XZ)},
}

// full is a disk of n sectors, none of which is zero.
func full(n int) []byte { return bytes.Repeat([]byte("x"), 512*n) }

// virtual reads a disk of n sectors in a format.
func virtual(format func([]byte) []byte) func(testing.TB, int) func() {
	return func(t testing.TB, n int) func() { return opened(t, format(full(n))) }
}

func opened(t testing.TB, file []byte) func() {
	path := filepath.Join(t.TempDir(), "disk.vmdk")
	must(t, os.WriteFile(path, file, 0o644))
	return func() {
		d := must2(disk.Open(t.Context(), path, disk.Options{}))(t)
		buf := make([]byte, 512)
		for off := int64(0); ; {
			start, end, err := d.NextData(off)
			if err == io.EOF {
				break
			}
			must(t, err)
			for at := start; at < end; at += 512 {
				must2(d.ReadAt(buf[:min(512, end-at)], at))(t)
			}
			off = end
		}
		must(t, d.Close())
	}
}

// text is n bytes that are worth packing.
func text(n int) string {
	return repeat(n/16+1, func(i int) string { return fmt.Sprintf("line %010x\n", i*i*i) })[:n]
}

func pack(t testing.TB, f compress.Format, text string) []byte {
	var out bytes.Buffer
	w := must2(compress.NewWriter(&out, f, compress.Options{Workers: 1}))(t)
	must2(io.WriteString(w, text))(t)
	must(t, w.Close())
	return out.Bytes()
}

func frame(t testing.TB, text string) []byte {
	return must2(zstd.NewWriter(nil))(t).EncodeAll([]byte(text), nil)
}

func unpacked(make func(t testing.TB, n int) []byte) func(testing.TB, int) func() {
	return func(t testing.TB, n int) func() {
		data := make(t, n)
		return func() {
			r, _, err := compress.NewReader(bytes.NewReader(data), compress.Options{Workers: 1})
			must(t, err)
			must2(io.Copy(io.Discard, r))(t)
			must(t, r.Close())
		}
	}
}

func written(f compress.Format) func(testing.TB, int) func() {
	return func(t testing.TB, n int) func() {
		s := text(n)
		return func() { pack(t, f, s) }
	}
}
