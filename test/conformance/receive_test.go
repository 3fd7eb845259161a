package conformance

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"imagetools/test/oracle"
	"imagetools/test/oracle/listing"
	"imagetools/tree"
	"imagetools/zfs/stream"
	"imagetools/zfs/zpl"
)

// store writes a stream to a file.
func store(t testing.TB, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "stream")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// increment makes of the records of a full stream an increment on it, of which keep says what is
// in it. Records that it adds have the guid as well.
func (e *editor) increment(keep func(e *editor) []editedRecord) {
	begin := *e.begin()
	begin.FromGUID, begin.ToGUID = begin.ToGUID, begin.ToGUID+1
	begin.ToName = "image@second"
	recs := append([]editedRecord{{&begin, nil}}, keep(e)...)
	e.recs = append(recs, editedRecord{&stream.End{}, nil})
	for _, r := range e.recs {
		switch rec := r.rec.(type) {
		case *stream.Object:
			rec.ToGUID = begin.ToGUID
		case *stream.Write:
			rec.ToGUID = begin.ToGUID
		case *stream.Free:
			rec.ToGUID = begin.ToGUID
		case *stream.End:
			rec.ToGUID = begin.ToGUID
		}
	}
}

// TestFreeIsReceivedAlike frees parts of blocks, and blocks, that were written before or in the same stream:
// what is left is what OpenZFS leaves.
func TestFreeIsReceivedAlike(t *testing.T) {
	t.Parallel()
	sessions := oracle.RequireJudge(t).Sessions(t, oracle.JudgeOptions{})
	data, object := base(t)
	const big = "root/big" // three blocks of 128 KiB
	for _, test := range []struct {
		name        string
		off, length uint64
	}{
		{"part of a block", 1000, 2000},
		{"parts of two blocks", 128<<10 - 500, 1000},
		{"a block and parts", 100 << 10, 200 << 10},
		{"a block", 128 << 10, 128 << 10},
		{"to the end", 130 << 10, 1<<64 - 1},
		{"all", 0, 1<<64 - 1},
		{"behind all", 1 << 30, 1<<64 - 1},
	} {
		free := func(e *editor) editedRecord {
			return editedRecord{&stream.Free{Object: e.number[big], Offset: test.off, Length: test.length, ToGUID: e.begin().ToGUID}, nil}
		}
		check := func(t *testing.T, doubtful bool, files ...string) {
			all, err := sessions.Verdict(files...)
			if err != nil {
				t.Fatal(err)
			}
			o := open(t, files...)
			got := listOpened(t, o.Index, o.Index.Snapshots()[len(files)-1])
			compare(t, all[len(all)-1], got, listing.DiffOptions{})
			if damaged := verify(t, files...).Count[zpl.Damage] > 0; damaged != doubtful {
				t.Errorf("verify finds damage: %v, want %v", damaged, doubtful)
			}
		}
		t.Run(test.name+", in the same stream", func(t *testing.T) {
			e := newEditor(t, data)
			e.number = maps.Clone(object)
			writes := e.writes(big)
			f := free(e)
			e.insert(writes[len(writes)-1]+1, f.rec, nil)
			check(t, test.off < 300<<10, store(t, e.bytes(t)))
		})
		t.Run(test.name+", in an increment", func(t *testing.T) {
			e := newEditor(t, data)
			e.number = maps.Clone(object)
			e.increment(func(e *editor) []editedRecord { return []editedRecord{e.recs[e.object(big)], free(e)} })
			check(t, false, store(t, data), store(t, e.bytes(t)))
		})
		t.Run(test.name+", in an increment that writes the first block", func(t *testing.T) {
			e := newEditor(t, data)
			e.number = maps.Clone(object)
			e.increment(func(e *editor) []editedRecord {
				block := e.recs[e.write(big)]
				clear(block.payload[:5000])
				return []editedRecord{e.recs[e.object(big)], block, free(e)}
			})
			check(t, test.off < 128<<10, store(t, data), store(t, e.bytes(t)))
		})
	}
}

// TestRemovedDirectoryInUse has a directory wait in the delete queue because it was some process's
// working directory when it was removed: it has no links, and nothing is damaged.
func TestRemovedDirectoryInUse(t *testing.T) {
	t.Parallel()
	b := &builder{t: tree.New()}
	b.dir("root")
	b.dir("root/gone")
	b.dir("root/left")
	if err := errors.Join(b.err, b.t.Seal()); err != nil {
		t.Fatal(err)
	}
	data := planned(t, b.t, zpl.Options{})
	e := newEditor(t, data)
	e.number = map[string]uint64{"queue": 2}
	fs := openBytes(t, data)
	if err := fs.Walk(fs.Root(), "", func(path string, _ zpl.DirEntry, z *zpl.Znode) error { e.number[path] = z.Object; return nil }); err != nil {
		t.Fatal(err)
	}
	clear(e.entry("root", "gone"))
	e.attr("root", atSize, 3)
	e.attr("root", atLinks, 3)
	e.attr("root/gone", atLinks, 0)
	queue := e.recs[e.write("queue")].payload[64:]
	le.PutUint64(queue, e.number["root/gone"])
	copy(queue[14:], fmt.Sprintf("%x", e.number["root/gone"]))
	path := store(t, e.bytes(t))
	if res := verify(t, path); res.Count[zpl.Damage]+res.Count[zpl.Warning] > 0 {
		t.Errorf("verify finds:\n%s", list(res.Faults))
	}
	o := open(t, path)
	got := listOpened(t, o.Index, o.Index.Snapshots()[0])
	compare(t, oracle.RequireJudge(t).Receive(t, []string{path}, oracle.JudgeOptions{}), got, listing.DiffOptions{})
	for name := range got.Entries {
		if strings.HasPrefix(name, "root/gone") {
			t.Errorf("%s is listed", name)
		}
	}
}

// TestNameRulesAreSaid writes something of file systems that do not take names as they are: that
// the result does is said, even quietly.
func TestNameRulesAreSaid(t *testing.T) {
	t.Parallel()
	tool := toolPath(t)
	data, object := base(t)
	for _, test := range []struct {
		property string
		value    uint64
		want     string
	}{
		{"casesensitivity", 0, ""},
		{"casesensitivity", 1, "casesensitivity=insensitive"},
		{"casesensitivity", 2, "casesensitivity=mixed"},
		{"normalization", 0x10, "normalization=formD"},
		{"normalization", 0x60, "normalization=formKC"},
		{"utf8only", 1, "utf8only=on"},
	} {
		e := newEditor(t, data)
		e.number = maps.Clone(object)
		le.PutUint64(e.entry("master", test.property), test.value)
		path := store(t, e.bytes(t))
		for _, args := range [][]string{
			{"create-image", "x-1", path, "-q", "--description", "x", "-c", "none", "-o", t.TempDir()},
			{"flatten", path, "x-1", "-q", "--description", "x", "-c", "none", "-o", t.TempDir()},
			{"extract", path, "-q", "--tar", filepath.Join(t.TempDir(), "x.tar")},
		} {
			var stderr strings.Builder
			cmd := exec.Command(tool, args...)
			cmd.Stderr = &stderr
			if err := cmd.Run(); err != nil {
				t.Errorf("%v: %v: %s", args, err, &stderr)
			}
			said := strings.Contains(stderr.String(), "the file system has")
			if said != (test.want != "") || !strings.Contains(stderr.String(), test.want) {
				t.Errorf("%s=%d: %s: %q, want %q", test.property, test.value, args[0], stderr.String(), test.want)
			}
		}
	}
}

// TestDataBeforeItsObject has an increment bring data for a file of its source, and only then the
// OBJECT record of the file: OpenZFS changes the object while the data is on its way to disk.
func TestDataBeforeItsObject(t *testing.T) {
	t.Parallel()
	data, object := base(t)
	const file = "root/big"
	for _, early := range []bool{false, true} {
		e := newEditor(t, data)
		e.number = maps.Clone(object)
		e.increment(func(e *editor) []editedRecord {
			announced, block := e.recs[e.object(file)], e.recs[e.write(file)]
			if early {
				return []editedRecord{block, announced}
			}
			return []editedRecord{announced, block}
		})
		res := verify(t, store(t, data), store(t, e.bytes(t)))
		if told := strings.Contains(list(res.Faults), "data of the object came before"); told != early || told != (res.Count[zpl.Damage] > 0) {
			t.Errorf("data first %v:\n%s", early, list(res.Faults))
		}
	}
}
