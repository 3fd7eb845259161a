package fromtar

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// archive/tar understands sparse files but keeps their maps to itself, so the maps are read
// here a second time, after it has accepted the headers. There are four formats (GNU tar
// manual, "Storing Sparse Files"): the old GNU one in the header and blocks after it, and
// three in PAX records, of which the last, 1.0, has its map in front of the data.

// PAX records of sparse files.
const (
	sparsePrefix = "GNU.sparse."
	sparseMajor  = sparsePrefix + "major"
	sparseMinor  = sparsePrefix + "minor"
	sparseList   = sparsePrefix + "map"
	sparseName   = sparsePrefix + "name"
)

var errSparse = errors.New("damaged sparse map")

// sparseMap returns the data ranges of a member and how many bytes of the archive follow what
// headers returns: its headers, with the map in front of the data if there is one. For one that
// is not sparse that is its size.
func sparseMap(hdr *tar.Header, headers func() ([]byte, error)) (spans []span, physical int64, sparse bool, err error) {
	major, minor := hdr.PAXRecords[sparseMajor], hdr.PAXRecords[sparseMinor]
	list, listed := hdr.PAXRecords[sparseList]
	version := major + "." + minor
	old := hdr.Typeflag == tar.TypeGNUSparse
	switch {
	case old, version == "0.0", version == "0.1", version == "1.0":
	case version != ".":
		return nil, 0, false, fmt.Errorf("sparse file of unknown format %s", version)
	case listed && list != "":
		version = "0.1"
	default:
		return nil, hdr.Size, false, nil
	}
	raw, err := headers()
	if err != nil {
		return nil, 0, false, err
	}
	main, err := mainHeader(raw)
	if err != nil {
		return nil, 0, false, err
	}
	size, ok := parseNumber(main[124:136])
	if s, given := hdr.PAXRecords["size"]; given && s != "" {
		size, err = strconv.ParseInt(s, 10, 64)
		ok = err == nil
	}
	if !ok || size < 0 {
		return nil, 0, false, errSparse
	}
	var numbers []int64
	switch {
	case old:
		numbers, err = oldMap(main)
	case version == "1.0":
		inFront := int64(len(main) - blockSize)
		size -= inFront
		numbers, err = textMap(main[blockSize:], "\n", true)
	default:
		numbers, err = textMap([]byte(list), ",", false)
	}
	if err != nil {
		return nil, 0, false, err
	}
	spans, data, err := makeSpans(numbers, hdr.Size)
	if err == nil && data != size {
		err = fmt.Errorf("%w: it counts %d bytes of data, the member has %d", errSparse, data, size)
	}
	return spans, size, true, err
}

// mainHeader skips the extended headers in front of a member's own.
func mainHeader(raw []byte) ([]byte, error) {
	for len(raw) >= blockSize {
		switch raw[156] { // typeflag
		case tar.TypeXHeader, tar.TypeGNULongName, tar.TypeGNULongLink:
		default:
			return raw, nil
		}
		size, ok := parseNumber(raw[124:136])
		if !ok || size < 0 || size > int64(len(raw)) {
			return nil, errSparse
		}
		size = blockSize + (size+blockSize-1)&^(blockSize-1)
		if size > int64(len(raw)) {
			return nil, errSparse
		}
		raw = raw[size:]
	}
	return nil, errSparse
}

// parseNumber reads a numeric field: octal digits, or with the first bit set a binary
// number, the highest bit after it being the sign.
func parseNumber(b []byte) (int64, bool) {
	if len(b) > 0 && b[0]&0x80 != 0 {
		if b[0]&0x40 != 0 {
			return 0, false // negative
		}
		n := int64(b[0] & 0x3f)
		for _, c := range b[1:] {
			if n >= 1<<55 {
				return 0, false
			}
			n = n<<8 | int64(c)
		}
		return n, true
	}
	s := strings.Trim(string(b), " \x00")
	if s == "" {
		return 0, true
	}
	n, err := strconv.ParseInt(s, 8, 64)
	return n, err == nil
}

// oldMap reads the map of an old GNU header: 4 entries at byte 386, then 21 in each block
// that follows (tar.h, struct oldgnu_header and struct sparse_header).
func oldMap(raw []byte) ([]int64, error) {
	var numbers []int64
	entries, extended := raw[386:386+4*24], raw[482]
	for raw = raw[blockSize:]; ; raw = raw[blockSize:] {
		for ; len(entries) > 0 && entries[0] != 0; entries = entries[24:] {
			off, ok1 := parseNumber(entries[:12])
			n, ok2 := parseNumber(entries[12:24])
			if !ok1 || !ok2 {
				return nil, errSparse
			}
			numbers = append(numbers, off, n)
		}
		if extended == 0 {
			return numbers, nil
		}
		if len(raw) < blockSize {
			return nil, errSparse
		}
		entries, extended = raw[:21*24], raw[504]
	}
}

// textMap reads decimal numbers. counted says that the first one is the number of pairs.
func textMap(text []byte, sep string, counted bool) ([]int64, error) {
	var numbers []int64
	left := -1
	for left != 0 && len(text) > 0 {
		var word []byte
		word, text, _ = bytes.Cut(text, []byte(sep))
		n, err := strconv.ParseInt(string(word), 10, 64)
		if err != nil {
			return nil, errSparse
		}
		if counted && left < 0 {
			if n < 0 || n > int64(len(text)) {
				return nil, errSparse
			}
			left = int(2 * n)
			continue
		}
		numbers = append(numbers, n)
		left--
	}
	if counted && left != 0 || len(numbers)%2 != 0 {
		return nil, errSparse
	}
	return numbers, nil
}

// makeSpans turns pairs of offset and length into ranges, and adds up their data.
func makeSpans(numbers []int64, size int64) (spans []span, data int64, err error) {
	var last int64
	for i := 0; i+1 < len(numbers); i += 2 {
		off, n := numbers[i], numbers[i+1]
		if off < last || n < 0 || n > size-off {
			return nil, 0, errSparse
		}
		last = off + n
		switch {
		case n == 0: // GNU tar marks the end of the file so
		case len(spans) > 0 && spans[len(spans)-1].end == off:
			spans[len(spans)-1].end = last
		default:
			spans = append(spans, span{off, last, data})
		}
		data += n
	}
	return spans, data, nil
}
