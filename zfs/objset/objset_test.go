package objset_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"imagetools/internal/budget"
	"imagetools/zfs/objset"
	"imagetools/zfs/stream"
)

// script is a stream under construction.
type script struct {
	t   testing.TB
	buf bytes.Buffer
	w   *stream.Writer
}

func newScript(t testing.TB, b stream.Begin) *script {
	s := &script{t: t}
	s.w = stream.NewWriter(&s.buf)
	if b.ToName == "" {
		b.ToName = fmt.Sprintf("pool/fs@%d", b.ToGUID)
	}
	b.HeaderType, b.Objset = stream.Substream, stream.ObjsetZFS
	s.add(&b, nil)
	return s
}

func (s *script) add(rec stream.Record, payload []byte) {
	s.t.Helper()
	if err := s.w.WriteRecord(rec, payload); err != nil {
		s.t.Fatal(err)
	}
}

func (s *script) object(n uint64, blockSize uint32, bonus string) {
	s.t.Helper()
	bonusType := uint32(0)
	if bonus != "" {
		bonusType = stream.ObjSA
	}
	s.add(&stream.Object{Object: n, ObjType: stream.ObjPlainFile, BonusType: bonusType, BlockSize: blockSize, BonusLen: uint32(len(bonus)), DnSlots: 1},
		append([]byte(bonus), make([]byte, -len(bonus)&7)...))
}

func (s *script) write(n, off uint64, data []byte) {
	s.t.Helper()
	s.add(&stream.Write{Object: n, ObjType: stream.ObjPlainFile, Offset: off, LogicalSize: uint64(len(data))}, data)
}

func (s *script) end() []byte {
	s.t.Helper()
	s.add(&stream.End{}, nil)
	return s.buf.Bytes()
}

func read(t testing.TB, opts objset.Options, streams ...[]byte) *objset.Index {
	t.Helper()
	x := objset.New(opts)
	for _, data := range streams {
		if err := x.Read(stream.NewReader(bytes.NewReader(data)), objset.InPlace{ReaderAt: bytes.NewReader(data)}, nil); err != nil {
			t.Fatal(err)
		}
	}
	return x
}

func content(t testing.TB, x *objset.Index, o *objset.Object, size int) []byte {
	t.Helper()
	b := make([]byte, size)
	if n, err := x.Data(o).ReadAt(b, 0); n != size || err != nil {
		t.Fatalf("object %d: %d bytes, %v", o.Number, n, err)
	}
	return b
}

// Whatever is written, overwritten and freed in whatever order reads as in a plain array of
// bytes in which blocks that were written as a whole are not freed again, from a store, from memory, and read in parts; holes are where nothing was left.
func TestOrder(t *testing.T) {
	t.Parallel()
	const size = 64 << 10
	rnd := rand.New(rand.NewPCG(1, 2))
	for round := range 300 {
		s := newScript(t, stream.Begin{ToGUID: 1})
		s.object(8, 4096, "")
		model, touched, whole := make([]byte, size), make([]bool, size), make([]bool, size)
		ascending := uint64(0)
		for range rnd.IntN(40) {
			n := uint64(512 * (1 + rnd.IntN(24)))
			off := uint64(512 * rnd.IntN((size-int(n))/512))
			if round%3 == 0 { // as senders write
				n = 4096
				off, ascending = ascending, ascending+n*uint64(1+rnd.IntN(2))
			}
			if off+n > size {
				break
			}
			if rnd.IntN(3) == 0 {
				s.add(&stream.Free{Object: 8, Offset: off, Length: n}, nil)
				for i := off; i < off+n; i++ {
					if !whole[i] {
						model[i], touched[i] = 0, false
					}
				}
				continue
			}
			data := make([]byte, n)
			for i := range data {
				data[i] = byte(rnd.Uint32() | 1)
			}
			s.write(8, off, data)
			copy(model[off:], data)
			for i := range data {
				touched[int(off)+i] = true
				whole[int(off)+i] = n == 4096 && off%4096 == 0
			}
		}
		data := s.end()
		for _, keep := range []bool{false, true} {
			x := read(t, objset.Options{Keep: func(*objset.Object, []byte) bool { return keep }}, data)
			o := x.Snapshots()[0].Object(8)
			if got := content(t, x, o, size+100); !bytes.Equal(got[:size], model) {
				t.Fatalf("round %d, keep %v: wrong data", round, keep)
			}
			d := x.Data(o)
			for range 20 {
				off, n := rnd.IntN(size), rnd.IntN(9000)
				n = min(n, size-off)
				part := make([]byte, n)
				if _, err := d.ReadAt(part, int64(off)); err != nil || !bytes.Equal(part, model[off:][:n]) {
					t.Fatalf("round %d: wrong data at %d+%d, %v", round, off, n, err)
				}
			}
			got := make([]bool, size)
			for off := int64(0); ; {
				start, end, err := d.NextData(off)
				if err == io.EOF {
					break
				}
				if err != nil || start < off || end <= start {
					t.Fatal(start, end, err)
				}
				for i := start; i < end; i++ {
					got[i] = true
				}
				off = end
			}
			if !slices.Equal(got, touched) {
				t.Fatalf("round %d: holes are elsewhere", round)
			}
		}
	}
}

// A chain of streams gives each snapshot as it was.
func TestChain(t *testing.T) {
	t.Parallel()
	block := func(c byte) []byte { return bytes.Repeat([]byte{c}, 512) }
	full := newScript(t, stream.Begin{ToGUID: 1})
	full.object(8, 512, "eight")
	full.write(8, 0, block('a'))
	full.write(8, 512, block('b'))
	full.object(9, 512, "nine")
	full.write(9, 0, block('c'))
	full.object(10, 512, "ten")
	incr := newScript(t, stream.Begin{ToGUID: 2, FromGUID: 1})
	incr.object(8, 512, "eight, changed")
	incr.write(8, 512, block('B'))
	incr.write(8, 1024, block('d'))
	incr.add(&stream.FreeObjects{First: 9, Count: 1}, nil)
	incr.add(&stream.FreeObjects{First: 11, Count: 1<<64 - 12}, nil)
	other := newScript(t, stream.Begin{ToGUID: 3, FromGUID: 1, Flags: stream.FlagClone})
	other.add(&stream.FreeObjects{First: 8, Count: 1}, nil)
	other.object(8, 1024, "another block size")
	other.write(8, 1024, append(block('e'), block('f')...))
	x := read(t, objset.Options{}, full.end(), incr.end(), other.end())

	for i, want := range []map[uint64]string{
		{8: "eight aabbccc", 9: "nine ccccccc", 10: "ten"},
		{8: "eight, changed aaBBddd", 10: "ten"},
		{8: "another block size eeff", 9: "nine ccccccc", 10: "ten"},
	} {
		s := x.Snapshots()[i]
		if s.Len() != len(want) || s.Partial() || !s.Complete {
			t.Errorf("snapshot %d: %d objects, partial %v, complete %v", i, s.Len(), s.Partial(), s.Complete)
		}
		for o := range s.Objects() {
			if bonus := string(o.Bonus()); bonus != strings.TrimRight(want[o.Number][:len(bonus)], " ") || len(bonus) == 0 {
				t.Errorf("snapshot %d, object %d: bonus %q, want %q", i, o.Number, bonus, want[o.Number])
			}
		}
	}
	for i, want := range []string{"ab", "aBd", "\x00\x00ef"} {
		got := content(t, x, x.Snapshots()[i].Object(8), 512*len(want))
		for k := range want {
			if got[512*k] != want[k] {
				t.Errorf("snapshot %d: block %d begins %q, want %q", i, k, got[512*k], want[k])
			}
		}
	}
	if x.Snapshots()[1].Origin != x.Snapshots()[0] || x.Snapshots()[2].Origin != x.Snapshots()[0] {
		t.Error("wrong origins")
	}
	if guid := x.Snapshots()[1].Missing(); guid != 0 {
		t.Errorf("missing is %d", guid)
	}
}

// What builds on a part of a snapshot is a part of one.
func TestPartial(t *testing.T) {
	t.Parallel()
	second := newScript(t, stream.Begin{ToGUID: 2, FromGUID: 1})
	third := newScript(t, stream.Begin{ToGUID: 3, FromGUID: 2})
	x := read(t, objset.Options{}, second.end(), third.end())
	for i, s := range x.Snapshots() {
		if !s.Partial() || s.Missing() != 1 {
			t.Errorf("snapshot %d: partial %v, missing %d", i, s.Partial(), s.Missing())
		}
	}
}

func TestReferences(t *testing.T) {
	t.Parallel()
	a, b := bytes.Repeat([]byte("a"), 1024), bytes.Repeat([]byte("b"), 1024)
	first := newScript(t, stream.Begin{ToGUID: 1, Features: stream.FeatureDedup})
	first.object(8, 1024, "")
	first.write(8, 0, a)
	first.write(8, 1024, b)
	first.object(9, 1024, "")
	first.add(&stream.WriteByref{Object: 9, Offset: 0, Length: 1024, RefGUID: 1, RefObject: 8, RefOffset: 1024}, nil)
	first.add(&stream.WriteByref{Object: 9, Offset: 1024, Length: 1024, RefGUID: 1, RefObject: 8, RefOffset: 512}, nil)
	second := newScript(t, stream.Begin{ToGUID: 2, Features: stream.FeatureDedup})
	second.object(8, 1024, "")
	second.add(&stream.WriteByref{Object: 8, Offset: 0, Length: 1024, RefGUID: 1, RefObject: 9, RefOffset: 1024}, nil)
	x := read(t, objset.Options{}, first.end(), second.end())
	if got := content(t, x, x.Snapshots()[0].Object(9), 2048); !bytes.Equal(got, slices.Concat(b, a[:512], b[:512])) {
		t.Error("wrong data in the same snapshot")
	}
	if got := content(t, x, x.Snapshots()[1].Object(8), 1024); !bytes.Equal(got, slices.Concat(a[:512], b[:512])) {
		t.Error("wrong data from another snapshot")
	}
}

func TestEmbedded(t *testing.T) {
	t.Parallel()
	s := newScript(t, stream.Begin{ToGUID: 1, Features: stream.FeatureEmbedData})
	s.object(8, 1024, "")
	s.write(8, 0, bytes.Repeat([]byte("x"), 1024))
	s.add(&stream.WriteEmbedded{Object: 8, Offset: 0, Length: 1024, Compression: 2, LSize: 5, PSize: 5}, []byte("hello\x00\x00\x00"))
	x := read(t, objset.Options{}, s.end())
	if got := content(t, x, x.Snapshots()[0].Object(8), 1024); string(bytes.TrimRight(got, "\x00")) != "hello" {
		t.Errorf("got %q", got[:16])
	}
}

func TestRedacted(t *testing.T) {
	t.Parallel()
	s := newScript(t, stream.Begin{ToGUID: 1, Features: stream.FeatureRedacted})
	s.object(8, 512, "")
	s.write(8, 0, bytes.Repeat([]byte("x"), 512))
	s.add(&stream.Redact{Object: 8, Offset: 512, Length: 1<<64 - 1}, nil)
	x := read(t, objset.Options{}, s.end())
	o := x.Snapshots()[0].Object(8)
	p := make([]byte, 512)
	if _, err := x.Data(o).ReadAt(p, 0); err != nil || !o.Redacted() {
		t.Errorf("error %v, redacted %v", err, o.Redacted())
	}
	for _, off := range []int64{100, 512, 1 << 50} {
		if _, err := x.Data(o).ReadAt(p, off); !errors.Is(err, objset.ErrRedacted) {
			t.Errorf("at %d: error %v, want %v", off, err, objset.ErrRedacted)
		}
	}
}

func TestNoStore(t *testing.T) {
	t.Parallel()
	s := newScript(t, stream.Begin{ToGUID: 1})
	s.object(8, 512, "")
	s.write(8, 512, bytes.Repeat([]byte("x"), 512))
	s.write(8, 1024, bytes.Repeat([]byte("x"), 512))
	x := objset.New(objset.Options{})
	if err := x.Read(stream.NewReader(bytes.NewReader(s.end())), nil, nil); err != nil {
		t.Fatal(err)
	}
	o := x.Snapshots()[0].Object(8)
	p := make([]byte, 100)
	if _, err := x.Data(o).ReadAt(p, 412); err != nil {
		t.Errorf("in the hole: %v", err)
	}
	if _, err := x.Data(o).ReadAt(p, 512); !errors.Is(err, objset.ErrNotStored) {
		t.Errorf("error %v, want %v", err, objset.ErrNotStored)
	}
	if start, end, err := x.Data(o).NextData(0); start != 512 || end != 1536 || err != nil {
		t.Errorf("data from %d to %d, %v", start, end, err)
	}
}

func TestRefuses(t *testing.T) {
	t.Parallel()
	block := make([]byte, 512)
	for _, tt := range []struct {
		name, want string
		make       func(s *script)
	}{
		{"write to nothing", "record 1 (WRITE object=8 offset=0x0) at byte 312: there is no such object",
			func(s *script) { s.write(8, 0, block) }},
		{"free of nothing", "(FREE object=8 offset=0x0) at byte 312: there is no such object",
			func(s *script) { s.add(&stream.Free{Object: 8, Length: 512}, nil) }},
		{"spill of nothing", "no such object", func(s *script) { s.add(&stream.Spill{Object: 8, Length: 512}, block) }},
		{"write beyond the end of all files", "offset out of range",
			func(s *script) { s.object(8, 512, ""); s.write(8, 1<<63-1024, append(block, block...)) }},
		{"reference to an unknown snapshot", "guid 0x63, which was not read", func(s *script) {
			s.object(8, 512, "")
			s.add(&stream.WriteByref{Object: 8, Length: 512, RefGUID: 99, RefObject: 8}, nil)
		}},
		{"reference to an unknown object", "object 9, which is not there", func(s *script) {
			s.object(8, 512, "")
			s.add(&stream.WriteByref{Object: 8, Length: 512, RefGUID: 1, RefObject: 9}, nil)
		}},
		{"after a freed object", "no such object", func(s *script) {
			s.object(8, 512, "")
			s.add(&stream.FreeObjects{First: 0, Count: 1<<64 - 1}, nil)
			s.write(8, 0, block)
		}},
	} {
		s := newScript(t, stream.Begin{ToGUID: 1, Features: stream.FeatureDedup})
		tt.make(s)
		data := s.end()
		err := objset.New(objset.Options{}).Read(stream.NewReader(bytes.NewReader(data)), nil, nil)
		var fault *stream.FormatError
		if !errors.As(err, &fault) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestLimit(t *testing.T) {
	t.Parallel()
	s := newScript(t, stream.Begin{ToGUID: 1})
	for n := range uint64(1000) {
		s.object(n+1, 512, "bonus")
	}
	err := objset.New(objset.Options{Limit: 50_000}).Read(stream.NewReader(bytes.NewReader(s.end())), nil, nil)
	if !errors.Is(err, objset.ErrTooLarge) {
		t.Errorf("error %v, want %v", err, objset.ErrTooLarge)
	}
}

// Rows of equal blocks take no more room than one.
func TestRows(t *testing.T) {
	t.Parallel()
	s := newScript(t, stream.Begin{ToGUID: 1})
	s.object(8, 512, "")
	for i := range uint64(10000) {
		s.write(8, 512*i, bytes.Repeat([]byte{byte(i)}, 512))
	}
	x := read(t, objset.Options{Limit: 3000}, s.end())
	got := content(t, x, x.Snapshots()[0].Object(8), 512*10000)
	for i := range 10000 {
		if got[512*i] != byte(i) {
			t.Fatalf("block %d is %d", i, got[512*i])
		}
	}
}

func FuzzRead(f *testing.F) {
	s := newScript(f, stream.Begin{ToGUID: 1})
	s.object(8, 512, "eight")
	s.write(8, 0, make([]byte, 512))
	s.add(&stream.Free{Object: 8, Offset: 512, Length: 1 << 40}, nil)
	f.Add(s.end())
	f.Fuzz(func(t *testing.T, data []byte) {
		x := objset.New(objset.Options{Limit: 1 << 24})
		if err := x.Read(stream.NewReader(bytes.NewReader(data)), objset.InPlace{ReaderAt: bytes.NewReader(data)}, nil); err != nil && x.Held() > 1<<24+1<<20 {
			t.Errorf("%d bytes held", x.Held())
		}
		p := make([]byte, 1<<16)
		for _, s := range x.Snapshots() {
			for o := range s.Objects() {
				o.Bonus()
				o.Spill()
				d := x.Data(o)
				d.ReadAt(p, 0)
				for off, i := int64(0), 0; i < 100; i++ {
					start, end, err := d.NextData(off)
					if err != nil {
						break
					}
					if start < off || end <= start {
						t.Fatalf("object %d: data from %d to %d after %d", o.Number, start, end, off)
					}
					d.ReadAt(p[:1], start)
					off = end
				}
			}
		}
	})
}

// scattered is a file whose blocks leave gaps, so that each has an extent of its own.
func scattered(t testing.TB, guid uint64, blocks int) *script {
	s := newScript(t, stream.Begin{ToGUID: guid})
	s.object(8, 512, "")
	for i := range uint64(blocks) {
		s.write(8, 1024*i, bytes.Repeat([]byte{byte(i), byte(i >> 8)}, 256))
	}
	return s
}

// Snapshots that each change one block of a file in many pieces hold the pieces again: that is
// counted, and released when the index is closed.
func TestBudgetOfSnapshots(t *testing.T) {
	t.Parallel()
	const blocks, snapshots = 2000, 400
	data := [][]byte{scattered(t, 1, blocks).end()}
	for i := range uint64(snapshots) {
		s := newScript(t, stream.Begin{FromGUID: i + 1, ToGUID: i + 2})
		s.write(8, 1024*i, make([]byte, 512))
		data = append(data, s.end())
	}
	b := budget.New(budget.Fixed(16 << 20))
	x := objset.New(objset.Options{Budget: b})
	var err error
	for _, d := range data {
		if err = x.Read(stream.NewReader(bytes.NewReader(d)), objset.InPlace{ReaderAt: bytes.NewReader(d)}, nil); err != nil {
			break
		}
	}
	if !errors.Is(err, budget.ErrExceeded) || !errors.Is(err, objset.ErrTooLarge) {
		t.Fatalf("error %v, with %d bytes held", err, b.Held())
	}
	if x.Close(); b.Held() != 0 || b.Limit() != 16<<20 {
		t.Errorf("%d bytes held after Close", b.Held())
	}
}

// What a snapshot frees of its origin is still held by that.
func TestBudgetOfFreedObjects(t *testing.T) {
	t.Parallel()
	const objects = 1000
	full := newScript(t, stream.Begin{ToGUID: 1})
	for n := range uint64(objects) {
		full.object(n+1, 512, "bonus")
	}
	next := newScript(t, stream.Begin{FromGUID: 1, ToGUID: 2})
	next.add(&stream.FreeObjects{First: 0, Count: objects + 1}, nil)
	b := budget.New(budget.Limits{})
	x := objset.New(objset.Options{Budget: b})
	var held []int64
	for _, data := range [][]byte{full.end(), next.end()} {
		if err := x.Read(stream.NewReader(bytes.NewReader(data)), nil, nil); err != nil {
			t.Fatal(err)
		}
		held = append(held, b.Held())
	}
	if held[0] < objects*136 || held[1] < held[0] {
		t.Errorf("%d bytes held, then %d", held[0], held[1])
	}
}

// Contents that refer to others of their own file, again and again.
func TestByrefOfItself(t *testing.T) {
	t.Parallel()
	const blocks = 500
	s := scattered(t, 1, blocks)
	for i := range uint64(blocks) {
		s.add(&stream.WriteByref{Object: 8, Offset: 1024 * ((7 * i) % blocks), Length: 512, RefGUID: 1, RefObject: 8, RefOffset: 1024 * i}, nil)
		s.add(&stream.WriteByref{Object: 8, Offset: 1024*i + 512, Length: 512, RefGUID: 1, RefObject: 8, RefOffset: 1024 * i}, nil)
	}
	want := make([]byte, 1024*blocks)
	for i := range blocks {
		copy(want[1024*i:], bytes.Repeat([]byte{byte(i), byte(i >> 8)}, 256))
	}
	for i := range blocks {
		copy(want[1024*((7*i)%blocks):][:512], want[1024*i:])
		copy(want[1024*i+512:][:512], want[1024*i:])
	}
	x := read(t, objset.Options{}, s.end())
	if got := content(t, x, x.Snapshots()[0].Object(8), len(want)); !bytes.Equal(got, want) {
		t.Error("contents differ")
	}
	pieces := newScript(t, stream.Begin{ToGUID: 1})
	pieces.object(8, 1<<20, "")
	for i := range uint64(300) {
		pieces.write(8, 1024*i, make([]byte, 512))
	}
	pieces.add(&stream.WriteByref{Object: 8, Offset: 1 << 20, Length: 1 << 20, RefGUID: 1, RefObject: 8}, nil)
	err := objset.New(objset.Options{}).Read(stream.NewReader(bytes.NewReader(pieces.end())), nil, nil)
	if !errors.Is(err, objset.ErrTooLarge) {
		t.Errorf("a block in 300 pieces: error %v", err)
	}
}
