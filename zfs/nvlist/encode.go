package nvlist

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
)

// AppendXDR appends the XDR encoding of a list to b, as a little-endian host writes it. It
// fails on what no list can hold: a NUL in a name or string, a nil value, a number of a type
// that is none, lists nested too deep, a pair of 2 GiB.
func AppendXDR(b []byte, l List) ([]byte, error) {
	b, err := appendList(append(b, encodingXDR, 1, 0, 0), l, 1)
	if err != nil {
		return nil, fmt.Errorf("nvlist: %w", err)
	}
	return b, nil
}

var be = binary.BigEndian

func appendList(b []byte, l List, depth int) ([]byte, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("lists nested deeper than %d", maxDepth)
	}
	b = be.AppendUint32(be.AppendUint32(b, version), uniqueName)
	for _, p := range l {
		var err error
		if b, err = appendPair(b, p, depth); err != nil {
			return nil, fmt.Errorf("%q: %w", p.Name, err)
		}
	}
	return append(b, make([]byte, 8)...), nil
}

func align8(n int) int { return (n + 7) &^ 7 }

// appendPair appends a pair with its two sizes: as encoded, and in the memory of a decoder,
// which allocates by it.
func appendPair(b []byte, p Pair, depth int) ([]byte, error) {
	if p.Value == nil {
		return nil, errors.New("no value")
	}
	start := len(b)
	b, err := appendText(append(b, make([]byte, 8)...), p.Name)
	if err != nil {
		return nil, err
	}
	b = be.AppendUint32(b, uint32(p.Value.typ()))
	at := len(b)
	b, n, err := appendValue(append(b, 0, 0, 0, 0), p.Value, depth)
	if err != nil {
		return nil, err
	}
	decoded := p.memory()
	if len(b)-start > math.MaxInt32 || decoded > math.MaxInt32 {
		return nil, fmt.Errorf("value of %d bytes", decoded)
	}
	be.PutUint32(b[at:], uint32(n))
	be.PutUint32(b[start:], uint32(len(b)-start))
	be.PutUint32(b[start+4:], uint32(decoded))
	return b, nil
}

// appendValue also returns the elements of a value.
func appendValue(b []byte, v Value, depth int) (_ []byte, n int, err error) {
	k := v.typ().kind()
	switch v := v.(type) {
	case Boolean:
		return b, 0, nil
	case Number:
		if k.size == 0 || k.array {
			return nil, 0, fmt.Errorf("a number of %v", v.Kind)
		}
		return appendNumber(b, v.Kind, v.Bits), 1, nil
	case Numbers:
		if k.size == 0 || !k.array {
			return nil, 0, fmt.Errorf("numbers of %v", v.Kind)
		}
		b = be.AppendUint32(b, uint32(len(v.Bits)))
		for _, x := range v.Bits {
			b = appendNumber(b, v.Kind, x)
		}
		return b, len(v.Bits), nil
	case String:
		b, err = appendText(b, string(v))
		return b, 1, err
	case Strings:
		for _, s := range v {
			if b, err = appendText(b, s); err != nil {
				return nil, 0, err
			}
		}
		return b, len(v), nil
	case Bytes:
		return append(append(b, v...), make([]byte, -len(v)&3)...), len(v), nil
	case List:
		b, err = appendList(b, v, depth+1)
		return b, 1, err
	case Lists:
		for _, l := range v {
			if b, err = appendList(b, l, depth+1); err != nil {
				return nil, 0, err
			}
		}
		return b, len(v), nil
	}
	panic("nvlist: internal error: a value of another package")
}

func appendNumber(b []byte, t Type, v uint64) []byte {
	if v = t.fit(v); t.kind().size == 8 {
		return be.AppendUint64(b, v)
	}
	return be.AppendUint32(b, uint32(v))
}

func appendText(b []byte, s string) ([]byte, error) {
	if strings.Contains(s, "\x00") {
		return nil, fmt.Errorf("NUL in %q", s)
	}
	b = append(be.AppendUint32(b, uint32(len(s))), s...)
	return append(b, make([]byte, -len(s)&3)...), nil
}
