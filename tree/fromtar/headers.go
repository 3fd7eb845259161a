package fromtar

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// maxGlobals and maxGlobalSize bound the records of a global header, which every member gets.
const (
	maxGlobals    = 100
	maxGlobalSize = 64 << 10
)

// input is an archive on its way through archive/tar.
type input interface {
	io.Reader
	offset() int64
	// begin moves forward to off, where headers begin.
	begin(off int64)
	// raw is what was read since begin.
	raw() ([]byte, error)
}

// headers reads the headers of the members of an archive, each with a reader of archive/tar of its
// own, and does what that package leaves to its callers: global extended headers, those of Solaris,
// and the order in which names in extended headers count.
type headers struct {
	in     input
	at     int64             // where the headers of the current member begin
	next   int64             // where those of the next one do, set by whoever knows how long its data is
	global map[string]string // records for all members from here on
	before map[string]string // of a header of Solaris, for the next member
}

// typeSolaris is an extended header as Solaris wrote it before POSIX called it 'x'.
const typeSolaris = 'X'

// maxExtended bounds the extended headers that archive/tar does not read; it has the same bound.
const maxExtended = 1 << 20

// read returns the headers of the next member, or of what stands beside members. The error is
// io.EOF at the end.
func (h *headers) read() (*tar.Header, error) {
	for {
		h.at = h.next
		h.in.begin(h.at)
		hdr, err := tar.NewReader(h.in).Next()
		switch {
		case err != nil:
			return nil, err
		case hdr.Typeflag == typeSolaris:
			if err := h.readSolaris(hdr); err != nil {
				return nil, err
			}
		case hdr.Typeflag == tar.TypeXGlobalHeader:
			return hdr, h.readGlobal(hdr)
		default:
			return hdr, h.complete(hdr)
		}
	}
}

// atZeroBlock tells whether one block of zeros is where headers should be, and something else
// after it.
func (h *headers) atZeroBlock() bool {
	raw, err := h.in.raw()
	return err == nil && len(raw) == 2*blockSize && isZero(raw[:blockSize])
}

// alone tells whether no other header comes before the one of a type. archive/tar loses it if one
// does.
func (h *headers) alone(typ byte) error {
	raw, err := h.in.raw()
	if err != nil {
		return err
	}
	if len(raw) >= blockSize && raw[156] != typ {
		return fmt.Errorf("an extended header of type %q before one of type %q", raw[156], typ)
	}
	return nil
}

func (h *headers) readSolaris(hdr *tar.Header) error {
	if err := h.alone(typeSolaris); err != nil {
		return err
	}
	if hdr.Size > maxExtended {
		return tar.ErrFieldTooLong
	}
	text := make([]byte, hdr.Size)
	if _, err := io.ReadFull(h.in, text); err != nil {
		return io.ErrUnexpectedEOF
	}
	records, err := parseRecords(string(text))
	if err != nil {
		return err
	}
	h.before = records
	h.next = h.in.offset() + -h.in.offset()&(blockSize-1)
	return nil
}

// readGlobal keeps the records of a global header. It takes the place of the one before.
func (h *headers) readGlobal(hdr *tar.Header) error {
	if err := h.alone(tar.TypeXGlobalHeader); err != nil {
		return err
	}
	h.global = make(map[string]string)
	size := 0
	for key, value := range hdr.PAXRecords {
		if key != "comment" && !strings.HasPrefix(key, vendorPrefix) {
			h.global[key] = value
			size += len(key) + len(value)
		}
	}
	if len(h.global) > maxGlobals || size > maxGlobalSize {
		return fmt.Errorf("a global extended header with %d records and %d bytes: the limit is %d and %d", len(h.global), size, maxGlobals, maxGlobalSize)
	}
	return nil
}

// complete gives a member what extended headers say that archive/tar does not see, and the name
// that counts: that of an extended header before that of a GNU header.
func (h *headers) complete(hdr *tar.Header) error {
	if len(hdr.PAXRecords) > 0 { // as for GNU tar, the later one of two extended headers counts alone
		h.before = nil
	}
	for _, records := range []map[string]string{h.before, h.global} {
		for key, value := range records {
			if _, own := hdr.PAXRecords[key]; own {
				continue
			}
			if err := setRecord(hdr, key, value); err != nil {
				return fmt.Errorf("record %s=%q of an extended header before it: %w", clip(key), clip(value), err)
			}
			if hdr.PAXRecords == nil {
				hdr.PAXRecords = make(map[string]string)
			}
			hdr.PAXRecords[key] = value
		}
	}
	h.before = nil
	if name, given := hdr.PAXRecords["path"]; given && hdr.PAXRecords[sparseName] == "" {
		if name == "" {
			return errors.New("record path: empty name")
		}
		hdr.Name = name
	}
	if target := hdr.PAXRecords["linkpath"]; target != "" {
		hdr.Linkname = target
	}
	return nil
}

// setRecord does what archive/tar does for a record of a member's own.
func setRecord(hdr *tar.Header, key, value string) (err error) {
	switch key {
	case "path", "linkpath": // see complete
		if value == "" || strings.Contains(value, "\x00") {
			return errors.New("not a name")
		}
	case "uid":
		hdr.Uid, err = strconv.Atoi(value)
	case "gid":
		hdr.Gid, err = strconv.Atoi(value)
	case "mtime":
		hdr.ModTime, err = parseTime(value)
	case "size":
		return setSize(hdr, value)
	case "hdrcharset", "charset":
		if value != "BINARY" && value != "ISO-IR 10646 2000 UTF-8" {
			return errors.New("unsupported character set")
		}
	default:
		if strings.HasPrefix(key, sparsePrefix) {
			return errors.New("a sparse file must have it in its own extended header")
		}
	}
	return err
}

// setSize gives a member a size that its own headers do not tell.
func setSize(hdr *tar.Header, value string) error {
	switch hdr.Typeflag {
	case tar.TypeLink, tar.TypeSymlink, tar.TypeChar, tar.TypeBlock, tar.TypeDir, tar.TypeFifo:
		return nil // a header alone
	case tar.TypeGNUSparse:
		return errors.New("the member is sparse")
	}
	for key := range hdr.PAXRecords {
		if strings.HasPrefix(key, sparsePrefix) {
			return errors.New("the member is sparse")
		}
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err == nil && n < 0 {
		err = errors.New("negative")
	}
	hdr.Size = n
	return err
}

var errRecords = errors.New("damaged records in an extended header")

// parseRecords reads the records of an extended header: each is its length in decimal digits, a
// blank, a key, =, a value and a line feed (POSIX pax, "pax Extended Header").
func parseRecords(text string) (map[string]string, error) {
	records := make(map[string]string)
	for text != "" {
		digits, _, _ := strings.Cut(text, " ")
		n, err := strconv.Atoi(digits)
		if err != nil || n <= len(digits)+1 || n > len(text) || text[n-1] != '\n' {
			return nil, errRecords
		}
		key, value, ok := strings.Cut(text[len(digits)+1:n-1], "=")
		if !ok || key == "" {
			return nil, errRecords
		}
		records[key] = value
		text = text[n:]
	}
	return records, nil
}

// parseTime reads seconds since 1970 with any number of decimals, of which nine count.
func parseTime(s string) (time.Time, error) {
	whole, decimals, _ := strings.Cut(s, ".")
	sec, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || strings.Trim(decimals, "0123456789") != "" || strings.HasPrefix(whole, "+") {
		return time.Time{}, errors.New("not a time")
	}
	nsec, err := strconv.ParseInt((decimals + "000000000")[:9], 10, 64)
	if strings.HasPrefix(whole, "-") {
		nsec = -nsec
	}
	return time.Unix(sec, nsec), err
}
