package objset_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"imagetools/zfs/block"
	"imagetools/zfs/objset"
	"imagetools/zfs/stream"
)

// file is the bonus buffer of a file of some generation: a header of system attributes, then
// mode, size and generation, and filler.
func file(generation uint64, length int) string {
	b := make([]byte, length)
	binary.LittleEndian.PutUint32(b, 0x2F505A)
	binary.LittleEndian.PutUint16(b[4:], 1<<10)
	binary.LittleEndian.PutUint64(b[24:], generation)
	return string(b)
}

func blockOf(c byte, size int) []byte { return bytes.Repeat([]byte{c}, size) }

const large, old = 1 << 20, 128 << 10

// readAll reads streams until one is refused.
func readAll(streams ...[]byte) (x *objset.Index, doubts []objset.Doubt, err error) {
	x = objset.New(objset.Options{Doubt: func(d objset.Doubt) { doubts = append(doubts, d) }})
	for _, data := range streams {
		err := x.Read(stream.NewReader(bytes.NewReader(data)), objset.InPlace{ReaderAt: bytes.NewReader(data)}, nil)
		if err != nil {
			return x, doubts, err
		}
	}
	return x, doubts, nil
}

// What becomes of the contents of a file whose OBJECT record says another block size.
func TestBlockSizeChanges(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		blocks  int // of 128 KiB that the file has
		change  func(s *script)
		want    string // the first byte of each 128 KiB; "-" is zero
		size    uint32 // of the object's blocks
		refused string
	}{
		{"large blocks are sent for a file that was sent in pieces", 9, func(s *script) {
			s.object(8, large, file(1, 168))
			s.write(8, large, blockOf('n', large))
		}, "aaaaaaaannnnnnnn", old, ""},
		{"another file", 9, func(s *script) {
			s.object(8, large, file(2, 168))
			s.write(8, large, blockOf('n', large))
		}, "--------nnnnnnnn", large, ""},
		{"one block is replaced", 1, func(s *script) {
			s.object(8, large, file(1, 168))
			s.write(8, large, blockOf('n', large))
		}, "--------nnnnnnnn", large, ""},
		{"a block that was written and freed counts no more", 1, func(s *script) {
			s.object(8, large, file(1, 168))
		}, "-", large, ""},
		{"the same file gets smaller blocks", 9, func(s *script) {
			s.object(8, 64<<10, file(1, 168))
		}, "", 0, "blocks of 131072 bytes become blocks of 65536, and it is the same file"},
		{"another file with smaller blocks", 9, func(s *script) {
			s.object(8, 64<<10, file(2, 168))
			s.write(8, 64<<10, blockOf('n', 64<<10))
		}, "-", 64 << 10, ""},
		{"without a generation", 9, func(s *script) { s.object(8, large, "") }, "", 0, "the generation of the file is not in its bonus"},
		{"no plain file", 9, func(s *script) {
			s.add(&stream.Object{Object: 8, ObjType: stream.ObjDirectory, BonusType: stream.ObjSA, BlockSize: large, BonusLen: 168, DnSlots: 1},
				[]byte(file(1, 168)))
		}, "---------", large, ""},
		{"more dnode slots", 9, func(s *script) {
			s.add(&stream.Object{Object: 8, ObjType: stream.ObjPlainFile, BonusType: stream.ObjSA, BlockSize: old, BonusLen: 168, DnSlots: 2},
				[]byte(file(1, 168)))
		}, "---------", old, ""},
		{"fewer block pointers", 9, func(s *script) {
			s.add(&stream.Object{Object: 8, ObjType: stream.ObjPlainFile, BonusType: stream.ObjZnode, BlockSize: old, BonusLen: 264, DnSlots: 1},
				make([]byte, 264))
		}, "aaaaaaaaa", old, ""}, // system attributes leave one pointer as well
		{"another type of the same shape keeps what is not freed", 9, func(s *script) {
			s.add(&stream.Object{Object: 8, ObjType: stream.ObjDirectory, BonusType: stream.ObjSA, BlockSize: old, BonusLen: 168, DnSlots: 1},
				[]byte(file(2, 168)))
		}, "aaaaaaaaa", old, ""},
	} {
		full := newScript(t, stream.Begin{ToGUID: 1, Flags: stream.FlagSpillBlock})
		full.object(8, old, file(1, 168))
		for i := range tt.blocks {
			full.write(8, uint64(i)*old, blockOf('a', old))
		}
		next := newScript(t, stream.Begin{ToGUID: 2, FromGUID: 1, Features: stream.FeatureLargeBlocks, Flags: stream.FlagSpillBlock})
		tt.change(next)
		x, doubts, err := readAll(full.end(), next.end())
		if tt.refused != "" {
			if err == nil || !strings.Contains(err.Error(), tt.refused) {
				t.Errorf("%s: error %v, want %q", tt.name, err, tt.refused)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		o := x.Snapshots()[1].Object(8)
		if o.BlockSize != tt.size {
			t.Errorf("%s: blocks of %d, want %d", tt.name, o.BlockSize, tt.size)
		}
		data := content(t, x, o, len(tt.want)*old)
		var got []byte
		for at := 0; at < len(data); at += old {
			if data[at] != data[at+old-1] && tt.size >= old {
				t.Errorf("%s: block at %#x begins %q and ends %q", tt.name, at, data[at], data[at+old-1])
			}
			got = append(got, max(data[at], '-'))
		}
		if string(got) != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
		if switched := tt.size != o.Announced; switched != (len(doubts) > 0 && doubts[0].Old) {
			t.Errorf("%s: doubts %v", tt.name, doubts)
		}
	}
}

// A dataset with large blocks takes no stream that was sent without them, and any number of
// streams with them; large blocks that were never written do not count.
func TestLargeBlocksMustStay(t *testing.T) {
	t.Parallel()
	chain := func(flags ...bool) [][]byte {
		var all [][]byte
		for i, l := range flags {
			b := stream.Begin{ToGUID: uint64(i + 1), FromGUID: uint64(i)}
			if l {
				b.Features = stream.FeatureLargeBlocks
			}
			s := newScript(t, b)
			if l {
				s.object(8, large, file(1, 168))
				s.write(8, 0, blockOf('a', large))
			}
			all = append(all, s.end())
		}
		return all
	}
	for _, tt := range []struct {
		name    string
		streams [][]byte
		refused bool
	}{
		{"with, with", chain(true, true), false},
		{"without, without", chain(false, false), false},
		{"without, with, with", chain(false, true, true), false},
		{"with, without", chain(true, false), true},
		{"without, with, without", chain(false, true, false), true},
		{"without, with, and freed since", append(chain(false, true, true), func() []byte {
			s := newScript(t, stream.Begin{ToGUID: 4, FromGUID: 3})
			s.add(&stream.FreeObjects{First: 8, Count: 1}, nil)
			return s.end()
		}()), true},
	} {
		_, _, err := readAll(tt.streams...)
		var hint interface{ Hint() string }
		if tt.refused != (err != nil) || err != nil && (!errors.As(err, &hint) || !strings.Contains(hint.Hint(), "-L")) {
			t.Errorf("%s: error %v", tt.name, err)
		}
	}
	full := newScript(t, stream.Begin{ToGUID: 1})
	full.object(8, old, file(1, 168))
	full.write(8, 0, blockOf('a', old))
	full.write(8, old, blockOf('a', old))
	switched := newScript(t, stream.Begin{ToGUID: 2, FromGUID: 1, Features: stream.FeatureLargeBlocks})
	switched.object(8, large, file(1, 168))
	switched.write(8, 0, blockOf('b', large))
	back := newScript(t, stream.Begin{ToGUID: 3, FromGUID: 2})
	back.object(8, old, file(1, 168))
	back.write(8, old, blockOf('c', old))
	x, _, err := readAll(full.end(), switched.end(), back.end())
	if err != nil {
		t.Fatal(err) // the object has never had large blocks
	}
	if got := content(t, x, x.Snapshots()[2].Object(8), 3*old); got[0] != 'b' || got[old] != 'c' || got[2*old] != 'b' {
		t.Errorf("blocks %q %q %q", got[0], got[old], got[2*old])
	}
}

// A stream whose source has the other byte order would have its objects misread.
func TestOtherByteOrder(t *testing.T) {
	t.Parallel()
	full := newScript(t, stream.Begin{ToGUID: 1}).end()
	var big bytes.Buffer
	w := stream.NewWriterOrder(&big, binary.BigEndian)
	for _, rec := range []stream.Record{
		&stream.Begin{HeaderType: stream.Substream, Objset: stream.ObjsetZFS, ToGUID: 2, FromGUID: 1, ToName: "pool/fs@2"}, &stream.End{},
	} {
		if err := w.WriteRecord(rec, nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := readAll(full, big.Bytes()); !errors.Is(err, stream.ErrUnsupported) {
		t.Errorf("error %v", err)
	}
}

// What becomes of the spill block of an object that an increment has a record for.
func TestSpillStaysOrGoes(t *testing.T) {
	t.Parallel()
	const none, flagged = 0, stream.FlagObjectSpill
	type object struct {
		flags     uint8
		bonus     int
		slots     uint8
		spill     string // the SPILL record that follows, "" for none
		unchanged bool   // it is flagged as unmodified
	}
	for _, tt := range []struct {
		name  string
		begin stream.Flags
		o     object
		want  string
	}{
		{"flagged, and brought", stream.FlagSpillBlock, object{flagged, 192, 1, "new", false}, "new"},
		{"flagged, and not brought", stream.FlagSpillBlock, object{flagged, 192, 1, "", false}, "old"},
		{"flagged, another shape", stream.FlagSpillBlock, object{flagged, 184, 1, "", false}, "old"},
		{"flagged, and brought for those who have lost it", stream.FlagSpillBlock, object{flagged, 184, 1, "new", true}, "old"},
		{"not flagged", stream.FlagSpillBlock, object{none, 192, 1, "", false}, ""},
		{"not flagged, another shape", stream.FlagSpillBlock, object{none, 204, 1, "", false}, ""},
		{"old stream, same shape", 0, object{none, 192, 1, "", false}, "old"},
		{"old stream, same shape, brought", 0, object{none, 192, 1, "new", false}, "new"},
		{"old stream, another shape", 0, object{none, 204, 1, "", false}, ""},
		{"old stream, another shape, brought", 0, object{none, 184, 1, "new", false}, "new"},
		{"allocated again", stream.FlagSpillBlock, object{flagged, 192, 2, "", false}, ""},
	} {
		full := newScript(t, stream.Begin{ToGUID: 1, Flags: stream.FlagSpillBlock})
		full.add(&stream.Object{Object: 8, ObjType: stream.ObjPlainFile, BonusType: stream.ObjSA, BlockSize: 512, BonusLen: 192, DnSlots: 1, Flags: flagged},
			[]byte(file(1, 192)))
		spill := func(s *script, text string, flags uint8) {
			s.add(&stream.Spill{Object: 8, Length: 512, Flags: flags}, append([]byte(text), make([]byte, 512-len(text))...))
		}
		spill(full, "old", 0)
		next := newScript(t, stream.Begin{ToGUID: 2, FromGUID: 1, Flags: tt.begin})
		next.add(&stream.Object{Object: 8, ObjType: stream.ObjPlainFile, BonusType: stream.ObjSA, BlockSize: 512, BonusLen: uint32(tt.o.bonus), DnSlots: tt.o.slots, Flags: tt.o.flags},
			[]byte(file(1, (tt.o.bonus+7)&^7)))
		if tt.o.spill != "" {
			flags := uint8(0)
			if tt.o.unchanged {
				flags = stream.FlagSpillUnmodified
			}
			spill(next, tt.o.spill, flags)
		}
		x, _, err := readAll(full.end(), next.end())
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if got := strings.TrimRight(string(x.Snapshots()[1].Object(8).Spill()), "\x00"); got != tt.want {
			t.Errorf("%s: spill %q, want %q", tt.name, got, tt.want)
		}
		if got := strings.TrimRight(string(x.Snapshots()[0].Object(8).Spill()), "\x00"); got != "old" {
			t.Errorf("%s: the source has the spill %q", tt.name, got)
		}
	}
}

// A dnode of several slots takes the numbers behind its own; one that is taken is no object's.
func TestSlots(t *testing.T) {
	t.Parallel()
	object := func(s *script, n uint64, slots uint8) {
		s.add(&stream.Object{Object: n, ObjType: stream.ObjPlainFile, BonusType: stream.ObjSA, BlockSize: 512, BonusLen: 168, DnSlots: slots}, []byte(file(1, 168)))
	}
	for _, tt := range []struct {
		name    string
		change  func(s *script)
		want    []uint64
		refused bool
	}{
		{"grows over its neighbours", func(s *script) { object(s, 16, 4) }, []uint64{8, 16}, false},
		{"shrinks", func(s *script) { object(s, 8, 1); object(s, 9, 1) }, []uint64{8, 9, 16, 17, 19}, false},
		{"in another's slots", func(s *script) { object(s, 10, 1) }, nil, true},
		{"in the slots of one that was freed", func(s *script) {
			s.add(&stream.FreeObjects{First: 8, Count: 1}, nil)
			object(s, 10, 1)
		}, []uint64{10, 16, 17, 19}, false},
		{"frees from another's slots on", func(s *script) { s.add(&stream.FreeObjects{First: 10, Count: 4}, nil) }, nil, true},
		{"frees beyond the last number", func(s *script) { s.add(&stream.FreeObjects{First: 100, Count: 1<<64 - 1}, nil) }, nil, true},
	} {
		full := newScript(t, stream.Begin{ToGUID: 1, Features: stream.FeatureLargeDnode})
		object(full, 8, 4)
		for _, n := range []uint64{16, 17, 19} {
			object(full, n, 1)
		}
		next := newScript(t, stream.Begin{ToGUID: 2, FromGUID: 1, Features: stream.FeatureLargeDnode})
		tt.change(next)
		x, _, err := readAll(full.end(), next.end())
		if tt.refused != (err != nil) {
			t.Errorf("%s: error %v", tt.name, err)
		}
		if err != nil {
			continue
		}
		var got []uint64
		for o := range x.Snapshots()[1].Objects() {
			got = append(got, o.Number)
		}
		if len(got) != len(tt.want) {
			t.Errorf("%s: objects %v, want %v", tt.name, got, tt.want)
			continue
		}
		for i := range got {
			if got[i] != tt.want[i] {
				t.Errorf("%s: objects %v, want %v", tt.name, got, tt.want)
				break
			}
		}
	}
}

// A number that a stream frees and gives to an object again is doubtful: receivers give it back
// when they have written to disk that it is free.
func TestNumberFreedAndUsedAgain(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name          string
		first, count  uint64
		before, after bool // the object comes before, or after
		doubtful      bool
	}{
		{"of the source", 7, 3, false, true, true},
		{"of the same stream", 8, 1, true, true, true},
		{"freed alone", 7, 3, false, false, false},
		{"another", 9, 10, false, true, false},
	} {
		full := newScript(t, stream.Begin{ToGUID: 1})
		full.object(8, 512, file(1, 168))
		next := newScript(t, stream.Begin{ToGUID: 2, FromGUID: 1})
		if tt.before {
			next.object(8, 512, file(1, 168))
		}
		next.add(&stream.FreeObjects{First: tt.first, Count: tt.count}, nil)
		if tt.after {
			next.object(8, 512, file(1, 168))
		}
		_, doubts, err := readAll(full.end(), next.end())
		if err != nil || (len(doubts) == 1 && !doubts[0].Old) != tt.doubtful {
			t.Errorf("%s: doubts %v, %v", tt.name, doubts, err)
		}
	}
}

// FREE of a part of a block makes zeros of it. Blocks that the same stream has written as a whole
// it does not free, but a part of one brings back what lay there before: that is doubtful.
func TestFreeOfParts(t *testing.T) {
	t.Parallel()
	full := newScript(t, stream.Begin{ToGUID: 1})
	full.object(8, 1024, file(1, 168))
	for i := range uint64(4) {
		full.write(8, i*1024, blockOf('a', 1024))
	}
	source := full.end()
	free := func(s *script, off, length uint64) { s.add(&stream.Free{Object: 8, Offset: off, Length: length}, nil) }
	for _, tt := range []struct {
		name    string
		change  func(s *script)
		want    string // of each 256 bytes
		doubt   bool
		refused bool
	}{
		{"part of a block", func(s *script) { free(s, 256, 256) }, "a-aaaaaaaaaaaaaa", false, false},
		{"parts and a block between", func(s *script) { free(s, 512, 2048) }, "aa--------aaaaaa", false, false},
		{"to the end", func(s *script) { free(s, 1536, 1<<64-1) }, "aaaaaa----------", false, false},
		{"behind the end", func(s *script) { free(s, 8192, 1<<64-1) }, "aaaaaaaaaaaaaaaa", false, false},
		{"beyond all numbers", func(s *script) { free(s, 8192, 1<<64-2) }, "", false, true},
		{"freed, then written", func(s *script) { free(s, 0, 2048); s.write(8, 1024, blockOf('n', 1024)) }, "----nnnnaaaaaaaa", false, false},
		{"part of a block that was just written", func(s *script) { s.write(8, 1024, blockOf('n', 1024)); free(s, 1280, 256) }, "aaaaa-aaaaaaaaaa", true, false},
		{"part of a new block that was just written", func(s *script) { s.write(8, 4096, blockOf('n', 1024)); free(s, 4352, 256) }, "aaaaaaaaaaaaaaaannnn", true, false},
		{"all, of which a block was just written", func(s *script) { s.write(8, 1024, blockOf('n', 1024)); free(s, 0, 1<<64-1) }, "----nnnn--------", true, false},
		{"part of a part that was just written", func(s *script) { s.write(8, 1024, blockOf('n', 512)); free(s, 1280, 512) }, "aaaan--aaaaaaaaa", true, false},
		{"part of a block that is written later", func(s *script) { free(s, 1280, 1<<64-1); s.write(8, 1024, blockOf('n', 1024)) }, "aaaannnn--------", true, false},
		{"part of a block, and the next is written later", func(s *script) { free(s, 1280, 256); s.write(8, 2048, blockOf('n', 1024)) }, "aaaaa-aannnnaaaa", false, false},
		{"behind what was just written", func(s *script) { s.write(8, 1024, blockOf('n', 1024)); free(s, 2048, 1024) }, "aaaannnn----aaaa", false, false},
	} {
		next := newScript(t, stream.Begin{ToGUID: 2, FromGUID: 1})
		next.object(8, 1024, file(1, 168))
		tt.change(next)
		x, doubts, err := readAll(source, next.end())
		if tt.refused != (err != nil) {
			t.Errorf("%s: error %v", tt.name, err)
		}
		if err != nil {
			continue
		}
		data := content(t, x, x.Snapshots()[1].Object(8), 256*len(tt.want))
		var got []byte
		for at := 0; at < len(data); at += 256 {
			got = append(got, max(data[at], '-'))
		}
		if string(got) != tt.want || tt.doubt != (len(doubts) > 0) {
			t.Errorf("%s: %s, doubts %v; want %s", tt.name, got, doubts, tt.want)
		}
	}
}

// The rest of an interrupted send is no increment whose source could be named.
func TestResumed(t *testing.T) {
	t.Parallel()
	rest := newScript(t, stream.Begin{ToGUID: 1, Features: stream.FeatureResuming}).end()
	next := newScript(t, stream.Begin{ToGUID: 2, FromGUID: 1}).end()
	x, _, err := readAll(rest, next)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range x.Snapshots() {
		if !s.Resumed() || !s.Partial() || s.Missing() != 0 {
			t.Errorf("snapshot %d: resumed %v, partial %v, missing %d", i, s.Resumed(), s.Partial(), s.Missing())
		}
	}
}

// Of the only block of a file that is larger than the object's, which senders without -L do not cut
// if it is embedded, receivers keep what a block of the object holds.
func TestEmbeddedUnsplit(t *testing.T) {
	t.Parallel()
	const length = old + 18944
	for _, tt := range []struct {
		name    string
		data    byte
		doubted bool
	}{{"zeros behind", 0, false}, {"data behind", 'x', true}} {
		packed, ok := block.Compress(nil, block.Zstd, append(blockOf('a', old), blockOf(tt.data, length-old)...))
		if !ok {
			t.Fatal("it does not get smaller")
		}
		size := 12 + int(binary.BigEndian.Uint32(packed)) // the frame, in a block that is padded
		if size -= 4; size > 112 {
			t.Fatalf("%d bytes are not embedded", size)
		}
		s := newScript(t, stream.Begin{ToGUID: 1, Features: stream.FeatureEmbedData | stream.FeatureZstd})
		s.object(8, old, file(1, 168))
		s.add(&stream.WriteEmbedded{Object: 8, Length: length, Compression: uint8(block.Zstd), LSize: length, PSize: uint32(size)},
			append(bytes.Clone(packed[:size]), make([]byte, -size&7)...))
		x, doubts, err := readAll(s.end())
		if err != nil {
			t.Fatal(err)
		}
		got := content(t, x, x.Snapshots()[0].Object(8), length)
		if !bytes.Equal(got, append(blockOf('a', old), make([]byte, length-old)...)) || len(doubts) > 0 != tt.doubted {
			t.Errorf("%s: wrong data, or doubts %v", tt.name, doubts)
		}
	}
}
