package sa

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"

	"imagetools/zfs/zap"
)

// Attributes that later systems have under varying numbers. They are read, not written.
const (
	DXattr  Attr = attrCount + iota // ZPL_DXATTR: extended attributes as an nvlist
	ProjID                          // ZPL_PROJID: the project that pays for the file
	Unknown Attr = 0xFFFF           // any other
)

// LastFixed is the last attribute whose number kernels know without looking into the tables: all
// up to it are numbered as here, or kernels take one for another.
const LastFixed = ZnodeACL

// lengths are those of later attributes.
var lengths = map[Attr]int{DXattr: 0, ProjID: 8}

// Tables tell how one file system lays out its attributes.
type Tables struct {
	attributes map[uint64]column
	numbers    map[Attr]uint64
	layouts    map[uint16][]uint64
	added      int // layouts
}

type column struct {
	attr   Attr
	length int // 0: varies
}

// ErrFormat is what errors of Decode wrap that are about a malformed buffer.
var ErrFormat = errors.New("malformed attributes")

// NewTables makes tables of the content of the SA_ATTR_REGISTRATION and SA_ATTR_LAYOUTS
// objects.
func NewTables(registry, layouts []zap.Entry) (*Tables, error) {
	t := &Tables{attributes: make(map[uint64]column), numbers: make(map[Attr]uint64), layouts: make(map[uint16][]uint64)}
	byName := map[string]Attr{"ZPL_DXATTR": DXattr, "ZPL_PROJID": ProjID}
	for i, a := range attributes {
		byName[a.name] = Attr(i)
	}
	for _, e := range registry {
		if len(e.Values) != 1 || e.IntSize != 8 {
			return nil, fmt.Errorf("attribute %q: %d values of %d bytes", e.Name, len(e.Values), e.IntSize)
		}
		number, c := e.Values[0]&0xFFFF, column{Unknown, int(e.Values[0] >> 24 & 0xFFFF)}
		if a, ok := byName[e.Name]; ok {
			c.attr = a
			if a < attrCount && int(attributes[a].length) != c.length {
				return nil, fmt.Errorf("attribute %q: length %d, not %d", e.Name, c.length, attributes[a].length)
			}
		}
		if want, ok := lengths[c.attr]; ok && want != c.length {
			return nil, fmt.Errorf("attribute %q: length %d, not %d", e.Name, c.length, want)
		}
		if _, ok := t.attributes[number]; ok {
			return nil, fmt.Errorf("attribute %q: its number %d is another's", e.Name, number)
		}
		t.attributes[number] = c
		if c.attr != Unknown {
			t.numbers[c.attr] = number
		}
	}
	for _, e := range layouts {
		n, err := strconv.ParseUint(e.Name, 10, 16)
		if err != nil || strconv.FormatUint(n, 10) != e.Name {
			return nil, fmt.Errorf("layout %q: not a number as kernels write it", e.Name)
		}
		if n < firstLayout || n > lastLayout {
			return nil, fmt.Errorf("layout %d: not one of %d to %d", n, firstLayout, lastLayout)
		}
		if e.IntSize != 2 {
			return nil, fmt.Errorf("layout %d: integers of %d bytes, not 2", n, e.IntSize)
		}
		for _, a := range e.Values {
			if _, ok := t.attributes[a]; !ok {
				return nil, fmt.Errorf("layout %d: no attribute has the number %d", n, a)
			}
		}
		t.layouts[uint16(n)] = e.Values
	}
	return t, nil
}

// Decode calls fn for each attribute in a bonus buffer or spill block with its value, which
// is part of b, and the byte order of the numbers in it. A buffer tells its order itself: it
// keeps that of the system that made it. Errors wrap [ErrFormat], or are fn's.
func (t *Tables) Decode(b []byte, fn func(a Attr, value []byte, order binary.ByteOrder) error) error {
	if len(b) < 8 {
		return fmt.Errorf("%w: %d bytes", ErrFormat, len(b))
	}
	var order binary.ByteOrder
	switch {
	case binary.LittleEndian.Uint32(b) == magic:
		order = binary.LittleEndian
	case binary.BigEndian.Uint32(b) == magic:
		order = binary.BigEndian
	default:
		return fmt.Errorf("%w: magic %#x", ErrFormat, binary.LittleEndian.Uint32(b))
	}
	info := order.Uint16(b[4:])
	header := int(info>>10) * 8
	layout, ok := t.layouts[info&0x3FF]
	if !ok {
		return fmt.Errorf("%w: there is no layout %d", ErrFormat, info&0x3FF)
	}
	pos, varying := header, 0
	for _, number := range layout {
		c := t.attributes[number]
		n := c.length
		if n == 0 {
			at := 6 + 2*varying
			if at+2 > header || at+2 > len(b) {
				return fmt.Errorf("%w: header of %d bytes has no length for %v", ErrFormat, header, c.attr)
			}
			n = int(order.Uint16(b[at:]))
			varying++
		}
		pos = align(pos)
		if pos > len(b) || n > len(b)-pos {
			return fmt.Errorf("%w: %v of %d bytes at byte %d of %d", ErrFormat, c.attr, n, pos, len(b))
		}
		if err := fn(c.attr, b[pos:][:n:n], order); err != nil {
			return err
		}
		pos += n
	}
	return nil
}
