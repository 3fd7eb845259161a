package compress

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// A Format is a way to compress, by the name it has in image manifests.
type Format string

// The formats. Zstd is not one of manifests, and can only be read.
const (
	None  Format = "none"
	Gzip  Format = "gzip"
	Bzip2 Format = "bzip2"
	XZ    Format = "xz"
	Zstd  Format = "zstd"
)

// ParseFormat returns the format of a name that manifests know.
func ParseFormat(name string) (Format, error) {
	switch f := Format(name); f {
	case None, Gzip, Bzip2, XZ:
		return f, nil
	}
	return "", fmt.Errorf("unknown compression %q: want none, gzip, bzip2 or xz", name)
}

// String returns the name.
func (f Format) String() string { return string(f) }

// Extension returns what the name of a file in the format ends in: empty, ".gz", ".bz2", ".xz"
// or ".zst".
func (f Format) Extension() string {
	switch f {
	case Gzip:
		return ".gz"
	case Bzip2:
		return ".bz2"
	case XZ:
		return ".xz"
	case Zstd:
		return ".zst"
	}
	return ""
}

// detectBytes is the number of bytes that tell a format, behind skippable frames of zstd.
const detectBytes = 10

// Detect tells the format of a stream that begins with start; None stands for any other.
//
// A zstd file may begin with skippable frames, such as pzstd writes, which lz4 has as well: what
// follows them decides, and if that is not in start, or nothing follows, they count as zstd.
func Detect(start []byte) Format {
	if rest, skipped := SkipFrames(start); skipped {
		if len(rest) >= len(zstdMagic) && !bytes.HasPrefix(rest, zstdMagic) {
			return None
		}
		return Zstd
	}
	switch {
	case bytes.HasPrefix(start, []byte{0x1f, 0x8b, 8}):
		return Gzip
	case bytes.HasPrefix(start, []byte{0xfd, '7', 'z', 'X', 'Z', 0}):
		return XZ
	case bytes.HasPrefix(start, zstdMagic):
		return Zstd
	case isBzip2(start):
		return Bzip2
	}
	return None
}

// isBzip2 looks at the magic of the first block too, or of the end of an empty stream: that of the
// stream alone is plain text.
func isBzip2(start []byte) bool {
	if len(start) < detectBytes || !bytes.HasPrefix(start, []byte("BZh")) || start[3] < '1' || start[3] > '9' {
		return false
	}
	block := start[4:detectBytes]
	return bytes.Equal(block, []byte{0x31, 0x41, 0x59, 0x26, 0x53, 0x59}) ||
		bytes.Equal(block, []byte{0x17, 0x72, 0x45, 0x38, 0x50, 0x90})
}

var zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}

// skippable tells whether start begins with a skippable frame (RFC 8878, section 3.1.2).
func skippable(start []byte) bool {
	return len(start) >= 4 && start[0]&0xf0 == 0x50 && start[1] == 0x2a && start[2] == 0x4d && start[3] == 0x18
}

// skippableHeader is the size of the header of such a frame: the magic number and a length.
const skippableHeader = 8

// SkipFrames returns what follows the skippable frames, of zstd or lz4, that start begins with, and
// tells whether there are any. What follows them farther on is nil.
func SkipFrames(start []byte) (rest []byte, skipped bool) {
	for skippable(start) {
		skipped = true
		if len(start) < skippableHeader {
			return nil, true
		}
		n := uint64(binary.LittleEndian.Uint32(start[4:])) + skippableHeader
		if n > uint64(len(start)) {
			return nil, true
		}
		start = start[n:]
	}
	return start, skipped
}
