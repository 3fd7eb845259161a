package zpl_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"imagetools/tree"
	"imagetools/zfs/objset"
	"imagetools/zfs/stream"
	"imagetools/zfs/zpl"
)

// What we write is sound, and every file is found by its name.
func TestCheck(t *testing.T) {
	t.Parallel()
	for _, version := range []int{4, 5} {
		_, data := write(t, zoo(t), zpl.Options{Version: version})
		f := open(t, data)
		names, files := map[string]bool{}, 0
		err := f.Walk(f.Root(), "", func(path string, _ zpl.DirEntry, z *zpl.Znode) error {
			if z.Mode.Type() == 0o100000 {
				names[path] = true
				files++
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		report, err := zpl.Check(t.Context(), f, zpl.CheckOptions{Find: func(string) bool { return true }, Paths: []uint64{f.Root()}})
		if err != nil {
			t.Fatal(err)
		}
		for _, fault := range report.Faults {
			t.Errorf("version %d: %+v", version, fault)
		}
		for _, found := range report.Found {
			if !names[found.Path] {
				t.Errorf("version %d: found %q, which is not there", version, found.Path)
			}
		}
		if len(report.Found) != files || files == 0 {
			t.Errorf("version %d: %d of %d files found", version, len(report.Found), files)
		}
		if report.Paths[f.Root()] != "." {
			t.Errorf("version %d: the path of the root is %q", version, report.Paths[f.Root()])
		}
	}
}

func TestCheckCancel(t *testing.T) {
	t.Parallel()
	_, data := write(t, zoo(t), zpl.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := zpl.Check(ctx, open(t, data), zpl.CheckOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v after the context ended", err)
	}
}

// overwrite returns a stream with bytes written over its payloads at some places: edits are
// rows of a place (u32) and eight bytes. Checksums are right.
func overwrite(data, edits []byte) []byte {
	type part struct {
		rec     stream.Record
		payload []byte
	}
	var parts []part
	total := 0
	r := stream.NewReader(bytes.NewReader(data))
	for {
		rec, err := r.Next()
		if err != nil {
			break
		}
		payload, _ := r.Payload()
		parts = append(parts, part{rec, bytes.Clone(payload)})
		total += len(payload)
	}
	for ; len(edits) >= 12; edits = edits[12:] {
		at := int(binary.LittleEndian.Uint32(edits)) % total
		for _, p := range parts {
			if at < len(p.payload) {
				copy(p.payload[at:], edits[4:12])
				break
			}
			at -= len(p.payload)
		}
	}
	var out bytes.Buffer
	w := stream.NewWriter(&out)
	for _, p := range parts {
		if err := w.WriteRecord(p.rec, p.payload); err != nil {
			panic(err)
		}
	}
	return out.Bytes()
}

// few is a tree with one of each that makes a short stream.
func few(t testing.TB) *tree.Tree {
	t.Helper()
	tr := tree.New()
	file := &tree.Node{Mode: tree.TypeFile | 0o644, Size: 4, Content: tree.Bytes("data")}
	noted := &tree.Node{Mode: tree.TypeFile | 0o644, Attrs: &tree.Attrs{Xattrs: []tree.Xattr{{Name: "user.a", Value: []byte("b")}}}}
	dir, fat := tree.NewDir(0o755), tree.NewDir(0o700)
	errs := []error{
		tr.Root.Add("file", file), dir.Add("hard", file), tr.Root.Add("noted", noted), tr.Root.Add("dir", dir), dir.Add("fat", fat),
		dir.Add("link", &tree.Node{Mode: tree.TypeSymlink | 0o777, Target: strings.Repeat("t", 200)}),
		dir.Add("device", &tree.Node{Mode: tree.TypeChar | 0o600, Device: &tree.Device{Major: 1}}),
	}
	for i := range 5 {
		errs = append(errs, fat.Add(fmt.Sprint(strings.Repeat("long", 20), i), &tree.Node{Mode: tree.TypeFIFO | 0o600}))
	}
	if err := errors.Join(append(errs, tr.Seal())...); err != nil {
		t.Fatal(err)
	}
	return tr
}

// A check of anything ends, tells every fault with an object or none, and what it finds nothing
// wrong with can be read from end to end.
func FuzzCheck(f *testing.F) {
	_, data := write(f, few(f), zpl.Options{})
	f.Add([]byte{})
	f.Add([]byte{80, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8})
	f.Add(bytes.Repeat([]byte{0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x40}, 3))
	f.Fuzz(func(t *testing.T, edits []byte) {
		data := overwrite(data, edits)
		x := objset.New(objset.Options{Keep: zpl.Keep, Limit: 64 << 20})
		if err := x.Read(stream.NewReader(bytes.NewReader(data)), objset.InPlace{ReaderAt: bytes.NewReader(data)}, nil); err != nil {
			return
		}
		fs, err := zpl.Open(x, x.Snapshots()[0])
		if err != nil {
			return
		}
		report, err := zpl.Check(context.Background(), fs, zpl.CheckOptions{Find: func(string) bool { return true }})
		if err != nil {
			t.Fatal(err)
		}
		if report.Count[zpl.Damage] > 0 {
			return
		}
		err = fs.Walk(fs.Root(), "", func(_ string, _ zpl.DirEntry, z *zpl.Znode) error {
			_, err := fs.Xattrs(z)
			return err
		})
		if err != nil {
			t.Errorf("nothing wrong was found, but reading: %v", err)
		}
	})
}
