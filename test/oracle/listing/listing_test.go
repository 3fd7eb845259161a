package listing

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	const text = `{"dataset":"zones/a","snapshot":"final","guid":"18446744073709551615","creation":5,"objset":"zpl","zpl":5}
{"path":".","type":"dir","mode":493,"uid":0,"gid":0,"size":3,"mtime_sec":-1,"mtime_nsec":5,"links":2}
{"path":"a\\xff","type":"char","mode":420,"uid":1,"gid":2,"size":0,"mtime_sec":0,"mtime_nsec":0,"links":1,"rdev":"55834574855","xattrs":{"user.a":"00"}}
`
	l, err := Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if l.Dataset.GUID != 1<<64-1 || l.Entries["."].MtimeSec != -1 || l.Entries[Escape("a\xff")].Rdev != IllumosRdev(13, 7) {
		t.Errorf("parsed %+v", l)
	}
	for _, bad := range []string{text[:len(text)-3], text + text[:20] + "\n", strings.ReplaceAll(text, `a\\xff`, ".")} {
		if _, err := Parse(strings.NewReader(bad)); err == nil {
			t.Errorf("parsed %q", bad)
		}
	}
}

// zeroExcept reads as zeros, but for some bytes.
type zeroExcept map[int64]byte

func (z zeroExcept) ReadAt(p []byte, off int64) (int, error) {
	clear(p)
	for at, b := range z {
		if at >= off && at < off+int64(len(p)) {
			p[at-off] = b
		}
	}
	return len(p), nil
}

func TestSum(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789abcdef"), 20000)
	clear(data[100000:200000])
	plain := sha256.Sum256(data)
	for _, extents := range [][]Extent{
		{{0, 320000}},
		{{0, 100000}, {200000, 120000}},
		{{0, 1}, {1, 99999}, {200000, 1 << 40}},
	} {
		got, err := Sum(bytes.NewReader(data), int64(len(data)), extents)
		if err != nil || got != hex.EncodeToString(plain[:]) {
			t.Errorf("%v: %s, %v", extents, got, err)
		}
	}

	// The hash of a large file knows neither holes nor how zeros are stored.
	const size = 5<<30 + 1000
	z := zeroExcept{5: 1, 1 << 30: 2, size - 1: 3}
	a, err := Sum(z, size, []Extent{{5, 1}, {1 << 30, 1}, {size - 1, 1}})
	if err != nil {
		t.Fatal(err)
	}
	b, err := Sum(z, size, []Extent{{0, 1 << 20}, {1 << 30, 1 << 22}, {size - 5000, 5000}})
	if err != nil || a != b {
		t.Errorf("%s and %s: %v", a, b, err)
	}
	c, err := sumReader(io.NewSectionReader(z, 0, size), size)
	if err != nil || a != c {
		t.Errorf("%s and %s: %v", a, c, err)
	}
}

func TestListTar(t *testing.T) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	when := time.Unix(-5, 250)
	for _, h := range []*tar.Header{
		{Typeflag: tar.TypeDir, Name: "./", Mode: 0o700, Uid: 1},
		{Typeflag: tar.TypeReg, Name: "./etc/file", Mode: 0o4755, Size: 3, ModTime: when,
			PAXRecords: map[string]string{"SCHILY.xattr.user.a": "v"}},
		{Typeflag: tar.TypeLink, Name: "./second", Linkname: "./etc/file"},
		{Typeflag: tar.TypeSymlink, Name: "./l\xff", Linkname: "to", Mode: 0o777},
		{Typeflag: tar.TypeChar, Name: "./null", Devmajor: 13, Devminor: 7},
	} {
		h.Format = tar.FormatPAX
		if strings.Contains(h.Name, "\xff") {
			h.Format = tar.FormatGNU
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte("abc")[:h.Size]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := ListTar(&buf, "root")
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Entries) != 7 {
		t.Errorf("%d entries", len(l.Entries))
	}
	root, file, link := l.Entries["root"], l.Entries["root/etc/file"], l.Entries["root/second"]
	if !l.Entries["."].Implied || !l.Entries["root/etc"].Implied || root.Implied {
		t.Error("implied directories are wrong")
	}
	if root.Links != 3 || root.Size != 6 || root.Mode != 0o700 {
		t.Errorf("root is %+v", root)
	}
	if file.Links != 2 || file.Ino != link.Ino || file.MtimeSec != -5 || file.MtimeNsec != 250 || file.Xattrs["user.a"] == "" {
		t.Errorf("file is %+v", file)
	}
	if l.Entries[`root/l\xff`].Target != "to" || l.Entries["root/null"].Rdev != "55834574855" {
		t.Error("link or device is wrong")
	}

	if d := Diff(l, l, DiffOptions{CompareACL: true}); d != "" {
		t.Errorf("differs from itself:\n%s", d)
	}
	other := Listing{Entries: map[string]Entry{"new": {Path: "new", Type: File}}}
	for k, e := range l.Entries {
		other.Entries[k] = e
	}
	link.Ino, link.Mode = 99, 0o644
	other.Entries["root/second"] = link
	delete(other.Entries, "root/null")
	const want = `root/null: missing
root/second: mode 0644, want 4755; the same file as root/second, want root/etc/file
new: unexpected file`
	if d := Diff(l, other, DiffOptions{}); d != want {
		t.Errorf("difference:\n%s\nwant:\n%s", d, want)
	}
}
