package fromtar

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"imagetools/tree/source"
)

// startSize is how much of an archive [checkStart] needs: a header, or the two blocks of zeros
// that end an archive.
const startSize = 2 * blockSize

// checkStart looks at the first startSize bytes of an archive, or all of it if it is shorter,
// and says what is wrong if no member can begin there. So what is no archive is refused before
// the rest of it, which may be without end, is read.
func checkStart(name string, start []byte) error {
	switch {
	case len(start) == 0:
		return fmt.Errorf("%q: empty, not a tar archive", name)
	case len(start) >= blockSize && isZero(start):
		return fmt.Errorf("%q: a tar archive without members: it begins with %d bytes of zeros, which mark the end", name, len(start))
	case len(start) >= blockSize && hasSum(start[:blockSize]):
		return nil
	case len(start) >= blockSize && bytes.HasPrefix(start[257:], []byte("ustar")):
		return fmt.Errorf("%q: at byte 0: %w", name, errDamaged)
	}
	return source.WithHint(fmt.Errorf("%q: not a tar archive: it begins with %s", name, describe(start)),
		"tar, and tar compressed by gzip, bzip2, xz or zstd are understood")
}

var errDamaged = errors.New("damaged header (checksum or field)")

// hasSum tells whether a header holds its own checksum: the sum of its bytes with blanks in
// place of the checksum, in octal. Old programs took the bytes for signed ones.
func hasSum(header []byte) bool {
	const at, size = 148, 8
	field, _, _ := bytes.Cut(bytes.Trim(header[at:][:size], " \x00"), []byte{0})
	want, err := strconv.ParseInt(string(field), 8, 64)
	unsigned, signed := int64(0), int64(0)
	for i, c := range header {
		if i >= at && i < at+size {
			c = ' '
		}
		unsigned += int64(c)
		signed += int64(int8(c))
	}
	return err == nil && (want == unsigned || want == signed)
}

// otherFormats is what people take for a tar, by how it begins.
var otherFormats = []struct {
	offset      int
	magic, name string
}{
	{8, "\xac\xcb\xba\xf5\x02\x00\x00\x00", "a ZFS send stream"},
	{8, "\x00\x00\x00\x02\xf5\xba\xcb\xac", "a ZFS send stream"},
	{0, "PK\x03\x04", "a member of a ZIP archive"},
	{0, "07070", "a member of a cpio archive"},
	{0, "\x1f\x8b", "a gzip header"},
	{0, "QFI\xfb", "a QCOW header"},
	{0, "hsqs", "a squashfs"},
}

// describe names what an archive begins with in place of a header.
func describe(start []byte) string {
	for _, f := range otherFormats {
		if len(start) > f.offset && bytes.HasPrefix(start[f.offset:], []byte(f.magic)) {
			return f.name
		}
	}
	if n := len(start) - len(bytes.TrimLeft(start, "\x00")); n >= 16 {
		return fmt.Sprintf("%d bytes of zeros", n)
	}
	return strconv.Quote(string(start[:min(16, len(start))]))
}

func isZero(p []byte) bool { return len(bytes.TrimLeft(p, "\x00")) == 0 }
