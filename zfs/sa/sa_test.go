package sa_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"imagetools/zfs/sa"
	"imagetools/zfs/zap"
)

var le = binary.LittleEndian

// decode parses a bonus or spill buffer as a kernel does, by what Registry and Layouts say.
// It shares no code with the encoder.
func decode(b []byte) ([]sa.Value, error) {
	lengthOf := make(map[sa.Attr]int)
	for _, e := range sa.Registry() {
		lengthOf[sa.Attr(e.Values[0]&0xFFFF)] = int(e.Values[0] >> 24 & 0xFFFF)
	}
	if len(b) < 8 || le.Uint32(b) != 0x2F505A {
		return nil, errors.New("no magic")
	}
	info := le.Uint16(b[4:])
	header, name := int(info>>10)*8, fmt.Sprint(info&0x3FF)
	var layout []uint64
	for _, e := range sa.Layouts() {
		if e.Name == name {
			layout = e.Values
		}
	}
	if layout == nil {
		return nil, fmt.Errorf("no layout %s", name)
	}
	var out []sa.Value
	pos, varying := header, 0
	for _, a := range layout {
		n := lengthOf[sa.Attr(a)]
		if n == 0 {
			n = int(le.Uint16(b[6+2*varying:]))
			varying++
		}
		pos = (pos + 7) &^ 7
		if pos+n > len(b) {
			return nil, fmt.Errorf("attribute %d ends at %d of %d", a, pos+n, len(b))
		}
		out = append(out, sa.Value{Attr: sa.Attr(a), Data: b[pos:][:n]})
		pos += n
	}
	want := 8
	if varying > 1 {
		want += (2*(varying-1) + 7) &^ 7
	}
	if header != want {
		return nil, fmt.Errorf("header of %d bytes with %d varying attributes, want %d", header, varying, want)
	}
	for i, c := range b[pos:] {
		if c != 0 {
			return nil, fmt.Errorf("byte %d behind the attributes is %#x", i, c)
		}
	}
	return out, nil
}

// values are the attributes of a file with an ACL of so many bytes.
func values(acl, target int, device, xattr bool) []sa.Value {
	fill := func(n int, with byte) []byte { return bytes.Repeat([]byte{with}, n) }
	var v []sa.Value
	for i, a := range []sa.Attr{sa.Mode, sa.Size, sa.Gen, sa.UID, sa.GID, sa.Parent, sa.Flags} {
		v = append(v, sa.Value{Attr: a, Data: fill(8, byte(i+1))})
	}
	for i, a := range []sa.Attr{sa.ATime, sa.MTime, sa.CTime, sa.CRTime} {
		v = append(v, sa.Value{Attr: a, Data: fill(16, byte(i+20))})
	}
	v = append(v, sa.Value{Attr: sa.Links, Data: fill(8, 30)})
	if device {
		v = append(v, sa.Value{Attr: sa.Rdev, Data: fill(8, 31)})
	}
	v = append(v, sa.Value{Attr: sa.DACLCount, Data: fill(8, 32)}, sa.Value{Attr: sa.DACLACEs, Data: fill(acl, 33)})
	if target > 0 {
		v = append(v, sa.Value{Attr: sa.Symlink, Data: fill(target, 34)})
	}
	if xattr {
		v = append(v, sa.Value{Attr: sa.Xattr, Data: fill(8, 35)})
	}
	return v
}

// check encodes values and finds the same in bonus and spill, within the limits.
func check(t *testing.T, what string, v []sa.Value) (bonus, spill []byte) {
	t.Helper()
	bonus, spill, err := sa.Encode(v)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	got, err := decode(bonus)
	if err != nil {
		t.Fatalf("%s: bonus: %v", what, err)
	}
	room := 320
	if spill != nil {
		room = 192
		if len(spill) == 0 || len(spill)%512 != 0 || len(spill) > 128<<10 {
			t.Errorf("%s: spill of %d bytes", what, len(spill))
		}
		more, err := decode(spill)
		if err != nil {
			t.Fatalf("%s: spill: %v", what, err)
		}
		got = append(got, more...)
	}
	if len(bonus) > room {
		t.Errorf("%s: bonus of %d bytes, %d fit", what, len(bonus), room)
	}
	if len(got) != len(v) {
		t.Fatalf("%s: %d attributes, want %d", what, len(got), len(v))
	}
	for i := range v {
		if got[i].Attr != v[i].Attr || !bytes.Equal(got[i].Data, v[i].Data) {
			t.Errorf("%s: %v reads as %v % x", what, v[i].Attr, got[i].Attr, got[i].Data)
		}
	}
	// The kernel accounts space by uid, gid and flags at fixed places of the bonus.
	header := int(le.Uint16(bonus[4:])>>10) * 8
	for at, want := range map[int]byte{24: 4, 32: 5, 48: 7} {
		if bonus[header+at] != want {
			t.Errorf("%s: %#x at %d behind the header, want %#x", what, bonus[header+at], at, want)
		}
	}
	return bonus, spill
}

func TestEncode(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name         string
		values       []sa.Value
		bonus, spill int
		layout       int // of the bonus
	}{
		{"plain file", values(24, 0, false, false), 168, 0, 2},
		{"device", values(24, 0, true, false), 176, 0, 3},
		{"with xattrs", values(24, 0, false, true), 176, 0, 5},
		{"link of 10 bytes", values(24, 10, false, false), 186, 0, 4},
		{"link of 143 bytes", values(24, 143, false, false), 319, 0, 4},
		{"link of 144 bytes", values(24, 144, false, false), 320, 0, 4},
		{"link of 145 bytes", values(24, 145, false, false), 168, 512, 2},
		{"link of 136 bytes with xattrs", values(24, 136, false, true), 320, 0, 7},
		{"link of 137 bytes with xattrs", values(24, 137, false, true), 168, 512, 2},
		{"link of 504 bytes", values(24, 504, false, false), 168, 512, 2},
		{"link of 505 bytes", values(24, 505, false, false), 168, 1024, 2},
		{"link of 4095 bytes", values(24, 4095, false, false), 168, 4608, 2},
		{"link with 4 entries", values(32, 136, false, false), 320, 0, 4},
		{"link with 4 entries, longer", values(32, 137, false, false), 176, 512, 2},
		{"largest ACL in the bonus", values(176, 0, false, false), 320, 0, 2},
		{"ACL too large", values(184, 0, false, false), 144, 512, 8},
		{"ACL of a device", values(168, 0, true, false), 320, 0, 3},
		{"ACL too large of a device", values(176, 0, true, false), 152, 512, 9},
		{"1024 entries", values(16384, 0, false, true), 144, 16896, 8},
		{"all at once", values(16384, 4095, false, true), 144, 20992, 8},
		{"largest value", values(65528, 0, false, false), 144, 65536, 8},
	} {
		bonus, spill := check(t, tt.name, tt.values)
		if len(bonus) != tt.bonus || len(spill) != tt.spill {
			t.Errorf("%s: bonus of %d and spill of %d bytes, want %d and %d", tt.name, len(bonus), len(spill), tt.bonus, tt.spill)
		}
		if got := int(le.Uint16(bonus[4:]) & 0x3FF); got != tt.layout {
			t.Errorf("%s: layout %d, want %d", tt.name, got, tt.layout)
		}
	}
}

// Whatever is put together, the result keeps the limits and reads as what was written.
func TestEncodeProperty(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(5, 6))
	for range 20000 {
		acl, target := 8*rnd.IntN(60), 0
		if rnd.IntN(10) == 0 {
			acl = 8 * (1 + rnd.IntN(2048))
		}
		device := rnd.IntN(3) == 0
		if !device && rnd.IntN(2) == 0 {
			target = 1 + rnd.IntN(400)
			if rnd.IntN(10) == 0 {
				target = 1 + rnd.IntN(4095)
			}
		}
		xattr := rnd.IntN(2) == 0
		check(t, fmt.Sprintf("ACL %d, target %d, device %v, xattr %v", acl, target, device, xattr), values(acl, target, device, xattr))
	}
}

func TestEncodeRefuses(t *testing.T) {
	t.Parallel()
	short := values(24, 0, false, false)
	short[0].Data = short[0].Data[:7]
	for _, tt := range []struct {
		name   string
		values []sa.Value
		want   string
	}{
		{"value of 64 KiB", values(65536, 0, false, false), "attributes too large"},
		{"no layout", values(24, 0, false, false)[1:], "no layout"},
		{"other order", append(values(24, 0, false, true), sa.Value{Attr: sa.Symlink, Data: []byte("x")}), "no layout"},
		{"mode of 7 bytes", short, "ZPL_MODE of 7 bytes"},
	} {
		if _, _, err := sa.Encode(tt.values); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.want)
		}
	}
	if _, _, err := sa.Encode(values(65536, 0, false, false)); !errors.Is(err, sa.ErrTooLarge) {
		t.Errorf("error %v, want %v", err, sa.ErrTooLarge)
	}
}

// The registry as real systems have it (zfs_sa.c).
func TestRegistry(t *testing.T) {
	t.Parallel()
	want := []struct {
		name   string
		length uint64
		class  uint64
	}{
		{"ZPL_ATIME", 16, 0}, {"ZPL_MTIME", 16, 0}, {"ZPL_CTIME", 16, 0}, {"ZPL_CRTIME", 16, 0}, {"ZPL_GEN", 8, 0},
		{"ZPL_MODE", 8, 0}, {"ZPL_SIZE", 8, 0}, {"ZPL_PARENT", 8, 0}, {"ZPL_LINKS", 8, 0}, {"ZPL_XATTR", 8, 0},
		{"ZPL_RDEV", 8, 0}, {"ZPL_FLAGS", 8, 0}, {"ZPL_UID", 8, 0}, {"ZPL_GID", 8, 0}, {"ZPL_PAD", 32, 0},
		{"ZPL_ZNODE_ACL", 88, 3}, {"ZPL_DACL_COUNT", 8, 0}, {"ZPL_SYMLINK", 0, 3}, {"ZPL_SCANSTAMP", 32, 3}, {"ZPL_DACL_ACES", 0, 4},
	}
	got := sa.Registry()
	if len(got) != len(want) {
		t.Fatalf("%d attributes, want %d", len(got), len(want))
	}
	for i, w := range want {
		value := uint64(i) | w.class<<16 | w.length<<24
		if got[i].Name != w.name || got[i].IntSize != 8 || got[i].Values[0] != value || sa.Attr(i).String() != w.name {
			t.Errorf("attribute %d: %+v, want %s %#x", i, got[i], w.name, value)
		}
	}
	if got := sa.Attr(99).String(); got != "attribute 99" {
		t.Errorf("String() = %q", got)
	}
}

// Layouts are numbered from 2 on, each once, and those that start a bonus have the base order.
func TestLayouts(t *testing.T) {
	t.Parallel()
	base := []uint64{5, 6, 4, 12, 13, 7, 11, 0, 1, 2, 3, 8}
	seen := make(map[string]bool)
	for i, l := range sa.Layouts() {
		if l.Name != fmt.Sprint(i+2) || l.IntSize != 2 {
			t.Errorf("layout %d: %+v", i, l)
		}
		key := fmt.Sprint(l.Values)
		if seen[key] {
			t.Errorf("layout %s is there twice: %v", l.Name, l.Values)
		}
		seen[key] = true
		if l.Values[0] == base[0] && fmt.Sprint(l.Values[:len(base)]) != fmt.Sprint(base) {
			t.Errorf("layout %s starts %v", l.Name, l.Values)
		}
	}
	if got, want := fmt.Sprint(sa.Layouts()[0].Values), "[5 6 4 12 13 7 11 0 1 2 3 8 16 19]"; got != want {
		t.Errorf("layout of a file %s, want %s", got, want)
	}
}

// With tables of its own, a file system is written by its own numbers, and what it lacks is
// added behind them.
func TestTables(t *testing.T) {
	t.Parallel()
	var registry, layouts zap.Entries
	const shift = 5 // of every number, against those of ours
	for _, e := range sa.Registry() {
		registry = append(registry, zap.Uint64(e.Name, e.Values[0]+shift))
	}
	base := sa.Layouts()[0]
	base.Name, base.Values = "40", slices.Clone(base.Values)
	for i := range base.Values {
		base.Values[i] += shift
	}
	layouts = append(layouts, base)
	tables, err := sa.NewTables(registry, layouts)
	if err != nil {
		t.Fatal(err)
	}
	more := tables.Clone()
	for i, tt := range []struct {
		values []sa.Value
		layout uint16
		added  int
	}{
		{values(8, 0, false, false), 40, 0},
		{values(8, 0, true, false), 41, 1},
		{values(8, 0, false, false), 40, 1},
		{values(8, 0, true, false), 41, 1},
	} {
		bonus, spill, err := more.Encode(tt.values)
		if err != nil || spill != nil {
			t.Fatalf("%d: spill of %d bytes, %v", i, len(spill), err)
		}
		if got := le.Uint16(bonus[4:]) & 0x3FF; got != tt.layout || more.Added() != tt.added {
			t.Errorf("%d: layout %d, %d added", i, got, more.Added())
		}
		read, err := sa.NewTables(registry, more.Layouts())
		if err != nil {
			t.Fatal(err)
		}
		var got []sa.Value
		if err := read.Decode(bonus, func(a sa.Attr, v []byte, _ binary.ByteOrder) error {
			got = append(got, sa.Value{Attr: a, Data: v})
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if !slices.EqualFunc(got, tt.values, func(a, b sa.Value) bool { return a.Attr == b.Attr && bytes.Equal(a.Data, b.Data) }) {
			t.Errorf("%d: it reads as %v", i, got)
		}
	}
	if tables.Added() != 0 || len(tables.Layouts()) != 1 || len(more.Layouts()) != 2 {
		t.Error("the clone and its origin are one")
	}
	if small, err := sa.NewTables(registry[:10], nil); err != nil {
		t.Error(err)
	} else if _, _, err := small.Encode(values(8, 0, false, false)); err == nil {
		t.Error("attributes that the file system does not have were encoded")
	}
}

// Layouts have one spelling, and numbers that kernels have not given away: another is taken for one
// that is there already.
func TestLayoutNumbers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		size int
		want string
	}{
		{"2", 2, ""}, {"1023", 2, ""}, {"02", 2, "not a number"}, {"+2", 2, "not a number"}, {" 2", 2, "not a number"}, {"x", 2, "not a number"}, {"", 2, "not a number"},
		{"0", 2, "layout 0"}, {"1", 2, "layout 1"}, {"1024", 2, "layout 1024"}, {"65538", 2, "not a number"}, {"2", 8, "integers of 8 bytes"},
	} {
		_, err := sa.NewTables(sa.Registry(), []zap.Entry{{Name: tt.name, IntSize: tt.size, Values: []uint64{5}}})
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("layout %q of %d bytes: error %v, want %q", tt.name, tt.size, err, tt.want)
		}
	}
	for _, name := range []string{"ZPL_DXATTR", "ZPL_PROJID"} {
		if _, err := sa.NewTables([]zap.Entry{zap.Uint64(name, 20|16<<24)}, nil); err == nil {
			t.Errorf("%s of 16 bytes is taken", name)
		}
	}
}
