package zvol_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"imagetools/tree"
	"imagetools/zfs/objset"
	"imagetools/zfs/stream"
	"imagetools/zfs/zvol"
)

// openChain opens the volume in the last of several streams.
func openChain(t *testing.T, streams ...[]byte) *zvol.Volume {
	t.Helper()
	x := objset.New(objset.Options{})
	for _, data := range streams {
		if err := x.Read(stream.NewReader(bytes.NewReader(data)), objset.InPlace{ReaderAt: bytes.NewReader(data)}, nil); err != nil {
			t.Fatal(err)
		}
	}
	all := x.Snapshots()
	v, err := zvol.Open(x, all[len(all)-1])
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// records counts the records of a stream, and the bytes of zvol data in them.
func records(t *testing.T, data []byte) (begin stream.Begin, counts map[string]int64) {
	t.Helper()
	counts = map[string]int64{}
	r := stream.NewReader(bytes.NewReader(data))
	for {
		rec, err := r.Next()
		if err == io.EOF {
			return begin, counts
		}
		if err != nil {
			t.Fatal(err)
		}
		counts[rec.Type().String()]++
		switch rec := rec.(type) {
		case *stream.Begin:
			begin = *rec
		case *stream.Write:
			if rec.Object == 1 {
				counts["written"] += int64(rec.LogicalSize)
			}
		case *stream.Free:
			counts["freed"] += int64(rec.Length)
		}
	}
}

func all(b []byte) disk { return disk{bytes.NewReader(b), [][2]int64{{0, int64(len(b))}}} }

// holes is a disk whose blocks of zeros, of 4 KiB, are holes.
func holes(b []byte) disk {
	d := disk{Reader: bytes.NewReader(b)}
	for off := 0; off < len(b); off += 4096 {
		p := b[off:min(off+4096, len(b))]
		if len(bytes.TrimLeft(p, "\x00")) > 0 {
			d.data = append(d.data, [2]int64{int64(off), int64(off + len(p))})
		}
	}
	return d
}

// edit changes a disk at random: bytes, ranges, zeros in the place of data and data in that of
// zeros, and sometimes its size.
func edit(rng *rand.Rand, b []byte, src *rand.ChaCha8) []byte {
	b = bytes.Clone(b)
	for range 1 + rng.IntN(12) {
		from := rng.IntN(len(b))
		p := b[from:min(len(b), from+1+rng.IntN(1<<uint(rng.IntN(20))))]
		switch rng.IntN(4) {
		case 0:
			p[0]++
		case 1:
			clear(p)
		default:
			src.Read(p)
		}
	}
	if rng.IntN(3) == 0 {
		b = append(b, make([]byte, rng.IntN(2<<20))...)
		b[len(b)-1] = byte(rng.IntN(2))
	}
	return b
}

// A chain of increments gives each disk that it was made of, and holds the blocks that differ and
// no others.
func TestIncrements(t *testing.T) {
	src := rand.NewChaCha8([32]byte{1})
	rng := rand.New(rand.NewPCG(1, 2))
	for block := zvol.MinBlockSize; block <= zvol.MaxBlockSize; block *= 2 {
		_, b := sample(3<<20-3, ranges[0], ranges[1], [2]int64{1 << 20, 2<<20 + 77})
		full, _ := write(t, all(b), int64(len(b)), zvol.Options{BlockSize: block, Created: 5})
		chain := [][]byte{full}
		for step := range 4 {
			before := openChain(t, chain...)
			old, err := io.ReadAll(io.NewSectionReader(before, 0, before.Size))
			if err != nil {
				t.Fatal(err)
			}
			b = edit(rng, b, src)
			plan, err := zvol.NewPlan(t.Context(), holes(b), int64(len(b)), zvol.Options{Origin: before, Created: int64(5 + step)})
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			if err := plan.Write(t.Context(), &out); err != nil {
				t.Fatal(err)
			}
			chain = append(chain, out.Bytes())
			v := openChain(t, chain...)
			want := append(bytes.Clone(b), make([]byte, v.Size-int64(len(b)))...)
			got, err := io.ReadAll(io.NewSectionReader(v, 0, v.Size))
			if err != nil || !bytes.Equal(got, want) || v.BlockSize != block || v.Size%(1<<20) != 0 {
				t.Fatalf("blocks of %d, step %d: another disk of %d bytes, %v", block, step, v.Size, err)
			}
			var written, freed int64
			old = append(old, make([]byte, len(want)-len(old))...)
			for at := 0; at < len(want); at += block {
				now, zeros := want[at:][:block], make([]byte, block)
				switch {
				case bytes.Equal(now, old[at:][:block]):
				case bytes.Equal(now, zeros):
					freed += int64(block)
				default:
					written += int64(block)
				}
			}
			begin, counts := records(t, out.Bytes())
			if w, f := plan.Changes(); w != written || f != freed || counts["written"] != written || counts["freed"] != freed {
				t.Errorf("blocks of %d, step %d: %d written and %d freed, the stream has %v, want %d and %d", block, step, w, f, counts, written, freed)
			}
			if begin.FromGUID != before.Snapshot().Begin.ToGUID || begin.Flags != stream.FlagClone || begin.ToGUID != plan.GUID() || begin.CreationTime != uint64(5+step) {
				t.Errorf("blocks of %d, step %d: %+v", block, step, begin)
			}
			// The same bytes, whatever the disk's holes and the cores are.
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1 + step%3))
			if again, _ := write(t, all(b), int64(len(b)), zvol.Options{Origin: before, Created: int64(5 + step)}); !bytes.Equal(again, out.Bytes()) {
				t.Errorf("blocks of %d, step %d: not the same again", block, step)
			}
		}
		// All in one is the full image of the last disk.
		want, _ := write(t, all(b), int64(len(b)), zvol.Options{BlockSize: block, Size: openChain(t, chain...).Size})
		v := openChain(t, chain...)
		if got, _ := write(t, v, v.Size, zvol.Options{BlockSize: block}); !bytes.Equal(got, want) {
			t.Errorf("blocks of %d: flattened, it is another volume", block)
		}
	}
}

// A disk that is the origin's gives a stream without changes, of another snapshot; so does a
// shorter one that lacks zeros alone. One that grew changes the size alone.
func TestUnchanged(t *testing.T) {
	_, b := sample(3<<20-4096, [2]int64{8192, 1 << 20})
	full, guid := write(t, all(b), int64(len(b)), zvol.Options{Created: 7})
	for _, test := range []struct {
		disk []byte
		opts zvol.Options
		want string
		size int64
	}{
		{b, zvol.Options{}, "map[BEGIN:1 END:1]", 3 << 20},
		{b[:1<<20], zvol.Options{}, "map[BEGIN:1 END:1]", 3 << 20},
		{b, zvol.Options{Size: 64 << 30}, "map[BEGIN:1 END:1 OBJECT:1 WRITE:1]", 64 << 30},
		{b[:8192], zvol.Options{}, fmt.Sprintf("map[BEGIN:1 END:1 FREE:1 OBJECT:1 freed:%d]", 1<<20-8192), 3 << 20},
	} {
		opts := test.opts
		opts.Origin = openChain(t, full)
		data, other := write(t, all(test.disk), int64(len(test.disk)), opts)
		begin, counts := records(t, data)
		if got := fmt.Sprint(counts); got != test.want || other == guid || begin.CreationTime != 7 {
			t.Errorf("%d bytes, %+v: %s, guid %d, created %d; want %s", len(test.disk), test.opts, got, other, begin.CreationTime, test.want)
		}
		if v := openChain(t, full, data); v.Size != test.size {
			t.Errorf("%d bytes, %+v: size %d, want %d", len(test.disk), test.opts, v.Size, test.size)
		}
	}
	// Two increments that change nothing follow one another.
	one, _ := write(t, all(b), int64(len(b)), zvol.Options{Origin: openChain(t, full)})
	_, three := write(t, all(b), int64(len(b)), zvol.Options{Origin: openChain(t, full, one)})
	if begin, _ := records(t, one); begin.ToGUID == three || three == guid {
		t.Error("two snapshots have the same guid")
	}
}

// foreign is the stream of a volume as a ZFS may send it.
func foreign(t *testing.T, change func(stream.Record)) []byte {
	t.Helper()
	_, b := sample(1<<20, [2]int64{0, 1 << 20})
	data, _ := write(t, all(b), int64(len(b)), zvol.Options{})
	var out bytes.Buffer
	w := stream.NewWriter(&out)
	r := stream.NewReader(bytes.NewReader(data))
	for {
		rec, err := r.Next()
		if err == io.EOF {
			return out.Bytes()
		}
		if err != nil {
			t.Fatal(err)
		}
		payload, err := r.Payload()
		if err != nil {
			t.Fatal(err)
		}
		change(rec)
		if err := w.WriteRecord(rec, payload); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOrigin(t *testing.T) {
	_, b := sample(1<<20, [2]int64{0, 1 << 20})
	object := func(change func(*stream.Object)) func(stream.Record) {
		return func(rec stream.Record) {
			if o, ok := rec.(*stream.Object); ok && o.Object == 1 {
				change(o)
			}
		}
	}
	begin := func(change func(*stream.Begin)) func(stream.Record) {
		return func(rec stream.Record) {
			if b, ok := rec.(*stream.Begin); ok {
				change(b)
			}
		}
	}
	for name, test := range map[string]struct {
		change func(stream.Record)
		opts   zvol.Options
		want   string
	}{
		"good":       {func(stream.Record) {}, zvol.Options{BlockSize: 8192}, ""},
		"blocks":     {func(stream.Record) {}, zvol.Options{BlockSize: 4096}, "its blocks are of 8192 bytes, and stay so: 4096 is not possible"},
		"smaller":    {func(stream.Record) {}, zvol.Options{Size: 1 << 19}, "larger than the volume"},
		"time":       {begin(func(b *stream.Begin) { b.CreationTime = 9 }), zvol.Options{Created: 8}, "later than what builds on it: it was made at 9, the new snapshot at 8"},
		"far future": {begin(func(b *stream.Begin) { b.CreationTime = 1 << 63 }), zvol.Options{}, "made at 9223372036854775808"},
		"slots": {func(rec stream.Record) {
			if o, ok := rec.(*stream.Object); ok && o.Object == 2 {
				o.DnSlots = 2
			}
		}, zvol.Options{}, "its objects are not those of a volume"},
		"type": {object(func(o *stream.Object) { o.ObjType = stream.ObjPlainFile }), zvol.Options{}, "its objects are not those of a volume"},
		"large": {func(rec stream.Record) {
			begin(func(b *stream.Begin) { b.Features |= stream.FeatureLargeBlocks })(rec)
			object(func(o *stream.Object) { o.BlockSize = 1 << 20 })(rec)
		}, zvol.Options{}, "its blocks are of 1048576 bytes"},
		"small":  {object(func(o *stream.Object) { o.BlockSize = 512 }), zvol.Options{}, ""},
		"uneven": {object(func(o *stream.Object) { o.BlockSize = 1536 }), zvol.Options{}, "its blocks are of 1536 bytes"},
	} {
		test.opts.Origin = openChain(t, foreign(t, test.change))
		_, err := zvol.NewPlan(t.Context(), all(b), int64(len(b)), test.opts)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
		if strings.Contains(fmt.Sprint(err), "origin") && !errors.Is(err, zvol.ErrOrigin) {
			t.Errorf("%s: %v is no ErrOrigin", name, err)
		}
	}
	large := append(b, make([]byte, 1<<20)...)
	full, _ := write(t, all(large), int64(len(large)), zvol.Options{})
	_, err := zvol.NewPlan(t.Context(), all(b), int64(len(b)), zvol.Options{Size: 1 << 20, Origin: openChain(t, full)})
	if !errors.Is(err, zvol.ErrOrigin) || !strings.Contains(err.Error(), "it has 2097152, and becomes no smaller") {
		t.Errorf("a volume that shrinks: %v", err)
	}
	// One whose contents were not kept.
	x := objset.New(objset.Options{})
	if err := x.Read(stream.NewReader(bytes.NewReader(full)), nil, nil); err != nil {
		t.Fatal(err)
	}
	v, err := zvol.Open(x, x.Snapshots()[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := zvol.NewPlan(t.Context(), all(b), int64(len(b)), zvol.Options{Origin: v}); !errors.Is(err, objset.ErrNotStored) {
		t.Errorf("contents that were not kept: %v", err)
	}
	// One of which only an increment is there is none at all.
	part, _ := write(t, all(large), int64(len(large)), zvol.Options{Origin: openChain(t, full)})
	x = objset.New(objset.Options{})
	if err := x.Read(stream.NewReader(bytes.NewReader(part)), nil, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := zvol.Open(x, x.Snapshots()[0]); !errors.Is(err, zvol.ErrPartial) {
		t.Errorf("an increment alone: %v", err)
	}
}

// What changes after the first reading is found where it would be written.
func TestIncrementChanged(t *testing.T) {
	_, b := sample(4<<20, [2]int64{0, 4 << 20})
	full, _ := write(t, all(b), int64(len(b)), zvol.Options{})
	for _, at := range []int{3 << 20, 100} { // the first is one that was written, the second is not
		now := bytes.Clone(b)
		now[3<<20]++
		plan, err := zvol.NewPlan(t.Context(), all(now), int64(len(now)), zvol.Options{Origin: openChain(t, full)})
		if err != nil {
			t.Fatal(err)
		}
		want := bytes.Clone(now)
		now[at]++
		var out bytes.Buffer
		err = plan.Write(t.Context(), &out)
		if at == 3<<20 {
			if !errors.Is(err, tree.ErrChanged) {
				t.Errorf("a block that was written: %v", err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		v := openChain(t, full, out.Bytes())
		if got, err := io.ReadAll(io.NewSectionReader(v, 0, v.Size)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("another block: not the disk that was read first, %v", err)
		}
	}
}
