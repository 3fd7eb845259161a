// Package sa encodes and decodes system attributes: the typed values (mode, owner, times, ACL, link
// target and others) of a file in a file system of version 5. They are in the bonus buffer of a dnode
// and, if they do not fit, in its spill block.
//
// A buffer names a layout, which is a list of attributes. Two ZAPs of a file system contain its layouts
// and the numbers of its attributes: [Layouts] and [Registry]. Both are always written completely.
//
// FORMAT.md describes the format. Source: sa_impl.h, sa.c and zfs_sa.c, as facts.
package sa

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"imagetools/zfs/zap"
)

// Attr is the number of an attribute in the file systems that we write. Others may number
// differently: readers go by the name.
type Attr uint16

// The attributes that every file system since ZPL 5 has, in their traditional order.
const (
	ATime Attr = iota
	MTime
	CTime
	CRTime
	Gen
	Mode
	Size
	Parent
	Links
	Xattr
	Rdev
	Flags
	UID
	GID
	Pad
	ZnodeACL
	DACLCount
	Symlink
	Scanstamp
	DACLACEs
	attrCount
)

// attribute is what the registry tells of one: length in bytes, 0 if it varies, and how its
// value is byteswapped (0 as u64, 3 as bytes, 4 as an ACL).
type attribute struct {
	name   string
	length uint16
	swap   uint8
}

var attributes = [attrCount]attribute{
	ATime: {"ZPL_ATIME", 16, 0}, MTime: {"ZPL_MTIME", 16, 0}, CTime: {"ZPL_CTIME", 16, 0},
	CRTime: {"ZPL_CRTIME", 16, 0}, Gen: {"ZPL_GEN", 8, 0}, Mode: {"ZPL_MODE", 8, 0},
	Size: {"ZPL_SIZE", 8, 0}, Parent: {"ZPL_PARENT", 8, 0}, Links: {"ZPL_LINKS", 8, 0},
	Xattr: {"ZPL_XATTR", 8, 0}, Rdev: {"ZPL_RDEV", 8, 0}, Flags: {"ZPL_FLAGS", 8, 0},
	UID: {"ZPL_UID", 8, 0}, GID: {"ZPL_GID", 8, 0}, Pad: {"ZPL_PAD", 32, 0},
	ZnodeACL: {"ZPL_ZNODE_ACL", 88, 3}, DACLCount: {"ZPL_DACL_COUNT", 8, 0},
	Symlink: {"ZPL_SYMLINK", 0, 3}, Scanstamp: {"ZPL_SCANSTAMP", 32, 3},
	DACLACEs: {"ZPL_DACL_ACES", 0, 4},
}

// String is the name in the registry, such as ZPL_MODE.
func (a Attr) String() string {
	switch {
	case a < attrCount:
		return attributes[a].name
	case a == DXattr:
		return "ZPL_DXATTR"
	case a == ProjID:
		return "ZPL_PROJID"
	}
	return fmt.Sprintf("attribute %d", uint16(a))
}

// Registry is the content of the SA_ATTR_REGISTRATION object: bits 0-15 of a value are the
// number, 16-23 the byteswap class, 24-39 the length.
func Registry() zap.Entries {
	var out zap.Entries
	for i, a := range attributes {
		out = append(out, zap.Uint64(a.name, uint64(i)|uint64(a.swap)<<16|uint64(a.length)<<24))
	}
	return out
}

// base is the start of every bonus buffer. Space accounting of the kernel reads the first
// seven at fixed places, whatever the layout says.
var base = []Attr{Mode, Size, Gen, UID, GID, Parent, Flags, ATime, MTime, CTime, CRTime, Links}

func with(more ...Attr) []Attr { return append(slices.Clone(base), more...) }

// layouts are all that a file system of ours can need: number i is firstLayout+i. New ones
// may be added at the end; the numbers of the others are part of every image made before.
var layouts = [][]Attr{
	with(DACLCount, DACLACEs),
	with(Rdev, DACLCount, DACLACEs),
	with(DACLCount, DACLACEs, Symlink),
	with(DACLCount, DACLACEs, Xattr),
	with(Rdev, DACLCount, DACLACEs, Xattr),
	with(DACLCount, DACLACEs, Symlink, Xattr),
	with(DACLCount),
	with(Rdev, DACLCount),
	{Symlink},
	{Symlink, Xattr},
	{DACLACEs},
	{DACLACEs, Symlink},
	{DACLACEs, Xattr},
	{DACLACEs, Symlink, Xattr},
}

// Numbers of layouts: kernels have 0 and 1 themselves, and a buffer has ten bits for one.
const (
	firstLayout = 2
	lastLayout  = 1<<10 - 1
)

// Layouts is the content of the SA_ATTR_LAYOUTS object: number in decimal → attributes.
func Layouts() zap.Entries {
	var out zap.Entries
	for i, l := range layouts {
		e := zap.Entry{Name: fmt.Sprint(firstLayout + i), IntSize: 2}
		for _, a := range l {
			e.Values = append(e.Values, uint64(a))
		}
		out = append(out, e)
	}
	return out
}

// Value is an attribute with its value in stream order.
type Value struct {
	Attr Attr
	Data []byte
}

const (
	magic     = 0x2F505A
	bonusRoom = 320   // bytes of bonus in a 512-byte dnode
	spillRoom = 192   // of it if there is a spill block
	maxVar    = 65535 // bytes of a value of varying length
	maxSpill  = 128 << 10
)

// ErrTooLarge says that the attributes of a file fit neither bonus nor spill.
var ErrTooLarge = errors.New("sa: attributes too large")

// Encode lays out the attributes of a file, little-endian. They must be those of one of the
// layouts, in its order. The bonus is at most 320 bytes; if that is not enough, those from
// the first that does not fit into 192 on go to the spill, a whole number of 512-byte
// sectors.
func Encode(values []Value) (bonus, spill []byte, err error) { return split(values, layoutOf) }

// split encodes values into bonus and spill. number is what tells the number of a layout.
func split(values []Value, number func([]Value) (int, error)) (bonus, spill []byte, err error) {
	if size(values) <= bonusRoom {
		bonus, err = encode(values, number)
		return bonus, nil, err
	}
	n := 0
	for n < len(values) && size(values[:n+1]) <= spillRoom {
		n++
	}
	if bonus, err = encode(values[:n], number); err != nil {
		return nil, nil, err
	}
	if spill, err = encode(values[n:], number); err != nil {
		return nil, nil, err
	}
	if len(spill) > maxSpill {
		return nil, nil, fmt.Errorf("%w: %d bytes of spill", ErrTooLarge, len(spill))
	}
	return bonus, append(spill, make([]byte, -len(spill)&511)...), nil
}

func align(n int) int { return (n + 7) &^ 7 }

// headerSize is 8 bytes, with room for the length of one varying attribute; each further
// length takes two more.
func headerSize(values []Value) int {
	n := 0
	for _, v := range values {
		if attributes[v.Attr].length == 0 {
			n++
		}
	}
	return 8 + align(2*max(n-1, 0))
}

func size(values []Value) int {
	n := headerSize(values)
	for _, v := range values {
		n = align(n) + len(v.Data)
	}
	return n
}

func encode(values []Value, number func([]Value) (int, error)) ([]byte, error) {
	layout, err := number(values)
	if err != nil {
		return nil, err
	}
	header := headerSize(values)
	b := make([]byte, header, align(size(values)))
	le := binary.LittleEndian
	le.PutUint32(b, magic)
	le.PutUint16(b[4:], uint16(layout|header/8<<10))
	lengths := b[6:6]
	for _, v := range values {
		a := attributes[v.Attr]
		switch {
		case a.length == 0 && len(v.Data) > maxVar:
			return nil, fmt.Errorf("%w: %v of %d bytes", ErrTooLarge, v.Attr, len(v.Data))
		case a.length == 0:
			lengths = le.AppendUint16(lengths, uint16(len(v.Data)))
		case len(v.Data) != int(a.length):
			return nil, fmt.Errorf("sa: internal error: %v of %d bytes", v.Attr, len(v.Data))
		}
		b = append(b[:len(b)+(-len(b)&7)], v.Data...)
	}
	return b, nil
}

func layoutOf(values []Value) (int, error) {
	for i, l := range layouts {
		if slices.EqualFunc(l, values, func(a Attr, v Value) bool { return a == v.Attr }) {
			return firstLayout + i, nil
		}
	}
	var names []Attr
	for _, v := range values {
		names = append(names, v.Attr)
	}
	return 0, fmt.Errorf("sa: internal error: no layout of %v", names)
}
