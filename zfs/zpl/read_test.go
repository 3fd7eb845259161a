package zpl_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"imagetools/tree"
	"imagetools/zfs/objset"
	"imagetools/zfs/stream"
	"imagetools/zfs/zpl"
)

// open reads a chain of streams in memory and opens its last snapshot.
func open(t testing.TB, data ...[]byte) *zpl.FS { return last(t, read(t, data...)) }

func read(t testing.TB, data ...[]byte) *objset.Index {
	t.Helper()
	x := objset.New(objset.Options{Keep: zpl.Keep})
	for _, d := range data {
		if err := x.Read(stream.NewReader(bytes.NewReader(d)), objset.InPlace{ReaderAt: bytes.NewReader(d)}, nil); err != nil {
			t.Fatal(err)
		}
	}
	return x
}

func last(t testing.TB, x *objset.Index) *zpl.FS {
	t.Helper()
	all := x.Snapshots()
	f, err := zpl.Open(x, all[len(all)-1])
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// A stream read as a tree and written again is the same stream.
func TestReadBack(t *testing.T) {
	t.Parallel()
	for _, version := range []int{4, 5} {
		_, want := write(t, zoo(t), zpl.Options{Version: version})
		f := open(t, want)
		if f.Version() != version || f.Root() != 3 {
			t.Errorf("version %d, root %d", f.Version(), f.Root())
		}
		tr, err := f.Tree(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, got := write(t, tr, zpl.Options{Version: version}); !bytes.Equal(got, want) {
			t.Errorf("version %d: written again, the stream differs", version)
		}
	}
}

func TestByPlace(t *testing.T) {
	t.Parallel()
	_, data := write(t, zoo(t), zpl.Options{})
	f := open(t, data)
	tr, err := f.Tree(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	nodes := slices.DeleteFunc(tr.Nodes(), func(n *tree.Node) bool { return n.Size == 0 })
	zpl.ByPlace(nodes)
	last := zpl.Content{}
	for i, n := range nodes {
		c := n.Content.(zpl.Content)
		if i > 0 && c.Compare(last) < 0 {
			t.Fatalf("content %d lies before the one before it", i)
		}
		last = c
	}
}

// FuzzOpen opens whatever the records of a changed stream make, walks it, and checks it: no
// panic, no endless walk, no wild allocation. The input is a list of changes to a sound stream,
// whose checksums are made right again, so that what is fuzzed is what they protect.
func FuzzOpen(f *testing.F) {
	m := newTree(f)
	m.add("file", file(noise(3000)))
	m.add("dir", tree.NewDir(0o755))
	m.add("dir/link", link(strings.Repeat("t", 300)))
	x := m.add("dir/x", file([]byte("x")))
	x.Attrs = &tree.Attrs{Xattrs: []tree.Xattr{{Name: "user.a", Value: []byte("b")}}}
	for i := range 60 {
		m.add(fmt.Sprintf("dir/a name that is longer than a micro ZAP can hold, number %d", i), file(nil))
	}
	tr := m.seal()
	var sound [2][]byte
	for i, version := range []int{4, 5} {
		_, sound[i] = write(f, tr, zpl.Options{Version: version})
	}
	f.Add(false, []byte{1, 2, 3, 4})
	f.Add(true, []byte("\x10\x00\x20\x01\x10\x10\x33\x80"))
	f.Fuzz(func(t *testing.T, version5 bool, changes []byte) {
		data := sound[0]
		if version5 {
			data = sound[1]
		}
		data = rewrite(t, data, changes)
		if data == nil {
			return
		}
		x := objset.New(objset.Options{Keep: zpl.Keep, Limit: 1 << 26})
		if err := x.Read(stream.NewReader(bytes.NewReader(data)), objset.InPlace{ReaderAt: bytes.NewReader(data)}, nil); err != nil {
			return
		}
		for _, s := range x.Snapshots() {
			f, err := zpl.Open(x, s)
			if err != nil {
				continue
			}
			if tr, err := f.Tree(t.Context()); err == nil && tr.Len() > 1000 {
				t.Errorf("%d nodes", tr.Len())
			}
			for o := range s.Objects() {
				f.Znode(o.Number)
			}
			zpl.Check(t.Context(), f, zpl.CheckOptions{})
		}
	})
}

// rewrite applies changes, four bytes each, to the records of a stream: which record, where in its
// header or payload (two bytes), and what to add to the byte there. nil says that no stream came
// of it.
func rewrite(t testing.TB, data, changes []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := stream.NewWriter(&out)
	r := stream.NewReader(bytes.NewReader(data))
	for n := 0; ; n++ {
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
		payload = bytes.Clone(payload)
		for c := changes; len(c) >= 4; c = c[4:] {
			if int(c[0]) != n&0xFF {
				continue
			}
			at := int(c[1])<<8 | int(c[2])
			if o, ok := rec.(*stream.Object); ok && at >= 0xFF00 {
				switch at & 7 {
				case 0:
					o.BlockSize = uint32(c[3]) << 9
				case 1:
					o.ObjType = uint32(c[3])
				case 2:
					o.BonusType = uint32(c[3])
				case 3:
					o.Object = uint64(c[3])
				case 4:
					o.Flags ^= stream.FlagObjectSpill
				}
			} else if len(payload) > 0 {
				payload[at%len(payload)] += c[3]
			}
		}
		if err := w.WriteRecord(rec, payload); err != nil {
			return nil
		}
	}
}

// The rest of an interrupted send is told as that, with the way out.
func TestOpenResumed(t *testing.T) {
	t.Parallel()
	var rest bytes.Buffer
	w := stream.NewWriter(&rest)
	for _, rec := range []stream.Record{
		&stream.Begin{HeaderType: stream.Substream, Features: stream.FeatureResuming, Objset: stream.ObjsetZFS, ToGUID: 1, ToName: "pool/fs@a"}, &stream.End{ToGUID: 1},
	} {
		if err := w.WriteRecord(rec, nil); err != nil {
			t.Fatal(err)
		}
	}
	x := objset.New(objset.Options{})
	if err := x.Read(stream.NewReader(&rest), nil, nil); err != nil {
		t.Fatal(err)
	}
	_, err := zpl.Open(x, x.Snapshots()[0])
	var hint interface{ Hint() string }
	if !errors.Is(err, objset.ErrResumed) || errors.Is(err, zpl.ErrPartial) || !errors.As(err, &hint) || !strings.Contains(hint.Hint(), "without -t") {
		t.Errorf("error %v", err)
	}
}
