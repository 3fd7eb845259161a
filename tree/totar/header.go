package totar

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"imagetools/tree"
	"imagetools/tree/mtree"
	"imagetools/tree/posixacl"
)

// Headers are put together here, not by archive/tar: that has no sparse files, leaves out
// records GNU.sparse.* it is given, and takes the year 1 for no time at all. The layout is
// that of ustar and pax(1) in POSIX.1-2024.

const blockSize = 512

// Types of members.
const (
	typeFile    = '0'
	typeLink    = '1'
	typeSymlink = '2'
	typeChar    = '3'
	typeBlock   = '4'
	typeDir     = '5'
	typeFIFO    = '6'
	typeGlobal  = 'g'
	typePAX     = 'x'
)

// Records of others, and those of our own, for which see FORMAT.md.
const (
	schilyXattr = "SCHILY.xattr." // star, GNU tar, bsdtar
	schilyACL   = "SCHILY.acl."

	vendorType  = "IMAGETOOLS.type"
	vendorXattr = "IMAGETOOLS.xattr."
	vendorACL   = "IMAGETOOLS.acl"
)

const (
	maxHeader = 1 << 20  // bytes of records in one header that archive/tar reads
	maxAhead  = 64 << 20 // bytes of records in the headers in front of a member
)

// header is a member but for its contents.
type header struct {
	name, link string
	typeflag   byte
	mode       tree.Mode
	uid, gid   uint32
	mtime      tree.Time
	size       int64 // bytes in the archive
	device     tree.Device
	socket     bool

	alias    string // ordinary name of a sparse file, for programs that do not know them
	realSize int64  // of a sparse file
	extra    []record
}

type record struct{ key, value string }

// size is the length of the record with its own number in front: "LENGTH KEY=VALUE\n".
func (r record) size() int {
	n := len(r.key) + len(r.value) + len(" =\n")
	total := n + len(strconv.Itoa(n))
	if len(strconv.Itoa(total)) > len(strconv.Itoa(n)) {
		total++
	}
	return total
}

func (r record) append(dst []byte) []byte {
	dst = append(strconv.AppendInt(dst, int64(r.size()), 10), ' ')
	dst = append(append(dst, r.key...), '=')
	return append(append(dst, r.value...), '\n')
}

func (h *header) describe(n *tree.Node) {
	h.mode, h.uid, h.gid, h.mtime = n.Mode.Perm(), n.UID, n.GID, n.ModTime
	if n.Device != nil {
		h.device = *n.Device
	}
}

// sparse makes h that of a sparse file of size bytes, for which the archive has stored bytes.
func (h *header) sparse(size, stored int64) {
	h.size, h.realSize = stored, size
	i := strings.LastIndexByte(h.name, '/') + 1
	h.alias = h.name[:i] + "GNUSparseFile.0/" + h.name[i:]
}

// attrs adds the extended attributes and ACLs of n.
func (h *header) attrs(n *tree.Node) {
	if n.Attrs == nil {
		return
	}
	for _, x := range n.Attrs.Xattrs {
		prefix := schilyXattr
		if strings.HasPrefix(x.Name, "system.") || x.Name == "security.selinux" {
			prefix = vendorXattr
		}
		h.extra = append(h.extra, record{prefix + escapeKey(x.Name), string(x.Value)})
		if text := aclText(n, x); text != "" {
			h.extra = append(h.extra, record{schilyACL + strings.TrimPrefix(x.Name, "system.posix_acl_"), text})
		}
	}
	if len(n.Attrs.ACL) > 0 {
		h.extra = append(h.extra, record{vendorACL, string(mtree.AppendACL(nil, n.Attrs.ACL))})
	}
}

// escapeKey makes the name of an attribute part of a key, as GNU tar does
// (xattr_encode_keyword, xheader.c).
func escapeKey(name string) string {
	if !strings.ContainsAny(name, "%=") {
		return name
	}
	return strings.NewReplacer("%", "%25", "=", "%3D").Replace(name)
}

// aclText is a POSIX ACL as GNU tar --acls reads it; "" for all else, and for ACLs that a
// kernel would refuse.
func aclText(n *tree.Node, x tree.Xattr) string {
	switch {
	case n.Mode.Type() == tree.TypeSymlink:
		return ""
	case x.Name == posixacl.Access:
	case x.Name == posixacl.Default && n.IsDir():
	default:
		return ""
	}
	acl, err := posixacl.Decode(x.Value)
	if err != nil {
		return ""
	}
	var b []byte
	for i, e := range acl {
		if i > 0 {
			b = append(b, ',')
		}
		switch e.Tag {
		case posixacl.UserObj:
			b = append(b, "user::"...)
		case posixacl.User:
			b = fmt.Appendf(b, "user:%d:", e.ID)
		case posixacl.GroupObj:
			b = append(b, "group::"...)
		case posixacl.Group:
			b = fmt.Appendf(b, "group:%d:", e.ID)
		case posixacl.Mask:
			b = append(b, "mask::"...)
		case posixacl.Other:
			b = append(b, "other::"...)
		}
		for bit, letter := range []byte("rwx") {
			if e.Perm&(4>>bit) == 0 {
				letter = '-'
			}
			b = append(b, letter)
		}
	}
	return string(b)
}

// append writes the header, with PAX headers in front where it needs them.
func (h *header) append(dst []byte) ([]byte, error) {
	own, ustar := h.records()
	total := 0
	for _, r := range own {
		total += r.size()
	}
	if total > maxHeader {
		return nil, fmt.Errorf("a name of %d bytes: the limit of a PAX header is %d", len(h.name)+len(h.link), maxHeader)
	}
	// What finds no room goes into global headers, in records that only we read: others
	// would take theirs for all members that follow.
	var ahead []record
	for _, r := range h.extra {
		switch n := r.size(); {
		case total+n <= maxHeader:
			total += n
			own = append(own, r)
		case strings.HasPrefix(r.key, schilyXattr):
			ahead = append(ahead, record{vendorXattr + r.key[len(schilyXattr):], r.value})
		case !strings.HasPrefix(r.key, schilyACL): // which repeats an attribute
			ahead = append(ahead, r)
		}
	}
	sum := 0
	for len(ahead) > 0 {
		n, size := 0, 0
		for n < len(ahead) && size+ahead[n].size() <= maxHeader {
			size += ahead[n].size()
			n++
		}
		if sum += size; n == 0 || sum > maxAhead {
			return nil, fmt.Errorf("more than %d bytes of extended attributes", maxAhead)
		}
		dst = appendPAX(dst, typeGlobal, ahead[:n])
		ahead = ahead[n:]
	}
	if len(own) > 0 {
		dst = appendPAX(dst, typePAX, own)
	}
	return append(dst, ustar[:]...), nil
}

// appendPAX appends a header of records. Its name is Python's, under which it is a harmless
// file to programs that do not know PAX.
func appendPAX(dst []byte, typeflag byte, records []record) []byte {
	size := 0
	for _, r := range records {
		size += r.size()
	}
	var b block
	b.text(0, 100, "././@PaxHeader")
	b.octal(100, 8, 0o644)
	b.octal(124, 12, uint64(size))
	b.finish(typeflag)
	dst = slices.Grow(append(dst, b[:]...), size+blockSize)
	for _, r := range records {
		dst = r.append(dst)
	}
	return append(dst, make([]byte, -size&(blockSize-1))...)
}

// records are what the fields of ustar cannot say, and the block with the rest.
func (h *header) records() ([]record, *block) {
	var list []record
	add := func(key, value string) { list = append(list, record{key, value}) }
	var b block
	name := h.name
	if h.alias != "" {
		name = h.alias
	}
	if !b.text(0, 100, name) {
		add("path", name)
	}
	if !b.text(157, 100, h.link) {
		add("linkpath", h.link)
	}
	if !utf8.ValidString(h.name) || !utf8.ValidString(h.link) {
		list = slices.Insert(list, 0, record{"hdrcharset", "BINARY"})
	}
	b.octal(100, 8, uint64(h.mode))
	number := func(at, size int, n uint64, key string) {
		if !b.octal(at, size, n) {
			add(key, strconv.FormatUint(n, 10))
		}
	}
	number(108, 8, uint64(h.uid), "uid")
	number(116, 8, uint64(h.gid), "gid")
	number(124, 12, uint64(h.size), "size")
	if t := h.mtime; t.Nsec != 0 || t.Sec < 0 || !b.octal(136, 12, uint64(t.Sec)) {
		b.octal(136, 12, uint64(min(max(0, t.Sec), 1<<33-1)))
		add("mtime", paxTime(t))
	}
	b.device(329, h.device.Major)
	b.device(337, h.device.Minor)
	if h.alias != "" {
		add("GNU.sparse.major", "1")
		add("GNU.sparse.minor", "0")
		add("GNU.sparse.name", h.name)
		add("GNU.sparse.realsize", strconv.FormatInt(h.realSize, 10))
	}
	if h.socket {
		add(vendorType, "socket")
	}
	b.finish(h.typeflag)
	return list, &b
}

// paxTime is t as a decimal fraction, which below zero counts backward, unlike t.
func paxTime(t tree.Time) string {
	switch {
	case t.Nsec == 0:
		return strconv.FormatInt(t.Sec, 10)
	case t.Sec >= 0:
		return fmt.Sprintf("%d.%09d", t.Sec, t.Nsec)
	}
	return fmt.Sprintf("-%d.%09d", -(t.Sec + 1), 1_000_000_000-t.Nsec)
}

// block is a header as it lies in the archive.
type block [blockSize]byte

// text puts s into a field, and tells whether it is ASCII that fits. Of what does not, the
// field gets the start, with '?' for other characters.
func (b *block) text(at, size int, s string) bool {
	ok := len(s) <= size
	for i := range min(len(s), size) {
		c := s[i]
		if c < ' ' || c > '~' {
			c, ok = '?', false
		}
		b[at+i] = c
	}
	return ok
}

// octal puts n into a field of size bytes, the last a NUL. A number that does not fit leaves
// zeros and gives false.
func (b *block) octal(at, size int, n uint64) bool {
	fits := n < 1<<(3*(size-1))
	if !fits {
		n = 0
	}
	for i := at + size - 2; i >= at; i-- {
		b[i] = '0' + byte(n&7)
		n >>= 3
	}
	return fits
}

// device puts a device number into a field of 8 bytes. Large ones are in GNU's binary form,
// which GNU tar, bsdtar and archive/tar know; PAX has no record for them.
func (b *block) device(at int, n uint32) {
	if b.octal(at, 8, uint64(n)) {
		return
	}
	copy(b[at:at+8], []byte{0x80, 0, 0, 0, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
}

// finish puts in what every header has, the checksum last.
func (b *block) finish(typeflag byte) {
	b[156] = typeflag
	copy(b[257:], "ustar\x0000")
	for _, at := range []int{108, 116} { // uid, gid
		if b[at] == 0 {
			b.octal(at, 8, 0)
		}
	}
	for _, at := range []int{329, 337} { // devmajor, devminor
		if b[at] == 0 {
			b.octal(at, 8, 0)
		}
	}
	if b[136] == 0 {
		b.octal(136, 12, 0)
	}
	copy(b[148:156], "        ")
	var sum uint64
	for _, c := range b {
		sum += uint64(c)
	}
	b.octal(148, 7, sum) // six digits, a NUL, and the blank that is there
}
