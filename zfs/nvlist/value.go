package nvlist

import "fmt"

// Type is the type of a value.
type Type uint32

// The types that need code of their own, with the names they have in nvpair.h behind
// DATA_TYPE_.
const (
	typeBoolean      Type = 1
	typeString       Type = 9
	typeByteArray    Type = 10
	typeStringArray  Type = 17
	typeNVList       Type = 19
	typeNVListArray  Type = 20
	typeBooleanValue Type = 21
	typeBooleanArray Type = 24
	Uint64           Type = 8 // by far the commonest of the numbers
)

// kind is what is known of a type: its name, whether it is an array, and of numbers the
// bytes of one and whether they have a sign.
type kind struct {
	name   string
	size   int
	signed bool
	array  bool
}

var kinds = [...]kind{
	1: {name: "BOOLEAN"}, 2: {name: "BYTE", size: 1}, 3: {name: "INT16", size: 2, signed: true}, 4: {name: "UINT16", size: 2},
	5: {name: "INT32", size: 4, signed: true}, 6: {name: "UINT32", size: 4}, 7: {name: "INT64", size: 8, signed: true},
	8: {name: "UINT64", size: 8}, 9: {name: "STRING"}, 10: {name: "BYTE_ARRAY", array: true},
	11: {name: "INT16_ARRAY", size: 2, signed: true, array: true}, 12: {name: "UINT16_ARRAY", size: 2, array: true},
	13: {name: "INT32_ARRAY", size: 4, signed: true, array: true}, 14: {name: "UINT32_ARRAY", size: 4, array: true},
	15: {name: "INT64_ARRAY", size: 8, signed: true, array: true}, 16: {name: "UINT64_ARRAY", size: 8, array: true},
	17: {name: "STRING_ARRAY", array: true}, 18: {name: "HRTIME", size: 8, signed: true}, 19: {name: "NVLIST"},
	20: {name: "NVLIST_ARRAY", array: true}, 21: {name: "BOOLEAN_VALUE", size: 4}, 22: {name: "INT8", size: 1, signed: true},
	23: {name: "UINT8", size: 1}, 24: {name: "BOOLEAN_ARRAY", size: 4, array: true},
	25: {name: "INT8_ARRAY", size: 1, signed: true, array: true}, 26: {name: "UINT8_ARRAY", size: 1, array: true},
}

func (t Type) kind() kind {
	if uint64(t) < uint64(len(kinds)) {
		return kinds[t]
	}
	return kind{}
}

// String is the name of the type, such as UINT64, or "type N" for an unknown one.
func (t Type) String() string {
	if name := t.kind().name; name != "" {
		return name
	}
	return fmt.Sprintf("type %d", uint32(t))
}

// fit cuts a number to the size of its type and extends its sign.
func (t Type) fit(v uint64) uint64 {
	k := t.kind()
	unused := 64 - 8*k.size
	if k.signed {
		return uint64(int64(v<<unused) >> unused)
	}
	return v << unused >> unused
}

// Value is one of Boolean, Number, Numbers, String, Strings, Bytes, List and Lists.
type Value interface{ typ() Type }

// TypeOf is the type that v is stored as.
func TypeOf(v Value) Type { return v.typ() }

// Boolean says by being there. One that may be false is a [Number], BOOLEAN_VALUE.
type Boolean struct{}

// Number is a value of one of the types of fixed size, with its sign extended to 64 bits.
type Number struct {
	Kind Type
	Bits uint64
}

// Numbers is an array of numbers; Kind is that of the array, such as UINT64_ARRAY.
type Numbers struct {
	Kind Type
	Bits []uint64
}

// Texts, bytes, and lists in lists.
type (
	String  string
	Strings []string
	Bytes   []byte
	Lists   []List
)

// List is name–value pairs in the order in which they were stored. Names should be unique.
type List []Pair

// Pair is a name with its value.
type Pair struct {
	Name  string
	Value Value
}

// Lookup returns the value of the first pair with the name, nil if there is none.
func (l List) Lookup(name string) Value {
	for _, p := range l {
		if p.Name == name {
			return p.Value
		}
	}
	return nil
}

func (Boolean) typ() Type   { return typeBoolean }
func (n Number) typ() Type  { return n.Kind }
func (n Numbers) typ() Type { return n.Kind }
func (String) typ() Type    { return typeString }
func (Strings) typ() Type   { return typeStringArray }
func (Bytes) typ() Type     { return typeByteArray }
func (List) typ() Type      { return typeNVList }
func (Lists) typ() Type     { return typeNVListArray }

// memory is how many bytes a pair takes in the memory of a kernel: XDR tells them.
func (p Pair) memory() int { return align8(nativeHeader+len(p.Name)+1) + align8(inMemory(p.Value)) }

func inMemory(v Value) int {
	switch v := v.(type) {
	case Number:
		return 8
	case Numbers:
		return v.Kind.kind().size * len(v.Bits)
	case String:
		return len(v) + 1
	case Strings:
		n := 0
		for _, s := range v {
			n += 8 + len(s) + 1
		}
		return n
	case Bytes:
		return len(v)
	case List:
		return nativeList
	case Lists:
		return len(v) * (8 + nativeList)
	}
	return 0
}
