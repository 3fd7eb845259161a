// Package magic tells formats apart by the first bytes of a file, a stream or a disk: packings,
// archives, send streams, disk formats, partition tables, file systems and documents.
//
//	f := magic.Of(start)
//	if f.Class == magic.Archive {
//		return fmt.Errorf("%s, not a disk", f)
//	}
//
// It looks at bytes alone, and through no packing: package source does that.
//
// A longer magic number, and a header with a checksum, count before a shorter one, so that a disk
// whose boot code resembles a short magic number stays a disk.
//
// Sources, as facts: the format documents named in packages compress and disk; POSIX pax; APPNOTE
// 6.3 of ZIP; the LZMA, lz4 and zstd frame formats; ECMA-119 (ISO 9660); the on-disk headers of
// ext4, XFS, btrfs, UFS, FAT, NTFS and swap in their kernels' headers; UEFI 2.10 (GPT).
package magic

import (
	"bytes"
	"encoding/binary"

	"imagetools/compress"
)

// Size is how many bytes from the start [Of] wants. Of fewer, unless that is all there is, it may
// miss formats that are told by what lies behind them.
const Size = 72 << 10

// Class says what kind of thing a format is.
type Class int

// The classes.
const (
	Unknown    Class = iota
	Empty            // no bytes
	Zeros            // nothing but zeros, as far as was looked
	Packed           // compressed, in a format of package compress
	Packing          // compressed, in a format that this program does not read
	Archive          // several files, in a format that this program does not read
	Tar              // a tar archive
	Stream           // a ZFS send stream
	Disk             // a disk format with a header of its own
	Encrypted        // an encrypted disk
	Table            // a raw disk with a partition table or a boot sector
	FileSystem       // a raw disk with a file system, and no partition table
	Document         // text, a program, a kernel, a database
	JSON             // text that begins as an object or a list of JSON
)

// Format is what bytes begin with.
type Format struct {
	Class Class
	ID    string // a short name: "zip", "qcow2", "gpt"; empty if unknown
	Name  string // with an article, for messages: "a ZIP archive"
}

// String is the name, for messages.
func (f Format) String() string { return f.Name }

// IsRaw tells whether the format is that of a raw disk, one with a partition table or a file
// system.
func (f Format) IsRaw() bool { return f.Class == Table || f.Class == FileSystem }

var le, be = binary.LittleEndian, binary.BigEndian

// Of tells what a file begins with whose first bytes are start: [Size] of them, or all that
// there are.
func Of(start []byte) Format {
	if len(start) == 0 {
		return Format{Empty, "empty", "nothing: it is empty"}
	}
	if isZero(start) {
		return Format{Zeros, "zeros", "zeros"}
	}
	if rest, skipped := compress.SkipFrames(start); skipped && compress.Detect(start) == compress.None {
		start = rest // frames of lz4
	}
	for _, look := range []func([]byte) (Format, bool){stream, tarHeader, packed, inTable(strong), vdi, kernel, raw, inTable(weak), lzma, text} {
		if f, ok := look(start); ok {
			return f
		}
	}
	return Format{Unknown, "", "data of an unknown format"}
}

// entry is a row of a table of magic numbers.
type entry struct {
	offset int
	magic  string
	Format
}

// inTable looks for the magic numbers of a table.
func inTable(table []entry) func([]byte) (Format, bool) {
	return func(start []byte) (Format, bool) {
		for _, e := range table {
			if len(start) > e.offset && bytes.HasPrefix(start[e.offset:], []byte(e.magic)) {
				return e.Format, true
			}
		}
		return Format{}, false
	}
}

// stream looks for the BEGIN record of a send stream, in either byte order.
func stream(start []byte) (Format, bool) {
	const magic = 0x2F5BACBAC
	if len(start) < 16 || le.Uint64(start[8:]) != magic && be.Uint64(start[8:]) != magic {
		return Format{}, false
	}
	return Format{Stream, "zfs", "a ZFS send stream"}, le.Uint32(start) == 0 // the type of BEGIN
}

// packed looks for what package compress reads.
func packed(start []byte) (Format, bool) {
	switch f := compress.Detect(start); f {
	case compress.None:
		return Format{}, false
	case compress.XZ:
		return Format{Packed, "xz", "an xz file"}, true
	default:
		return Format{Packed, f.String(), "a " + f.String() + " file"}, true
	}
}

func isZero(p []byte) bool { return len(bytes.TrimLeft(p, "\x00")) == 0 }
