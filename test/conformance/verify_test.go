package conformance

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"imagetools/image"
	"imagetools/internal/required"
	"imagetools/test/oracle"
	"imagetools/test/reference"
	"imagetools/zfs/stream"
	"imagetools/zfs/zpl"
)

// verify verifies files, or streams in memory under the name "-".
func verify(t testing.TB, paths ...string) *image.Verified {
	t.Helper()
	res, err := image.Verify(context.Background(), paths, image.VerifyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func verifyBytes(t testing.TB, data []byte) *image.Verified {
	t.Helper()
	res, err := image.Verify(context.Background(), []string{"-"}, image.VerifyOptions{Stdin: bytes.NewReader(data)})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func list(faults []image.Fault) string {
	var b strings.Builder
	for _, f := range faults {
		fmt.Fprintf(&b, "%v: object %d %q: %s\n", f.Severity, f.Object, f.Path, f.Message)
	}
	return b.String()
}

// notAnImage is what verify says of a sound stream that is no SmartOS image: of a file system
// without a root, and of a volume without a disk in it.
func notAnImage(f image.Fault) bool {
	return f.Severity == zpl.Warning && (f.Path == "root" && strings.Contains(f.Message, "zones will not boot") ||
		f.Object == 1 && strings.Contains(f.Message, noDisk))
}

const noDisk = "machines find neither a partition table nor a file system"

// Our streams are sound: all that is hard, in both versions of the ZPL.
func TestVerifyTorture(t *testing.T) {
	t.Parallel()
	tr, _ := torture(t, largeDirectory)
	for _, version := range []int{4, 5} {
		res := verify(t, writeStream(t, tr, zpl.Options{Version: version}))
		if faults := slices.DeleteFunc(res.Faults, notAnImage); len(faults) > 0 {
			t.Errorf("version %d:\n%s", version, list(faults))
		}
		if res.Directories < 100 || res.Objects < largeDirectory {
			t.Errorf("version %d: %d objects, %d directories were checked", version, res.Objects, res.Directories)
		}
	}
}

// publicStreams are the paths of the published test streams, which are no part of the repository.
func publicStreams(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(required.Data(t, "streams"), "*.zsend.bz2"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("%d streams, %v", len(paths), err)
	}
	return paths
}

// aboutImages are parts of what verify says of sound streams of real ZFS: that imgadm does not
// take them, or not everywhere.
var aboutImages = []string{noDisk, "zones will not boot", "incomplete: ", "snapshots: imgadm", "is a package", "is encrypted", "sets properties",
	"is redacted", "is deduplicated", "no SmartOS platform", "platforms before", "without the flag CLONE",
	"rest of an interrupted send", "receivers before OpenZFS 2.0 lose", "names beyond ASCII"}

// checkSound fails if something is wrong with a stream that real ZFS has made.
func checkSound(t *testing.T, res *image.Verified) {
	t.Helper()
	for _, f := range res.Faults {
		known := f.Severity == zpl.Notice || slices.ContainsFunc(aboutImages, func(s string) bool { return strings.Contains(f.Message, s) })
		if f.Severity == zpl.Damage || !known {
			t.Errorf("%s", list([]image.Fault{f}))
		}
	}
}

// Streams of real ZFS are not damaged. What else is said of them is that they are no images.
func TestVerifyPublicStreams(t *testing.T) {
	t.Parallel()
	for _, path := range publicStreams(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			res := verify(t, path)
			if strings.Contains(path, "undersized") {
				if res.Count[zpl.Damage] != 1 || res.Faults[0].Place == nil || !strings.Contains(res.Faults[0].Place.What, "WRITE") {
					t.Errorf("the malformed stream: %s", list(res.Faults))
				}
				return
			}
			checkSound(t, res)
		})
	}
}

// Neither are the streams that OpenZFS and zfs-fuse made of file systems in use.
func TestVerifyReference(t *testing.T) {
	t.Parallel()
	for _, s := range append(reference.RequireOpenZFS(t), reference.RequireZFSFuse(t)...) {
		t.Run(s.Name, func(t *testing.T) {
			checkSound(t, verify(t, s.Files...))
		})
	}
}

// editor edits the records of a stream of ours; the checksums are made right again.
type editor struct {
	recs   []editedRecord
	number map[string]uint64 // of an object, by its path
}

type editedRecord struct {
	rec     stream.Record
	payload []byte
}

func newEditor(t testing.TB, data []byte) *editor {
	t.Helper()
	e := &editor{}
	r := stream.NewReader(bytes.NewReader(data))
	for {
		rec, err := r.Next()
		if err != nil {
			break
		}
		payload, err := r.Payload()
		if err != nil {
			t.Fatal(err)
		}
		e.recs = append(e.recs, editedRecord{rec, bytes.Clone(payload)})
	}
	return e
}

func (e *editor) bytes(t testing.TB) []byte {
	t.Helper()
	var out bytes.Buffer
	w := stream.NewWriter(&out)
	for _, r := range e.recs {
		if err := w.WriteRecord(r.rec, r.payload); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

// object is the index of the OBJECT record of an object.
func (e *editor) object(path string) int {
	n := e.number[path]
	return slices.IndexFunc(e.recs, func(r editedRecord) bool { o, ok := r.rec.(*stream.Object); return ok && o.Object == n })
}

// write is the index of the first WRITE record of an object.
func (e *editor) write(path string) int {
	n := e.number[path]
	return slices.IndexFunc(e.recs, func(r editedRecord) bool { w, ok := r.rec.(*stream.Write); return ok && w.Object == n })
}

// remove takes an object out.
func (e *editor) remove(path string) {
	n := e.number[path]
	e.recs = slices.DeleteFunc(e.recs, func(r editedRecord) bool {
		switch rec := r.rec.(type) {
		case *stream.Object:
			return rec.Object == n
		case *stream.Write:
			return rec.Object == n
		case *stream.Spill:
			return rec.Object == n
		}
		return false
	})
}

// attr sets a number in the bonus buffer of an object, by its offset there.
func (e *editor) attr(path string, at int, v uint64) {
	le.PutUint64(e.recs[e.object(path)].payload[at:], v)
}

// entry is the entry of a name in a micro ZAP: value at 0, cd at 8, name at 14.
func (e *editor) entry(dir, name string) []byte {
	p := e.recs[e.write(dir)].payload
	for at := 64; at < len(p); at += 64 {
		if bytes.HasPrefix(p[at+14:], append([]byte(name), 0)) {
			return p[at:][:64]
		}
	}
	panic("no entry " + name)
}

var le = binary.LittleEndian

// Places of attributes in a bonus buffer of ours.
const (
	atMode, atSize, atGen, atUID, atParent, atFlags, atMTime, atLinks = 8, 16, 24, 32, 48, 56, 80, 128
)

// base is a small stream with one of each, and the numbers of its objects by path.
func base(t testing.TB) (data []byte, object map[string]uint64) {
	t.Helper()
	data = planned(t, smallTree(t), zpl.Options{})
	object = map[string]uint64{"": 0, "master": 1, "queue": 2, "tables": 4, "registry": 5, "layouts": 6}
	fs := openBytes(t, data)
	object["."], object["missing"] = fs.Root(), missing
	err := fs.Walk(fs.Root(), "", func(path string, _ zpl.DirEntry, z *zpl.Znode) error {
		object[path] = z.Object
		if z.XattrDir != 0 {
			object[path+"/[xattr]"] = z.XattrDir
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return data, object
}

// TestVerifyCrafted makes one stream for each fault that receivers do not notice, or that
// they refuse. Real ZFS is asked what it makes of each.
func TestVerifyCrafted(t *testing.T) {
	t.Parallel()
	judge := oracle.RequireJudge(t)
	data, object := base(t)
	if res := verifyBytes(t, data); len(res.Faults) > 0 {
		t.Fatalf("the stream before it is edited:\n%s", list(res.Faults))
	}
	for _, test := range slices.Concat(crafted, craftedKernel) {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e := newEditor(t, data)
			e.number = maps.Clone(object)
			if test.edit != nil {
				test.edit(e)
			}
			damaged := e.bytes(t)
			if test.raw != nil {
				test.raw(damaged)
			}
			res := verifyBytes(t, damaged)
			severity, number := test.severity, e.number[test.object]
			if severity == 0 && !test.notice {
				severity = zpl.Damage
			}
			found := slices.ContainsFunc(res.Faults, func(f image.Fault) bool {
				return f.Severity == severity && f.Object == number && f.Path == test.path && strings.Contains(f.Message, test.want)
			})
			if !found {
				t.Errorf("want %v about object %d, %q: %q; got\n%s", severity, number, test.path, test.want, list(res.Faults))
			}
			if severity != zpl.Damage && res.Count[zpl.Damage] > 0 {
				t.Errorf("more than a %v:\n%s", severity, list(res.Faults))
			}
			path := filepath.Join(t.TempDir(), "stream")
			if err := os.WriteFile(path, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := judge.Verdict([]string{path}, oracle.JudgeOptions{NoZDB: true, Timeout: 40 * time.Second})
			var faults *oracle.FaultError
			// Some faults make the listing one that cannot be, such as of a name that is there twice.
			taken := err == nil || errors.As(err, &faults) || strings.Contains(err.Error(), "judge's listing")
			if test.real != unsound && taken != (test.real == takes) {
				t.Errorf("real ZFS takes it: %v, want %v: %v", taken, test.real == takes, err)
			}
			t.Logf("ours: %s", strings.TrimSpace(list(res.Faults)))
			t.Logf("real ZFS: %v", err)
		})
	}
}

// TestVerifyVolume does the same with a volume.
func TestVerifyVolume(t *testing.T) {
	t.Parallel()
	sessions := oracle.RequireJudge(t).Sessions(t, oracle.JudgeOptions{})
	data := volumeStream(t)
	size := func(e *editor) []byte { return e.entry("props", "size") }
	for _, test := range []struct {
		name   string
		edit   func(e *editor)
		object uint64
		want   string
	}{
		{"sound", func(*editor) {}, 0, ""},
		{"no multiple", func(e *editor) { le.PutUint64(size(e), 64<<10+512) }, 2, "no multiple of its blocks"},
		{"data behind the end", func(e *editor) { le.PutUint64(size(e), 32<<10) }, 1, "data up to 65536 in a volume of 32768"},
		{"size 0", func(e *editor) { le.PutUint64(size(e), 0) }, 1, "size 0"},
		{"no size", func(e *editor) { size(e)[14] = 0 }, 1, "size 0"},
		{"two sizes", func(e *editor) { e.repeat("props", "size") }, 1, `"size": name given twice`},
		{"no properties", func(e *editor) { e.remove("props") }, 1, "without the objects 1 and 2"},
		{"another type", func(e *editor) {
			e.rec("data").ObjType = stream.ObjPlainFile
			for _, i := range e.writes("data") {
				e.recs[i].rec.(*stream.Write).ObjType = stream.ObjPlainFile
			}
		}, 1, "its type is PLAIN_FILE_CONTENTS"},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := newEditor(t, data)
			e.number = map[string]uint64{"data": 1, "props": 2}
			test.edit(e)
			damaged := e.bytes(t)
			res := verifyBytes(t, damaged)
			res.Faults = slices.DeleteFunc(res.Faults, notAnImage)
			found := slices.ContainsFunc(res.Faults, func(f image.Fault) bool {
				return f.Severity == zpl.Damage && f.Object == test.object && strings.Contains(f.Message, test.want)
			})
			if found != (test.want != "") || !found && len(res.Faults) > 0 {
				t.Errorf("want object %d, %q; got\n%s", test.object, test.want, list(res.Faults))
			}
			path := filepath.Join(t.TempDir(), "stream")
			if err := os.WriteFile(path, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := sessions.Verdict(path)
			if err != nil && !found {
				t.Errorf("real ZFS: %v", err)
			}
			t.Logf("real ZFS: %v", err)
		})
	}
}
