package stream_test

import (
	"strings"
	"testing"

	"imagetools/zfs/stream"
)

// Records that keep every rule; edits turn them into ones that break one.
func goodBegin(edit ...func(*stream.Begin)) *stream.Begin {
	b := &stream.Begin{HeaderType: stream.Substream, Objset: stream.ObjsetZFS, ToGUID: guid, ToName: "a@b",
		Features: stream.FeatureSASpill, Flags: stream.FlagSpillBlock}
	for _, f := range edit {
		f(b)
	}
	return b
}

func goodObject(edit ...func(*stream.Object)) *stream.Object {
	o := &stream.Object{Object: 8, ObjType: 19, BonusType: 44, BlockSize: 1024, BonusLen: 168, DnSlots: 1, ToGUID: guid}
	for _, f := range edit {
		f(o)
	}
	return o
}

func goodWrite(edit ...func(*stream.Write)) *stream.Write {
	w := &stream.Write{Object: 8, ObjType: 19, LogicalSize: 1024, ToGUID: guid, ChecksumType: 7}
	for _, f := range edit {
		f(w)
	}
	return w
}

func goodSpill(edit ...func(*stream.Spill)) *stream.Spill {
	s := &stream.Spill{Object: 8, Length: 512, ToGUID: guid}
	for _, f := range edit {
		f(s)
	}
	return s
}

func withSpill(o *stream.Object) { o.Flags = stream.FlagObjectSpill }

func at(offset uint64) func(*stream.Write) { return func(w *stream.Write) { w.Offset = offset } }

// Each row is a stream whose last record breaks one rule.
func TestChecker(t *testing.T) {
	t.Parallel()
	type recs []stream.Record
	begin, end := goodBegin(), &stream.End{ToGUID: guid}
	obj := func(edit func(*stream.Object)) recs { return recs{begin, goodObject(edit)} }
	for _, tt := range []struct {
		name string
		recs recs
		want string // "" for a good stream
	}{
		{"good", recs{begin, goodObject(), goodWrite(), goodWrite(at(1024)), goodWrite(at(1 << 40)), end}, ""},
		{"good with spill", recs{begin, goodObject(withSpill), goodWrite(), goodSpill(), end}, ""},
		{"good with holes", recs{begin, goodObject(), &stream.Free{Object: 8, Length: 1<<64 - 1, ToGUID: guid}, goodWrite(),
			&stream.FreeObjects{First: 9, Count: 1 << 48, ToGUID: guid}, end}, ""},
		{"good odd block", recs{begin, goodObject(func(o *stream.Object) { o.BlockSize = 1536 }),
			goodWrite(func(w *stream.Write) { w.LogicalSize = 1536 }), end}, ""},
		{"good empty bonus", recs{begin, goodObject(func(o *stream.Object) { o.BonusType, o.BonusLen = 0, 0 }), end}, ""},
		{"good self-describing type", recs{begin, goodObject(func(o *stream.Object) { o.ObjType = 0xC3 })}, ""},

		{"nothing before BEGIN", recs{goodObject()}, "before BEGIN"},
		{"second BEGIN", recs{begin, begin}, "a second time"},
		{"after END", recs{begin, end, goodObject()}, "after END"},
		{"name without @", recs{goodBegin(func(b *stream.Begin) { b.ToName = "ab" })}, "a snapshot are needed"},
		{"name without dataset", recs{goodBegin(func(b *stream.Begin) { b.ToName = "@b" })}, "a dataset"},
		{"name without snapshot", recs{goodBegin(func(b *stream.Begin) { b.ToName = "a@" })}, "a snapshot are needed"},
		{"name with two @", recs{goodBegin(func(b *stream.Begin) { b.ToName = "a@b@c" })}, "a snapshot are needed"},
		{"name with NUL", recs{goodBegin(func(b *stream.Begin) { b.ToName = "a@b\x00" })}, "a snapshot are needed"},
		{"compound", recs{goodBegin(func(b *stream.Begin) { b.HeaderType = stream.Compound })}, "header type 2"},
		{"no objset", recs{goodBegin(func(b *stream.Begin) { b.Objset = 0 })}, "objset type 0"},
		{"guid 0", recs{goodBegin(func(b *stream.Begin) { b.ToGUID = 0 })}, "toguid is 0"},

		{"object 0", obj(func(o *stream.Object) { o.Object = 0 }), "out of range"},
		{"object 2^48", obj(func(o *stream.Object) { o.Object = 1 << 48 }), "out of range"},
		{"object twice", recs{begin, goodObject(), goodObject()}, "after object 8"},
		{"objects descend", recs{begin, goodObject(), goodObject(func(o *stream.Object) { o.Object = 7 })}, "after object 8"},
		{"type 0", obj(func(o *stream.Object) { o.ObjType = 0 }), "object type 0"},
		{"type 54", obj(func(o *stream.Object) { o.ObjType = 54 }), "object type 54"},
		{"type 384", obj(func(o *stream.Object) { o.ObjType = 384 }), "object type 384"},
		{"bonus type 60", obj(func(o *stream.Object) { o.BonusType = 60 }), "bonus type 60"},
		{"bonus without type", obj(func(o *stream.Object) { o.BonusType = 0 }), "bonus type 0 with 168 bytes"},
		{"type without bonus", obj(func(o *stream.Object) { o.BonusType, o.BonusLen = 17, 0 }), "bonus type 17 with 0 bytes"},
		{"bonus too long", obj(func(o *stream.Object) { o.BonusLen = 321 }), "bonus of 321 bytes: 320 fit"},
		{"bonus too long for spill", obj(func(o *stream.Object) { withSpill(o); o.BonusLen = 193 }), "bonus of 193 bytes: 192 fit"},
		{"block of 0", obj(func(o *stream.Object) { o.BlockSize = 0 }), "not a multiple of 512"},
		{"block of 768", obj(func(o *stream.Object) { o.BlockSize = 768 }), "not a multiple of 512"},
		{"large block", obj(func(o *stream.Object) { o.BlockSize = 256 << 10 }), "needs LARGE_BLOCKS"},
		{"huge block", recs{goodBegin(func(b *stream.Begin) { b.Features |= stream.FeatureLargeBlocks }),
			goodObject(func(o *stream.Object) { o.BlockSize = 32 << 20 })}, "the limit is 16777216"},
		{"0 slots", obj(func(o *stream.Object) { o.DnSlots = 0 }), "0 dnode slots"},
		{"2 slots", obj(func(o *stream.Object) { o.DnSlots = 2 }), "2 dnode slots"},
		{"raw fields", obj(func(o *stream.Object) { o.NLevels = 1 }), "fields of raw streams"},
		{"flag", obj(func(o *stream.Object) { o.Flags = stream.FlagRawByteswap }), "flags 0x2"},
		{"spill flag unannounced", recs{goodBegin(func(b *stream.Begin) { b.Flags = 0 }), goodObject(withSpill)}, "without SPILL_BLOCK"},
		{"object of another guid", obj(func(o *stream.Object) { o.ToGUID++ }), "toguid"},
		{"missing spill", recs{begin, goodObject(withSpill), end}, "has a spill flag but no SPILL"},
		{"missing spill, object", recs{begin, goodObject(withSpill), goodObject(func(o *stream.Object) { o.Object = 9 })}, "no SPILL"},

		{"write without object", recs{begin, goodWrite()}, "data of another object than 0"},
		{"write of another object", recs{begin, goodObject(), goodWrite(func(w *stream.Write) { w.Object = 7 })}, "data of another object"},
		{"write after spill", recs{begin, goodObject(withSpill), goodSpill(), goodWrite()}, "after the object's SPILL"},
		{"write of another type", recs{begin, goodObject(), goodWrite(func(w *stream.Write) { w.ObjType = 20 })}, "object type 20"},
		{"compressed", recs{begin, goodObject(), goodWrite(func(w *stream.Write) { w.Compression, w.CompressedSize = 15, 512 })}, "compressed"},
		{"half a block", recs{begin, goodObject(), goodWrite(func(w *stream.Write) { w.LogicalSize = 512 })}, "not one block"},
		{"two blocks", recs{begin, goodObject(), goodWrite(func(w *stream.Write) { w.LogicalSize = 2048 })}, "not one block"},
		{"between blocks", recs{begin, goodObject(), goodWrite(at(512))}, "not one block"},
		{"offset 2^64-1024", recs{begin, goodObject(), goodWrite(at(1<<64 - 1024))}, "beyond the end"},
		{"offset 2^63", recs{begin, goodObject(), goodWrite(at(1 << 63))}, "beyond the end"},
		{"block twice", recs{begin, goodObject(), goodWrite(), goodWrite()}, "written up to 0x400"},
		{"offsets descend", recs{begin, goodObject(), goodWrite(at(2048)), goodWrite(at(1024))}, "written up to"},
		{"second odd block", recs{begin, goodObject(func(o *stream.Object) { o.BlockSize = 1536 }),
			goodWrite(func(w *stream.Write) { w.LogicalSize, w.Offset = 1536, 1536 })}, "not a power of two"},
		{"checksum type", recs{begin, goodObject(), goodWrite(func(w *stream.Write) { w.ChecksumType = 14 })}, "checksum type 14"},
		{"write of another guid", recs{begin, goodObject(), goodWrite(func(w *stream.Write) { w.ToGUID = 0 })}, "toguid"},

		{"spill without flag", recs{begin, goodObject(), goodSpill()}, "no spill flag"},
		{"spill twice", recs{begin, goodObject(withSpill), goodSpill(), goodSpill()}, "a second time"},
		{"spill of another object", recs{begin, goodObject(withSpill), goodSpill(func(s *stream.Spill) { s.Object = 9 })}, "another object"},
		{"spill of 500", recs{begin, goodObject(withSpill), goodSpill(func(s *stream.Spill) { s.Length = 500 })}, "length 500"},
		{"large spill", recs{begin, goodObject(withSpill), goodSpill(func(s *stream.Spill) { s.Length = 256 << 10 })}, "length 262144"},
		{"unmodified spill", recs{begin, goodObject(withSpill), goodSpill(func(s *stream.Spill) { s.Flags = 4 })}, "flags"},

		{"free of object 0", recs{begin, &stream.Free{ToGUID: guid}}, "out of range"},
		{"free beyond the end", recs{begin, &stream.Free{Object: 8, Offset: 1024, Length: 1<<64 - 1024, ToGUID: guid}}, "beyond the end"},
		{"free of another guid", recs{begin, &stream.Free{Object: 8}}, "toguid"},
		{"free objects beyond", recs{begin, &stream.FreeObjects{First: 2, Count: 1<<64 - 1, ToGUID: guid}}, "beyond the last number"},
		{"end of another guid", recs{begin, &stream.End{}}, "toguid"},
		{"byref", recs{begin, &stream.WriteByref{}}, "not in a plain stream"},
		{"embedded", recs{begin, &stream.WriteEmbedded{}}, "not in a plain stream"},
		{"object range", recs{begin, &stream.ObjectRange{}}, "not in a plain stream"},
		{"redact", recs{begin, &stream.Redact{}}, "not in a plain stream"},
	} {
		var c stream.Checker
		for i, rec := range tt.recs {
			err := c.Check(rec)
			switch last := i == len(tt.recs)-1; {
			case (!last || tt.want == "") && err != nil:
				t.Errorf("%s: record %d: %v", tt.name, i, err)
			case last && tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("%s: error %v, want %q", tt.name, err, tt.want)
			}
		}
	}
}

// What real senders do and the writer must not: each row is taken as a foreign stream up to
// its last record, which breaks a rule unless want is "".
func TestCheckerForeign(t *testing.T) {
	t.Parallel()
	type recs []stream.Record
	obj := func(number uint64, edit ...func(*stream.Object)) *stream.Object {
		return goodObject(append([]func(*stream.Object){func(o *stream.Object) { o.Object = number }}, edit...)...)
	}
	data := func(number, offset uint64) *stream.Write {
		return goodWrite(at(offset), func(w *stream.Write) { w.Object = number })
	}
	slots := func(n uint8) func(*stream.Object) { return func(o *stream.Object) { o.DnSlots = n } }
	feature := func(f stream.Features) *stream.Begin {
		return goodBegin(func(b *stream.Begin) { b.Features |= f })
	}
	old := goodBegin(func(b *stream.Begin) { b.Flags = 0 }) // before 2019
	begin, large, end := goodBegin(), feature(stream.FeatureLargeDnode), &stream.End{ToGUID: guid}
	many := recs{begin}
	for i := range uint64(40) {
		many = append(many, obj(i+1))
	}
	for _, tt := range []struct {
		name string
		recs recs
		want string
	}{
		{"0 slots", recs{begin, obj(8, slots(0)), data(8, 0), end}, ""},
		{"objects of a dnode block first", recs{begin, obj(1), obj(2), obj(3), data(1, 0), data(1, 1024), data(3, 0), obj(4), data(4, 0), end}, ""},
		{"spill without flags", recs{old, obj(1), obj(2), data(1, 0), goodSpill(func(s *stream.Spill) { s.Object = 1 }), data(2, 0), end}, ""},
		{"large dnodes", recs{large, obj(1, slots(4), func(o *stream.Object) { o.BonusLen = 512*4 - 192 }), obj(5), end}, ""},
		{"short last block", recs{begin, obj(8), goodWrite(), goodWrite(at(1024), func(w *stream.Write) { w.LogicalSize = 512 }), end}, ""},
		{"BLAKE3", recs{begin, obj(8), goodWrite(func(w *stream.Write) { w.ChecksumType = 14 }), end}, ""},
		{"data of another type", recs{begin, obj(8), goodWrite(func(w *stream.Write) { w.ObjType = 20 }), end}, ""},
		{"more objects than a dnode block has", append(many[:len(many):len(many)], data(40, 0), end), ""},

		{"data of objects descends", recs{begin, obj(1), obj(2), data(2, 0), data(1, 0)}, "another object than 2"},
		{"data of no object", recs{begin, obj(1), obj(3), data(2, 0)}, "another object than 3"},
		{"data of an object long ago", append(many[:len(many):len(many)], data(1, 0)), "another object than"},
		{"data before objects", recs{begin, data(1, 0)}, "another object than 0"},
		{"objects descend", recs{begin, obj(2), obj(1)}, "after object 2"},
		{"object inside a large one", recs{large, obj(1, slots(4)), obj(4)}, "after object 4"},
		{"large dnode without feature", recs{begin, obj(1, slots(2))}, "needs LARGE_DNODE"},
		{"33 slots", recs{large, obj(1, slots(33))}, "the limit is 32"},
		{"missing spill, data", recs{begin, obj(1, withSpill), obj(2), data(2, 0)}, "object 1 has a spill flag but no SPILL"},
		{"missing spill, end", recs{begin, obj(1), obj(2, withSpill), end}, "object 2 has a spill flag but no SPILL"},
		{"missing spill, last but one", recs{begin, obj(1, withSpill), obj(2), end}, "object 1 has a spill flag but no SPILL"},
		{"spill beside a long bonus", recs{old, obj(8, func(o *stream.Object) { o.BonusLen = 200 }), goodSpill()}, "192 fit"},
		{"spill without flag in a new stream", recs{begin, obj(8), goodSpill()}, "no spill flag"},
		{"short block between", recs{begin, obj(8), goodWrite(at(512), func(w *stream.Write) { w.LogicalSize = 512 })}, "not one block"},
		{"256 bytes", recs{begin, obj(8), goodWrite(func(w *stream.Write) { w.LogicalSize = 256 })}, "not one block"},
		{"long block", recs{begin, obj(8), goodWrite(func(w *stream.Write) { w.LogicalSize = 2048 })}, "not one block"},
		{"unknown checksum", recs{begin, obj(8), goodWrite(func(w *stream.Write) { w.ChecksumType = 15 })}, "checksum type 15"},
		{"data of no type", recs{begin, obj(8), goodWrite(func(w *stream.Write) { w.ObjType = 60 })}, "object type 60"},
		{"raw", recs{feature(stream.FeatureRaw)}, "not in a plain stream: RAW"},
		{"redacted", recs{feature(stream.FeatureRedacted)}, "not in a plain stream: REDACTED"},
		{"dedup", recs{feature(stream.FeatureDedup)}, "not in a plain stream: DEDUP"},
	} {
		c := stream.Checker{Foreign: true}
		for i, rec := range tt.recs {
			err := c.Check(rec)
			switch last := i == len(tt.recs)-1; {
			case (!last || tt.want == "") && err != nil:
				t.Errorf("%s: record %d: %v", tt.name, i, err)
			case last && tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("%s: error %v, want %q", tt.name, err, tt.want)
			}
		}
	}
}
