// Package block compresses and decompresses single blocks of ZFS, as they stand in the
// WRITE, WRITE_EMBEDDED and SPILL payloads of send streams.
//
//	data := make([]byte, rec.LogicalSize)
//	err := block.Decompress(data, block.Compression(rec.Compression), payload)
//
// A block is compressed by itself. Its size before compression, the logical size, stands
// outside of it, in the record; its compressed form may be followed by padding.
//
//	lzjb   groups of a control byte and eight items: a byte, or a match of 3 to 66 bytes
//	       at a distance of up to 1023. No mark at the end.
//	gzip   a zlib stream (RFC 1950) of any level
//	zle    runs of zeros, and literals. No mark at the end.
//	lz4    length (u32, big-endian), then a block of LZ4 without its frame
//	zstd   length of the frame (u32, big-endian), level (u8), version of the library (u24,
//	       big-endian), then a frame of Zstandard (RFC 8878) without its magic number
//
// All functions may be called concurrently. Those of lz4, lzjb and zle allocate nothing but
// their output; the others keep their state for the next call.
//
// Levels of zstd are told neither by the number of a compression nor by its name here.
//
// Source of the formats: zio.h and zio_compress.c, lzjb.c, zle.c, lz4_zfs.c, gzip.c and
// zfs_zstd.c of illumos and OpenZFS, and the formats of LZ4 and Zstandard, as facts.
package block

import (
	"fmt"
	"slices"
)

// Compression is the number of a compression (enum zio_compress), as in records and block
// pointers.
type Compression uint8

// The compressions. None and Off are plain data: records say 0, block pointers say 2. On is
// the name of lzjb in old properties; kernels resolve it before they write. An Empty block is
// all zeros and never written.
const (
	None Compression = iota
	On
	Off
	LZJB
	Empty
	Gzip1
	Gzip2
	Gzip3
	Gzip4
	Gzip5
	Gzip6
	Gzip7
	Gzip8
	Gzip9
	ZLE
	LZ4
	Zstd
)

var names = []string{"none", "on", "off", "lzjb", "empty", "gzip-1", "gzip-2", "gzip-3", "gzip-4", "gzip-5", "gzip-6",
	"gzip-7", "gzip-8", "gzip-9", "zle", "lz4", "zstd"}

// String is the name that the property of a dataset has, such as lz4 or gzip-6, or
// "compression N" for an unknown number.
func (c Compression) String() string {
	if int(c) < len(names) {
		return names[c]
	}
	return fmt.Sprintf("compression %d", uint8(c))
}

// Parse returns the compression of a name that String gives; "gzip" is gzip-6, as for zfs(8).
// Other names give [ErrUnsupported].
func Parse(name string) (Compression, error) {
	if name == "gzip" {
		return Gzip6, nil
	}
	if i := slices.Index(names, name); i >= 0 {
		return Compression(i), nil
	}
	return None, fmt.Errorf("block: compression %q: %w: want off, lzjb, zle, lz4, zstd or gzip-1 to gzip-9", name, ErrUnsupported)
}

// Decompress fills dst, whose length is the logical size of the block, from the compressed
// form in src; what follows that in src is padding and not looked at. After an error dst
// holds anything. Neither time nor memory depend on what src pretends: output beyond dst ends
// the work.
//
// A block that yields fewer or more bytes than dst has is corrupt. Kernels are less strict
// here: for lz4, gzip and zstd they take a block that ends early, whose rest is then what
// happened to be in memory; for lzjb, which does not tell its end, they read on behind src.
// As in kernels, the last match of lzjb may reach beyond the end of dst, while runs of zle
// may not.
//
// Faults are a [*FormatError]. Compressions without a decoder, Empty among them, give
// [ErrUnsupported].
func Decompress(dst []byte, c Compression, src []byte) error {
	var fault *FormatError
	switch c {
	case None, Off:
		if n := copy(dst, src); n < len(dst) {
			fault = short(n, dst, n)
		}
	case On, LZJB:
		fault = decodeLZJB(dst, src)
	case Gzip1, Gzip2, Gzip3, Gzip4, Gzip5, Gzip6, Gzip7, Gzip8, Gzip9:
		fault = decodeZlib(dst, src)
	case ZLE:
		fault = decodeZLE(dst, src)
	case LZ4:
		fault = decodeLZ4(dst, src)
	case Zstd:
		fault = decodeZstd(dst, src)
	default:
		return fmt.Errorf("block: %s: %w", c, ErrUnsupported)
	}
	if fault != nil {
		fault.Compression = c
		return fault
	}
	return nil
}

// sector is what the size of a compressed block in a record is a multiple of
// (SPA_MINBLOCKSIZE).
const sector = 512

// Compress appends the compressed form of src to dst, padded with zeros to a multiple of 512
// bytes as WRITE records demand, and returns true; or dst alone and false if that is not
// smaller than src. ZFS then stores the block plain: records say None.
// Plain compressions, Empty and unknown ones never make it smaller. The same src gives the
// same bytes, always; level 3 is that of zstd.
//
// ZFS itself asks for more, an eighth, before it keeps a compressed block; readers do not
// mind.
func Compress(dst []byte, c Compression, src []byte) ([]byte, bool) {
	if len(src) <= sector {
		return dst, false
	}
	start := len(dst)
	switch c {
	case On, LZJB:
		dst = encodeLZJB(dst, src)
	case Gzip1, Gzip2, Gzip3, Gzip4, Gzip5, Gzip6, Gzip7, Gzip8, Gzip9:
		dst = encodeZlib(dst, src, int(c-Gzip1)+1)
	case ZLE:
		dst = encodeZLE(dst, src)
	case LZ4:
		dst = encodeLZ4(dst, src)
	case Zstd:
		dst = encodeZstd(dst, src)
	default:
		return dst, false
	}
	padding := -(len(dst) - start) & (sector - 1)
	if len(dst)-start+padding >= len(src) {
		return dst[:start], false
	}
	return append(dst, make([]byte, padding)...), true
}
