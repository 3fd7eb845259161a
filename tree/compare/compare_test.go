package compare_test

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"imagetools/tree"
	"imagetools/tree/compare"
)

func file(data string) *tree.Node {
	return &tree.Node{Mode: tree.TypeFile | 0o644, Size: int64(len(data)), Content: tree.Bytes(data)}
}

// build makes a sealed tree of paths in the order given.
func build(t *testing.T, nodes ...any) *tree.Tree {
	t.Helper()
	tr := tree.New()
	for i := 0; i < len(nodes); i += 2 {
		path, dir := nodes[i].(string), tr.Root
		if k := slices.Index([]byte(path), '/'); k >= 0 {
			dir, path = tr.Lookup(path[:k]), path[k+1:]
		}
		if err := dir.Add(path, nodes[i+1].(*tree.Node)); err != nil {
			t.Fatal(err)
		}
	}
	if err := tr.Seal(); err != nil {
		t.Fatal(err)
	}
	return tr
}

func diff(t *testing.T, a, b *tree.Tree, opts compare.Options) []string {
	t.Helper()
	var got []string
	for c, err := range compare.Diff(t.Context(), a, b, opts) {
		if err != nil {
			t.Fatal(err)
		}
		line := fmt.Sprintf("%s %s", c.Kind, c.Path)
		for _, f := range c.Fields {
			line += fmt.Sprintf(" %s[%s|%s]", strings.TrimSpace(f.Name+" "+f.Key), f.Old, f.New)
			if f.Offset != nil {
				line += fmt.Sprintf("@%d", *f.Offset)
			}
		}
		got = append(got, line)
	}
	return got
}

func TestTrees(t *testing.T) {
	t.Parallel()
	with := func(n *tree.Node, change func(*tree.Node)) *tree.Node { change(n); return n }
	hardA, hardB := file("h"), file("h")
	a := build(t,
		"acl", with(file(""), func(n *tree.Node) { n.Attrs = &tree.Attrs{ACL: []tree.ACE{{Mask: 1}}} }),
		"content", file("same length"), "device", &tree.Node{Mode: tree.TypeChar, Device: &tree.Device{Major: 1}},
		"dir", tree.NewDir(0o755), "dir/gone", file("x"), "equal", file("equal"),
		"link", &tree.Node{Mode: tree.TypeSymlink, Target: "a"}, "mode", file(""), "one", hardA, "other", hardA,
		"owner", file(""), "shape", tree.NewDir(0o755), "shape/below", file(""), "size", file("1"),
		"time", with(file(""), func(n *tree.Node) { n.ModTime.Sec = 1 }),
		"xattr", with(file(""), func(n *tree.Node) {
			n.Attrs = &tree.Attrs{Xattrs: []tree.Xattr{{Name: "user.b", Value: []byte("1")}, {Name: "user.a"}}}
		}))
	b := build(t,
		"acl", file(""), "content", file("same Length"), "device", &tree.Node{Mode: tree.TypeChar, Device: &tree.Device{Major: 2}},
		"dir", tree.NewDir(0o755), "dir/new", file("x"), "equal", file("equal"),
		"link", &tree.Node{Mode: tree.TypeSymlink, Target: "b"}, "mode", with(file(""), func(n *tree.Node) { n.Mode |= tree.SetUID }),
		"one", hardB, "other", file("h"), "owner", with(file(""), func(n *tree.Node) { n.UID = 7 }),
		"shape", file(""), "size", file("12"), "time", file(""),
		"xattr", with(file(""), func(n *tree.Node) {
			n.Attrs = &tree.Attrs{Xattrs: []tree.Xattr{{Name: "user.b", Value: []byte("22")}}}
		}))
	want := []string{
		"changed acl acl[0:0x0:0x1:0|]",
		"changed content content[|]@5",
		"changed device device[1,0|2,0]",
		"removed dir/gone",
		"added dir/new",
		"changed link target[a|b]",
		"changed mode mode[0644|4644]",
		"changed other links[one|]",
		"changed owner owner[0:0|7:0]",
		"changed shape type[dir|file] mode[0755|0644]",
		"removed shape/below",
		"changed size size[1|2]",
		"changed time mtime[1970-01-01T00:00:01Z|1970-01-01T00:00:00Z]",
		`changed xattr xattr user.a[""|] xattr user.b["1"|"22"]`,
	}
	if got := diff(t, a, b, compare.Options{}); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if got := diff(t, a, a, compare.Options{}); got != nil {
		t.Errorf("a tree differs from itself: %q", got)
	}
	got := diff(t, a, b, compare.Options{IgnoreTimes: true, IgnoreOwners: true})
	if len(got) != len(want)-2 {
		t.Errorf("without times and owners: %q", got)
	}
}

// sparse is a file of holes with one byte of data.
type sparse struct{ at, size int64 }

func (s sparse) Open() (tree.File, error) { return s, nil }
func (s sparse) Close() error             { return nil }

func (s sparse) ReadAt(p []byte, off int64) (int, error) {
	clear(p)
	if s.at >= off && s.at < off+int64(len(p)) {
		p[s.at-off] = 1
	}
	return len(p), nil
}

func (s sparse) NextData(off int64) (int64, int64, error) {
	if off > s.at {
		return 0, 0, fmt.Errorf("wrapped: %w", io.EOF)
	}
	return max(off, s.at&^511), s.at&^511 + 512, nil
}

func TestHoles(t *testing.T) {
	t.Parallel()
	huge := func(at int64) *tree.Node {
		return &tree.Node{Mode: tree.TypeFile, Size: 1 << 50, Content: sparse{at, 1 << 50}}
	}
	a, b := build(t, "f", huge(1<<49)), build(t, "f", huge(1<<49+7))
	want := fmt.Sprintf("changed f content[|]@%d", int64(1)<<49)
	if got := diff(t, a, b, compare.Options{}); len(got) != 1 || got[0] != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := diff(t, a, build(t, "f", huge(1<<49)), compare.Options{}); got != nil {
		t.Errorf("got %q", got)
	}
}
