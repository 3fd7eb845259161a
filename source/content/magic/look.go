package magic

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

const sector = 512

// tarHeader looks for the header of a member with its own checksum. What follows the name ustar
// without one is a tar, too: a damaged one.
func tarHeader(start []byte) (Format, bool) {
	f := Format{Tar, "tar", "a tar archive"}
	if len(start) < sector {
		return f, false
	}
	return f, HasTarSum(start[:sector]) || bytes.HasPrefix(start[257:], []byte("ustar"))
}

// HasTarSum tells whether a block of 512 bytes holds its own checksum, as the headers of a tar do:
// the sum of its bytes with blanks in place of the checksum, in octal. Old programs took the
// bytes for signed ones.
func HasTarSum(block []byte) bool {
	const at, size = 148, 8
	if len(block) != sector {
		return false
	}
	field, _, _ := bytes.Cut(bytes.Trim(block[at:][:size], " \x00"), []byte{0})
	want, err := strconv.ParseInt(string(field), 8, 64)
	unsigned, signed := int64(0), int64(0)
	for i, c := range block {
		if i >= at && i < at+size {
			c = ' '
		}
		unsigned += int64(c)
		signed += int64(int8(c))
	}
	return err == nil && (want == unsigned || want == signed)
}

// vdi looks for the signature behind the text that a vdi begins with.
func vdi(start []byte) (Format, bool) {
	return Format{Disk, "vdi", "a vdi disk"}, len(start) >= 0x44 && le.Uint32(start[0x40:]) == 0xbeda107f
}

// kernel looks for the setup header of a Linux kernel, whose first sector resembles a boot sector.
func kernel(start []byte) (Format, bool) {
	return Format{Document, "kernel", "a Linux kernel"}, len(start) > 0x206 && string(start[0x202:0x206]) == "HdrS"
}

// raw looks for a partition table, then for a file system. A hybrid medium has both: it is what it
// is made for.
func raw(start []byte) (Format, bool) {
	for _, look := range []func([]byte) (Format, bool){inTable(optical), table, inTable(fileSystems), ext, bootSector} {
		if f, ok := look(start); ok {
			return f, true
		}
	}
	return Format{}, false
}

const (
	mbrTableAt   = 446
	mbrEntrySize = 16
	gptMagic     = "EFI PART"
)

// table looks for a partition table with an entry.
func table(start []byte) (Format, bool) {
	for _, at := range []int{sector, 4096} {
		if len(start) > at && bytes.HasPrefix(start[at:], []byte(gptMagic)) {
			return Format{Table, "gpt", "a GPT partition table"}, true
		}
	}
	if len(start) < sector {
		return Format{}, false
	}
	if be.Uint16(start[508:]) == 0xdabe {
		return Format{Table, "sun", "a Sun label"}, true
	}
	if len(start) > sector+4 && le.Uint32(start[sector:]) == 0x82564557 {
		return Format{Table, "bsd", "a BSD label"}, true
	}
	if !isMBR(start) {
		return Format{}, false
	}
	for i := range 4 {
		if e := start[mbrTableAt+i*mbrEntrySize:]; e[4] != 0 && le.Uint32(e[12:]) != 0 {
			return Format{Table, "mbr", "an MBR partition table"}, true
		}
	}
	return Format{}, false
}

// isMBR looks at more than the signature, two bytes that data has by chance: the status of a
// partition is 0x80 if it is active, else 0.
func isMBR(start []byte) bool {
	mbr := string(start[510:512]) == "\x55\xaa"
	for i := range 4 {
		mbr = mbr && start[mbrTableAt+i*mbrEntrySize]&0x7f == 0
	}
	return mbr
}

// bootSector looks for the signature of a boot sector that has no partitions.
func bootSector(start []byte) (Format, bool) {
	return Format{Table, "boot", "a boot sector without partitions"}, len(start) >= sector && isMBR(start)
}

// ext looks for a superblock of ext2 to 4: s_magic, s_state, s_rev_level.
func ext(start []byte) (Format, bool) {
	const super = 1024
	if len(start) < super+0x50 {
		return Format{}, false
	}
	s := start[super:]
	return Format{FileSystem, "ext", "an ext2, ext3 or ext4 file system"},
		le.Uint16(s[0x38:]) == 0xef53 && le.Uint16(s[0x3a:]) < 8 && le.Uint32(s[0x4c:]) < 2
}

// lzma looks for the header of an .lzma file, which has no magic number: properties, the size of
// the dictionary as programs write it, the length or none, and the first byte of the data, zero.
func lzma(start []byte) (Format, bool) {
	f := Format{Packing, "lzma", "an lzma file"}
	if len(start) < 14 || start[0] >= 9*5*5 || start[13] != 0 {
		return f, false
	}
	dict, size := le.Uint32(start[1:]), le.Uint64(start[5:])
	if dict != 1<<32-1 {
		for dict > 3 && dict&1 == 0 {
			dict >>= 1
		}
		if dict != 1 && dict != 2 && dict != 3 || le.Uint32(start[1:]) < 4096 {
			return f, false
		}
	}
	return f, size == 1<<64-1 || size > 0 && size < 1<<40
}

// textBytes is how much must be text for all of it to count as such.
const textBytes = 4 << 10

// text tells text from other data, and some kinds of it.
func text(start []byte) (Format, bool) {
	head := start[:min(len(start), textBytes)]
	if !isText(head, len(start) > len(head)) {
		return Format{}, false
	}
	head = bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\ufeff")), " \t\r\n")
	lower := bytes.ToLower(head[:min(len(head), 64)])
	switch {
	case len(head) > 0 && (head[0] == '{' || head[0] == '['):
		return Format{JSON, "json", "a JSON document"}, true
	case bytes.HasPrefix(lower, []byte("<!doctype html")), bytes.HasPrefix(lower, []byte("<html")):
		return Format{Document, "html", "an HTML page"}, true
	case bytes.HasPrefix(lower, []byte("<envelope")), bytes.Contains(head, []byte("<Envelope")):
		return Format{Document, "ovf", "the OVF descriptor of an appliance"}, true
	case bytes.HasPrefix(lower, []byte("<?xml")), bytes.HasPrefix(lower, []byte("<")):
		return Format{Document, "xml", "an XML document"}, true
	case bytes.HasPrefix(head, []byte("#!")):
		return Format{Document, "script", "a script"}, true
	case bytes.HasPrefix(head, []byte("#mtree")):
		return Format{Document, "mtree", "an mtree specification"}, true
	}
	return Format{Document, "text", "text"}, true
}

// isText tells whether bytes are UTF-8 without control characters. Of text that goes on, the last
// character may be cut.
func isText(p []byte, cut bool) bool {
	for len(p) > 0 {
		r, n := utf8.DecodeRune(p)
		switch {
		case r == utf8.RuneError && n == 1:
			return cut && len(p) < utf8.UTFMax
		case r < ' ' && r != '\n' && r != '\r' && r != '\t' && r != '\f' && r != '\x1b':
			return false
		}
		p = p[n:]
	}
	return true
}
