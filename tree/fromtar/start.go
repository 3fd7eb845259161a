package fromtar

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"imagetools/fault"

	"imagetools/source/content/magic"
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
	case len(start) >= blockSize && magic.HasTarSum(start[:blockSize]):
		return nil
	case len(start) >= blockSize && bytes.HasPrefix(start[257:], []byte("ustar")):
		return fmt.Errorf("%q: at byte 0: %w", name, errDamaged)
	}
	return fault.WithHint(fmt.Errorf("%q: not a tar archive: it begins with %s", name, describe(start)),
		"tar, and tar compressed by gzip, bzip2, xz or zstd are understood")
}

var errDamaged = errors.New("damaged header (checksum or field)")

// describe names what an archive begins with in place of a header.
func describe(start []byte) string {
	if n := len(start) - len(bytes.TrimLeft(start, "\x00")); n >= 16 {
		return fmt.Sprintf("%d bytes of zeros", n)
	}
	if f := magic.Of(start); f.Class != magic.Unknown && f.ID != "text" {
		return f.Name
	}
	return strconv.Quote(string(start[:min(16, len(start))]))
}

func isZero(p []byte) bool { return len(bytes.TrimLeft(p, "\x00")) == 0 }
