package fromfs_test

import (
	"archive/zip"
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"imagetools/internal/budget"
	"imagetools/test/edits"
	"imagetools/tree"
	"imagetools/tree/fromfs"
	"imagetools/tree/internal/treetest"
)

// A tree that goes through a file system is the same tree.
func TestTreeThroughFS(t *testing.T) {
	for seed := range uint64(3) {
		m := edits.New(300, seed)
		m.Edit(100, seed)
		want, err := m.Tree()
		if err != nil {
			t.Fatal(err)
		}
		want.Unseal()
		odd := &tree.Node{Mode: tree.TypeFile | 0o6711, ModTime: tree.Time{Sec: -1 << 60, Nsec: 1}}
		dev := &tree.Node{Mode: tree.TypeBlock, Device: &tree.Device{Major: 1 << 31, Minor: 1<<32 - 1}}
		for name, n := range map[string]*tree.Node{"odd \xff\n": odd, "twice": odd, "dev": dev, "dangling": {Mode: tree.TypeSymlink | 0o777, Target: "/no\xfewhere"}} {
			if err := want.Root.Add(name, n); err != nil {
				t.Fatal(err)
			}
		}
		files, err := want.FS()
		if err != nil {
			t.Fatal(err)
		}
		got, _, err := fromfs.Read(t.Context(), files, fromfs.Options{})
		if err != nil {
			t.Fatal(err)
		}
		same(t, got, want)
	}
}

func same(t *testing.T, got, want *tree.Tree) {
	t.Helper()
	a, b := treetest.List(t, got), treetest.List(t, want)
	for i := range max(len(a), len(b)) {
		if i >= len(a) || i >= len(b) || a[i] != b[i] {
			t.Fatalf("%d lines, want %d; line %d differs:\n%q\n%q", len(a), len(b), i, a[min(i, len(a)-1)], b[min(i, len(b)-1)])
		}
	}
}

//go:embed fromfs.go
var embedded embed.FS

// File systems of the standard library, and what they tell.
func TestOthers(t *testing.T) {
	var archive bytes.Buffer
	z := zip.NewWriter(&archive)
	w, err := z.CreateHeader(&zip.FileHeader{Name: "dir/file", Method: zip.Deflate, Modified: time.Unix(1e9, 0)})
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 1<<20)
	for i := range data {
		data[i] = byte(i >> 8)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	unzip, err := zip.NewReader(bytes.NewReader(archive.Bytes()), int64(archive.Len()))
	if err != nil {
		t.Fatal(err)
	}
	text, err := embedded.ReadFile("fromfs.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name  string
		files fs.FS
		path  string
		data  []byte
		want  string
	}{
		{"zip", unzip, "dir/file", data, "file 0666 0:0 1000000000"},
		{"embed", embedded, "fromfs.go", text, "file 0444 0:0 5"},
		{"map", fstest.MapFS{"a/b/c": {Data: data, Mode: fs.ModeSetuid | 0o711, ModTime: time.Unix(-7, 5)}}, "a/b/c", data, "file 4711 0:0 -7"},
	} {
		tr, _, err := fromfs.Read(t.Context(), test.files, fromfs.Options{ModTime: tree.Time{Sec: 5}})
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		n := tr.Lookup(test.path)
		if got := fmt.Sprintf("%v %d:%d %d", n.Mode, n.UID, n.GID, n.ModTime.Sec); got != test.want || n.Size != int64(len(test.data)) {
			t.Errorf("%s: %s of %d bytes, want %s of %d", test.name, got, n.Size, test.want, len(test.data))
		}
		readAtRandom(t, test.name, n, test.data)
	}
}

// readAtRandom reads pieces of a file forth and back.
func readAtRandom(t *testing.T, name string, n *tree.Node, want []byte) {
	t.Helper()
	f, err := n.Content.Open()
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	defer f.Close()
	rng := rand.New(rand.NewPCG(1, 2))
	for range 30 {
		off := rng.Int64N(n.Size + 10)
		p := make([]byte, rng.IntN(1<<14))
		k, err := f.ReadAt(p, off)
		rest := want[min(off, n.Size):]
		rest = rest[:min(len(rest), len(p))]
		if !bytes.Equal(p[:k], rest) || k < len(p) && err != io.EOF || k == len(p) && err != nil && len(p) > 0 {
			t.Errorf("%s: ReadAt(%d bytes, %d) = %d, %v", name, len(p), off, k, err)
		}
	}
	if start, end, err := f.NextData(3); start != 3 || end != n.Size || err != nil {
		t.Errorf("%s: NextData(3) = %d, %d, %v", name, start, end, err)
	}
}

// What a tree cannot hold is an error with its path, and all such errors come at once.
func TestCannotBeKept(t *testing.T) {
	files := fstest.MapFS{
		"d/append": {Mode: fs.ModeAppend | 0o644}, "d/irregular": {Mode: fs.ModeIrregular},
		"d/tty": {Mode: fs.ModeDevice | fs.ModeCharDevice}, "d/nul\x00": {}, "d/long" + strings.Repeat("g", 255): {},
		"d/link": {Mode: fs.ModeSymlink, Data: []byte("a\x00b")},
	}
	_, _, err := fromfs.Read(t.Context(), files, fromfs.Options{})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{`d/append": mode`, `d/irregular": mode`, `d/tty": a device`, `d/nul\x00": bad name`, "longggg", `d/link": link target`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
	noLinks := struct{ fs.FS }{fstest.MapFS{"link": {Mode: fs.ModeSymlink, Data: []byte("a")}}}
	if _, _, err := fromfs.Read(t.Context(), noLinks, fromfs.Options{}); err == nil || !strings.Contains(err.Error(), "no fs.ReadLinkFS") {
		t.Errorf("links that cannot be read: %v", err)
	}
	if _, _, err := fromfs.Read(t.Context(), os.DirFS(t.TempDir()), fromfs.Options{}); !errors.Is(err, fromfs.ErrHost) {
		t.Errorf("a directory of the host: %v", err)
	}
}

// endless is a directory that is in itself.
type endless struct{ fstest.MapFS }

func (e endless) ReadDir(name string) ([]fs.DirEntry, error) { return e.MapFS.ReadDir(".") }
func (e endless) Open(name string) (fs.File, error)          { return e.MapFS.Open(".") }

// Reading ends: at a limit of depth or memory, and when the context ends.
func TestBounds(t *testing.T) {
	loop := endless{fstest.MapFS{"d": {Mode: fs.ModeDir}}}
	if _, _, err := fromfs.Read(t.Context(), loop, fromfs.Options{}); err == nil || !strings.Contains(err.Error(), "nested deeper") {
		t.Errorf("a directory in itself: %v", err)
	}
	many := fstest.MapFS{}
	for i := range 1000 {
		many[fmt.Sprint("f", i)] = &fstest.MapFile{}
	}
	_, _, err := fromfs.Read(t.Context(), many, fromfs.Options{Budget: budget.New(budget.Fixed(100 << 10))})
	if !errors.Is(err, budget.ErrExceeded) {
		t.Errorf("1000 files in 100 KiB: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := fromfs.Read(ctx, many, fromfs.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that has ended: %v", err)
	}
}

// Files that change between reading the tree and reading them are not taken for what they were.
func TestChanged(t *testing.T) {
	files := fstest.MapFS{"f": {Data: []byte("before")}}
	tr, _, err := fromfs.Read(t.Context(), files, fromfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	files["f"].Data = []byte("later")
	if _, err := tr.Lookup("f").Content.Open(); !errors.Is(err, tree.ErrChanged) {
		t.Errorf("a file of another size: %v", err)
	}
}

func TestExclude(t *testing.T) {
	files := fstest.MapFS{"a/x.o": {}, "a/x.c": {}, "tmp/y": {}}
	tr, rep, err := fromfs.Read(t.Context(), files, fromfs.Options{Exclude: []string{"*.o", "/tmp", "*.x"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(rep.Notes) != 1 || !strings.Contains(rep.Notes[0], "*.x") || rep.Counts.Names() != 3 {
		t.Errorf("report %+v", rep)
	}
	var names []string
	for path := range tr.All() {
		names = append(names, path)
	}
	if want := []string{".", "a", "a/x.c"}; !slices.Equal(names, want) {
		t.Errorf("%q, want %q", names, want)
	}
}
