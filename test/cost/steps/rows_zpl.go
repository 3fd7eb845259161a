package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"imagetools/image"
	"imagetools/tree"
	"imagetools/zfs/objset"
	"imagetools/zfs/stream"
	"imagetools/zfs/zpl"
	"imagetools/zfs/zvol"
)

var zplRows = []row{
	{"file system: files, written and read", 500, fileSystem(files)},
	{"file system: names of one directory", 1000, fileSystem(func(t testing.TB, n int) *tree.Tree {
		tr := tree.New()
		for i := range n {
			put(t, tr, fmt.Sprint("d/f", i), "")
		}
		return tr
	})},
	{"file system: names of one file", 1000, fileSystem(func(t testing.TB, n int) *tree.Tree {
		tr := files(t, 1)
		hard := &tree.Node{Mode: tree.TypeFile | 0o644}
		for i := range n {
			must(t, tr.Root.Lookup("d0").Add(fmt.Sprint("l", i), hard))
		}
		return tr
	})},
	{"file system: nested directories", 500, fileSystem(func(t testing.TB, n int) *tree.Tree {
		tr := tree.New()
		at := tr.Root
		for range n {
			next := tree.NewDir(0o755)
			must(t, at.Add("d", next))
			at = next
		}
		return tr
	})},
	{"file system: extended attributes of a file", 500, fileSystem(func(t testing.TB, n int) *tree.Tree {
		tr := files(t, 1)
		attrs := &tree.Attrs{}
		for i := range n {
			attrs.Xattrs = append(attrs.Xattrs, tree.Xattr{Name: fmt.Sprint("user.", i), Value: []byte("x")})
		}
		tr.Lookup("d0/f0").Attrs = attrs
		return tr
	})},
	{"file system: attributes of many files", 300, fileSystem(func(t testing.TB, n int) *tree.Tree {
		tr := files(t, n)
		for _, f := range tr.All() {
			f.Attrs = &tree.Attrs{
				Xattrs: []tree.Xattr{{Name: "user.a", Value: []byte("x")}},
				ACL:    []tree.ACE{{Mask: 1, ID: 7}, {Flags: tree.ACEOwner, Mask: 2}},
			}
		}
		return tr
	})},
	{"file system: blocks of a file", 40, fileSystem(func(t testing.TB, n int) *tree.Tree {
		tr := files(t, 1)
		put(t, tr, "big", strings.Repeat("0123456789abcdef", n<<13))
		return tr
	})},
	{"increment: files", 500, func(t testing.TB, n int) func() {
		first := streamOf(t, sealed(t, files(t, n)))
		second := files(t, n)
		for i := range n / 2 {
			put(t, second, fmt.Sprintf("e%d/f%d", i%10, i), fmt.Sprint(i, i))
		}
		seal(t, second)
		return func() {
			_, f := opened1(t, first)
			plan := must2(zpl.NewPlan(t.Context(), second, zpl.Options{Origin: f}))(t)
			must(t, plan.Write(t.Context(), io.Discard))
		}
	}},
	{"increment: files moved", 500, func(t testing.TB, n int) func() {
		moved := func(to string) *tree.Tree {
			tr := tree.New()
			for i := range n {
				put(t, tr, fmt.Sprintf("%s%d/f%d", to, i%20, i), fmt.Sprint(i))
			}
			return sealed(t, tr)
		}
		first, second := streamOf(t, moved("a")), moved("b")
		return func() {
			_, f := opened1(t, first)
			plan := must2(zpl.NewPlan(t.Context(), second, zpl.Options{Origin: f}))(t)
			must(t, plan.Write(t.Context(), io.Discard))
		}
	}},
	{"volume: blocks", 500, func(t testing.TB, n int) func() {
		n = max(n, 16)
		data := bytes.Repeat([]byte("0123456789abcdef"), n<<9) // 8 KiB each
		return func() {
			src := must2(tree.Bytes(data).Open())(t)
			plan := must2(zvol.NewPlan(t.Context(), src, int64(len(data)), zvol.Options{}))(t)
			var out bytes.Buffer
			out.Grow(2 * len(data))
			must(t, plan.Write(t.Context(), &out))
			x := objset.New(objset.Options{})
			must(t, x.Read(stream.NewReader(bytes.NewReader(out.Bytes())), objset.InPlace{ReaderAt: bytes.NewReader(out.Bytes())}, nil))
			v := must2(zvol.Open(x, x.Snapshots()[0]))(t)
			must2(io.Copy(io.Discard, io.NewSectionReader(v, 0, int64(len(data)))))(t)
		}
	}},
	{"image: verified", 500, func(t testing.TB, n int) func() {
		path := filepath.Join(t.TempDir(), "x.zfs")
		must(t, os.WriteFile(path, streamOf(t, links(t, n)), 0o644))
		return func() {
			must2(image.Verify(t.Context(), []string{path}, image.VerifyOptions{}))(t)
			must(t, must2(image.Open(t.Context(), path, image.OpenOptions{}))(t).Close())
		}
	}},
	{"image: manifests in its directory", 30, func(t testing.TB, n int) func() {
		dir := t.TempDir()
		data := streamOf(t, sealed(t, files(t, 1)))
		uuid := func(i int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", i) }
		for i := range n {
			origin := ""
			if i > 0 {
				origin = fmt.Sprintf(`,"origin":%q`, uuid(i-1))
			}
			text := fmt.Sprintf(`{"v":2,"uuid":%q,"name":"x","version":"1","type":"zone-dataset","os":"smartos"%s,"files":[]}`, uuid(i), origin)
			must(t, os.WriteFile(filepath.Join(dir, fmt.Sprint("x", i, ".json")), []byte(text), 0o644))
			must(t, os.WriteFile(filepath.Join(dir, fmt.Sprint("x", i, ".zfs")), data, 0o644))
		}
		last := filepath.Join(dir, fmt.Sprint("x", n-1, ".json"))
		return func() {
			if chain := must2(image.Find(last, nil))(t).Origins(); len(chain) != n-1 {
				t.Fatalf("%d origins, want %d", len(chain), n-1)
			}
			image.FindOrigin([]string{last}) // that files say what they hold is not so
		}
	}},
}

func sealed(t testing.TB, tr *tree.Tree) *tree.Tree {
	seal(t, tr)
	return tr
}

func streamOf(t testing.TB, tr *tree.Tree) []byte {
	plan := must2(zpl.NewPlan(t.Context(), tr, zpl.Options{}))(t)
	var out bytes.Buffer
	must(t, plan.Write(t.Context(), &out))
	return out.Bytes()
}

func opened1(t testing.TB, data []byte) (*objset.Index, *zpl.FS) {
	x := objset.New(objset.Options{Keep: zpl.Keep})
	must(t, x.Read(stream.NewReader(bytes.NewReader(data)), objset.InPlace{ReaderAt: bytes.NewReader(data)}, nil))
	return x, must2(zpl.Open(x, x.Snapshots()[0]))(t)
}

// fileSystem writes a tree, and looks into what was written in all ways.
func fileSystem(of func(t testing.TB, n int) *tree.Tree) func(testing.TB, int) func() {
	return func(t testing.TB, n int) func() {
		tr := sealed(t, of(t, n))
		return func() {
			_, f := opened1(t, streamOf(t, tr))
			must2(f.Tree(t.Context()))(t)
			must(t, f.Visit(f.Root(), "", func(*zpl.Path, zpl.DirEntry, *zpl.Znode) error { return nil }))
			report := must2(zpl.Check(t.Context(), f, zpl.CheckOptions{}))(t)
			if report.Count[zpl.Damage] > 0 {
				t.Fatalf("%v", report.Faults)
			}
		}
	}
}
