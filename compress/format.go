package compress

import (
	"bytes"
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

// detectBytes is the number of bytes that detect looks at.
const detectBytes = 10

// detect tells the format of a stream by how it begins.
func detect(start []byte) Format {
	switch {
	case bytes.HasPrefix(start, []byte{0x1f, 0x8b, 8}):
		return Gzip
	case bytes.HasPrefix(start, []byte{0xfd, '7', 'z', 'X', 'Z', 0}):
		return XZ
	case bytes.HasPrefix(start, []byte{0x28, 0xb5, 0x2f, 0xfd}):
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
