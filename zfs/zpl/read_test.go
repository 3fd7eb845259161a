package zpl_test

import (
	"bytes"
	"slices"
	"testing"

	"imagetools/tree"
	"imagetools/zfs/objset"
	"imagetools/zfs/stream"
	"imagetools/zfs/zpl"
)

// open reads a stream in memory and opens its last snapshot.
func open(t testing.TB, data ...[]byte) *zpl.FS {
	t.Helper()
	x := objset.New(objset.Options{Keep: zpl.Keep})
	for _, d := range data {
		if err := x.Read(stream.NewReader(bytes.NewReader(d)), objset.InPlace{ReaderAt: bytes.NewReader(d)}, nil); err != nil {
			t.Fatal(err)
		}
	}
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
