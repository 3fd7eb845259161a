package zpl_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"imagetools/test/edits"
	"imagetools/tree"
	"imagetools/tree/compare"
	"imagetools/zfs/objset"
	"imagetools/zfs/stream"
	"imagetools/zfs/zpl"
)

// sealed returns the tree of a model.
func sealed(t testing.TB, m *edits.Model) *tree.Tree {
	t.Helper()
	tr, err := m.Tree()
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// increment writes a tree on the last of a chain of streams, and checks what comes of it.
func increment(t testing.TB, tr *tree.Tree, opts zpl.Options, chain ...[]byte) (*zpl.Plan, []byte) {
	t.Helper()
	opts.Origin = open(t, chain...)
	p, err := zpl.NewPlan(t.Context(), tr, opts)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := p.Write(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	x := read(t, append(chain[:len(chain):len(chain)], out.Bytes())...)
	f := last(t, x)
	noZeros(t, x, f)
	got, err := f.Tree(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for c, err := range compare.Diff(t.Context(), tr, got, compare.Options{}) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n < 10 {
			t.Errorf("as it is read: %v", c)
		}
	}
	res, err := zpl.Check(t.Context(), f, zpl.CheckOptions{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range res.Faults {
		if fault.Severity > zpl.Notice {
			t.Errorf("check: %v: object %d, %q: %s", fault.Severity, fault.Object, fault.Path, fault.Message)
		}
	}
	return p, out.Bytes()
}

// noZeros looks whether files have blocks that are all zeros, or lie behind their ends.
func noZeros(t testing.TB, x *objset.Index, f *zpl.FS) {
	t.Helper()
	for o := range f.Snapshot().Objects() {
		z, err := f.Znode(o.Number)
		if err != nil || z.Mode.Type() != tree.TypeFile {
			continue
		}
		block := int64(o.BlockSize)
		if end := (int64(z.Size) + block - 1) / block * block; int64(o.End()) > end {
			t.Errorf("object %d: data up to %d, the file ends at %d", o.Number, o.End(), z.Size)
		}
		d := x.Data(o)
		b := make([]byte, block)
		for off := int64(0); ; off += block {
			start, _, err := d.NextData(off)
			if err == io.EOF {
				break
			}
			off = start
			if _, err := d.ReadAt(b, off); err != nil {
				t.Fatal(err)
			}
			if len(bytes.Trim(b, "\x00")) == 0 {
				t.Errorf("object %d: the block at %d is all zeros", o.Number, off)
			}
		}
	}
}

// What differs is written, block by block, and no more.
func TestIncrementRecords(t *testing.T) {
	t.Parallel()
	const block = 128 << 10
	large := noise(3*block + 1000)
	edit := func(at int) []byte {
		b := bytes.Clone(large)
		b[at]++
		return b
	}
	names := func(m *maker, n int, length int) {
		for i := range n {
			m.add(fmt.Sprintf("d/%0*d", length, i), &tree.Node{Mode: tree.TypeFile})
		}
	}
	f := func(data []byte) func(*maker) { return func(m *maker) { m.add("f", file(data)) } }
	fat := func(m *maker) { m.add("d", tree.NewDir(0o755)); names(m, 100, 60) }
	const root = "OBJECT object=3; WRITE object=3 offset=0x0; "
	for _, tt := range []struct {
		name          string
		before, after func(m *maker)
		want          string
	}{
		{"same", f(large), f(large), ""},
		{"a byte", f(large), f(edit(block + 5)), "OBJECT object=7; WRITE object=7 offset=0x20000"},
		{"last byte", f(large), f(edit(len(large) - 1)), "OBJECT object=7; WRITE object=7 offset=0x60000"},
		{"hole", f(large), f(slices.Concat(large[:block], make([]byte, block), large[2*block:])), "OBJECT object=7; FREE object=7 offset=0x20000"},
		{"hole filled", f(slices.Concat(large[:block], make([]byte, block), large[2*block:])), f(large), "OBJECT object=7; WRITE object=7 offset=0x20000"},
		{"all zeros", f(large), f(make([]byte, len(large))), "OBJECT object=7; FREE object=7 offset=0x0"},
		{"hole and byte", f(large), f(slices.Concat(make([]byte, block), edit(2 * block)[block:])),
			"OBJECT object=7; FREE object=7 offset=0x0; WRITE object=7 offset=0x40000"},
		{"cut at a block", f(large), f(large[:block]), "OBJECT object=7; FREE object=7 offset=0x20000"},
		{"cut in a block", f(large), f(large[:block+5]), "OBJECT object=7; WRITE object=7 offset=0x20000; FREE object=7 offset=0x40000"},
		{"cut to one block", f(large), f(large[:5]), "OBJECT object=7; WRITE object=7 offset=0x0; FREE object=7 offset=0x20000"},
		{"cut to nothing", f(large), f(nil), "OBJECT object=7; FREE object=7 offset=0x0"},
		{"grown", f(large), f(slices.Concat(large, large)),
			"OBJECT object=7; WRITE object=7 offset=0x60000; WRITE object=7 offset=0x80000; WRITE object=7 offset=0xa0000; WRITE object=7 offset=0xc0000"},
		{"grown by a hole", f(large), f(slices.Concat(large, make([]byte, block))), "OBJECT object=7"},
		{"small, grown in its block", f(large[:100]), f(large[:500]), "OBJECT object=7; WRITE object=7 offset=0x0"},
		{"small, with a larger block", f(large[:100]), f(large[:600]), "OBJECT object=7; WRITE object=7 offset=0x0"},
		{"small, with blocks", f(large[:100]), f(large[:2*block]), "OBJECT object=7; WRITE object=7 offset=0x0; WRITE object=7 offset=0x20000"},
		{"small, cut", f(large[:5000]), f(large[:100]), "OBJECT object=7; WRITE object=7 offset=0x0"},
		{"small, cut to nothing", f(large[:5000]), f(nil), "OBJECT object=7; FREE object=7 offset=0x0"},
		{"mode", f(large), func(m *maker) { m.add("f", file(large)).Mode ^= 1 }, "OBJECT object=7"},
		{"renamed", f(large), func(m *maker) { m.add("g", file(large)) }, "OBJECT object=3; WRITE object=3 offset=0x0"},
		{"moved", func(m *maker) { m.add("d", tree.NewDir(0o755)); m.add("d/f", file(large)) },
			func(m *maker) { m.add("d", tree.NewDir(0o755)); m.add("f", file(large)) },
			root + "OBJECT object=7; WRITE object=7 offset=0x0; OBJECT object=8"},
		{"gone", f(large), func(*maker) {}, root + "FREEOBJECTS first=7 count=1"},
		{"a directory gone", fat, func(*maker) {}, root + "FREEOBJECTS first=7 count=101"},
		{"replaced", f(large), func(m *maker) { m.add("f", link("to")) }, root + "FREEOBJECTS first=7 count=1; OBJECT object=8"},
		{"long names gone", fat, func(m *maker) { m.add("d", tree.NewDir(0o755)) },
			"OBJECT object=7; WRITE object=7 offset=0x0; FREEOBJECTS first=8 count=100"},
		{"micro as large as fat", fat, func(m *maker) { m.add("d", tree.NewDir(0o755)); names(m, 250, 4) }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			make := func(fill func(*maker)) *tree.Tree {
				m := newTree(t)
				fill(m)
				return m.seal()
			}
			_, full := write(t, make(tt.before), zpl.Options{})
			_, data := increment(t, make(tt.after), zpl.Options{}, full)
			got := strings.TrimPrefix(describe(t, data), `BEGIN "image@final"; `)
			want := strings.TrimPrefix(tt.want+"; END", "; ")
			if tt.name == "micro as large as fat" {
				if !strings.Contains(got, "OBJECT object=7; WRITE object=7 offset=0x0; FREE object=7 offset=0x4000; ") {
					t.Errorf("records %.200s", got)
				}
			} else if got != want {
				t.Errorf("records %s\nwant %s", got, want)
			}
		})
	}
}

// Trees changed by all kinds of edits, on their origin and on one another, read as they are.
func TestIncrement(t *testing.T) {
	t.Parallel()
	base := edits.New(2000, 1)
	for _, version := range []int{5, 4} {
		_, full := write(t, sealed(t, base), zpl.Options{Version: version})
		for seed := range uint64(50) {
			if version == 4 && seed >= 15 {
				break
			}
			t.Run(fmt.Sprintf("version %d script %d", version, seed), func(t *testing.T) {
				t.Parallel()
				m := base.Clone()
				script := m.Edit(50, seed)
				increment(t, sealed(t, m), zpl.Options{}, full)
				if t.Failed() {
					t.Logf("the script:\n%s", strings.Join(script, "\n"))
				}
			})
		}
		t.Run(fmt.Sprintf("version %d chain", version), func(t *testing.T) {
			t.Parallel()
			m := base.Clone()
			chain := [][]byte{full}
			for i := range uint64(10) {
				m.Edit(50, 100+i)
				_, next := increment(t, sealed(t, m), zpl.Options{}, chain...)
				chain = append(chain, next)
			}
			// And back to the first: nearly all of it is gone.
			increment(t, sealed(t, base), zpl.Options{}, chain...)
		})
	}
}

// An origin may say that a file is longer than its only block, whose size can be none of several.
func TestIncrementOnOddBlock(t *testing.T) {
	t.Parallel()
	for _, size := range []int{110_000, 300_000} {
		m := newTree(t)
		m.add("f", file(noise(100_000)))
		_, full := write(t, m.seal(), zpl.Options{})
		var origin bytes.Buffer
		w, r := stream.NewWriter(&origin), stream.NewReader(bytes.NewReader(full))
		for {
			rec, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			payload, err := r.Payload()
			if err != nil {
				t.Fatal(err)
			}
			payload = bytes.Clone(payload)
			if o, ok := rec.(*stream.Object); ok && o.ObjType == stream.ObjPlainFile {
				binary.LittleEndian.PutUint64(payload[16:], uint64(size)) // behind header and mode
			}
			if err := w.WriteRecord(rec, payload); err != nil {
				t.Fatal(err)
			}
		}
		m = newTree(t)
		m.add("f", file(noise(size)))
		increment(t, m.seal(), zpl.Options{}, origin.Bytes())
	}
}

// What is the same is not written.
func TestUnchanged(t *testing.T) {
	t.Parallel()
	for _, version := range []int{4, 5} {
		guid, full := write(t, zoo(t), zpl.Options{Version: version})
		p, data := increment(t, zoo(t), zpl.Options{}, full)
		if got := describe(t, data); got != `BEGIN "image@final"; END` {
			t.Errorf("version %d: records %s", version, got)
		}
		if p.GUID() == guid || p.Changes() != (zpl.Changes{}) {
			t.Errorf("version %d: guid %#x on %#x, changes %+v", version, p.GUID(), guid, p.Changes())
		}
	}
}

// describe is the records of a stream.
func describe(t testing.TB, data []byte) string {
	t.Helper()
	var list []string
	r := stream.NewReader(bytes.NewReader(data))
	for {
		rec, err := r.Next()
		if err == io.EOF {
			return strings.Join(list, "; ")
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, stream.Describe(rec))
	}
}

// FuzzIncrement builds on origins whose records were changed: what cannot be is an error, and what
// is written keeps the rules of streams.
func FuzzIncrement(f *testing.F) {
	sound := make(map[bool][]byte)
	for version5, version := range map[bool]int{false: 4, true: 5} {
		_, sound[version5] = write(f, few(f), zpl.Options{Version: version})
	}
	m := edits.New(20, 1)
	m.Edit(20, 2)
	other := sealed(f, m)
	f.Add(false, []byte{1, 2, 3, 4})
	f.Add(true, []byte("\x10\x00\x20\x01\x10\x10\x33\x80"))
	f.Fuzz(func(t *testing.T, version5 bool, changes []byte) {
		data := rewrite(t, sound[version5], changes)
		x := objset.New(objset.Options{Keep: zpl.Keep, Limit: 1 << 26})
		if data == nil || x.Read(stream.NewReader(bytes.NewReader(data)), objset.InPlace{ReaderAt: bytes.NewReader(data)}, nil) != nil {
			return
		}
		all := x.Snapshots()
		origin, err := zpl.Open(x, all[len(all)-1])
		if err != nil {
			return
		}
		for _, tr := range []*tree.Tree{few(t), other} {
			p, err := zpl.NewPlan(t.Context(), tr, zpl.Options{Origin: origin})
			if err == nil {
				err = p.Write(t.Context(), io.Discard)
			}
			if err != nil && strings.Contains(err.Error(), "internal error") {
				t.Error(err)
			}
		}
	})
}
