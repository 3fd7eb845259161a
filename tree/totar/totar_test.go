package totar_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"imagetools/tree"
	"imagetools/tree/fromdir"
	"imagetools/tree/fromtar"
	"imagetools/tree/internal/treetest"
	"imagetools/tree/posixacl"
	"imagetools/tree/source"
	"imagetools/tree/totar"
)

// pieces is a content of ranges, whose bytes are those of their offset, and holes.
type pieces [][2]int64

func (p pieces) Open() (tree.File, error) { return piecesFile(p), nil }

type piecesFile [][2]int64

func (p piecesFile) Close() error { return nil }

func (p piecesFile) NextData(off int64) (int64, int64, error) {
	i, _ := slices.BinarySearchFunc(p, off, func(r [2]int64, off int64) int {
		if r[1] <= off {
			return -1
		}
		return 1
	})
	if i == len(p) {
		return 0, 0, io.EOF
	}
	return max(off, p[i][0]), p[i][1], nil
}

func (p piecesFile) ReadAt(b []byte, off int64) (int, error) {
	clear(b)
	for at := off; ; {
		start, end, err := p.NextData(at)
		if err == io.EOF || start >= off+int64(len(b)) {
			return len(b), nil
		}
		end = min(end, off+int64(len(b)))
		for i := start; i < end; i++ {
			b[i-off] = byte(i>>9) | 1
		}
		at = end
	}
}

// builder makes trees for the tests.
type builder struct {
	testing.TB
	*tree.Tree
}

func (b builder) add(path string, n *tree.Node) *tree.Node {
	b.Helper()
	dir, name := "", path
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		dir, name = path[:i], path[i+1:]
	}
	if err := b.Lookup(dir).Add(name, n); err != nil {
		b.Fatal(err)
	}
	return n
}

func bytesFile(mode tree.Mode, data string) *tree.Node {
	return &tree.Node{Mode: tree.TypeFile | mode, Size: int64(len(data)), Content: tree.Bytes(data)}
}

// acl encodes a POSIX ACL.
func acl(t testing.TB, text string) []byte {
	t.Helper()
	list, err := posixacl.Parse(text, nil)
	if err != nil {
		t.Fatal(err)
	}
	value, err := posixacl.Encode(list)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// plain is a tree that a Linux file system can hold.
func plain(t testing.TB) *tree.Tree {
	b := builder{t, tree.New()}
	b.Root.Mode, b.Root.UID, b.Root.GID = tree.TypeDir|0o1711, 3, 4
	b.Root.ModTime = tree.Time{Sec: -7, Nsec: 5}
	b.Root.Attrs = &tree.Attrs{Xattrs: []tree.Xattr{{Name: "user.root", Value: []byte("\x00=%\n")}}}
	b.add("d", tree.NewDir(0o2755)).Attrs = &tree.Attrs{Xattrs: []tree.Xattr{
		{Name: posixacl.Access, Value: acl(t, "u::rwx,u:1234:rwx,g::r-x,m::rwx,o::---")},
		{Name: posixacl.Default, Value: acl(t, "u::rwx,g:99:r-x,g::r-x,m::rwx,o::---")},
	}}
	b.Lookup("d").Mode = tree.TypeDir | 0o2770
	f := b.add("d/file", bytesFile(0o4755, strings.Repeat("contents\n", 1000)))
	f.UID, f.GID, f.ModTime = 1<<31-1, 1<<31-2, tree.Time{Sec: 1 << 33, Nsec: 1}
	b.add("first", f)
	b.add("d/\xffnot\nutf8 \"#%", bytesFile(0, "x"))
	b.add("-\\", bytesFile(0o600, ""))
	b.add(strings.Repeat("n", 255), bytesFile(0o644, "long"))
	b.add("empty", tree.NewDir(0))
	b.add("sparse", &tree.Node{Mode: tree.TypeFile | 0o644, Size: 1<<40 + 7, Content: pieces{{4096, 8192}, {1 << 30, 1<<30 + 4096}, {1 << 40, 1<<40 + 7}}})
	b.add("hole", &tree.Node{Mode: tree.TypeFile | 0o644, Size: 1<<40 + 7, Content: pieces{}})
	b.add("end", &tree.Node{Mode: tree.TypeFile | 0o644, Size: 1 << 20, Content: pieces{{0, 4096}}})
	link := b.add("link", &tree.Node{Mode: tree.TypeSymlink | 0o777, Target: "../d\xff/" + strings.Repeat("t", 4089), ModTime: tree.Time{Sec: 5, Nsec: 999_999_999}})
	b.add("link2", link)
	b.add("fifo", &tree.Node{Mode: tree.TypeFIFO | 0o622})
	b.add("char", &tree.Node{Mode: tree.TypeChar | 0o666, Device: &tree.Device{Major: 4, Minor: 1<<20 - 1}})
	b.add("block", &tree.Node{Mode: tree.TypeBlock | 0o660, Device: &tree.Device{Major: 259, Minor: 8}})
	b.add("attrs", bytesFile(0o644, "a")).Attrs = &tree.Attrs{Xattrs: []tree.Xattr{
		{Name: "user.a%3Db=c%25", Value: []byte{0, 255, '\n', '='}}, {Name: "user.empty", Value: []byte{}},
		{Name: "trusted.t", Value: []byte("v")},
	}}
	path := ""
	for range 300 {
		b.add(path+"deep", tree.NewDir(0o755))
		path += "deep/"
	}
	b.add(path+"bottom", bytesFile(0o644, "deep"))
	return b.Tree
}

// awkward adds to plain what no file system but ZFS holds, or none at all.
func awkward(t testing.TB) *tree.Tree {
	b := builder{t, plain(t)}
	sock := b.add("socket", &tree.Node{Mode: tree.TypeSocket | 0o4777, UID: 7, ModTime: tree.Time{Sec: 1, Nsec: 1}})
	b.add("d/socket", sock)
	b.add("big", &tree.Node{Mode: tree.TypeFile, Size: tree.MaxSize, Content: pieces{{1 << 62, 1<<62 + 512}}})
	b.add("device", &tree.Node{Mode: tree.TypeChar, Device: &tree.Device{Major: 1<<32 - 1, Minor: 1<<32 - 2}})
	for name, sec := range map[string]int64{"zero": 0, "year 1": -62135596800, "first": math.MinInt64, "last": math.MaxInt64, "-1": -1} {
		b.add("t"+name, bytesFile(0o644, "")).ModTime = tree.Time{Sec: sec}
		b.add("t+"+name, bytesFile(0o644, "")).ModTime = tree.Time{Sec: sec, Nsec: 999_999_999}
	}
	b.add("acl", bytesFile(0o644, "")).Attrs = &tree.Attrs{
		ACL: []tree.ACE{{Flags: tree.ACEOwner, Mask: 0x1e01bf, ID: 1<<32 - 1}, {Type: 65535, Flags: 0x8043, Mask: 1<<32 - 1, ID: 1 << 31}},
		Xattrs: []tree.Xattr{
			{Name: "security.selinux", Value: []byte("x\x00")}, {Name: "nonamespace", Value: []byte("\xff")}, {Name: "user.\xff\n ", Value: nil},
			{Name: posixacl.Access, Value: []byte("not an ACL")}, {Name: posixacl.Default, Value: acl(t, "u::r,g::r,o::r")},
			{Name: "system.other", Value: []byte("o")},
		},
	}
	b.add("dirs", tree.NewDir(0o700)).Attrs = &tree.Attrs{ACL: []tree.ACE{{Flags: tree.ACEEveryone}}}
	crowd := b.add("many", bytesFile(0o600, "many"))
	crowd.Attrs = &tree.Attrs{ACL: make([]tree.ACE, 1024)}
	for i := range 20 { // 1.25 MiB
		crowd.Attrs.Xattrs = append(crowd.Attrs.Xattrs, tree.Xattr{Name: fmt.Sprintf("user.%s%02d", strings.Repeat("=", 200), i), Value: bytes.Repeat([]byte{byte(i)}, 64<<10)})
	}
	b.add("many's next", bytesFile(0o644, "plain"))
	return b.Tree
}

func write(t testing.TB, tr *tree.Tree) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := totar.Write(t.Context(), &buf, tr, totar.Options{}); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func read(t testing.TB, data []byte) *tree.Tree {
	t.Helper()
	src, err := fromtar.Read(t.Context(), bytes.NewReader(data), fromtar.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := src.Close(); err != nil {
			t.Error(err)
		}
	})
	return src.Tree
}

// groups lists the names of every file that has several.
func groups(tr *tree.Tree) map[string]string {
	names := make(map[*tree.Node]string)
	for path, n := range tr.All() {
		if !n.IsDir() && n.Links > 1 {
			names[n] += "," + path
		}
	}
	all := make(map[string]string)
	for n, s := range names {
		all[n.Path()] = s
	}
	return all
}

func TestRoundTrip(t *testing.T) {
	tr := awkward(t)
	want := treetest.List(t, tr)
	data := write(t, tr)
	if len(data) > 6<<20 {
		t.Errorf("%d bytes for files of holes", len(data))
	}
	back := read(t, data)
	if diff := cmp.Diff(want, treetest.List(t, back)); diff != "" {
		t.Errorf("(-written +read)\n%s", diff)
	}
	if diff := cmp.Diff(groups(tr), groups(back)); diff != "" {
		t.Errorf("hard links (-written +read)\n%s", diff)
	}
	for _, path := range []string{"sparse", "hole", "end", "big"} {
		if diff := cmp.Diff(treetest.Extents(t, tr.Lookup(path)), treetest.Extents(t, back.Lookup(path))); diff != "" {
			t.Errorf("%s: data (-written +read)\n%s", path, diff)
		}
	}
	if !bytes.Equal(data, write(t, back)) {
		t.Error("the tree that was read gives other bytes")
	}
}

// TestFragmented writes more pieces than a map has room for.
func TestFragmented(t *testing.T) {
	var many pieces
	for i := range int64(100_000) {
		at := i * 2048
		if i%4 == 0 {
			at += 1024
		}
		many = append(many, [2]int64{at, at + 300})
	}
	b := builder{t, tree.New()}
	b.add("f", &tree.Node{Mode: tree.TypeFile, Size: 1 << 28, Content: many})
	if err := b.Seal(); err != nil {
		t.Fatal(err)
	}
	data := write(t, b.Tree)
	back := read(t, data)
	got, err := back.Lookup("f").Content.Open()
	if err != nil {
		t.Fatal(err)
	}
	p, q := make([]byte, 1<<20), make([]byte, 1<<20)
	for off := int64(0); off < 1<<28; off += 1 << 20 {
		if _, err := got.ReadAt(p, off); err != nil && err != io.EOF {
			t.Fatal(err)
		}
		if _, err := piecesFile(many).ReadAt(q, off); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(p, q) {
			t.Fatalf("the megabyte at %d differs", off)
		}
	}
	t.Logf("%d ranges became %d, 30 MB of data %d bytes of archive", len(many), len(treetest.Extents(t, back.Lookup("f"))), len(data))

	for i := range many { // spread over 1 PiB, no fill is small enough
		many[i] = [2]int64{int64(i) << 32, int64(i)<<32 + 300}
	}
	b = builder{t, tree.New()}
	b.add("f", &tree.Node{Mode: tree.TypeFile, Size: 1 << 52, Content: many})
	if err := b.Seal(); err != nil {
		t.Fatal(err)
	}
	if err := totar.Write(t.Context(), io.Discard, b.Tree, totar.Options{}); err == nil || !strings.Contains(err.Error(), `write "f": 30000000 bytes of data in too many pieces`) {
		t.Errorf("a file in pieces all over: %v", err)
	}
}

// faulty is a content that misbehaves.
type faulty struct {
	open, read, next error
	start, end       int64
	close            error
}

func (f faulty) Open() (tree.File, error) { return f, f.open }
func (f faulty) Close() error             { return f.close }
func (f faulty) ReadAt(p []byte, off int64) (int, error) {
	return len(p) / 2, f.read
}
func (f faulty) NextData(off int64) (int64, int64, error) { return f.start, f.end, f.next }

func TestFaults(t *testing.T) {
	bad := errors.New("bad disk")
	for _, tt := range []struct {
		content faulty
		want    string
	}{
		{faulty{open: bad}, "bad disk"},
		{faulty{next: bad}, "bad disk"},
		{faulty{end: 100, read: bad}, "bad disk"},
		{faulty{end: 100, read: io.EOF}, "at byte 50: unexpected EOF"},
		{faulty{end: 100, read: nil}, "at byte 50: unexpected EOF"},
		{faulty{next: io.EOF, close: bad}, "bad disk"},
		{faulty{start: 5, end: 5}, "data from byte 5 to 5 is said to follow byte 0"},
		{faulty{start: -5, end: 5}, "data from byte -5 to 5 is said to follow byte 0"},
	} {
		b := builder{t, tree.New()}
		b.add("f", &tree.Node{Mode: tree.TypeFile, Size: 100, Content: tt.content})
		if err := b.Seal(); err != nil {
			t.Fatal(err)
		}
		err := totar.Write(t.Context(), io.Discard, b.Tree, totar.Options{})
		if err == nil || err.Error() != `write "f": `+tt.want {
			t.Errorf("%+v: %v, want %s", tt.content, err, tt.want)
		}
	}
	tr := plain(t)
	if err := tr.Seal(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := totar.Write(ctx, io.Discard, tr, totar.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	w, err := os.Create(filepath.Join(t.TempDir(), "x"))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := totar.Write(t.Context(), w, tr, totar.Options{}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("a writer that fails: %v", err)
	}
}

// extract unpacks the archive of tr with a command and lists the directory.
func extract(t *testing.T, tr *tree.Tree, command ...string) (listing []string, out string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("owners and devices need root")
	}
	archive := filepath.Join(t.TempDir(), "a.tar")
	if err := os.WriteFile(archive, write(t, tr), 0o644); err != nil {
		t.Fatal(err)
	}
	top := filepath.Join(t.TempDir(), "x")
	if err := os.Mkdir(top, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := treetest.Setxattr(top, "user.probe", "1"); err != nil {
		t.Skipf("no extended attributes here: %v", err)
	}
	if err := os.RemoveAll(top); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(top, 0o755); err != nil {
		t.Fatal(err)
	}
	for i, arg := range command {
		command[i] = strings.NewReplacer("ARCHIVE", archive, "DIR", top).Replace(arg)
	}
	out = treetest.Run(t, top, command[0], command[1:]...)
	back, _, err := fromdir.Read(t.Context(), top, fromdir.Options{Owners: source.OwnersDisk})
	if err != nil {
		t.Fatal(err)
	}
	return treetest.List(t, back), out
}

func TestGNU(t *testing.T) {
	gnu := treetest.Tool(t, "tar")
	if out := treetest.Run(t, ".", gnu, "--version"); !strings.Contains(out, "GNU tar") {
		t.Skipf("tar is not GNU tar: %s", out)
	}
	tr := plain(t)
	want := treetest.List(t, tr)
	got, out := extract(t, tr, gnu, "-x", "-p", "--xattrs", "--xattrs-include=*", "--acls", "--numeric-owner", "--warning=no-unknown-keyword", "--warning=no-timestamp", "-f", "ARCHIVE")
	if diff := cmp.Diff(want, got); diff != "" || out != "" {
		t.Errorf("GNU tar says %q (-written +extracted)\n%s", out, diff)
	}

	// What only we know must do no harm: a socket is an empty file, and attributes in front
	// of a file do not stick to the next.
	b := builder{t, tree.New()}
	b.add("socket", &tree.Node{Mode: tree.TypeSocket | 0o755})
	many := b.add("many", bytesFile(0o644, "many"))
	many.Attrs = &tree.Attrs{ACL: []tree.ACE{{Flags: tree.ACEOwner}}}
	for i := range 20 {
		many.Attrs.Xattrs = append(many.Attrs.Xattrs, tree.Xattr{Name: fmt.Sprintf("security.%d", i), Value: make([]byte, 64<<10)})
	}
	b.add("next", bytesFile(0o644, "next"))
	if err := b.Seal(); err != nil {
		t.Fatal(err)
	}
	list := treetest.Run(t, ".", "sh", "-c", `"$0" -tv --numeric-owner -f "$1" 2>/dev/null`, gnu, save(t, write(t, b.Tree)))
	wantList := `drwxr-xr-x 0/0               0 1970-01-01 00:00 ./
-rw-r--r-- 0/0               4 1970-01-01 00:00 ./many
-rw-r--r-- 0/0               4 1970-01-01 00:00 ./next
-rwxr-xr-x 0/0               0 1970-01-01 00:00 ./socket
`
	if diff := cmp.Diff(wantList, list); diff != "" {
		t.Errorf("tar -tv (-want +got)\n%s", diff)
	}
	got, _ = extract(t, b.Tree, gnu, "-x", "-p", "-f", "ARCHIVE")
	for i, want := range []string{"many file 0644", "next file 0644 0:0 0.000000000 links=1 size=4 c6c1c9a9c854", "socket file 0755 0:0 0.000000000 links=1 size=0"} {
		if !strings.HasPrefix(got[i+1], want) {
			t.Errorf("GNU tar extracted %s, want %s", got[i+1], want)
		}
	}
}

func save(t testing.TB, data []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "a.tar")
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestBSD(t *testing.T) {
	bsd := treetest.Tool(t, "bsdtar")
	t.Log(treetest.Run(t, ".", bsd, "--version"))
	tr := plain(t)
	tr.Lookup("attrs").Attrs.Xattrs[0].Name = "user.a" // bsdtar does not undo GNU's way to write '=' and '%'
	want := treetest.List(t, tr)
	got, out := extract(t, tr, bsd, "-x", "-p", "--numeric-owner", "--xattrs", "--acls", "-f", "ARCHIVE")
	want[0], _, _ = strings.Cut(want[0], " -7.") // bsdtar leaves the time of "." as it is
	if !strings.HasPrefix(got[0], want[0]+" ") {
		t.Errorf("extracted %s, want %s", got[0], want[0])
	}
	if diff := cmp.Diff(want[1:], got[1:]); diff != "" || out != "" {
		t.Errorf("bsdtar says %q (-written +extracted)\n%s", out, diff)
	}
}

// TestPython compares what another reader of PAX makes of the names and numbers.
func TestPython(t *testing.T) {
	python := treetest.Tool(t, "python3")
	tr := awkward(t)
	if err := tr.Seal(); err != nil {
		t.Fatal(err)
	}
	var want []string
	first := make(map[*tree.Node]bool)
	for path, n := range tr.All() {
		if path = "./" + path; n == tr.Root {
			path = "."
		}
		typ := n.Mode.TypeName()
		if typ == "socket" {
			typ = "file"
		}
		if n.Links > 1 && !n.IsDir() && first[n] {
			want = append(want, fmt.Sprintf("%x hard", path))
			continue
		}
		first[n] = true
		want = append(want, fmt.Sprintf("%x %s %o %d:%d %d %x", path, typ, n.Mode.Perm(), n.UID, n.GID, n.Size, n.Target))
	}
	script := `
import sys, tarfile
types = {b"0": "file", b"2": "link", b"3": "char", b"4": "block", b"5": "dir", b"6": "fifo"}
enc = lambda s: s.encode("utf-8", "surrogateescape").hex()
for m in tarfile.open(sys.argv[1], encoding="utf-8", errors="surrogateescape"):
    if m.islnk():
        print(enc(m.name), "hard")
    else:
        print(enc(m.name), types.get(m.type, "file"), "%o" % m.mode, "%d:%d" % (m.uid, m.gid), m.size, enc(m.linkname))
`
	out := treetest.Run(t, ".", python, "-c", script, save(t, write(t, tr)))
	got := strings.Split(out, "\n")
	for i := range got {
		got[i] = strings.TrimRight(got[i], " ")
	}
	for i := range want {
		want[i] = strings.TrimRight(want[i], " ")
	}
	if diff := cmp.Diff(append(want, ""), got); diff != "" {
		t.Errorf("(-written +read)\n%s", diff)
	}
}

// FuzzRoundTrip makes a tree of whatever comes and wants it back.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("\x08\x01a\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Add(bytes.Repeat([]byte("0123456789abcdefghijklmnopqrstuvwxyz\xff\x80\x00\n=%"), 20))
	for kind := range byte(8) {
		f.Add(append(bytes.Repeat([]byte{kind, 3, 'a', kind, 'b', 200, 255}, 12), bytes.Repeat([]byte{kind, 255}, 90)...))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if grow(data).Seal() != nil {
			return
		}
		tr := grow(data)
		want := treetest.List(t, tr)
		out := write(t, tr)
		back := read(t, out)
		if diff := cmp.Diff(want, treetest.List(t, back)); diff != "" {
			t.Fatalf("(-written +read)\n%s", diff)
		}
		if diff := cmp.Diff(groups(tr), groups(back)); diff != "" {
			t.Fatalf("hard links (-written +read)\n%s", diff)
		}
		if !bytes.Equal(out, write(t, back)) {
			t.Fatal("the tree that was read gives other bytes")
		}
	})
}

// grow makes a tree of bytes.
func grow(data []byte) *tree.Tree {
	tr := tree.New()
	take := func(n int) []byte {
		p := make([]byte, n)
		data = data[copy(p, data):]
		return p
	}
	number := func() uint64 { // small ones more often
		size := int(take(1)[0]) % 9
		return binary.LittleEndian.Uint64(append(take(size), make([]byte, 8)...))
	}
	text := func(limit int) string {
		n := int(take(1)[0])
		s := take(min(n, len(data)+1))
		if len(s) > 0 && n > 250 {
			s = bytes.Repeat(s, limit/len(s)+1)[:limit]
		}
		return string(s)
	}
	dirs, files := []*tree.Node{tr.Root}, []*tree.Node(nil)
	for len(data) > 0 {
		kind, dir := take(1)[0], dirs[number()%uint64(len(dirs))]
		name := text(tree.MaxName)
		n := &tree.Node{
			UID: uint32(number()), GID: uint32(number()), ModTime: tree.Time{Sec: int64(number()), Nsec: uint32(number() % 1e9)},
			Mode: tree.Mode(number()) & tree.PermMask,
		}
		n.UID, n.GID = n.UID&tree.MaxOwner, n.GID&tree.MaxOwner
		switch kind % 8 {
		case 0:
			n.Mode |= tree.TypeFile
			n.Size = int64(number() % (1 << 16))
			n.Content = tree.Bytes(bytes.Repeat([]byte{kind | 1}, int(n.Size)))
		case 1:
			n.Mode |= tree.TypeFile
			var at int64
			var list pieces
			for range 1 + number()%8 {
				at += int64(number()%(1<<30)) * 512
				size := int64(1+number()%8) * 512
				if k := len(list); k > 0 && list[k-1][1] == at {
					list[k-1][1] += size
				} else {
					list = append(list, [2]int64{at, at + size})
				}
				at += size
			}
			n.Size, n.Content = at+int64(number()%(1<<40)), list
			if n.Size <= 64<<20 && n.Size < 1<<16 {
				n.Size += 65 << 20
			}
		case 2:
			n.Mode |= tree.TypeSymlink
			n.Target = text(tree.MaxTarget)
		case 3:
			n.Mode |= []tree.Mode{tree.TypeChar, tree.TypeBlock}[kind/8%2]
			n.Device = &tree.Device{Major: uint32(number()), Minor: uint32(number())}
		case 4:
			n.Mode |= []tree.Mode{tree.TypeSocket, tree.TypeFIFO}[kind/8%2]
		case 5:
			perm := n.Mode
			mtime := n.ModTime
			n = tree.NewDir(perm)
			n.ModTime = mtime
		case 6, 7:
			if len(files) == 0 {
				continue
			}
			n = files[number()%uint64(len(files))]
		}
		if kind >= 128 && kind%8 < 6 {
			n.Attrs = &tree.Attrs{}
			for range number() % 4 {
				prefix := []string{"user.", "system.", "security.", "", "trusted."}[number()%5]
				n.Attrs.Xattrs = append(n.Attrs.Xattrs, tree.Xattr{Name: prefix + text(200), Value: []byte(text(64 << 10))})
			}
			for range number() % 4 {
				n.Attrs.ACL = append(n.Attrs.ACL, tree.ACE{Type: uint16(number()), Flags: uint16(number()), Mask: uint32(number()), ID: uint32(number())})
			}
		}
		if dir.Add(name, n) != nil {
			continue
		}
		if n.IsDir() {
			dirs = append(dirs, n)
		} else if kind%8 < 6 {
			files = append(files, n)
		}
	}
	return tr
}
