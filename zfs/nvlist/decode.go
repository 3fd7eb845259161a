// Package nvlist decodes and encodes name–value lists, the self-describing records that carry
// properties, keys and extended attributes in send streams.
//
//	list, err := nvlist.Decode(payload) // of a BEGIN record
//	if n, ok := list.Lookup("resume_object").(nvlist.Number); ok { ... }
//	payload, err = nvlist.AppendXDR(nil, list)
//
// It reads the XDR encoding and the native encoding in both byte orders, and writes XDR. A decoded list
// holds no reference to the input.
//
// # Limits
//
// Lists nest at most 32 deep. The decoder allocates at most a few times the size of its input. The flags
// of a list are not kept: all lists are written as lists of unique names, like those in streams.
//
// Source of the format: nvpair.c of illumos, and RFC 4506 for XDR, as facts.
package nvlist

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	encodingNative = 0
	encodingXDR    = 1
	version        = 0
	uniqueName     = 1 // flag NV_UNIQUE_NAME
	allFlags       = 3 // and NV_UNIQUE_NAME_TYPE
	maxDepth       = 32
	nativeHeader   = 16 // of a pair: size, name size, reserved, elements, type
	nativeList     = 24 // bytes of an nvlist_t, whose pointers are zero when stored
)

// ErrFormat is what every [*Error] wraps that is not io.ErrUnexpectedEOF.
var ErrFormat = errors.New("malformed list")

// Error is a fault at a byte of the encoded list.
type Error struct {
	Offset int
	Err    error
}

func (e *Error) Error() string { return fmt.Sprintf("nvlist: byte %d: %v", e.Offset, e.Err) }

func (e *Error) Unwrap() error { return e.Err }

// Decode decodes a list, which must be all of data. Every error is an [*Error]; a list that
// is cut gives io.ErrUnexpectedEOF.
func Decode(data []byte) (List, error) {
	d := &decoder{b: data, order: binary.BigEndian}
	head := d.take(4)
	switch {
	case d.err != nil:
		return nil, d.err
	case head[0] > encodingXDR || head[1] > 1:
		d.fail(0, "encoding %d, byte order %d", head[0], head[1])
	case head[0] == encodingXDR:
		d.xdr = true
	case head[1] == 1:
		d.order = binary.LittleEndian
	}
	d.header()
	list := d.list(1)
	if d.err == nil && d.pos != len(data) {
		d.fail(d.pos, "%d bytes behind the list", len(data)-d.pos)
	}
	if d.err != nil {
		return nil, d.err
	}
	return list, nil
}

// decoder reads on until the first error, which stays; everything is zero from there on.
type decoder struct {
	b     []byte
	pos   int
	order binary.ByteOrder
	xdr   bool
	err   error
}

func (d *decoder) fail(at int, format string, args ...any) {
	if d.err == nil {
		d.err = &Error{at, fmt.Errorf("%w: %s", ErrFormat, fmt.Sprintf(format, args...))}
	}
}

// has reports whether n units of a size follow.
func (d *decoder) has(n, size int) bool {
	if d.err == nil && (n < 0 || n > (len(d.b)-d.pos)/size) {
		d.err = &Error{d.pos, io.ErrUnexpectedEOF}
	}
	return d.err == nil
}

func (d *decoder) take(n int) []byte {
	if !d.has(n, 1) {
		return nil
	}
	p := d.b[d.pos:][:n:n]
	d.pos += n
	return p
}

// align skips padding up to a multiple of n from start.
func (d *decoder) align(start, n int) { d.take(-(d.pos - start) & (n - 1)) }

// stored is the size of an integer: XDR has none below 4 bytes.
func (d *decoder) stored(size int) int {
	if d.xdr {
		return max(size, 4)
	}
	return size
}

// number reads an integer of 1, 2, 4 or 8 bytes.
func (d *decoder) number(size int) uint64 {
	switch p := d.take(d.stored(size)); len(p) {
	case 1:
		return uint64(p[0])
	case 2:
		return uint64(d.order.Uint16(p))
	case 4:
		return uint64(d.order.Uint32(p))
	case 8:
		return d.order.Uint64(p)
	}
	return 0
}

// count reads a number of bytes or elements; what does not fit into 31 bits becomes -1.
func (d *decoder) count() int {
	if n := d.number(4); n < 1<<31 {
		return int(n)
	}
	return -1
}

func (d *decoder) header() {
	at := d.pos
	if v := d.number(4); v != version {
		d.fail(at, "version %d", v)
	}
	if flags := d.number(4); flags&^allFlags != 0 {
		d.fail(at+4, "flags %#x", flags)
	}
}

// list reads pairs up to the end of their list.
func (d *decoder) list(depth int) List {
	if depth > maxDepth {
		d.fail(d.pos, "lists nested deeper than %d", maxDepth)
	}
	list := List{}
	for d.err == nil {
		start := d.pos
		size := d.count()
		var decoded uint64
		if d.xdr {
			decoded = d.number(4)
		}
		if size == 0 && decoded == 0 {
			break
		}
		end := start + size
		if d.err == nil && (size < 0 || end > len(d.b)) {
			d.err = &Error{start, io.ErrUnexpectedEOF}
		}
		var p Pair
		if d.xdr {
			p = d.xdrPair(depth)
		} else {
			p = d.nativePair(start, end, depth)
		}
		if d.xdr && d.pos != end {
			d.fail(start, "pair %q of %d bytes says it has %d", p.Name, d.pos-start, size)
		}
		if d.xdr && d.err == nil && decoded != uint64(p.memory()) { // kernels refuse it
			d.fail(start+4, "pair %q of %d bytes in memory says it has %d", p.Name, p.memory(), decoded)
		}
		list = append(list, p)
	}
	return list
}

func (d *decoder) xdrPair(depth int) Pair {
	name := d.text(d.count())
	at := d.pos
	t, n := Type(d.number(4)), d.count()
	return Pair{name, d.value(at, t, n, depth)}
}

// nativePair reads the pair of which the size has been read. Lists stand behind it.
func (d *decoder) nativePair(start, end, depth int) Pair {
	nameSize, _ := int(int16(d.number(2))), d.number(2)
	n := d.count()
	at := d.pos
	t := Type(d.number(4))
	name := d.text(nameSize)
	d.align(start, 8)
	var v Value
	switch {
	case t == typeNVList && n == 1:
		d.take(nativeList)
	case t == typeNVListArray && d.has(n, 8+nativeList):
		d.take(n * (8 + nativeList))
	default:
		v = d.value(at, t, n, depth)
	}
	d.align(start, 8)
	if d.pos != end {
		d.fail(start, "pair %q of %d bytes says it has %d", name, d.pos-start, end-start)
	}
	if v == nil {
		v = d.value(at, t, n, depth)
	}
	return Pair{name, v}
}

// text reads a string of n bytes: in XDR padded to 4, else with a NUL as its last byte.
func (d *decoder) text(n int) string {
	at := d.pos
	s := string(d.take(n))
	if d.xdr {
		d.align(at, 4)
	} else if d.err == nil {
		var ok bool
		if s, ok = strings.CutSuffix(s, "\x00"); !ok {
			d.fail(at, "string without end")
		}
	}
	if strings.Contains(s, "\x00") {
		d.fail(at, "NUL in a string")
	}
	return s
}

// str reads the string of a value, whose length is told by XDR alone.
func (d *decoder) str() string {
	if d.xdr {
		return d.text(d.count())
	}
	n := 0
	for d.has(n+1, 1) && d.b[d.pos+n] != 0 {
		n++
	}
	return d.text(n + 1)
}

// value reads a value of n elements; at is the place of its type.
func (d *decoder) value(at int, t Type, n, depth int) Value {
	k := t.kind()
	if want := 1; !k.array && (t == typeBoolean && n != 0 || t != typeBoolean && n != want) {
		d.fail(at, "%v of %d elements", t, n)
	}
	switch {
	case t == typeBoolean:
		return Boolean{}
	case t == typeString:
		return String(d.str())
	case t == typeByteArray:
		start := d.pos
		v := append(Bytes{}, d.take(n)...)
		if d.xdr {
			d.align(start, 4)
		}
		return v
	case t == typeNVList:
		return d.inner(depth)
	case t == typeStringArray:
		if !d.xdr && d.has(n, 8) {
			d.take(8 * n) // pointers
		}
		v := Strings{}
		for len(v) < n && d.err == nil {
			v = append(v, d.str())
		}
		return v
	case t == typeNVListArray:
		v := Lists{}
		for len(v) < n && d.err == nil {
			v = append(v, d.inner(depth))
		}
		return v
	case k.size == 0:
		d.fail(at, "unknown %v", t)
		return Boolean{}
	case !k.array:
		return Number{t, d.element(t)}
	}
	if d.xdr { // the number of elements stands there once more
		if again := d.count(); again != n {
			d.fail(at, "array of %d and of %d elements", n, again)
		}
	}
	v := Numbers{Kind: t}
	if d.has(n, d.stored(k.size)) {
		v.Bits = make([]uint64, n)
	}
	for i := range v.Bits {
		v.Bits[i] = d.element(t)
	}
	return v
}

// element reads one number of a type.
func (d *decoder) element(t Type) uint64 {
	at := d.pos
	v := d.number(t.kind().size)
	if (t == typeBooleanValue || t == typeBooleanArray) && v > 1 {
		d.fail(at, "boolean %d", v)
	}
	return t.fit(v)
}

// inner reads a list in a list; a native one has its header in the pair.
func (d *decoder) inner(depth int) List {
	if d.xdr {
		d.header()
	}
	return d.list(depth + 1)
}
