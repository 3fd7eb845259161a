package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"testing"

	"imagetools/zfs/block"
	"imagetools/zfs/filter"
	"imagetools/zfs/nvlist"
	"imagetools/zfs/objset"
	"imagetools/zfs/sa"
	"imagetools/zfs/stream"
	"imagetools/zfs/zap"
)

var zfsRows = []row{
	{"nvlist: pairs", 2000, func(t testing.TB, n int) func() {
		var l nvlist.List
		for i := range n {
			l = append(l, nvlist.Pair{Name: fmt.Sprint("n", i), Value: nvlist.String("x")})
		}
		return decodeList(t, l)
	}},
	{"nvlist: strings of a pair", 2000, func(t testing.TB, n int) func() {
		return decodeList(t, nvlist.List{{Name: "n", Value: make(nvlist.Strings, n)}})
	}},
	{"nvlist: lists of a pair", 2000, func(t testing.TB, n int) func() {
		return decodeList(t, nvlist.List{{Name: "n", Value: make(nvlist.Lists, n)}})
	}},
	{"ZAP: names of a micro ZAP", 400, table(func(i int) zap.Entry { return zap.Uint64(fmt.Sprint("n", i), 1) })},
	{"ZAP: names of a fat ZAP", 4000, table(func(i int) zap.Entry { return zap.Uint64(fmt.Sprint("n", i), 1) })},
	{"ZAP: values", 1000, table(func(i int) zap.Entry {
		return zap.Entry{Name: fmt.Sprint("n", i), IntSize: 8, Values: make([]uint64, 40)}
	})},
	{"attributes: layouts", 200, func(t testing.TB, n int) func() {
		bonus, _, err := sa.Encode([]sa.Value{{Attr: sa.Symlink, Data: []byte("x")}})
		must(t, err)
		layouts := sa.Layouts()
		for i := range n {
			layouts = append(layouts, zap.Entry{Name: fmt.Sprint(100 + i), IntSize: 2, Values: make([]uint64, 20)})
		}
		return func() {
			tables := must2(sa.NewTables(sa.Registry(), layouts))(t)
			for range n {
				must(t, tables.Decode(bonus, func(sa.Attr, []byte, binary.ByteOrder) error { return nil }))
			}
		}
	}},
	{"stream: records", 2000, func(t testing.TB, n int) func() {
		data := records1(t, n, writeBlock)
		return func() {
			r := stream.NewReader(bytes.NewReader(data))
			var c stream.Checker
			for {
				rec, err := r.Next()
				if err == io.EOF {
					return
				}
				must(t, err)
				must2(r.Payload())(t)
				must(t, c.Check(rec))
			}
		}
	}},
	{"index: objects", 2000, index(func(add func(stream.Record, []byte), i, n int) {
		add(&stream.Object{Object: uint64(i + 10), ObjType: stream.ObjPlainFile, BlockSize: 512, DnSlots: 1, ToGUID: 1}, nil)
	})},
	{"index: blocks of an object, read", 2000, index(writeBlock)},
	{"index: blocks with gaps", 2000, index(func(add func(stream.Record, []byte), i, n int) {
		add(&stream.Write{Object: 8, ObjType: stream.ObjPlainFile, Offset: uint64(1024 * i), LogicalSize: 512, ToGUID: 1}, block512(i))
	})},
	{"index: blocks backward", 2000, index(func(add func(stream.Record, []byte), i, n int) {
		add(&stream.Write{Object: 8, ObjType: stream.ObjPlainFile, Offset: uint64(1024 * (n - i)), LogicalSize: 512, ToGUID: 1}, block512(i))
	})},
	{"index: one block again and again", 2000, index(func(add func(stream.Record, []byte), i, n int) {
		add(&stream.Write{Object: 8, ObjType: stream.ObjPlainFile, LogicalSize: 512, ToGUID: 1}, block512(i))
	})},
	{"index: FREE of pieces", 2000, index(func(add func(stream.Record, []byte), i, n int) {
		if i < n/2 {
			writeBlock(add, i, n)
			return
		}
		add(&stream.Free{Object: 8, Offset: uint64(1024 * (i - n/2)), Length: 512, ToGUID: 1}, nil)
	})},
	{"index: FREE to the end, again and again", 2000, index(func(add func(stream.Record, []byte), i, n int) {
		if i%2 == 0 {
			writeBlock(add, i, n)
			return
		}
		add(&stream.Free{Object: 8, Offset: uint64(512 * max(i-8, 0)), Length: math.MaxUint64, ToGUID: 1}, nil)
	})},
	{"index: FREEOBJECTS", 2000, index(func(add func(stream.Record, []byte), i, n int) {
		if i < n/2 {
			add(&stream.Object{Object: uint64(i + 10), ObjType: stream.ObjPlainFile, BlockSize: 512, DnSlots: 1, ToGUID: 1}, nil)
			return
		}
		add(&stream.FreeObjects{First: uint64(10 + i - n/2), Count: 1, ToGUID: 1}, nil)
	})},
	{"index: WRITE_BYREF", 1000, index(func(add func(stream.Record, []byte), i, n int) {
		if i < n/2 {
			writeBlock(add, i, n)
			return
		}
		add(&stream.WriteByref{Object: 8, Offset: uint64(512 * i), Length: 512, ToGUID: 1, RefGUID: 1, RefObject: 8, RefOffset: uint64(512 * (i - n/2))}, nil)
	})},
	{"index: spill blocks", 1000, index(func(add func(stream.Record, []byte), i, n int) {
		number := uint64(i + 10)
		add(&stream.Object{Object: number, ObjType: stream.ObjPlainFile, BonusType: stream.ObjSA, BonusLen: 168, BlockSize: 512, DnSlots: 1, Flags: 4, ToGUID: 1}, make([]byte, 168))
		add(&stream.Spill{Object: number, Length: 512, ToGUID: 1, ObjType: stream.ObjSA}, block512(i))
	})},
	{"index: snapshots", 100, func(t testing.TB, n int) func() {
		var data []byte
		for i := range n {
			data = append(data, snapshot(t, uint64(i+1), uint64(i), 8, writeBlock)...)
		}
		return func() {
			x := objset.New(objset.Options{})
			in := bytes.NewReader(data)
			for range n {
				must(t, x.Read(stream.NewReader(in), nil, nil))
			}
		}
	}},
	{"filters: records", 1000, func(t testing.TB, n int) func() {
		data := records1(t, n, writeBlock)
		return func() {
			must2(filter.Rename(io.Discard, bytes.NewReader(data), filter.Names{Snapshot: "b"}))(t)
			must2(filter.Recompress(io.Discard, bytes.NewReader(data), block.LZ4))(t)
			must2(filter.Deholes(io.Discard, bytes.NewReader(data)))(t)
		}
	}},
	{"block: compressed by lz4", 8 << 10, packed(block.LZ4)},
	{"block: compressed by lzjb", 8 << 10, packed(block.LZJB)},
	{"block: compressed by zle", 8 << 10, packed(block.ZLE)},
	{"block: compressed by gzip", 8 << 10, packed(block.Gzip6)},
	{"block: compressed by zstd", 8 << 10, packed(block.Zstd)},
}

func decodeList(t testing.TB, l nvlist.List) func() {
	data := must2(nvlist.AppendXDR(nil, l))(t)
	return func() { must2(nvlist.Decode(data))(t) }
}

func table(entry func(i int) zap.Entry) func(testing.TB, int) func() {
	return func(t testing.TB, n int) func() {
		var entries zap.Entries
		for i := range n {
			entries = append(entries, entry(i))
		}
		return func() {
			z := must2(zap.Build(entries, 1))(t)
			var blocks [][]byte
			for b, err := range z.Blocks() {
				must(t, err)
				blocks = append(blocks, bytes.Clone(b))
			}
			got := 0
			must(t, zap.Read(func(i uint64) ([]byte, error) { return blocks[i], nil }, binary.LittleEndian, func(zap.Entry) error {
				got++
				return nil
			}))
			if got != n {
				t.Fatalf("%d names, want %d", got, n)
			}
		}
	}
}

// block512 is a block that differs from those of other numbers.
func block512(i int) []byte { return bytes.Repeat([]byte{byte(i), byte(i >> 8), 1, 2}, 128) }

func writeBlock(add func(stream.Record, []byte), i, _ int) {
	add(&stream.Write{Object: 8, ObjType: stream.ObjPlainFile, Offset: uint64(512 * i), LogicalSize: 512, ToGUID: 1}, block512(i))
}

// snapshot is the stream of a snapshot with an object 8 and what each makes.
func snapshot(t testing.TB, guid, from uint64, n int, each func(add func(stream.Record, []byte), i, n int)) []byte {
	var out bytes.Buffer
	w := stream.NewWriter(&out)
	add := func(rec stream.Record, payload []byte) {
		switch rec := rec.(type) {
		case *stream.Write:
			rec.ToGUID = guid
		case *stream.Object:
			rec.ToGUID = guid
		}
		must(t, w.WriteRecord(rec, payload))
	}
	add(&stream.Begin{HeaderType: stream.Substream, Objset: stream.ObjsetZFS, ToGUID: guid, FromGUID: from, ToName: fmt.Sprint("a@", guid)}, nil)
	if from == 0 {
		add(&stream.Object{Object: 8, ObjType: stream.ObjPlainFile, BlockSize: 512, DnSlots: 1}, nil)
	}
	for i := range n {
		each(add, i, n)
	}
	add(&stream.End{ToGUID: guid}, nil)
	return out.Bytes()
}

func records1(t testing.TB, n int, each func(add func(stream.Record, []byte), i, n int)) []byte {
	return snapshot(t, 1, 0, n, each)
}

// index reads a stream, and then the contents of object 8.
func index(each func(add func(stream.Record, []byte), i, n int)) func(testing.TB, int) func() {
	return func(t testing.TB, n int) func() {
		data := records1(t, n, each)
		return func() {
			x := objset.New(objset.Options{})
			must(t, x.Read(stream.NewReader(bytes.NewReader(data)), objset.InPlace{ReaderAt: bytes.NewReader(data)}, nil))
			s := x.Snapshots()[0]
			for range s.Objects() {
			}
			d := x.Data(s.Object(8))
			buf := make([]byte, 512)
			for off := int64(0); ; {
				start, end, err := d.NextData(off)
				if err == io.EOF {
					break
				}
				must(t, err)
				for at := start; at < end; at += 512 {
					must2(d.ReadAt(buf[:min(512, end-at)], at))(t)
				}
				off = end
			}
		}
	}
}

func packed(c block.Compression) func(testing.TB, int) func() {
	return func(t testing.TB, n int) func() {
		n = max(n, 4<<10) &^ 511
		data := bytes.Repeat([]byte("some text, and again "), n/20+1)[:n]
		for i := range data {
			if i%7 == 0 {
				data[i] = byte(i * i >> 5)
			}
			if i%64 > 16 { // zle packs nothing but zeros
				data[i] = 0
			}
		}
		small, ok := block.Compress(nil, c, data)
		if !ok {
			t.Fatalf("%v packs nothing", c)
		}
		out := make([]byte, n)
		return func() { must(t, block.Decompress(out, c, small)) }
	}
}
