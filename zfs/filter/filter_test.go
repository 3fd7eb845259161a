package filter_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"imagetools/internal/cli"
	"imagetools/zfs/block"
	"imagetools/zfs/filter"
	"imagetools/zfs/internal/streamtest"
	"imagetools/zfs/stream"
)

const guid = 0x1122334455667788

type record struct {
	rec     stream.Record
	payload []byte
}

func begin(change func(*stream.Begin)) record {
	b := &stream.Begin{
		HeaderType: stream.Substream, Features: stream.FeatureSASpill, Objset: stream.ObjsetZFS, ToGUID: guid,
		Flags: stream.FlagFreeRecords | stream.FlagSpillBlock, ToName: "zones/a@old", NameTail: "a checksum that a tool left",
	}
	if change != nil {
		change(b)
	}
	return record{b, make([]byte, b.PayloadLen)}
}

func object(number uint64, objType, blockSize uint32) record {
	return record{&stream.Object{Object: number, ObjType: objType, BonusType: stream.ObjSA, BlockSize: blockSize, BonusLen: 12,
		DnSlots: 1, ToGUID: guid}, make([]byte, 12)}
}

func write(number uint64, objType uint32, offset uint64, data []byte) record {
	return record{&stream.Write{Object: number, ObjType: objType, Offset: offset, LogicalSize: uint64(len(data)), ToGUID: guid,
		ChecksumType: 7, Key: [5]uint64{1, 2, 3, 4, 5}}, data}
}

func free(number, offset, length uint64) record {
	return record{&stream.Free{Object: number, Offset: offset, Length: length, ToGUID: guid}, nil}
}

func freeObjects(first, count uint64) record {
	return record{&stream.FreeObjects{First: first, Count: count, ToGUID: guid}, nil}
}

func end() record { return record{&stream.End{ToGUID: guid}, nil} }

// words is data that every algorithm makes smaller; noise is data that none does.
func words(n int) []byte {
	return bytes.Repeat([]byte("all work and no play\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), n/32)
}

func noise(n int) []byte {
	p := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(p)
	return p
}

// plain is a plain, full stream with all that zfs send puts into one.
func plain() []record {
	spilled := object(9, stream.ObjPlainFile, 512)
	spilled.rec.(*stream.Object).Flags = stream.FlagObjectSpill
	recs := []record{
		begin(nil), freeObjects(0, 1),
		object(1, stream.ObjMasterNode, 1024), free(1, 1024, 1<<64-1), write(1, stream.ObjMasterNode, 0, words(1024)),
		freeObjects(2, 6),
		object(8, stream.ObjPlainFile, 128<<10), free(8, 4*128<<10, 1<<64-1),
		write(8, stream.ObjPlainFile, 0, words(128<<10)), free(8, 128<<10, 128<<10),
		write(8, stream.ObjPlainFile, 256<<10, noise(128<<10)),
		write(8, stream.ObjPlainFile, 384<<10, append(noise(4<<10), words(124<<10)...)),
		spilled, free(9, 512, 1<<64-1), write(9, stream.ObjPlainFile, 0, words(512)),
		{&stream.Spill{Object: 9, Length: 512, ToGUID: guid}, words(512)},
		object(10, stream.ObjPlainFile, 8192), object(11, stream.ObjPlainFile, 4096), // announced together
		write(10, stream.ObjPlainFile, 0, words(8192)),
		write(11, stream.ObjPlainFile, 0, words(4096)),
		write(11, stream.ObjPlainFile, 4096, words(2048)), // less than a block
		freeObjects(12, 1<<48),
	}
	for i := range uint64(300) { // so many that there are several batches
		recs = append(recs, object(20+i, stream.ObjPlainFile, 64<<10),
			write(20+i, stream.ObjPlainFile, 0, append(words(60<<10), noise(4<<10)...)))
	}
	return append(recs, end())
}

func encode(t testing.TB, order binary.ByteOrder, recs []record) []byte {
	t.Helper()
	var out bytes.Buffer
	w := stream.NewWriterOrder(&out, order)
	for _, r := range recs {
		if err := w.WriteRecord(r.rec, r.payload); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

func decode(t testing.TB, data []byte) []record {
	t.Helper()
	r := stream.NewReader(bytes.NewReader(data))
	var out []record
	for {
		rec, err := r.Next()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		payload, err := r.Payload()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, record{rec, bytes.Clone(payload)})
	}
}

type filterFunc func(io.Writer, io.Reader) (*filter.Report, error)

func recompress(c block.Compression) filterFunc {
	return func(w io.Writer, r io.Reader) (*filter.Report, error) { return filter.Recompress(w, r, c) }
}

func rename(snapshot, dataset string) filterFunc {
	return func(w io.Writer, r io.Reader) (*filter.Report, error) {
		return filter.Rename(w, r, filter.Names{Snapshot: snapshot, Dataset: dataset})
	}
}

func apply(t testing.TB, f filterFunc, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	report, err := f(&out, bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if report.BytesRead != int64(len(data)) || report.BytesWritten != int64(out.Len()) {
		t.Errorf("the report has %d and %d bytes, they are %d and %d", report.BytesRead, report.BytesWritten, len(data), out.Len())
	}
	return out.Bytes()
}

var algorithms = []block.Compression{block.Off, block.LZJB, block.Gzip1, block.Gzip6, block.Gzip9, block.ZLE, block.LZ4, block.Zstd}

// everyFilter is each filter with something for it to do.
func everyFilter() map[string]filterFunc {
	all := map[string]filterFunc{"deholes": filter.Deholes, "rename": rename("new", "")}
	for _, c := range algorithms {
		all["recompress "+c.String()] = recompress(c)
	}
	return all
}

var orders = []binary.ByteOrder{binary.LittleEndian, binary.BigEndian}

// Without its holes, a stream is what it would have been if there had been none.
func TestDeholes(t *testing.T) {
	for _, order := range orders {
		var want []record
		var dropped int64
		for _, r := range plain() {
			switch rec := r.rec.(type) {
			case *stream.Free, *stream.FreeObjects:
				dropped++
				continue
			case *stream.Begin:
				rec.Flags = stream.FlagSpillBlock
			}
			want = append(want, r)
		}
		data := encode(t, order, plain())
		var got bytes.Buffer
		report, err := filter.Deholes(&got, bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bytes(), encode(t, order, want)) {
			t.Errorf("%v: not the stream without FREE and FREEOBJECTS", order)
		}
		if n := report.Read.Total() - report.Written.Total(); n != dropped || report.Read["FREE"] != 4 || report.Written["FREE"] != 0 {
			t.Errorf("%v: %d dropped, want %d: %+v", order, n, dropped, report)
		}
		if again := apply(t, filter.Deholes, got.Bytes()); !bytes.Equal(again, got.Bytes()) {
			t.Errorf("%v: a second time changes something", order)
		}
	}
}

func TestRefused(t *testing.T) {
	file := object(8, stream.ObjPlainFile, 512)
	data := write(8, stream.ObjPlainFile, 1024, words(512))
	flags := func(f stream.Features) []record {
		return []record{begin(func(b *stream.Begin) { b.Features = f }), end()}
	}
	compound := []record{begin(func(b *stream.Begin) { b.HeaderType, b.PayloadLen = stream.Compound, 8 }), end()}
	for _, tt := range []struct {
		name   string
		filter filterFunc
		recs   []record
		text   string
	}{
		{"incremental", filter.Deholes, []record{begin(func(b *stream.Begin) { b.FromGUID = 1 }), end()}, "incremental"},
		{"compound", filter.Deholes, compound, "compound"},
		{"raw", filter.Deholes, flags(stream.FeatureRaw), "raw"},
		{"dedup", filter.Deholes, flags(stream.FeatureDedup), "deduplicated"},
		{"redacted", filter.Deholes, flags(stream.FeatureRedacted), "redacted"},
		{"resumed", filter.Deholes, flags(stream.FeatureResuming), "interrupted"},
		{"a reference", filter.Deholes, []record{begin(nil), file, {&stream.WriteByref{Object: 8, Length: 512}, nil}}, "record 2 (WRITE_BYREF object=8 offset=0x0) at byte 640: a dedup"},
		{"a range", filter.Deholes, []record{begin(nil), {&stream.ObjectRange{Slots: 32}, nil}}, "raw"},
		{"a redaction", filter.Deholes, []record{begin(nil), file, {&stream.Redact{Object: 8, Length: 512}, nil}}, "redacted"},
		{"freed data", filter.Deholes, []record{begin(nil), file, data, free(8, 0, 1025)}, "frees what"},
		{"freed to the end", filter.Deholes, []record{begin(nil), file, data, free(8, 0, 1<<64-1)}, "frees what"},
		{"freed data in the middle", filter.Deholes, []record{begin(nil), file, data, write(8, stream.ObjPlainFile, 1536, words(512)), free(8, 1024, 512)}, "frees what"},
		{"freed data before a gap", filter.Deholes, []record{begin(nil), file, data, write(8, stream.ObjPlainFile, 4096, words(512)), free(8, 1024, 512)}, "frees what"},
		{"freed data of the object before", filter.Deholes, []record{begin(nil), file, object(9, stream.ObjPlainFile, 512), data, write(9, stream.ObjPlainFile, 0, words(512)), free(8, 0, 1<<64-1)}, "frees what"},
		{"freed object before the last", filter.Deholes, []record{begin(nil), file, object(20, stream.ObjPlainFile, 512), freeObjects(8, 1)}, "frees what"},
		{"room made for an object", filter.Deholes, []record{begin(nil), file, data, free(8, 8192, 1<<64-1), object(8, stream.ObjPlainFile, 1024)}, "no order"},
		{"data out of order", filter.Deholes, []record{begin(nil), file, object(9, stream.ObjPlainFile, 512), write(9, stream.ObjPlainFile, 0, words(512)), data}, "no order"},
		{"freed object", filter.Deholes, []record{begin(nil), file, freeObjects(0, 1<<48)}, "frees what"},
		{"compound", rename("x", ""), compound, "compound"},
		{"a long name", rename(strings.Repeat("x", 217), ""), []record{begin(nil), end()}, "the limit is 223"},
		{"raw", recompress(block.LZ4), flags(stream.FeatureRaw), "raw"},
		{"raw", recompress(block.Off), flags(stream.FeatureRaw), "raw"},
	} {
		_, err := tt.filter(io.Discard, bytes.NewReader(encode(t, binary.LittleEndian, tt.recs)))
		var refused *filter.RefusedError
		var format *stream.FormatError
		if !errors.As(err, &refused) || !errors.As(err, &format) || !strings.Contains(err.Error(), tt.text) || len(cli.Hints(err)) == 0 {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.text)
		}
	}
	for _, fine := range [][]record{
		{begin(nil), file, data, free(8, 0, 1024), free(8, 1536, 1<<64-1), free(8, 1024, 0), end()},
		{begin(nil), file, freeObjects(0, 8), freeObjects(9, 1<<64-10), end()},
	} {
		apply(t, filter.Deholes, encode(t, binary.LittleEndian, fine))
	}
}

func TestRename(t *testing.T) {
	for _, order := range orders {
		for _, tt := range []struct{ snapshot, dataset, want, tail string }{
			{"new", "", "zones/a@new", ""},
			{"new", "other/x y", "other/x y@new", ""},
			{"old", "zones/a", "zones/a@old", "a checksum that a tool left"},
		} {
			want := plain()
			want[0].rec.(*stream.Begin).ToName, want[0].rec.(*stream.Begin).NameTail = tt.want, tt.tail
			var got bytes.Buffer
			report, err := rename(tt.snapshot, tt.dataset)(&got, bytes.NewReader(encode(t, order, plain())))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), encode(t, order, want)) {
				t.Errorf("%v: more or less than the name %q differs", order, tt.want)
			}
			if report.OldName != "zones/a@old" || report.Name != tt.want {
				t.Errorf("reported: %q to %q", report.OldName, report.Name)
			}
		}
	}
	for _, bad := range []filter.Names{
		{Snapshot: ""}, {Snapshot: "a@b"}, {Snapshot: "a/b"}, {Snapshot: "a%b"}, {Snapshot: "ä"}, {Snapshot: ".."}, {Snapshot: "a\x00"},
		{Snapshot: "x", Dataset: "/"}, {Snapshot: "x", Dataset: "a//b"}, {Snapshot: "x", Dataset: "a/"}, {Snapshot: "x", Dataset: "a@b"},
		{Snapshot: "x", Dataset: "a/../b"}, {Snapshot: "x", Dataset: strings.Repeat("a", 222)},
	} {
		if _, err := filter.Rename(io.Discard, bytes.NewReader(nil), bad); err == nil || errors.Is(err, stream.ErrMagic) {
			t.Errorf("%+v: error %v", bad, err)
		}
	}
}

// Through any compression and back to plain, a plain stream has the same bytes; what is in
// between says what it is, and only contents of files are compressed.
func TestRecompress(t *testing.T) {
	for _, order := range orders {
		data := encode(t, order, plain())
		for _, c := range algorithms {
			t.Run(fmt.Sprintf("%v %v", order, c), func(t *testing.T) {
				packed := apply(t, recompress(c), data)
				checkPacked(t, c, decode(t, packed))
				if back := apply(t, recompress(block.Off), packed); !bytes.Equal(back, data) {
					t.Error("back to plain, the stream has other bytes")
				}
				if again := apply(t, recompress(c), packed); !bytes.Equal(again, packed) {
					t.Error("a second time changes something")
				}
				for _, other := range []block.Compression{block.LZJB, block.Zstd} {
					if got, want := apply(t, recompress(other), packed), apply(t, recompress(other), data); !bytes.Equal(got, want) {
						t.Errorf("from %v to %v is not what comes of the plain stream", c, other)
					}
				}
			})
		}
	}
	for _, c := range []block.Compression{block.None, block.On, block.Empty, 17, 255} {
		if _, err := filter.Recompress(io.Discard, bytes.NewReader(nil), c); !errors.Is(err, block.ErrUnsupported) {
			t.Errorf("%v: error %v", c, err)
		}
	}
}

func checkPacked(t *testing.T, c block.Compression, got []record) {
	t.Helper()
	want := map[block.Compression]stream.Features{
		block.Off: 0, block.LZ4: stream.FeatureCompressed | stream.FeatureLZ4, block.Zstd: stream.FeatureCompressed | stream.FeatureZstd,
	}
	features, ok := want[c]
	if !ok {
		features = stream.FeatureCompressed
	}
	original := plain()
	if b := got[0].rec.(*stream.Begin); b.Features != features|stream.FeatureSASpill {
		t.Errorf("features %v", b.Features)
	}
	packed := 0
	for i, r := range got {
		w, ok := r.rec.(*stream.Write)
		if !ok || w.Compression == 0 {
			continue
		}
		packed++
		if block.Compression(w.Compression) != c || w.CompressedSize%512 != 0 || w.CompressedSize > w.LogicalSize*7/8 {
			t.Errorf("%s: %d bytes by %v", stream.Describe(w), w.CompressedSize, block.Compression(w.Compression))
		}
		was := original[i].rec.(*stream.Write)
		if w.ObjType != stream.ObjPlainFile || w.Offset == 4096 || w.LogicalSize == 512 || w.LogicalSize != was.LogicalSize {
			t.Errorf("%s is compressed", stream.Describe(w))
		}
	}
	if want := map[bool]int{true: 0, false: 304}[c == block.Off]; c != block.ZLE && packed != want {
		t.Errorf("%d compressed records, want %d", packed, want)
	}
}

// Embedded blocks and compressed spills become plain ones.
func TestRecompressEmbedded(t *testing.T) {
	text := []byte("a text that fits into a block pointer")
	packed := make([]byte, 8+len(text)) // lz4, stored: a token, one more byte of length, the literals
	binary.BigEndian.PutUint32(packed, uint32(2+len(text)))
	packed[4], packed[5] = 0xF0, byte(len(text)-15)
	packed = append(packed[:6], text...)
	spill, ok := block.Compress(nil, block.LZ4, words(2048))
	if !ok {
		t.Fatal("words do not get smaller")
	}
	embed := func(change func(*stream.WriteEmbedded)) record {
		e := &stream.WriteEmbedded{Object: 8, Length: 512, ToGUID: guid, Compression: uint8(block.LZ4),
			LSize: uint32(len(text)), PSize: uint32(len(packed))}
		change(e)
		return record{e, packed[:e.PSize]}
	}
	e := embed(func(e *stream.WriteEmbedded) {})
	e.rec.(*stream.WriteEmbedded).LSize = uint32(len(text))
	// A real one is smaller than its data; this one is stored, and says that it is larger.
	for _, tt := range []struct {
		name string
		recs []record
		text string
	}{
		{"larger than its data", []record{object(8, 19, 512), e}, "37 bytes of data in 43"},
		{"out of order", []record{object(8, 19, 512), write(8, 19, 1024, words(512)), e}, "object 8 at 0x400 came before it"},
		{"part of a block", []record{object(8, 19, 1024), e}, "512 bytes at 0x0: not one block of 1024"},
		{"unknown object", []record{e}, "there is no OBJECT before it"},
		{"other type", []record{object(8, 19, 512), embed(func(e *stream.WriteEmbedded) { e.EmbedType = 1 })}, "embedded type 1"},
		{"larger than its block", []record{object(8, 19, 512), embed(func(e *stream.WriteEmbedded) { e.LSize = 513 })}, "513 bytes of data in a block of 512"},
		{"corrupt", []record{object(8, 19, 512), embed(func(e *stream.WriteEmbedded) { e.LSize = 400 })}, "corrupt block"},
	} {
		_, err := filter.Recompress(io.Discard, bytes.NewReader(encode(t, binary.LittleEndian, append([]record{begin(nil)}, tt.recs...))), block.Off)
		if err == nil || !strings.Contains(err.Error(), tt.text) || !strings.Contains(err.Error(), "(WRITE_EMBEDDED object=8 offset=0x0)") {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.text)
		}
	}
	zeros := record{&stream.WriteEmbedded{Object: 8, Offset: 512, Length: 512, ToGUID: guid, Compression: uint8(block.ZLE), LSize: 512, PSize: 8},
		[]byte{127, 127, 127, 127, 127, 127, 127, 127}}
	in := []record{
		begin(func(b *stream.Begin) {
			b.Features |= stream.FeatureEmbedData | stream.FeatureLZ4 | stream.FeatureCompressed
		}),
		object(8, 19, 512), zeros,
		{&stream.Spill{Object: 8, Length: 2048, ToGUID: guid, Compression: uint8(block.LZ4), CompressedSize: uint64(len(spill))}, spill},
		end(),
	}
	want := []record{
		begin(nil), object(8, 19, 512), write(8, 19, 512, make([]byte, 512)),
		{&stream.Spill{Object: 8, Length: 2048, ToGUID: guid}, words(2048)}, end(),
	}
	want[2].rec.(*stream.Write).Key = [5]uint64{}
	got := apply(t, recompress(block.Off), encode(t, binary.LittleEndian, in))
	if diff := cmp.Diff(decode(t, encode(t, binary.LittleEndian, want)), decode(t, got), cmp.AllowUnexported(record{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A corrupt block is told by its record, however many are worked on at the same time.
func TestRecompressCorrupt(t *testing.T) {
	recs := plain()
	const bad = 401
	w := recs[bad].rec.(*stream.Write)
	w.Compression, w.CompressedSize = uint8(block.LZ4), 512
	recs[bad].payload = noise(512)
	data := encode(t, binary.LittleEndian, recs)
	var out bytes.Buffer
	_, err := filter.Recompress(&out, bytes.NewReader(data), block.Gzip1)
	var format *stream.FormatError
	if !errors.As(err, &format) || format.Record != bad || !errors.Is(err, block.ErrCorrupt) {
		t.Fatalf("error %v, want one of record %d", err, bad)
	}
	checkCut(t, "corrupt", out.Bytes())
}

// checkCut tells whether data is the start of a stream that no receiver takes for whole.
func checkCut(t *testing.T, what string, data []byte) {
	t.Helper()
	r := stream.NewReader(bytes.NewReader(data))
	for {
		if _, err := r.Next(); err != nil {
			if !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s: what was written ends with: %v", what, err)
			}
			return
		}
	}
}

// After input that is cut, damaged or goes on behind the stream, there is no END.
func TestBadInput(t *testing.T) {
	data := encode(t, binary.LittleEndian, plain()[:12])
	data = data[:len(data):len(data)]
	whole := encode(t, binary.LittleEndian, append(plain()[:12], end()))
	for name, f := range everyFilter() {
		for n := 0; n < len(data); n += 7919 {
			var out bytes.Buffer
			if _, err := f(&out, bytes.NewReader(data[:n])); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("%s: cut at %d: error %v", name, n, err)
			}
			checkCut(t, name, out.Bytes())
		}
		for i := 0; i < len(whole); i += 8009 {
			bad := bytes.Clone(whole)
			bad[i] ^= 0x10
			var out bytes.Buffer
			if _, err := f(&out, bytes.NewReader(bad)); err == nil {
				t.Fatalf("%s: a flipped bit at %d was not seen", name, i)
			}
			checkCut(t, name, out.Bytes())
		}
		var out bytes.Buffer
		if _, err := f(&out, bytes.NewReader(append(bytes.Clone(whole), 0))); err == nil || !strings.Contains(err.Error(), "the input goes on") {
			t.Errorf("%s: error %v for a byte too much", name, err)
		}
		checkCut(t, name, out.Bytes())
		broken := errors.New("the unpacked data has another checksum")
		out.Reset()
		if _, err := f(&out, io.MultiReader(bytes.NewReader(whole), failing{broken})); !errors.Is(err, broken) {
			t.Errorf("%s: error %v for an input that fails at its end", name, err)
		}
		checkCut(t, name, out.Bytes())
		if _, err := f(failing{broken}, bytes.NewReader(whole)); !errors.Is(err, broken) {
			t.Errorf("%s: error %v for a writer that fails", name, err)
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error)  { return 0, f.err }
func (f failing) Write([]byte) (int, error) { return 0, f.err }

// What real ZFS sent goes through every filter that does not refuse it.
func TestPublicStreams(t *testing.T) {
	for _, name := range streamtest.Names(t) {
		if strings.Contains(name, "long-payloads") && testing.Short() {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := streamtest.Read(t, name)
			raw := strings.Contains(name, "crypt") || strings.Contains(name, "incr")
			compound := strings.Contains(name, "dedup") || strings.Contains(name, "incr")
			malformed := strings.Contains(name, "undersized")
			redacted := strings.Contains(name, "base")
			for what, tt := range map[string]struct {
				filter  filterFunc
				refused bool
			}{
				"rename":  {rename("new", ""), compound},
				"deholes": {filter.Deholes, compound || raw || redacted},
				"plain":   {recompress(block.Off), raw},
				"lz4":     {recompress(block.LZ4), raw},
			} {
				var out bytes.Buffer
				_, err := tt.filter(&out, bytes.NewReader(data))
				if malformed || tt.refused {
					if _, ok := errors.AsType[*filter.RefusedError](err); ok != tt.refused || err == nil {
						t.Errorf("%s: error %v", what, err)
					}
					checkCut(t, what, out.Bytes())
					continue
				}
				if err != nil {
					t.Errorf("%s: %v", what, err)
					continue
				}
				got := decode(t, out.Bytes())
				if what != "plain" {
					continue
				}
				for _, r := range got {
					switch rec := r.rec.(type) {
					case *stream.Begin:
						if rec.Features&(stream.FeatureCompressed|stream.FeatureLZ4|stream.FeatureZstd|stream.FeatureEmbedData) != 0 {
							t.Errorf("plain, but with the features %v", rec.Features)
						}
					case *stream.WriteEmbedded:
						t.Errorf("%s in a plain stream", stream.Describe(rec))
					case *stream.Write:
						if rec.Compression != 0 || rec.CompressedSize != 0 {
							t.Errorf("%s is compressed", stream.Describe(rec))
						}
					}
				}
				for _, c := range []block.Compression{block.LZ4, block.Gzip1} {
					if back := apply(t, recompress(block.Off), apply(t, recompress(c), out.Bytes())); !bytes.Equal(back, out.Bytes()) {
						t.Errorf("through %v and back, the stream has other bytes", c)
					}
				}
			}
		})
	}
}

// repair makes the checksums of a stream fit, so that a fuzzer gets beyond them.
func repair(data []byte) []byte {
	data = bytes.Clone(data)
	for range 32 {
		r := stream.NewReader(bytes.NewReader(data))
		var err error
		var sum stream.Checksum
		for err == nil {
			at := r.Position()
			if _, err = r.Next(); err != nil {
				break
			}
			var payload []byte
			if payload, err = r.Payload(); err != nil {
				break
			}
			if r.Order().Uint32(data[at:]) == uint32(stream.TypeBegin) {
				sum = stream.Checksum{}
			}
			sum.Update(data[at:at+stream.HeaderSize], r.Order())
			sum.Update(payload, r.Order())
		}
		var format *stream.FormatError
		if !errors.Is(err, stream.ErrChecksum) || !errors.As(err, &format) {
			return data
		}
		header := data[format.Offset:][:stream.HeaderSize]
		if format.What == "END" && strings.Contains(err.Error(), "the stream's") {
			for i, v := range sum {
				r.Order().PutUint64(header[8+8*i:], v)
			}
		}
		clear(header[280:])
	}
	return data
}

// FuzzFilters: whatever a filter takes, it makes a stream of, and the filters agree with
// themselves and with each other.
func FuzzFilters(f *testing.F) {
	for _, order := range orders {
		f.Add(encode(f, order, append(plain()[:22], end())))
		f.Add(encode(f, order, []record{begin(func(b *stream.Begin) { b.HeaderType, b.PayloadLen = stream.Compound, 8 }), end(),
			begin(nil), object(8, 19, 512), write(8, 19, 0, words(512)), end(), begin(nil), end(), end()}))
		packed := new(bytes.Buffer)
		if _, err := filter.Recompress(packed, bytes.NewReader(encode(f, order, append(plain()[:22], end()))), block.LZ4); err != nil {
			f.Fatal(err)
		}
		f.Add(packed.Bytes())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		data = repair(data)
		run := func(fn filterFunc, in []byte) ([]byte, error) {
			var out bytes.Buffer
			_, err := fn(&out, bytes.NewReader(in))
			if err == nil {
				decode(t, out.Bytes())
			}
			return out.Bytes(), err
		}
		if bare, err := run(filter.Deholes, data); err == nil {
			if again, err := run(filter.Deholes, bare); err != nil || !bytes.Equal(again, bare) {
				t.Fatalf("de-holed twice: %v", err)
			}
		}
		if named, err := run(rename("new", ""), data); err == nil {
			if again, err := run(rename("new", ""), named); err != nil || !bytes.Equal(again, named) {
				t.Fatalf("renamed twice: %v", err)
			}
		}
		plain, err := run(recompress(block.Off), data)
		if err != nil {
			return
		}
		packed, err := run(recompress(block.LZ4), plain)
		if err != nil {
			t.Fatalf("compress a plain stream: %v", err)
		}
		if back, err := run(recompress(block.Off), packed); err != nil || !bytes.Equal(back, plain) {
			t.Fatalf("through lz4 and back: %v", err)
		}
	})
}
