package nvlist_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"imagetools/zfs/internal/streamtest"
	"imagetools/zfs/nvlist"
	"imagetools/zfs/stream"
)

// payloads are the lists in the BEGIN records of the public streams that are small.
func payloads(t testing.TB) map[string][][]byte {
	out := make(map[string][][]byte)
	for _, name := range streamtest.Names(t) {
		if strings.Contains(name, "long-payloads") || strings.Contains(name, "undersized") {
			continue
		}
		r := stream.NewReader(bytes.NewReader(streamtest.Read(t, name)))
		for {
			rec, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if rec.Type() == stream.TypeBegin {
				p, err := r.Payload()
				if err != nil {
					t.Fatal(err)
				}
				if len(p) > 0 {
					out[name] = append(out[name], bytes.Clone(p))
				}
			}
		}
	}
	return out
}

// XDR lists of real systems come back as the same bytes, but for the host's order; native
// ones as XDR that says the same.
func TestPublicLists(t *testing.T) {
	t.Parallel()
	lists := 0
	for name, all := range payloads(t) {
		for i, p := range all {
			lists++
			list, err := nvlist.Decode(p)
			if err != nil {
				t.Errorf("%s, list %d: %v", name, i, err)
				continue
			}
			xdr, err := nvlist.AppendXDR(nil, list)
			if err != nil {
				t.Errorf("%s, list %d: %v", name, i, err)
				continue
			}
			if p[0] == 1 {
				want := bytes.Clone(p)
				want[1] = 1
				if !bytes.Equal(xdr, want) {
					t.Errorf("%s, list %d: written again as\n%swant\n%s", name, i, hex.Dump(xdr), hex.Dump(want))
				}
			}
			again, err := nvlist.Decode(xdr)
			if err != nil {
				t.Errorf("%s, list %d again: %v", name, i, err)
			}
			if diff := cmp.Diff(list, again); diff != "" {
				t.Errorf("%s, list %d (-want +got):\n%s", name, i, diff)
			}
		}
	}
	if lists < 18 {
		t.Errorf("%d lists in the public streams", lists)
	}
}

// The public streams hold the same list in all four encodings.
func TestEncodingsAgree(t *testing.T) {
	t.Parallel()
	var want nvlist.List
	all := payloads(t)
	for _, order := range []string{"little", "big"} {
		for _, encoding := range []string{"NATIVE", "XDR"} {
			name := "zstream-" + order + "-endian-all-drr-types-base-" + encoding
			got, err := nvlist.Decode(all[name][0])
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			snaps, ok := got.Lookup("redact_snaps").(nvlist.Numbers)
			if !ok || len(snaps.Bits) != 0 && len(snaps.Bits) != 1 || snaps.Kind.String() != "UINT64_ARRAY" {
				t.Errorf("%s: %+v", name, got)
			}
			if want == nil {
				want = nvlist.List{{Name: "redact_snaps", Value: nvlist.Numbers{Kind: snaps.Kind, Bits: make([]uint64, len(snaps.Bits))}}}
			}
			if len(got) != 1 || len(snaps.Bits) != len(want[0].Value.(nvlist.Numbers).Bits) {
				t.Errorf("%s: %+v", name, got)
			}
		}
	}
}

// everything has a value of every type.
func everything() nvlist.List {
	l := nvlist.List{
		{"boolean", nvlist.Boolean{}}, {"string", nvlist.String("text")}, {"empty", nvlist.String("")},
		{"strings", nvlist.Strings{"a", "", "bcd"}}, {"bytes", nvlist.Bytes{1, 2, 3, 4, 5}},
		{"list", nvlist.List{{"inner", nvlist.List{}}, {"n", nvlist.Number{Kind: nvlist.Uint64, Bits: 1 << 63}}}},
		{"lists", nvlist.Lists{{}, {{"x", nvlist.Boolean{}}}}}, {"no lists", nvlist.Lists{}},
	}
	for _, k := range []nvlist.Type{2, 3, 4, 5, 6, 7, 8, 18, 22, 23} {
		l = append(l, nvlist.Pair{Name: k.String(), Value: nvlist.Number{Kind: k, Bits: 100}})
	}
	for _, k := range []nvlist.Type{3, 5, 7, 18, 22} {
		l = append(l, nvlist.Pair{Name: "negative " + k.String(), Value: nvlist.Number{Kind: k, Bits: 1<<64 - 5}})
	}
	for _, k := range []nvlist.Type{11, 12, 13, 14, 15, 16, 25, 26} {
		l = append(l, nvlist.Pair{Name: k.String(), Value: nvlist.Numbers{Kind: k, Bits: []uint64{1, 2, 3}}})
	}
	return append(l, nvlist.Pair{Name: "true", Value: nvlist.Number{Kind: 21, Bits: 1}},
		nvlist.Pair{Name: "booleans", Value: nvlist.Numbers{Kind: 24, Bits: []uint64{0, 1}}})
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	want := everything()
	data, err := nvlist.AppendXDR([]byte("prefix"), want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := nvlist.Decode(data[len("prefix"):])
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The sizes of pairs, as seen in lists of real systems.
func TestPairSizes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		pair nvlist.Pair
		want string
	}{
		{nvlist.Pair{Name: "not_recursive", Value: nvlist.Boolean{}}, "0000002400000020"},
		{nvlist.Pair{Name: "tosnap", Value: nvlist.String("one")}, "0000002400000020"},
		{nvlist.Pair{Name: "redact_snaps", Value: nvlist.Numbers{Kind: 16, Bits: []uint64{1}}}, "0000002c00000028"},
		{nvlist.Pair{Name: "user.a", Value: nvlist.Bytes{1, 2, 3}}, "0000002000000020"},
	} {
		data, err := nvlist.AppendXDR(nil, nvlist.List{tt.pair})
		if err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(data[12:20]); got != tt.want {
			t.Errorf("%s: sizes %s, want %s", tt.pair.Name, got, tt.want)
		}
	}
}

func nested(depth int) nvlist.List {
	var l nvlist.List
	for range depth {
		l = nvlist.List{{"l", l}}
	}
	return l
}

func TestHostile(t *testing.T) {
	good, err := nvlist.AppendXDR(nil, nvlist.List{{"n", nvlist.Number{Kind: nvlist.Uint64, Bits: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	// Header 4, version and flags 8, then sizes at 12, name length at 20, name at 24, type at
	// 28, elements at 32, value at 36, end at 44.
	edit := func(at int, v ...byte) []byte {
		b := bytes.Clone(good)
		copy(b[at:], v)
		return b
	}
	native := func(s string) []byte {
		b, err := hex.DecodeString(strings.ReplaceAll("00010000 00000000 01000000 "+s, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, tt := range []struct {
		name string
		data []byte
		want string
	}{
		{"encoding 2", edit(0, 2), "byte 0: malformed list: encoding 2"},
		{"byte order 2", edit(1, 2), "byte order 2"},
		{"version 1", edit(7, 1), "byte 4: malformed list: version 1"},
		{"flags", edit(11, 8), "byte 8: malformed list: flags 0x8"},
		{"pair beyond the end", edit(12, 0, 1), "byte 12: unexpected EOF"},
		{"negative pair", edit(12, 0xFF), "byte 12: unexpected EOF"},
		{"pair too short", edit(15, 31), "says it has 31"},
		{"name beyond the end", edit(20, 0x7F, 0xFF, 0xFF, 0xFF), "unexpected EOF"},
		{"negative name", edit(20, 0xFF, 0xFF, 0xFF, 0xFF), "unexpected EOF"},
		{"NUL in the name", edit(24, 0), "NUL in a string"},
		{"type 0", edit(31, 0), "unknown type 0"},
		{"type 27", edit(31, 27), "unknown type 27"},
		{"two elements", edit(35, 2), "UINT64 of 2 elements"},
		{"array of 2^31-1", edit(28, 0, 0, 0, 16, 0x7F, 0xFF, 0xFF, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF), "unexpected EOF"},
		{"bytes of 2^31-1", edit(28, 0, 0, 0, 10, 0x7F, 0xFF, 0xFF, 0xFF), "unexpected EOF"},
		{"strings of 2^31-1", edit(28, 0, 0, 0, 17, 0x7F, 0xFF, 0xFF, 0xFF), "NUL in a string"},
		{"lists of 2^31-1", edit(28, 0, 0, 0, 20, 0x7F, 0xFF, 0xFF, 0xFF), "unexpected EOF"},
		{"two counts", edit(28, 0, 0, 0, 16, 0, 0, 0, 1, 0, 0, 0, 2), "array of 1 and of 2"},
		{"boolean 2", edit(28, 0, 0, 0, 21, 0, 0, 0, 1, 0, 0, 0, 2), "boolean 2"},
		{"more behind it", append(bytes.Clone(good), 0), "1 bytes behind the list"},
		{"native: negative pair", native("f0ffffff 0200 0000 01000000 08000000"), "unexpected EOF"},
		{"native: name without end", native("20000000 0100 0000 00000000 01000000 6161616161616161 0000000000000000 00000000"), "string without end"},
		{"native: negative name", native("20000000 ffff 0000 00000000 01000000 6161616161616161 0000000000000000 00000000"), "unexpected EOF"},
		{"native: size", native("28000000 0200 0000 00000000 01000000 6100000000000000 0000000000000000 0000000000000000"), "of 24 bytes says it has 40"},
		{"native: array of 2^31-1", native("20000000 0200 0000 ffffff7f 10000000 6100000000000000 0000000000000000 00000000"), "unexpected EOF"},
		{"native: lists of 2^31-1", native("20000000 0200 0000 ffffff7f 14000000 6100000000000000 0000000000000000 00000000"), "unexpected EOF"},
	} {
		var list nvlist.List
		var err error
		allocated := testing.AllocsPerRun(1, func() { list, err = nvlist.Decode(tt.data) }) // not t.Parallel
		var fault *nvlist.Error
		if !errors.As(err, &fault) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, error %v, want %q", tt.name, list, err, tt.want)
		}
		if allocated > 50 {
			t.Errorf("%s: %v allocations", tt.name, allocated)
		}
	}
	for n := range good {
		if _, err := nvlist.Decode(good[:n]); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut at %d: error %v", n, err)
		}
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	data, err := nvlist.AppendXDR(nil, nested(31))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := nvlist.Decode(data); err != nil {
		t.Errorf("32 lists deep: %v", err)
	}
	// One deeper: a list around the list of data, whose head is 12 bytes.
	deep, err := nvlist.AppendXDR(nil, nvlist.List{{"l", nvlist.List{}}})
	if err != nil {
		t.Fatal(err)
	}
	inner := data[4:]
	deep = append(append(deep[:len(deep)-24:len(deep)-24], inner...), make([]byte, 8)...)
	size := len(deep) - 8 - 12
	deep[12], deep[13], deep[14], deep[15] = byte(size>>24), byte(size>>16), byte(size>>8), byte(size)
	if _, err := nvlist.Decode(deep); err == nil || !strings.Contains(err.Error(), "nested deeper than 32") {
		t.Errorf("33 lists deep: error %v", err)
	}
	for name, l := range map[string]nvlist.List{
		"nested deeper":     nested(40),
		"NUL in":            {{"a\x00", nvlist.Boolean{}}},
		"NUL in \"b":        {{"a", nvlist.Strings{"b\x00"}}},
		"no value":          {{"a", nil}},
		"a number of":       {{"a", nvlist.Number{Kind: 9}}},
		"numbers of UINT64": {{"a", nvlist.Numbers{Kind: 8}}},
	} {
		if _, err := nvlist.AppendXDR(nil, l); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("AppendXDR(%v): error %v, want %q", l, err, name)
		}
	}
}

func FuzzDecode(f *testing.F) {
	data, err := nvlist.AppendXDR(nil, everything())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte{0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := nvlist.Decode(data)
		if err != nil {
			var fault *nvlist.Error
			if !errors.As(err, &fault) || fault.Offset < 0 || fault.Offset > len(data) {
				t.Fatalf("error %v", err)
			}
			return
		}
		xdr, err := nvlist.AppendXDR(nil, list)
		if err != nil {
			t.Fatal(err)
		}
		again, err := nvlist.Decode(xdr)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(list, again); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
		if data[0] == 1 && len(xdr) != len(data) {
			t.Fatalf("%d bytes written again as %d", len(data), len(xdr))
		}
	})
}

// XDR also tells the size that a pair has in memory, by which kernels allocate it: they refuse
// one that is not what the value needs.
func TestSizeInMemory(t *testing.T) {
	t.Parallel()
	for _, v := range []nvlist.Value{
		nvlist.Boolean{}, nvlist.Number{Kind: nvlist.Uint64, Bits: 7}, nvlist.String("text"), nvlist.Bytes("some bytes"),
		nvlist.Strings{"a", "bcdefghij"}, nvlist.List{{Name: "inner", Value: nvlist.String("x")}}, nvlist.Lists{{}, {}},
	} {
		data, err := nvlist.AppendXDR(nil, nvlist.List{{Name: "name", Value: v}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := nvlist.Decode(data); err != nil {
			t.Errorf("%T: %v", v, err)
		}
		for _, by := range []byte{1, 8} {
			wrong := bytes.Clone(data)
			wrong[4+8+4+3] ^= by // behind the head, version and flags, and the encoded size
			if _, err := nvlist.Decode(wrong); !errors.Is(err, nvlist.ErrFormat) {
				t.Errorf("%T of another size: %v", v, err)
			}
		}
	}
}
