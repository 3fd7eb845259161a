package stream_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"imagetools/zfs/stream"
)

const guid = 0x1122334455667788

// allRecords is a stream with a record of every type, with payloads.
func allRecords() []stream.Record {
	return []stream.Record{
		&stream.Begin{HeaderType: stream.Substream, Objset: stream.ObjsetZFS, ToGUID: guid, ToName: "a/b@final",
			Features: stream.FeatureSASpill | stream.FeatureDedup, Flags: stream.FlagSpillBlock, PayloadLen: 12, CreationTime: 1},
		&stream.Object{Object: 8, ObjType: 19, BonusType: 44, BlockSize: 1024, BonusLen: 11, DnSlots: 1, ToGUID: guid,
			Flags: stream.FlagObjectSpill, Checksum: 1, Compress: 2},
		&stream.Free{Object: 8, Offset: 1024, Length: 1<<64 - 1, ToGUID: guid},
		&stream.Write{Object: 8, ObjType: 19, LogicalSize: 1024, ToGUID: guid, ChecksumType: 7, Key: [5]uint64{1, 2, 3, 4, 5}},
		&stream.WriteByref{Object: 8, Offset: 1024, Length: 1024, ToGUID: guid, RefGUID: guid, RefObject: 8, ChecksumType: 7},
		&stream.WriteEmbedded{Object: 8, Offset: 2048, Length: 1024, ToGUID: guid, Compression: 15, LSize: 100, PSize: 13},
		&stream.Spill{Object: 8, Length: 512, ToGUID: guid},
		&stream.FreeObjects{First: 9, Count: 1 << 47, ToGUID: guid},
		&stream.Redact{Object: 8, Offset: 4096, Length: 1024, ToGUID: guid},
		&stream.ObjectRange{First: 32, Slots: 32, ToGUID: guid, MAC: [16]byte{15: 1}},
		&stream.End{ToGUID: guid},
	}
}

// payloadOf makes up the payload that a record says it has; without the padding, which the
// Writer adds.
func payloadOf(rec stream.Record) []byte {
	n := 0
	switch rec := rec.(type) {
	case *stream.Begin:
		n = int(rec.PayloadLen)
	case *stream.Object:
		n = int(rec.BonusLen)
	case *stream.Write:
		n = int(rec.LogicalSize)
	case *stream.Spill:
		n = int(rec.Length)
	case *stream.WriteEmbedded:
		n = int(rec.PSize)
	}
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i*7 + n)
	}
	return p
}

func write(t testing.TB, recs ...stream.Record) []byte {
	t.Helper()
	var out bytes.Buffer
	w := stream.NewWriter(&out)
	for _, rec := range recs {
		if err := w.WriteRecord(rec, payloadOf(rec)); err != nil {
			t.Fatal(err)
		}
	}
	if w.Position() != int64(out.Len()) {
		t.Errorf("Position() = %d after %d bytes", w.Position(), out.Len())
	}
	return out.Bytes()
}

func sample(t testing.TB) []byte { return write(t, allRecords()...) }

// compound is a stream of two substreams.
func compound(t testing.TB) []byte {
	var out bytes.Buffer
	w := stream.NewWriter(&out)
	one := allRecords()
	for _, rec := range append([]stream.Record{
		&stream.Begin{HeaderType: stream.Compound, ToName: "a@b", PayloadLen: 8}, &stream.End{},
	}, append(one, one...)...) {
		if err := w.WriteRecord(rec, payloadOf(rec)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.WriteTerminator(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// dump renders a stream as text.
func dump(in io.Reader) (string, error) {
	var out strings.Builder
	_, err := readAll(in, func(r *stream.Reader, rec stream.Record, payload []byte) error {
		fmt.Fprintf(&out, "%d %d %+v %x\n", r.Record(), r.Offset(), rec, payload)
		return nil
	})
	return out.String(), err
}

// swap turns a little-endian stream into the same one of a big-endian host.
func swap(t testing.TB, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	var sum stream.Checksum
	be := binary.BigEndian
	_, err := readAll(bytes.NewReader(data), func(r *stream.Reader, rec stream.Record, payload []byte) error {
		h := stream.EncodeHeader(rec, be)
		if rec.Type() == stream.TypeBegin {
			sum = stream.Checksum{}
		}
		if rec.Type() == stream.TypeEnd {
			for i, v := range sum {
				be.PutUint64(h[8+8*i:], v)
			}
		}
		sum.Update(h[:280], be)
		if rec.Type() != stream.TypeBegin {
			for i, v := range sum {
				be.PutUint64(h[280+8*i:], v)
			}
		}
		sum.Update(h[280:], be)
		sum.Update(payload, be)
		out.Write(h[:])
		out.Write(payload)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	want := allRecords()
	data := write(t, want...)
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		in := data
		if order == binary.BigEndian {
			in = swap(t, data)
		}
		i := 0
		r, err := readAll(bytes.NewReader(in), func(r *stream.Reader, rec stream.Record, payload []byte) error {
			if end, ok := rec.(*stream.End); ok && order == binary.BigEndian {
				end.Sum = want[i].(*stream.End).Sum
			}
			if diff := cmp.Diff(want[i], rec); diff != "" {
				t.Errorf("%v: record %d (-want +got):\n%s", order, i, diff)
			}
			raw := payloadOf(rec)
			if len(payload) < len(raw) || !bytes.Equal(payload[:len(raw)], raw) || len(payload)-len(raw) > 7 {
				t.Errorf("%v: %v: payload of %d bytes, want %d", order, rec.Type(), len(payload), len(raw))
			}
			i++
			return nil
		})
		if err != nil {
			t.Fatalf("%v: %v", order, err)
		}
		if i != len(want) || r.Order() != order || r.Begin().ToName != "a/b@final" {
			t.Errorf("%v: %d records of %d, %v, %q", order, i, len(want), r.Order(), r.Begin().ToName)
		}
	}
}

// boundaries are the places where records and payloads begin and end.
func boundaries(t *testing.T, data []byte) []int {
	var at []int
	if _, err := readAll(bytes.NewReader(data), func(r *stream.Reader, _ stream.Record, payload []byte) error {
		at = append(at, int(r.Offset()), int(r.Offset())+stream.HeaderSize, int(r.Position()))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return at
}

// A stream cut anywhere is io.ErrUnexpectedEOF at the offset of the record that was cut.
func TestTruncated(t *testing.T) {
	t.Parallel()
	for name, data := range map[string][]byte{"plain": sample(t), "compound": compound(t)} {
		cuts := boundaries(t, data)
		for n := 0; n < len(data); n += 13 {
			cuts = append(cuts, n)
		}
		starts := map[int]bool{0: true}
		for _, b := range boundaries(t, data) {
			starts[b] = true
		}
		for _, n := range cuts {
			if n == len(data) {
				continue
			}
			for _, how := range []string{"Payload", "Next"} {
				r := stream.NewReader(bytes.NewReader(data[:n]))
				var err error
				for err == nil {
					if _, err = r.Next(); err == nil && how == "Payload" {
						_, err = r.Payload()
					}
				}
				var fault *stream.FormatError
				if !errors.Is(err, io.ErrUnexpectedEOF) || !errors.As(err, &fault) {
					t.Fatalf("%s cut at %d: error %v", name, n, err)
				}
				if fault.Offset > int64(n) || !starts[int(fault.Offset)] || strings.Count(err.Error(), "at byte") != 1 {
					t.Errorf("%s cut at %d: error %v", name, n, err)
				}
				if _, again := r.Next(); again != err {
					t.Errorf("%s cut at %d: the error does not stay: %v, then %v", name, n, err, again)
				}
			}
		}
	}
}

// A flipped bit is found wherever it is, but for what no checksum covers: nothing in streams
// of ours.
func TestFlippedBit(t *testing.T) {
	t.Parallel()
	for name, data := range map[string][]byte{"plain": sample(t), "compound": compound(t)} {
		for i := range data {
			bad := bytes.Clone(data)
			bad[i] ^= 1 << (i % 8)
			if _, err := readAll(bytes.NewReader(bad), nil); err == nil {
				t.Errorf("%s: bit %d of byte %d flipped: no error", name, i%8, i)
			}
		}
	}
}

// Streams made before 2015 have no checksums in their records; END's is verified all the same.
func TestWithoutRecordChecksums(t *testing.T) {
	t.Parallel()
	data := sample(t)
	var sum stream.Checksum
	var begun bool
	_, err := readAll(bytes.NewReader(data), func(r *stream.Reader, rec stream.Record, payload []byte) error {
		h := data[r.Offset():][:stream.HeaderSize]
		if begun {
			clear(h[280:])
		}
		if rec.Type() == stream.TypeEnd {
			for i, v := range sum {
				binary.LittleEndian.PutUint64(h[8+8*i:], v)
			}
		}
		begun = true
		sum.Update(h, binary.LittleEndian)
		sum.Update(payload, binary.LittleEndian)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := readAll(bytes.NewReader(data), nil); err != nil {
		t.Errorf("without record checksums: %v", err)
	}
	data[stream.HeaderSize+100] ^= 1
	if _, err := readAll(bytes.NewReader(data), nil); !errors.Is(err, stream.ErrChecksum) {
		t.Errorf("damaged: error %v, want %v", err, stream.ErrChecksum)
	}
}

// hostile is what a reader refuses: sample with a field changed, and the record's checksum
// left out, as records before 2015 have none.
var hostile = []struct {
	name   string
	record int // that is changed
	offset int // in its header
	size   int
	value  uint64
	want   error
	text   string
}{
	{"magic", 0, 8, 8, 0x2F5BACBAD, stream.ErrMagic, "no ZFS send stream"},
	{"no header type", 0, 16, 8, 0, stream.ErrUnsupported, "header type 0"},
	{"header type 3", 0, 16, 8, 3, stream.ErrUnsupported, "header type 3"},
	{"feature 3", 0, 16, 8, 1 | 1<<5, stream.ErrUnsupported, "feature 3"},
	{"feature 30 and 55", 0, 16, 8, 1 | 1<<32 | 1<<57, stream.ErrUnsupported, "feature 30,feature 55"},
	{"stream flag 4", 0, 36, 4, 1 << 4, stream.ErrUnsupported, "flag 4"},
	{"stream flag 31", 0, 36, 4, 1 << 31, stream.ErrUnsupported, "flag 31"},
	{"BEGIN payload of 4 GiB", 0, 4, 4, 1<<32 - 4, nil, "payload of 4294967292 bytes: the limit is 67108864"},
	{"BEGIN payload of 10 bytes", 0, 4, 4, 10, nil, "not a multiple of 4"},
	{"record type 11", 2, 0, 4, 11, stream.ErrUnsupported, "record type 11"},
	{"record type 2^32-1", 2, 0, 4, 1<<32 - 1, stream.ErrUnsupported, "record type 4294967295"},
	{"BEGIN in a stream", 2, 0, 4, 0, nil, "begins before the last one ended"},
	{"object 0", 1, 8, 8, 0, nil, "object number out of range"},
	{"object 2^48", 3, 8, 8, 1 << 48, nil, "object number out of range"},
	{"FREE of object 0", 2, 8, 8, 0, nil, "object number out of range"},
	{"object flag 0", 1, 35, 1, 1, stream.ErrUnsupported, "flags 0x1 of OBJECT"},
	{"bonus of 4 GiB", 1, 28, 4, 1<<32 - 1, nil, "bonus buffer of 4294967296 bytes"},
	{"raw bonus of 4 GiB", 1, 36, 4, 1<<32 - 4, nil, "bonus buffer of 4294967292 bytes"},
	{"object of blocks of 4 GiB", 1, 24, 4, 1<<32 - 512, nil, "block of 4294966784 bytes"},
	{"write flag 7", 3, 49, 1, 1 << 7, stream.ErrUnsupported, "flags 0x80 of WRITE"},
	{"write of 0 bytes", 3, 32, 8, 0, nil, "block of 0 bytes: 512 to 16777216"},
	{"write of 2^64-1 bytes", 3, 32, 8, 1<<64 - 1, nil, "block of 18446744073709551615 bytes"},
	{"write of 16 MiB and 512", 3, 32, 8, 16<<20 + 512, nil, "block of 16777728 bytes"},
	{"write of 513 bytes", 3, 32, 8, 513, nil, "not a multiple of 4"},
	{"embedded 113 bytes", 5, 52, 4, 113, nil, "payload of 120 bytes: the limit is 112"},
	{"embedded 2^32-1 bytes", 5, 52, 4, 1<<32 - 1, nil, "payload of 4294967296 bytes"},
	{"spill flag 0", 6, 32, 1, 1, stream.ErrUnsupported, "flags 0x1 of SPILL"},
	{"spill of 2^63 bytes", 6, 16, 8, 1 << 63, nil, "block of 9223372036854775808 bytes"},
	{"compressed spill of 2^63 bytes", 6, 40, 8, 1 << 63, nil, "payload of 9223372036854775808 bytes"},
	{"range flag 2", 9, 68, 1, 1 << 2, stream.ErrUnsupported, "flags 0x4 of OBJECT_RANGE"},
}

func TestHostile(t *testing.T) {
	t.Parallel()
	for _, tt := range hostile {
		data := sample(t)
		at := -1
		_, err := readAll(bytes.NewReader(data), func(r *stream.Reader, rec stream.Record, payload []byte) error {
			if int(r.Record()) == tt.record {
				at = int(r.Offset())
				h := data[at:][:stream.HeaderSize]
				switch tt.size {
				case 1:
					h[tt.offset] = byte(tt.value)
				case 4:
					binary.LittleEndian.PutUint32(h[tt.offset:], uint32(tt.value))
				case 8:
					binary.LittleEndian.PutUint64(h[tt.offset:], tt.value)
				}
				if tt.record > 0 {
					clear(h[280:])
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		_, err = readAll(bytes.NewReader(data), nil)
		var fault *stream.FormatError
		if !errors.As(err, &fault) || tt.want != nil && !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.text)
			continue
		}
		if fault.Offset != int64(at) || fault.Record != int64(tt.record) {
			t.Errorf("%s: error %v at record %d, byte %d, want %d, %d", tt.name, err, fault.Record, fault.Offset, tt.record, at)
		}
	}
}

// Records out of place, and names without end.
func TestOutOfPlace(t *testing.T) {
	t.Parallel()
	begin := func() stream.Record { return &stream.Begin{HeaderType: stream.Substream, ToName: "a@b"} }
	pkg := func() stream.Record { return &stream.Begin{HeaderType: stream.Compound, ToName: "a@b"} }
	name := write(t, begin())
	for i := range 256 {
		name[56+i] = 'x'
	}
	for _, tt := range []struct {
		name string
		data []byte
		text string
	}{
		{"END first", write(t, begin(), &stream.End{})[stream.HeaderSize:], "no ZFS send stream"},
		{"data in a compound header", write(t, pkg(), &stream.Free{Object: 1}), "out of place"},
		{"a stream in a compound header", write(t, pkg(), begin()), "begins before the last one ended"},
		{"data between streams", append(write(t, pkg(), &stream.End{}), write(t, begin(), &stream.Free{Object: 1})[stream.HeaderSize:]...), "out of place"},
		{"compound in compound", write(t, pkg(), &stream.End{}, pkg()), "header type 2"},
		{"endless name", name, "name without end"},
		{"other magic in a substream", badMagic(write(t, pkg(), &stream.End{}, begin())), "magic"},
	} {
		if _, err := readAll(bytes.NewReader(tt.data), nil); err == nil || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.text)
		}
	}
}

func badMagic(data []byte) []byte {
	data[2*stream.HeaderSize+8]++
	return data
}

// A length that lies costs no more memory than a step of reading.
func TestAbsurdLengthAllocates(t *testing.T) {
	begin := &stream.Begin{HeaderType: stream.Substream, ToName: "a@b"}
	for _, rec := range []stream.Record{
		&stream.Begin{HeaderType: stream.Substream, ToName: "a@b", PayloadLen: stream.MaxBeginPayload},
		&stream.Write{Object: 1, LogicalSize: stream.MaxBlock},
		&stream.Spill{Object: 1, Length: stream.MaxBlock},
	} {
		var data []byte
		if rec.Type() == stream.TypeBegin {
			h := stream.EncodeHeader(rec, binary.LittleEndian)
			data = h[:]
		} else {
			h := stream.EncodeHeader(rec, binary.LittleEndian)
			data = append(write(t, begin), h[:]...)
		}
		data = append(data, make([]byte, 100)...)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := readAll(bytes.NewReader(data), nil)
		runtime.ReadMemStats(&after)
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%v: error %v", rec.Type(), err)
		}
		if got := after.TotalAlloc - before.TotalAlloc; got > 2<<20 {
			t.Errorf("%v: %d bytes allocated for an input of %d", rec.Type(), got, len(data))
		}
	}
}

// One stream after another: each is read to its END and no further.
func TestConcatenated(t *testing.T) {
	t.Parallel()
	parts := [][]byte{sample(t), compound(t), swap(t, sample(t)), []byte("not a stream")}
	in := bytes.NewReader(bytes.Join(parts, nil))
	for i, part := range parts[:3] {
		r, err := readAll(in, nil)
		if err != nil {
			t.Fatalf("stream %d: %v", i, err)
		}
		if r.Position() != int64(len(part)) {
			t.Errorf("stream %d: read %d bytes of %d", i, r.Position(), len(part))
		}
		if _, err := r.Next(); err != io.EOF {
			t.Errorf("stream %d: Next after the end: %v", i, err)
		}
	}
	rest, _ := io.ReadAll(in)
	if string(rest) != "not a stream" {
		t.Errorf("left over: %q", rest)
	}
	if _, err := stream.NewReader(bytes.NewReader(make([]byte, 400))).Next(); !errors.Is(err, stream.ErrMagic) {
		t.Errorf("zeros: error %v, want %v", err, stream.ErrMagic)
	}
}

func TestWriterRefuses(t *testing.T) {
	t.Parallel()
	begin := &stream.Begin{HeaderType: stream.Substream, ToName: "a@b"}
	for _, tt := range []struct {
		name    string
		before  []stream.Record
		rec     stream.Record
		payload int
		text    string
	}{
		{"no BEGIN", nil, &stream.End{}, 0, "starts with BEGIN"},
		{"a name of 256 bytes", nil, &stream.Begin{ToName: strings.Repeat("x", 256)}, 0, "the limit is 255"},
		{"an odd payload", nil, &stream.Begin{PayloadLen: 3}, 3, "not a multiple of 4"},
		{"too little", []stream.Record{begin}, &stream.Write{Object: 1, LogicalSize: 512}, 511, "where the record says 512"},
		{"too much", []stream.Record{begin}, &stream.Object{Object: 1, BonusLen: 8}, 9, "where the record says 8"},
		{"an odd block", []stream.Record{begin}, &stream.Write{Object: 1, LogicalSize: 513}, 513, "not a multiple of 4"},
		{"a payload for FREE", []stream.Record{begin}, &stream.Free{Object: 1}, 8, "where the record says 0"},
	} {
		w := stream.NewWriter(io.Discard)
		for _, rec := range tt.before {
			if err := w.WriteRecord(rec, nil); err != nil {
				t.Fatal(err)
			}
		}
		err := w.WriteRecord(tt.rec, make([]byte, tt.payload))
		if err == nil || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.text)
		}
		if again := w.WriteRecord(begin, nil); again != err {
			t.Errorf("%s: the error does not stay: %v", tt.name, again)
		}
	}
}

// repair makes the checksums of a stream fit, so that a fuzzer gets beyond them.
func repair(data []byte) []byte {
	data = bytes.Clone(data)
	for range 64 {
		r, err := readAll(bytes.NewReader(data), nil)
		var fault *stream.FormatError
		if !errors.Is(err, stream.ErrChecksum) || !errors.As(err, &fault) {
			break
		}
		h := data[fault.Offset:][:stream.HeaderSize]
		if fault.What == "END" && strings.Contains(err.Error(), "the stream's") {
			for i, v := range stream.SumOf(r) {
				r.Order().PutUint64(h[8+8*i:], v)
			}
		}
		clear(h[280:])
	}
	return data
}

func FuzzReader(f *testing.F) {
	f.Add(sample(f))
	f.Add(swap(f, sample(f)))
	f.Add(compound(f))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		data = repair(data)
		var out bytes.Buffer
		w := stream.NewWriter(&out)
		var want []string
		var recs int
		_, err := readAll(bytes.NewReader(data), func(r *stream.Reader, rec stream.Record, payload []byte) error {
			recs++
			// What was parsed is encoded again, with the payload, and every field survives.
			if err := w.WriteRecord(rec, payload); err != nil {
				if r.Begin().HeaderType == stream.Substream {
					t.Fatalf("%+v: %v", rec, err)
				}
			}
			want = append(want, fmt.Sprintf("%+v %x", rec, payload))
			return nil
		})
		if int64(recs)*stream.HeaderSize > int64(len(data)) {
			t.Fatalf("%d records in %d bytes", recs, len(data))
		}
		i := 0
		if _, err2 := readAll(&out, func(_ *stream.Reader, rec stream.Record, payload []byte) error {
			if got := fmt.Sprintf("%+v %x", rec, payload); got != want[i] {
				t.Fatalf("record %d:\n%s\nagain:\n%s", i, want[i], got)
			}
			i++
			return nil
		}); err == nil && err2 != nil {
			t.Fatalf("read, but not once written again: %v", err2)
		}
	})
}
