package compare_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"imagetools/tree"
	"imagetools/tree/compare"
)

// collect gives the changes as lines, and the error.
func collect(ctx context.Context, a, b *tree.Tree, opts compare.Options) (lines []string, err error) {
	for c, e := range compare.Diff(ctx, a, b, opts) {
		if e != nil {
			return lines, e
		}
		lines = append(lines, c.String())
	}
	return lines, nil
}

// lines are the changes in one line each.
func lines(t *testing.T, a, b *tree.Tree, opts compare.Options) []string {
	t.Helper()
	list, err := collect(t.Context(), a, b, opts)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestFields has a change of every kind.
func TestFields(t *testing.T) {
	t.Parallel()
	attrs := func(acl []tree.ACE, list ...tree.Xattr) *tree.Node {
		n := file("")
		n.Attrs = &tree.Attrs{ACL: acl, Xattrs: list}
		return n
	}
	a, b := []any{}, []any{}
	var want []string
	add := func(name string, x, y *tree.Node, fields string) {
		a, b = append(a, name, x), append(b, name, y)
		if fields != "" {
			want = append(want, fmt.Sprintf("~ %q %s", name, fields))
		}
	}
	add("acl", attrs([]tree.ACE{{Mask: 1}}), file(""), "acl 0:0x0:0x1:0 -> none")
	add("content", file("same length"), file("same Length"), "content from byte 5")
	add("device", &tree.Node{Mode: tree.TypeChar, Device: &tree.Device{Major: 1}}, &tree.Node{Mode: tree.TypeChar, Device: &tree.Device{Minor: 2}}, "device 1,0 -> 0,2")
	add("equal", attrs([]tree.ACE{{ID: 1}}, tree.Xattr{Name: "user.a"}), attrs([]tree.ACE{{ID: 1}}, tree.Xattr{Name: "user.a"}), "")
	add("link", &tree.Node{Mode: tree.TypeSymlink, Target: "a\n"}, &tree.Node{Mode: tree.TypeSymlink, Target: "b"}, `target "a\n" -> "b"`)
	mode := file("")
	mode.Mode |= tree.SetUID
	add("mode\xff", file(""), mode, "mode 0644 -> 4644")
	owner := file("")
	owner.UID, owner.GID = 7, 8
	add("owner", file(""), owner, "owner 0:0 -> 7:8")
	add("shape", tree.NewDir(0o644), file("x"), "type dir -> file")
	a = append(a, "shape/below", file(""))
	want = append(want, `- "shape/below"`)
	add("size", file("1"), file("12"), "size 1 -> 2")
	moved := file("")
	moved.ModTime.Sec = 1
	add("time", moved, file(""), "mtime 1970-01-01T00:00:01Z -> 1970-01-01T00:00:00Z")
	add("xattr", attrs(nil, tree.Xattr{Name: "user.b", Value: []byte("1\xff")}, tree.Xattr{Name: "user.a"}),
		attrs(nil, tree.Xattr{Name: "user.b", Value: bytes.Repeat([]byte{'x'}, 65)}, tree.Xattr{Name: "user.c", Value: []byte("c")}),
		`xattr "user.a" "" -> none, xattr "user.b" "1\xff" -> "`+strings.Repeat("x", 64)+`"... (65 bytes), xattr "user.c" none -> "c"`)
	x, y := build(t, a...), build(t, b...)
	if d := cmp.Diff(want, lines(t, x, y, compare.Options{})); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if got := lines(t, x, x, compare.Options{}); got != nil {
		t.Errorf("a tree differs from itself: %q", got)
	}
	want = slices.DeleteFunc(want, func(s string) bool { return strings.Contains(s, "owner ") || strings.Contains(s, "mtime ") })
	if d := cmp.Diff(want, lines(t, x, y, compare.Options{IgnoreTimes: true, IgnoreOwners: true})); d != "" {
		t.Errorf("without times and owners (-want +got)\n%s", d)
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	b := build(t, "f", file("y"))
	b.Root.Mode = tree.TypeDir | 0o700
	var got []string
	for c, err := range compare.Diff(t.Context(), build(t, "f", file("x"), "g", file("")), b, compare.Options{}) {
		if err != nil {
			t.Fatal(err)
		}
		line, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(line))
	}
	want := []string{
		`{"path":".","kind":"changed","type":"dir","fields":[{"name":"mode","old":"0755","new":"0700"}]}`,
		`{"path":"f","kind":"changed","type":"file","fields":[{"name":"content","offset":0}]}`,
		`{"path":"g","kind":"removed","type":"file"}`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

// TestHardLinks tells files apart that are linked in one tree and not in the other. A further
// name that only one tree has is a change by itself and no other.
func TestHardLinks(t *testing.T) {
	t.Parallel()
	h, i := file("h"), file("h")
	a := build(t, "a", h, "b", h, "c", h, "d", file("h"))
	b := build(t, "b", i, "c", i, "d", i)
	want := []string{`- "a"`, `~ "d" links none -> "b"`}
	if got := lines(t, a, b, compare.Options{}); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	x, y := file("h"), file("h")
	c := build(t, "a", x, "b", y, "c", x, "d", y)
	want = []string{`~ "b" links "a" -> none`, `~ "d" links none -> "b"`}
	if got := lines(t, a, c, compare.Options{}); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestOrder wants directories before what they hold, as a walk meets them.
func TestOrder(t *testing.T) {
	t.Parallel()
	a := build(t, "d", tree.NewDir(0o755), "d/x", file(""), "d/z", file(""), "d.x", file(""))
	b := build(t, "d", tree.NewDir(0o700), "d/y", file(""), "e", file(""))
	want := []string{`~ "d" mode 0755 -> 0700`, `- "d/x"`, `+ "d/y"`, `- "d/z"`, `- "d.x"`, `+ "e"`}
	got := lines(t, a, b, compare.Options{})
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTimes(t *testing.T) {
	t.Parallel()
	at := func(sec int64, nsec uint32) *tree.Tree {
		n := file("")
		n.ModTime = tree.Time{Sec: sec, Nsec: nsec}
		return build(t, "f", n)
	}
	for _, tt := range []struct {
		sec  int64
		nsec uint32
		want string
	}{
		{-1, 5, "1969-12-31T23:59:59.000000005Z"},
		{math.MaxInt64, 7, "9223372036854775807.000000007"},
		{math.MinInt64, 0, "-9223372036854775808.000000000"},
		{253402300800, 0, "253402300800.000000000"}, // the year 10000
	} {
		got := lines(t, at(0, 0), at(tt.sec, tt.nsec), compare.Options{})
		if want := []string{`~ "f" mtime 1970-01-01T00:00:00Z -> ` + tt.want}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestContents compares files of several buffers with differences where buffers, data and
// holes meet.
func TestContents(t *testing.T) {
	t.Parallel()
	const size = 1<<20 + 100
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(i>>8) | 1
	}
	for _, at := range []int{0, 1, 256<<10 - 1, 256 << 10, 1 << 20, size - 1} {
		other := slices.Clone(data)
		other[at] ^= 0x40
		other[size-1] ^= 0x20
		want := []string{fmt.Sprintf(`~ "f" content from byte %d`, at)}
		if got := lines(t, build(t, "f", file(string(data))), build(t, "f", file(string(other))), compare.Options{}); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	longer := build(t, "f", file(string(data)+"x"))
	want := []string{fmt.Sprintf(`~ "f" size %d -> %d`, size, size+1)}
	if got := lines(t, build(t, "f", file(string(data))), longer, compare.Options{}); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}

	zeros := make([]byte, size)
	hole := &tree.Node{Mode: tree.TypeFile | 0o644, Size: size, Content: sparse{at: size / 2, size: size}}
	for _, swap := range []bool{false, true} {
		zeros[size/2] = 1
		a, b := build(t, "f", hole), build(t, "f", file(string(zeros)))
		if swap {
			a, b = b, a
		}
		if got := lines(t, a, b, compare.Options{}); got != nil {
			t.Errorf("zeros differ from a hole: %q", got)
		}
		zeros[3] = 1
		a, b = build(t, "f", copyOf(hole)), build(t, "f", file(string(zeros)))
		if swap {
			a, b = b, a
		}
		want := []string{`~ "f" content from byte 3`}
		if got := lines(t, a, b, compare.Options{}); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		zeros[3] = 0
		hole = copyOf(hole)
	}
}

// copyOf is a node like n that is in no tree.
func copyOf(n *tree.Node) *tree.Node {
	return &tree.Node{Mode: n.Mode, Size: n.Size, Content: n.Content}
}

// faulty is a content that misbehaves.
type faulty struct {
	open, read, next, close error
	start, end              int64
}

func (f faulty) Open() (tree.File, error)                { return f, f.open }
func (f faulty) Close() error                            { return f.close }
func (f faulty) ReadAt(p []byte, off int64) (int, error) { return len(p) / 2, f.read }
func (f faulty) NextData(int64) (int64, int64, error)    { return f.start, f.end, f.next }

func faultyTree(t *testing.T, content faulty) *tree.Tree {
	t.Helper()
	return build(t, "f", &tree.Node{Mode: tree.TypeFile | 0o644, Size: 100, Content: content})
}

func TestFaults(t *testing.T) {
	t.Parallel()
	bad := errors.New("bad disk")
	good := build(t, "f", file(strings.Repeat("x", 100)))
	for _, tt := range []struct {
		content faulty
		want    string
	}{
		{faulty{open: bad}, "bad disk"},
		{faulty{next: bad}, "bad disk"},
		{faulty{end: 100, read: bad}, "bad disk"},
		{faulty{end: 100, read: io.EOF}, "at byte 50: unexpected EOF"},
		{faulty{start: 5, end: 5}, "data from byte 5 to 5 is said to follow byte 0"},
		{faulty{start: -1, end: 5}, "data from byte -1 to 5 is said to follow byte 0"},
		{faulty{next: io.EOF, close: bad}, "bad disk"},
	} {
		_, err := collect(t.Context(), good, faultyTree(t, tt.content), compare.Options{})
		if want := `compare "f": second tree: ` + tt.want; err == nil || err.Error() != want {
			t.Errorf("%+v: %v, want %s", tt.content, err, want)
		}
		_, err = collect(t.Context(), faultyTree(t, tt.content), good, compare.Options{})
		if want := `compare "f": first tree: ` + tt.want; err == nil || err.Error() != want {
			t.Errorf("%+v: %v, want %s", tt.content, err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := collect(ctx, good, build(t, "f", file(strings.Repeat("x", 100))), compare.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestStop leaves the loop at the first change.
func TestStop(t *testing.T) {
	t.Parallel()
	calls := 0
	for range compare.Diff(t.Context(), build(t, "f", file("")), build(t, "g", file(""), "h", file("")), compare.Options{}) {
		calls++
		break
	}
	if calls != 1 {
		t.Errorf("%d changes before the loop ends", calls)
	}
}
