package magic

import (
	"bytes"
	"strings"
	"testing"
)

// at puts a magic number into zeros.
func at(offset int, magic string) []byte {
	b := make([]byte, max(Size, offset+len(magic)))
	copy(b[offset:], magic)
	return b
}

func TestMagicNumbersAreUnique(t *testing.T) {
	t.Parallel()
	for _, table := range [][]entry{strong, weak, fileSystems, optical} {
		for _, e := range table {
			if got := Of(at(e.offset, e.magic)); got != e.Format {
				t.Errorf("%q at %d: %v, want %v", e.magic, e.offset, got, e.Format)
			}
			if e.ID == "" || e.Name == "" || e.Class == Unknown {
				t.Errorf("%q at %d: incomplete", e.magic, e.offset)
			}
		}
	}
}

// mbr is a boot sector with code and a partition.
func mbr(code string) []byte {
	b := at(0, code)
	copy(b[mbrTableAt:], "\x80\x00\x00\x00\x83\x00\x00\x00\x00\x08\x00\x00\x00\x10\x00\x00")
	copy(b[510:], "\x55\xaa")
	return b
}

func TestOf(t *testing.T) {
	t.Parallel()
	ext := at(1024+0x38, "\x53\xef\x01\x00")
	bootCode := at(510, "\x55\xaa")
	copy(bootCode, "\xeb\x63\x90")
	hybrid := mbr("\x33\xed")
	copy(hybrid[32769:], "CD001")
	kernel := mbr("MZ")
	copy(kernel[0x202:], "HdrS")
	fat := bytes.Clone(bootCode)
	copy(fat[54:], "FAT16   ")
	lzma := "\x5d\x00\x00\x80\x00\xff\xff\xff\xff\xff\xff\xff\xff\x00\x12\x34"
	tests := []struct {
		name  string
		start []byte
		class Class
		id    string
	}{
		{"mbr", mbr("\xeb\x63\x90"), Table, "mbr"},
		{"mbr whose code resembles a cpio archive", mbr("\xc7\x71"), Table, "mbr"},
		{"mbr whose code resembles compress", mbr("\x1f\x9d"), Table, "mbr"},
		{"mbr whose code resembles lzma", mbr(lzma), Table, "mbr"},
		{"gpt", at(512, "EFI PART"), Table, "gpt"},
		{"gpt of 4096-byte sectors", at(4096, "EFI PART"), Table, "gpt"},
		{"sun", at(508, "\xda\xbe"), Table, "sun"},
		{"boot sector", bootCode, Table, "boot"},
		{"fat with boot code", fat, FileSystem, "fat"},
		{"two bytes of a boot sector by chance", append(bytes.Repeat([]byte{0x91}, 510), 0x55, 0xaa), Unknown, ""},
		{"ext", ext, FileSystem, "ext"},
		{"two bytes of ext by chance", at(1024+0x38, "\x53\xef\xff\xff"), Unknown, ""},
		{"hybrid medium", hybrid, FileSystem, "iso"},
		{"kernel", kernel, Document, "kernel"},
		{"vdi", at(0x40, "\x7f\x10\xda\xbe"), Disk, "vdi"},
		{"stream", append(make([]byte, 8), "\xac\xcb\xba\xf5\x02\x00\x00\x00"...), Stream, "zfs"},
		{"big-endian stream", append(make([]byte, 8), "\x00\x00\x00\x02\xf5\xba\xcb\xac"...), Stream, "zfs"},
		{"gzip", []byte("\x1f\x8b\x08\x00"), Packed, "gzip"},
		{"bzip2", []byte("BZh91AY&SY"), Packed, "bzip2"},
		{"text that begins like bzip2", []byte("BZh9 is text"), Document, "text"},
		{"xz", []byte("\xfd7zXZ\x00"), Packed, "xz"},
		{"zstd", []byte("\x28\xb5\x2f\xfd"), Packed, "zstd"},
		{"pzstd", []byte("\x50\x2a\x4d\x18\x04\x00\x00\x00abcd\x28\xb5\x2f\xfd"), Packed, "zstd"},
		{"lz4 behind a skippable frame", []byte("\x50\x2a\x4d\x18\x04\x00\x00\x00abcd\x04\x22\x4d\x18"), Packing, "lz4"},
		{"lzma", []byte(lzma), Packing, "lzma"},
		{"lzma with a length", []byte("\x5d\x00\x00\x00\x01\x00\x00\x80\x00\x00\x00\x00\x00\x00\x12"), Packing, "lzma"},
		{"json", []byte("\n [ {\"v\": 2} ]"), JSON, "json"},
		{"html", []byte("\ufeff<!DOCTYPE html><p>"), Document, "html"},
		{"script", []byte("#!/bin/sh\n"), Document, "script"},
		{"descriptor", []byte("<?xml version=\"1.0\"?>\n<Envelope>"), Document, "ovf"},
		{"text cut in a character", []byte(strings.Repeat("x", textBytes-1) + "é" + strings.Repeat("x", 10)), Document, "text"},
		{"Latin-1", []byte("caf\xe9 au lait"), Unknown, ""},
		{"empty", nil, Empty, "empty"},
		{"zeros", make([]byte, 100), Zeros, "zeros"},
	}
	for _, test := range tests {
		if got := Of(test.start); got.Class != test.class || got.ID != test.id {
			t.Errorf("%s: %+v", test.name, got)
		}
	}
}

func TestOfShortStart(t *testing.T) {
	t.Parallel()
	data := at(0, "")
	for i := range data {
		data[i] = byte(i*7 + 1)
	}
	for n := range 2000 {
		Of(data[:n])
	}
}

func FuzzOf(f *testing.F) {
	f.Add(mbr("\xeb")[:600])
	f.Add(at(1024+0x38, "\x53\xef\x01")[:1200])
	f.Fuzz(func(t *testing.T, data []byte) {
		if got := Of(data); got.Name == "" {
			t.Fatalf("%+v", got)
		}
	})
}
