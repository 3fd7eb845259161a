package fromtar_test

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"imagetools/fault"
	"imagetools/internal/budget"
	"imagetools/tree/fromdir"
	"imagetools/tree/fromtar"
	"imagetools/tree/internal/treetest"
	"imagetools/tree/source"
)

// pack writes an archive of headers with their contents. A header without type is a file.
func pack(t testing.TB, members ...any) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for i, m := range members {
		h, ok := m.(tar.Header)
		if !ok {
			continue
		}
		var data string
		if i+1 < len(members) {
			data, _ = members[i+1].(string)
		}
		h.Size = int64(len(data))
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		if h.ModTime.IsZero() {
			h.ModTime = time.Unix(100, 0)
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatalf("%s: %v", h.Name, err)
		}
		if _, err := io.WriteString(w, data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func file(name string) tar.Header { return tar.Header{Name: name, Typeflag: tar.TypeReg} }
func dir(name string) tar.Header  { return tar.Header{Name: name, Typeflag: tar.TypeDir, Mode: 0o755} }
func hard(name, target string) tar.Header {
	return tar.Header{Name: name, Typeflag: tar.TypeLink, Linkname: target}
}
func with(h tar.Header, records map[string]string) tar.Header {
	h.PAXRecords, h.Format = records, tar.FormatPAX
	return h
}

func save(t testing.TB, data []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "a.tar")
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

func open(t testing.TB, name string, opts fromtar.Options) *fromtar.Source {
	t.Helper()
	src, err := fromtar.Open(t.Context(), name, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := src.Close(); err != nil {
			t.Error(err)
		}
	})
	return src
}

// gunzip is what package compress will give.
func gunzip(r io.Reader) (io.ReadCloser, bool, error) {
	b := bufio.NewReader(r)
	if magic, _ := b.Peek(2); string(magic) != "\x1f\x8b" {
		return io.NopCloser(b), false, nil
	}
	z, err := gzip.NewReader(b)
	return z, true, err
}

func gzipped(t testing.TB, data []byte) []byte {
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	if _, err := z.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestRead(t *testing.T) {
	long := strings.Repeat("d/", 150) + strings.Repeat("n", 255)
	data := pack(t,
		tar.Header{Name: "./", Typeflag: tar.TypeDir, Mode: 0o711, Uid: 3, ModTime: time.Unix(-7, 5), Format: tar.FormatPAX},
		with(tar.Header{Name: "./etc/passwd", Typeflag: tar.TypeReg, Mode: 0o4755, Uid: 2000000000, Gid: 1, ModTime: time.Unix(9, 123456789)},
			map[string]string{
				"SCHILY.xattr.user.bin": "\x01\xff\n=", "SCHILY.xattr.user.a%3Db": "", "SCHILY.xattr.security.selinux": "x",
				"LIBARCHIVE.xattr.user.c%20d": "aGk", "LIBARCHIVE.xattr.user.bin": "eA",
				"SCHILY.acl.ace": "owner@:rw::allow,user:alice:r:fd:deny:7",
			}), "alice:x:1234:1::/:\n",
		tar.Header{Name: "dev/null", Typeflag: tar.TypeChar, Mode: 0o666, Devmajor: 1, Devminor: 3},
		with(tar.Header{Name: "dev/big", Typeflag: tar.TypeBlock}, map[string]string{"SCHILY.devmajor": "259", "SUN.devminor": "99999999"}),
		tar.Header{Name: "fifo", Typeflag: tar.TypeFifo}, tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "../x", Mode: 0o777},
		hard("copy", "./etc/passwd"),
		tar.Header{Name: long, Typeflag: tar.TypeReg, Format: tar.FormatGNU}, "deep",
		with(tar.Header{Name: "acl", Typeflag: tar.TypeReg, Mode: 0o660}, map[string]string{
			"SCHILY.acl.access": "user::rw-,user:alice:rw-,group::r--,mask::rw-,other::---", "SCHILY.acl.default": "user::rw-,group::r--,other::---"}),
		with(tar.Header{Name: "triv", Typeflag: tar.TypeReg}, map[string]string{"SCHILY.acl.access": "user::rw-,group::r--,other::r--"}),
		dir("etc/"),
	)
	want := []string{
		". dir 0711 3:0 -7.000000005",
		"acl file 0660 0:0 100.000000000 links=1 size=0 e3b0c44298fc system.posix_acl_access=02000000" + "01000600ffffffff" + "02000600d2040000" +
			"04000400ffffffff" + "10000600ffffffff" + "20000000ffffffff",
		"copy file 4755 2000000000:1 9.123456789 links=2 size=19 84855a908729 user.a=b= user.bin=01ff0a3d user.c d=6869 ace=0/0x1000/0x3/0 ace=1/0x3/0x1/7",
	}
	for name, opts := range map[string]fromtar.Options{"plain": {}, "gzip": {Decompress: gunzip}, "pipe": {}} {
		t.Run(name, func(t *testing.T) {
			var src *fromtar.Source
			if name == "pipe" {
				var err error
				if src, err = fromtar.Read(t.Context(), io.MultiReader(bytes.NewReader(data)), opts); err != nil {
					t.Fatal(err)
				}
				defer src.Close()
			} else {
				d := data
				if name == "gzip" {
					d = gzipped(t, data)
				}
				src = open(t, save(t, d), opts)
			}
			if spooled := name != "plain"; spooled != (src.Report.Spool == int64(len(data))) {
				t.Errorf("spool of %d bytes", src.Report.Spool)
			}
			counts := source.Counts{Dirs: 153, Files: 4, HardLinks: 1, Symlinks: 1, Devices: 2, FIFOs: 1, Bytes: 23}
			if src.Report.Counts != counts {
				t.Errorf("counts %+v, want %+v", src.Report.Counts, counts)
			}
			if len(src.Report.Warnings) != 1 || src.Report.Warnings[0].Path != "acl" {
				t.Errorf("warnings %v", src.Report.Warnings)
			}
			if n := strings.Join(src.Report.Notes, "\n"); n != "151 directories have no entry of their own in the archive: mode 0755, owner 0:0" {
				t.Errorf("notes: %s", n)
			}
			got := treetest.List(t, src.Tree)
			if diff := cmp.Diff(want, got[:3]); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			all := strings.Join(got, "\n")
			for _, part := range []string{"\nd dir 0755 0:0 100.0", long + " file 0644", "dev/big block 0644 0:0 100.000000000 259,99999999", " 1,3\n", "l link 0777 0:0 100.000000000 -> ../x"} {
				if !strings.Contains(all, part) {
					t.Errorf("no %q in\n%s", part, all)
				}
			}
		})
	}
}

// TestHostile has what must be refused, and what the error says.
func TestHostile(t *testing.T) {
	big := strings.Repeat("b", 5000)
	ok := pack(t, file("a"), "hello", file("b"), big)
	bad := func(edit func([]byte) []byte) []byte { return edit(slices.Clone(ok)) }
	tests := []struct {
		name string
		data []byte
		want string
	}{
		{"dot dot", pack(t, file("a/../../b")), `member "a/../../b" at byte 0: ".." in a name leads out of the root`},
		{"root is a file", pack(t, file(".")), `the root must be a directory, not a file`},
		{"root is a link", pack(t, file("a"), hard(".", "a")), `the root must be a directory, not a hard link`},
		{"long name", pack(t, file(strings.Repeat("n", 256))), `256 bytes, the limit is 255`},
		{"below a file", pack(t, file("a"), file("a/b/c")), `member "a/b/c" at byte 512: lies below "a", which is a file`},
		{"below a link", pack(t, dir("d"), tar.Header{Name: "d/l", Typeflag: tar.TypeSymlink, Linkname: "/"}, file("d/l/x/y")), `lies below "d/l", which is a link`},
		{"file after what is below", pack(t, file("a/b"), file("a")), `member "a" at byte 512: a file, but members before it lie below it`},
		{"later link", pack(t, hard("l", "a"), file("a")), `member "l" at byte 0: hard link to "a", which comes later in the archive`},
		{"missing link", pack(t, hard("l", "a")), `member "l" at byte 0: hard link to "a", which is not in the archive`},
		{"link out", pack(t, hard("l", "../a")), `member "l" at byte 0: hard link to "../a": ".." in a name`},
		{"link to directory", pack(t, dir("d"), hard("l", "d")), `hard link to "d", which is a directory`},
		{"deep", pack(t, file(strings.Repeat("a/", 5000)+"b")), `directories nested deeper than 4096`},
		{"all at once", pack(t, file("/a"), file("../b"), file("c")), `at byte 512: ".."`},
		{"empty link target", pack(t, file("l"), tar.Header{Name: "s", Typeflag: tar.TypeSymlink}), ``},
		{"bad ACL", pack(t, with(file("a"), map[string]string{"SCHILY.acl.access": "user::q"})), `member "a" at byte 0: malformed ACL`},
		{"unknown name", pack(t, with(file("a"), map[string]string{"SCHILY.acl.access": "user::r--,user:bob:r--,group::r--,mask::r--,other::r--"})), `member "a" at byte 0: ACL entry "user:bob:r--": unknown user "bob"`},
		{"bad xattr", pack(t, with(file("a"), map[string]string{"LIBARCHIVE.xattr.x": "%%"})), `extended attribute "x": illegal base64`},
		{"sparse version", pack(t, with(file("a"), map[string]string{"VENDOR.x": "1"})), ``},
		{"Solaris", bad(func(b []byte) []byte { b[156] = 'A'; return sum(b) }), `Solaris header of type 'A'`},
		{"volume", bad(func(b []byte) []byte { b[156] = 'M'; return sum(b) }), `continues a file of another volume`},
		{"unknown type", bad(func(b []byte) []byte { b[156] = 'Q'; return sum(b) }), `member "a" at byte 0: unknown member type 'Q'`},
		{"checksum", bad(func(b []byte) []byte { b[1024+5] ^= 1; return b }), `at byte 1024, after member "a": damaged header`},
		{"first checksum", bad(func(b []byte) []byte { b[5] ^= 1; return b }), `at byte 0: damaged header`},
		{"cut in data", ok[:1024+512+600], `member "b" at byte 1024: cut: its 5000 bytes begin at byte 1536, the archive ends at 2136: unexpected EOF`},
		{"cut in header", ok[:1024+100], `at byte 1024, after member "a": cut at byte 1124: unexpected EOF`},
		{"lies about size", bad(func(b []byte) []byte { copy(b[1024+124:], "00000000777\x00"); sum(b[1024:]); return b }), `damaged header`},
		{"huge size", bad(func(b []byte) []byte {
			copy(b[1024+124:], "\x80\x00\x00\x00\x7f\xff\xff\xff\xff\xff\xff\xff")
			sum(b[1024:])
			return b
		}), `member "b" at byte 1024: cut`},
		{"negative size", bad(func(b []byte) []byte {
			copy(b[1024+124:], "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")
			sum(b[1024:])
			return b
		}), `damaged header`},
		{"owner", bad(func(b []byte) []byte { copy(b[108:], "\x80\x00\x00\x02\x00\x00\x00\x00"); return sum(b) }), `owner 8589934592:0: the largest id`},
		{"empty", nil, `empty, not a tar archive`},
		{"text", []byte("#!/bin/sh\n"), `not a tar archive`},
		{"compressed", gzipped(t, ok), `not a tar archive`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			src, err := fromtar.Open(t.Context(), save(t, tt.data), fromtar.Options{})
			if err == nil {
				defer src.Close()
				if tt.want != "" {
					t.Fatalf("no error, want %s", tt.want)
				}
				return
			}
			if tt.want == "" || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "a.tar") {
				t.Errorf("error %v, want %s", err, tt.want)
			}
		})
	}
}

// sum sets the checksum of a header.
func sum(b []byte) []byte {
	n := 0
	copy(b[148:156], "        ")
	for _, c := range b[:512] {
		n += int(c)
	}
	copy(b[148:], fmt.Sprintf("%06o\x00 ", n))
	return b
}

func TestEnd(t *testing.T) {
	ok := pack(t, file("a"), "hello")
	for name, tt := range map[string]struct {
		data []byte
		warn string
	}{
		"whole":        {ok, ""},
		"tape":         {append(slices.Clone(ok), make([]byte, 1<<20)...), ""},
		"no mark":      {ok[:1024], "without the usual mark"},
		"half a mark":  {ok[:1536], "without the usual mark"},
		"no padding":   {ok[:512+5], "without the usual mark"},
		"concatenated": {append(slices.Clone(ok), ok...), "what follows the end of the archive"},
	} {
		src := open(t, save(t, tt.data), fromtar.Options{})
		got := ""
		if len(src.Report.Warnings) > 0 {
			got = src.Report.Warnings[0].Text
		}
		if !strings.Contains(got, tt.warn) || (got == "") != (tt.warn == "") {
			t.Errorf("%s: warning %q, want %q", name, got, tt.warn)
		}
		if treetest.Digest(t, "a", src.Tree.Lookup("a")) != "2cf24dba5fb0" {
			t.Errorf("%s: contents", name)
		}
	}
}

// endless is input that begins with start and goes on with filler for ever.
type endless struct {
	start  []byte
	filler byte
	read   int
}

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = e.filler
		if e.read < len(e.start) {
			p[i] = e.start[e.read]
		}
		e.read++
	}
	return len(p), nil
}

// TestStart has what is no archive refused by its first bytes, in a file and on a pipe.
func TestStart(t *testing.T) {
	damaged := pack(t, file("a"), "hello")
	damaged[0] = 'b'
	for name, tt := range map[string]struct {
		start  []byte
		filler byte
		want   string
	}{
		"zeros":        {nil, 0, `a tar archive without members: it begins with 1024 bytes of zeros`},
		"one block":    {make([]byte, 512), 'x', `not a tar archive: it begins with 512 bytes of zeros`},
		"text":         {[]byte("yes\nno\x1b\xff"), 'y', `not a tar archive: it begins with "yes\nno\x1b\xffyyyyyyyy"`},
		"damaged":      {damaged, 'x', `at byte 0: damaged header`},
		"zip":          {[]byte("PK\x03\x04"), 'x', `it begins with a ZIP archive`},
		"send stream":  {[]byte("\x00\x00\x00\x00\x00\x00\x00\x00\xac\xcb\xba\xf5\x02\x00\x00\x00"), 0, `it begins with a ZFS send stream`},
		"gzip of gzip": {gzipped(t, []byte("x")), 'x', `it begins with a gzip file`},
	} {
		t.Run(name, func(t *testing.T) {
			in, tmp := &endless{start: tt.start, filler: tt.filler}, t.TempDir()
			if src, err := fromtar.Read(t.Context(), in, fromtar.Options{TmpDir: tmp}); err == nil {
				src.Close()
				t.Error("no error")
			} else if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %s", err, tt.want)
			}
			if in.read > 64<<10 {
				t.Errorf("%d bytes read", in.read)
			}
			if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
				t.Errorf("left over: %v, %v", left, err)
			}
			whole := make([]byte, 4096)
			(&endless{start: tt.start, filler: tt.filler}).Read(whole)
			if src, err := fromtar.Open(t.Context(), save(t, whole), fromtar.Options{}); err == nil {
				src.Close()
				t.Error("no error for a file")
			} else if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("file: error %v, want %s", err, tt.want)
			}
		})
	}

	old := pack(t, file("caf\xe9"), "hello") // with the checksum of programs whose bytes are signed
	if n := copy(old[148:], fmt.Sprintf("%06o\x00 ", signedSum(old))); n != 8 {
		t.Fatal(n)
	}
	open(t, save(t, old), fromtar.Options{})
}

func signedSum(header []byte) (n int) {
	for i, c := range header[:512] {
		if i >= 148 && i < 156 {
			c = ' '
		}
		n += int(int8(c))
	}
	return n
}

func TestExclude(t *testing.T) {
	data := pack(t, dir("./"), dir("x/"), file("x/a.o"), "x", file("cache/y/z"), file("one"), "data", hard("two", "one"), hard("three", "one"))
	src := open(t, save(t, data), fromtar.Options{Exclude: []string{"*.o", "/cache", "none", "one"}})
	var got []string
	for _, line := range treetest.List(t, src.Tree) {
		got = append(got, strings.Fields(line)[0])
	}
	if diff := cmp.Diff([]string{".", "three", "two", "x"}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	two := src.Tree.Lookup("two")
	if two != src.Tree.Lookup("three") || two.Size != 4 || two.Links != 2 {
		t.Errorf("the links to an excluded file: %+v", two)
	}
	if notes := strings.Join(src.Report.Notes, "\n"); notes != `exclude "none" matched nothing` {
		t.Errorf("notes: %s", notes)
	}
}

func TestOwners(t *testing.T) {
	owned := func(name string, mode int64) tar.Header {
		return tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: mode, Uid: 1000, Gid: 0}
	}
	src := open(t, save(t, pack(t, owned("a", 0o2755))), fromtar.Options{Owners: source.OwnersRoot})
	if n := src.Tree.Lookup("a"); n.UID != 0 {
		t.Errorf("owner %d", n.UID)
	}
	src = open(t, save(t, pack(t, owned("a", 0o4755))), fromtar.Options{})
	if n := src.Tree.Lookup("a"); n.UID != 1000 {
		t.Errorf("owner %d", n.UID)
	}
	_, err := fromtar.Open(t.Context(), save(t, pack(t, owned("a", 0o4755))), fromtar.Options{Owners: source.OwnersRoot})
	if _, ok := errors.AsType[*fault.Error](err); !ok || !strings.Contains(err.Error(), `"a": set-id file (mode 4755, owner 1000:0)`) {
		t.Errorf("set-uid: %v", err)
	}
}

func TestChanged(t *testing.T) {
	name := save(t, pack(t, file("a"), "hello", file("b"), "world"))
	src := open(t, name, fromtar.Options{})
	f, err := src.Tree.Lookup("a").Content.Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, 600); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); !errors.Is(err, source.ErrChanged) {
		t.Errorf("Close: %v", err)
	}
	if _, err := src.Tree.Lookup("b").Content.Open(); !errors.Is(err, source.ErrChanged) || !strings.Contains(err.Error(), name) {
		t.Errorf("Open: %v", err)
	}
	if _, err := f.ReadAt(make([]byte, 5), 0); err != nil {
		t.Errorf("ReadAt of what is left: %v", err)
	}
}

func TestSpool(t *testing.T) {
	tmp := t.TempDir()
	data := pack(t, file("a"), "hello")
	src, err := fromtar.Read(t.Context(), bytes.NewReader(data), fromtar.Options{TmpDir: tmp})
	if err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
		t.Errorf("the temporary copy has a name: %v, %v", left, err)
	}
	if treetest.Digest(t, "a", src.Tree.Lookup("a")) != "2cf24dba5fb0" {
		t.Error("contents")
	}
	if err := errors.Join(src.Close(), src.Close()); err != nil {
		t.Error(err)
	}
	if f, err := src.Tree.Lookup("a").Content.Open(); err == nil {
		if _, err := f.ReadAt(make([]byte, 5), 0); err == nil {
			t.Error("contents after Close")
		}
	}
	z := gzipped(t, data)
	_, err = fromtar.Open(t.Context(), save(t, z[:len(z)/2]), fromtar.Options{Decompress: gunzip, TmpDir: tmp})
	if !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "unpack") {
		t.Errorf("cut gzip: %v", err)
	}
	_, err = fromtar.Read(t.Context(), bytes.NewReader(data), fromtar.Options{TmpDir: filepath.Join(tmp, "none")})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no such TmpDir: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err = fromtar.Read(ctx, bytes.NewReader(data), fromtar.Options{TmpDir: tmp}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
}

// TestFullDisk has a disk that is full: a tmpfs of one megabyte.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	treetest.SmallDisk(t, dir)
	_, err := fromtar.Read(t.Context(), bytes.NewReader(pack(t, file("a"), strings.Repeat("x", 2<<20))), fromtar.Options{TmpDir: dir})
	if _, ok := errors.AsType[*fault.Error](err); !ok || !errors.Is(err, unix.ENOSPC) || !strings.Contains(err.Error(), dir) {
		t.Errorf("full disk: %v", err)
	}
}

// sample makes a directory with a bit of everything that the test may make.
func sample(t *testing.T) string {
	t.Helper()
	top := t.TempDir()
	at := func(name string) string { return filepath.Join(top, name) }
	long := strings.Repeat("l", 200)
	for _, err := range []error{
		os.MkdirAll(at("d/"+long), 0o755), os.WriteFile(at("d/"+long+"/"+long), []byte("long"), 0o640),
		os.WriteFile(at("empty"), nil, 0o600), os.WriteFile(at("f"), bytes.Repeat([]byte("0123456789"), 1000), 0o4755),
		os.Link(at("f"), at("hard")), os.Symlink("f", at("sym")), os.Symlink(strings.Repeat("t/", 900), at("longsym")),
		os.WriteFile(at("b\xffd \n é"), []byte("x"), 0o644), exec.Command("mkfifo", "-m", "600", at("fifo")).Run(),
		os.Mkdir(at("sticky"), 0o755), os.Chmod(at("sticky"), 0o777|os.ModeSticky),
		os.Chmod(at("f"), 0o755|os.ModeSetuid),
		os.Chtimes(at("f"), time.Unix(1, 0), time.Unix(1234567890, 987654321)),
		os.Chtimes(at("empty"), time.Unix(1, 0), time.Unix(-5, 0)),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Create(at("sparse"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range int64(60) {
		if _, err := f.WriteAt([]byte("data"), i<<20); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(f.Truncate(1<<40), f.Close()); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		for _, err := range []error{
			treetest.Mknod(at("null"), unix.S_IFCHR|0o666, 1, 3), treetest.Mknod(at("disk"), unix.S_IFBLK|0o660, 259, 1000),
			os.Chown(at("empty"), 123456, 2000000000),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	return top
}

func attributes(t *testing.T, top string) bool {
	if treetest.Setxattr(filepath.Join(top, "f"), "user.note", "a\x00=\n\xff") != nil {
		return false
	}
	if err := treetest.Setxattr(filepath.Join(top, "d"), "user.%=", ""); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		if err := treetest.Setxattr(filepath.Join(top, "f"), "security.capability", "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"); err != nil {
			t.Fatal(err)
		}
	}
	return true
}

// listBoth lists a directory, as the truth, and an archive of it.
func listBoth(t *testing.T, top, archive string) (want, got []string) {
	t.Helper()
	d, _, err := fromdir.Read(t.Context(), top, fromdir.Options{Owners: source.OwnersDisk})
	if err != nil {
		t.Fatal(err)
	}
	src := open(t, archive, fromtar.Options{})
	if len(src.Report.Warnings) > 0 {
		t.Errorf("warnings: %v", src.Report.Warnings)
	}
	return treetest.List(t, d), treetest.List(t, src.Tree)
}

// whole drops the nanoseconds, for formats that have none.
func whole(lines []string) []string {
	var out []string
	for _, line := range lines {
		f := strings.Split(line, ".")
		for i := 1; i < len(f); i++ {
			if len(f[i]) >= 9 && strings.Trim(f[i][:9], "0123456789") == "" {
				f[i] = "000000000" + f[i][9:]
			}
		}
		out = append(out, strings.Join(f, "."))
	}
	return out
}

// TestGNU and TestBSD compare a directory with archives that the original programs make.
func TestGNU(t *testing.T) {
	gnu := treetest.Tool(t, "tar")
	if out := treetest.Run(t, ".", gnu, "--version"); !strings.Contains(out, "GNU tar") {
		t.Skipf("tar is not GNU tar: %s", out)
	} else {
		t.Log(strings.SplitN(out, "\n", 2)[0])
	}
	top := sample(t)
	for _, format := range []string{"gnu", "oldgnu", "posix --sparse-version=0.0", "posix --sparse-version=0.1", "posix --sparse-version=1.0"} {
		t.Run(format, func(t *testing.T) {
			archive := filepath.Join(t.TempDir(), "a.tar")
			args := strings.Fields("-c -S --hole-detection=seek --format=" + format)
			treetest.Run(t, top, gnu, append(args, "-f", archive, ".")...)
			if info, err := os.Stat(archive); err != nil || info.Size() > 8<<20 {
				t.Fatalf("the archive of a sparse file: %v, %v", info.Size(), err)
			}
			want, got := listBoth(t, top, archive)
			if !strings.HasPrefix(format, "posix") {
				want = whole(want)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-directory +archive)\n%s", diff)
			}
		})
	}
	t.Run("attributes", func(t *testing.T) {
		if !attributes(t, top) {
			t.Skip("no extended attributes here")
		}
		args := []string{"-c", "-S", "--hole-detection=seek", "--format=posix", "--xattrs", "--xattrs-include=*"}
		if setfacl := treetest.Tool(t, "setfacl"); setfacl != "" {
			treetest.Run(t, top, setfacl, "-m", "u:1234:rwx,g:99:r,m::rx", "f")
			treetest.Run(t, top, setfacl, "-d", "-m", "u:1234:rwx", "d")
			args = append(args, "--acls", "--numeric-owner")
		}
		archive := filepath.Join(t.TempDir(), "a.tar")
		treetest.Run(t, top, gnu, append(args, "-f", archive, ".")...)
		want, got := listBoth(t, top, archive)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-directory +archive)\n%s", diff)
		}
	})
}

func TestBSD(t *testing.T) {
	bsd := treetest.Tool(t, "bsdtar")
	t.Log(treetest.Run(t, ".", bsd, "--version"))
	top := sample(t)
	if attributes(t, top) {
		setfacl := treetest.Tool(t, "setfacl")
		treetest.Run(t, top, setfacl, "-m", "u:1234:rwx,g:99:r,m::rx", "f")
		treetest.Run(t, top, setfacl, "-d", "-m", "u:1234:rwx", "d")
	}
	archive := filepath.Join(t.TempDir(), "a.tar")
	treetest.Run(t, top, bsd, "-c", "--format=pax", "--xattrs", "--acls", "-f", archive, ".")
	want, got := listBoth(t, top, archive)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-directory +archive)\n%s", diff)
	}
}

func TestSparseFormats(t *testing.T) {
	for _, version := range []string{"gnu", "0.0", "0.1", "1.0"} {
		src := open(t, filepath.Join("testdata", "sparse-"+version+".tar"), fromtar.Options{})
		n := src.Tree.Lookup("s")
		if n == nil || n.Size != 1<<28 {
			t.Fatalf("%s: node %+v", version, n)
		}
		f, err := n.Content.Open()
		if err != nil {
			t.Fatal(err)
		}
		extents := treetest.Extents(t, n)
		for i := range int64(30) {
			p := make([]byte, 18)
			at := i * (1<<20 + 4<<10)
			want := strings.Repeat(fmt.Sprintf("%02d", i), 8) + "\x00\x00"
			if got, err := f.ReadAt(p, at); err != nil || string(p) != want {
				t.Errorf("%s: piece %d: %d, %v: %q", version, i, got, err, p)
			}
			if e := extents[min(int(i), len(extents)-1)]; e[0] > at || e[1] < at+16 || e[1]-e[0] > 1<<16 {
				t.Errorf("%s: piece %d lies in %v", version, i, e)
			}
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestSparseReads(t *testing.T) {
	gnu := treetest.Tool(t, "tar")
	top := t.TempDir()
	f, err := os.Create(filepath.Join(top, "s"))
	if err != nil {
		t.Fatal(err)
	}
	const size = 3<<20 + 77
	for _, off := range []int64{100, 1 << 20, 1<<20 + 4096, 3 << 20} {
		if _, err := f.WriteAt(bytes.Repeat([]byte{'x'}, 77), off); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(t.TempDir(), "a.tar")
	treetest.Run(t, top, gnu, "-c", "-S", "--hole-detection=raw", "-f", archive, "s")
	src := open(t, archive, fromtar.Options{})
	n := src.Tree.Lookup("s")
	if got := treetest.Extents(t, n); len(got) < 2 {
		t.Errorf("extents %v", got)
	}
	file, err := n.Content.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for off := int64(0); off <= size; off += 4093 {
		for _, length := range []int{1, 600, 1<<20 + 5} {
			p := bytes.Repeat([]byte{0xee}, length)
			got, err := file.ReadAt(p, off)
			part := want[off:min(off+int64(length), size)]
			if !bytes.Equal(p[:got], part) || (err == io.EOF) != (len(part) < length) {
				t.Fatalf("ReadAt(%d bytes, %d) = %d, %v", length, off, got, err)
			}
		}
	}
}

func FuzzTar(f *testing.F) {
	f.Add(pack(f, dir("./"), file("a/b"), "hello", hard("c", "a/b"), tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "x"}))
	f.Add(pack(f, with(tar.Header{Name: "x", Typeflag: tar.TypeReg, ModTime: time.Unix(1, 5)}, map[string]string{
		"SCHILY.xattr.user.a": "b", "SCHILY.acl.access": "user::rw-,user:1:rw-,group::r--,mask::rw-,other::---"}), "data"))
	for _, version := range []string{"gnu", "0.0", "0.1", "1.0"} {
		if data, err := os.ReadFile(filepath.Join("testdata", "sparse-"+version+".tar")); err != nil {
			f.Error(err)
		} else {
			f.Add(data)
		}
	}
	f.Add([]byte(extended('g', "uid=5", "size=3", "mtime=1.5") + unsized + "abc" + zeros[3:] + extended('X', "path=solaris") + longName + reg("raw", "x")))
	f.Add([]byte(reg("a", "x") + zeros + block('2', "l", "d", "") + block('5', "d/", "", "") + block('1', "h", "l/a", "")))
	f.Fuzz(func(t *testing.T, data []byte) {
		src, err := fromtar.Read(t.Context(), bytes.NewReader(data), fromtar.Options{})
		if err != nil {
			return
		}
		defer src.Close()
		if src.Tree.Seal() != nil {
			return
		}
		for path, n := range src.Tree.All() {
			if n.Content == nil {
				continue
			}
			file, err := n.Content.Open()
			if err != nil {
				t.Fatal(err)
			}
			var total int64
			for off := int64(0); ; {
				start, end, err := file.NextData(off)
				if err == io.EOF {
					break
				}
				if err != nil || start < off || end <= start || end > n.Size {
					t.Fatalf("%s: NextData(%d) = %d, %d, %v", path, off, start, end, err)
				}
				if _, err := io.Copy(io.Discard, io.NewSectionReader(file, start, end-start)); err != nil {
					t.Fatal(err)
				}
				total += end - start
				off = end
			}
			if total > int64(len(data)) {
				t.Fatalf("%s: %d bytes of data from an archive of %d", path, total, len(data))
			}
			if err := file.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// What members have beside contents is counted before it is held: a few bytes of a packed archive
// can ask for any amount.
func TestBudget(t *testing.T) {
	t.Parallel()
	var big, deep, links, dangling []any
	for i := range 40 {
		big = append(big, with(file(fmt.Sprint("f", i)), map[string]string{"SCHILY.xattr.user.a": strings.Repeat("a", 60_000)}))
	}
	for i := range 3 {
		deep = append(deep, file(fmt.Sprint(i)+strings.Repeat("/a", 4000)))
	}
	links = append(links, file("a"))
	for i := range 20_000 {
		links = append(links, hard(fmt.Sprint("l", i), "a"))
		dangling = append(dangling, hard(fmt.Sprint("l", i), "none"))
	}
	for name, members := range map[string][]any{"attributes": big, "directories": deep, "links": links, "dangling": dangling} {
		data := pack(t, members...)
		b := budget.New(budget.Fixed(1 << 20))
		_, err := fromtar.Read(t.Context(), bytes.NewReader(data), fromtar.Options{Budget: b, TmpDir: t.TempDir()})
		if !errors.Is(err, budget.ErrExceeded) || !strings.Contains(err.Error(), "member ") || len(err.Error()) > 1000 {
			t.Errorf("%s: error %.300v", name, err)
		}
		if b.Held() > 1<<20 {
			t.Errorf("%s: %d bytes held", name, b.Held())
		}
		src, err := fromtar.Read(t.Context(), bytes.NewReader(data), fromtar.Options{TmpDir: t.TempDir()})
		if name == "dangling" {
			if err == nil || len(err.Error()) > 10_000 {
				t.Errorf("%s: error %.300v", name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: within the default: %v", name, err)
			continue
		}
		src.Close()
	}
}

// Names of a MiB do not make messages of as much.
func TestLongNamesInMessages(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("n/", 200_000)
	for name, data := range map[string][]byte{
		"name":     pack(t, file(long+"../x"), "data"),
		"target":   pack(t, hard("x", long+"y")),
		"attr":     pack(t, with(file("x"), map[string]string{"LIBARCHIVE.xattr." + strings.Repeat("%", 100_000): "a"})),
		"absolute": pack(t, file("/"+long+"x"), "data"),
	} {
		_, err := fromtar.Read(t.Context(), bytes.NewReader(data), fromtar.Options{TmpDir: t.TempDir()})
		if err == nil || len(err.Error()) > 2000 {
			t.Errorf("%s: error of %d bytes: %.300v", name, len(fmt.Sprint(err)), err)
		}
	}
}

// What is counted is what is held: no name or value keeps the header that it came in.
func TestBudgetIsHonest(t *testing.T) {
	var members []any
	for i := range 200 {
		h := with(file(strings.Repeat("n", 120)+fmt.Sprint(i)), map[string]string{
			"SCHILY.xattr.user.a": strings.Repeat("a", 100), "SCHILY.xattr.user.b": "", "comment": strings.Repeat("c", 200_000),
		})
		if i%2 == 1 {
			h.Typeflag, h.Linkname = tar.TypeSymlink, strings.Repeat("t", 120)
		}
		members = append(members, h)
	}
	name := save(t, pack(t, members...))
	members = nil
	heap := func() int64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	b := budget.New(budget.Limits{})
	src := open(t, name, fromtar.Options{Budget: b})
	if held := heap() - before; held > 2*b.Held()+1<<20 {
		t.Errorf("%d bytes are held, %d are counted", held, b.Held())
	}
	runtime.KeepAlive(src)
}
