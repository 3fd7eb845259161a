package conformance

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"imagetools/tree"
	"imagetools/zfs/block"
	"imagetools/zfs/objset"
	"imagetools/zfs/stream"
	"imagetools/zfs/zap"
	"imagetools/zfs/zpl"
)

// smallTree is a tree with one of each, small enough to be made many times.
func smallTree(t testing.TB) *tree.Tree {
	t.Helper()
	b := &builder{t: tree.New()}
	b.dir("root")
	b.file("root/file", []byte("a file\n"))
	b.file("root/other", []byte("another file\n"))
	b.file("root/big", pattern(300<<10))
	b.file("root/empty", nil)
	b.dir("root/dir")
	b.dir("root/dir/sub")
	b.file("root/dir/sub/inner", []byte("inner"))
	b.file("root/dir/one", []byte("1"))
	b.file("root/dir/two", []byte("2"))
	b.link("root/link", "file")
	b.link("root/long", strings.Repeat("t", 200))
	hard := b.file("root/hard", []byte("two names"))
	b.add("root/harder", hard)
	b.add("root/device", &tree.Node{Mode: tree.TypeChar | 0o600, Device: &tree.Device{Major: 13, Minor: 2}})
	b.add("root/fifo", &tree.Node{Mode: tree.TypeFIFO | 0o600})
	for _, name := range []string{"root/noted", "root/tagged"} {
		b.file(name, []byte("noted")).Attrs = &tree.Attrs{Xattrs: []tree.Xattr{{Name: "user.note", Value: []byte("kept")}}}
	}
	b.dir("root/fat")
	for i := range 20 {
		b.file(fmt.Sprintf("root/fat/a name that is too long for the entries of a micro ZAP %d", i), []byte{byte(i), 1})
	}
	if b.err != nil {
		t.Fatal(b.err)
	}
	if err := b.t.Seal(); err != nil {
		t.Fatal(err)
	}
	return b.t
}

// openBytes opens the file system in a stream.
func openBytes(t testing.TB, data []byte) *zpl.FS {
	t.Helper()
	x := objset.New(objset.Options{Keep: zpl.Keep})
	if err := x.Read(stream.NewReader(bytes.NewReader(data)), objset.InPlace{ReaderAt: bytes.NewReader(data)}, nil); err != nil {
		t.Fatal(err)
	}
	fs, err := zpl.Open(x, x.Snapshots()[0])
	if err != nil {
		t.Fatal(err)
	}
	return fs
}

// planned is the stream of a tree.
func planned(t testing.TB, tr *tree.Tree, opts zpl.Options) []byte {
	t.Helper()
	plan, err := zpl.NewPlan(context.Background(), tr, opts)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := plan.Write(context.Background(), &out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// craftedFault is an edit of the small tree's stream, and what verify must say of it.
type craftedFault struct {
	name     string
	edit     func(e *editor)
	object   string       // path or name of the object that the fault is about
	path     string       // that is told
	want     string       // part of the message
	severity zpl.Severity // Damage if it is not given
	notice   bool         // instead of severity
	real     verdict
	raw      func(data []byte) // an edit that leaves checksums as they are, instead of edit
}

func (e *editor) rec(path string) *stream.Object { return e.recs[e.object(path)].rec.(*stream.Object) }

func (e *editor) begin() *stream.Begin { return e.recs[0].rec.(*stream.Begin) }

// writes are the indexes of all WRITE records of an object.
func (e *editor) writes(path string) (all []int) {
	for i, r := range e.recs {
		if w, ok := r.rec.(*stream.Write); ok && w.Object == e.number[path] {
			all = append(all, i)
		}
	}
	return all
}

// insert puts a record before the one at an index.
func (e *editor) insert(at int, rec stream.Record, payload []byte) {
	e.recs = slices.Insert(e.recs, at, editedRecord{rec, payload})
}

// point makes an entry of a directory lead to an object of a type.
func (e *editor) point(dir, name, to string, mode tree.Mode) {
	le.PutUint64(e.entry(dir, name), e.number[to]|uint64(mode.Type()>>12)<<60)
}

// rename gives an entry of a micro ZAP another name and collision number.
func (e *editor) rename(dir, name, to string, cd uint32) {
	entry := e.entry(dir, name)
	le.PutUint32(entry[8:], cd)
	clear(entry[14:])
	copy(entry[14:], to)
}

// collision are two names with the same hash in a ZAP.
func collision(salt uint64) (a, b string) {
	seen := make(map[uint64]string)
	for i := 0; ; i++ {
		name := fmt.Sprintf("%d-%d", i*i*7919, i)
		h := zap.Hash(salt, name)
		if other, ok := seen[h]; ok {
			return other, name
		}
		seen[h] = name
	}
}

// compress makes the first WRITE of an object a compressed one.
func (e *editor) compress(path string) *editedRecord {
	r := &e.recs[e.write(path)]
	w := r.rec.(*stream.Write)
	packed, ok := block.Compress(nil, block.LZ4, bytes.Repeat([]byte("compressible "), 20000)[:w.LogicalSize])
	if !ok {
		panic("not compressible")
	}
	w.Compression, w.CompressedSize, r.payload = uint8(block.LZ4), uint64(len(packed)), packed
	return r
}

// verdict is what real ZFS makes of a stream.
type verdict int

const (
	takes   verdict = iota // and reads what it received, perhaps with faults
	stops                  // it refuses the stream, or stops or hangs when it receives or reads it
	unsound                // it overwrites its own memory, and anything may happen
)

const missing = 1 << 20 // number of an object that does not exist

var crafted = []craftedFault{
	// What receivers refuse, or take without a word: reference §4.2.
	{name: "data of a lower object after a higher one", real: stops, object: "root/file", path: "root/file", want: "out of order",
		edit: func(e *editor) {
			i := e.write("root/file")
			r := e.recs[i]
			e.recs = slices.Delete(e.recs, i, i+1)
			e.insert(len(e.recs)-1, r.rec, r.payload)
		}},
	{name: "offsets that descend", real: stops, object: "root/big", path: "root/big", want: "out of order", edit: func(e *editor) {
		w := e.writes("root/big")
		e.recs[w[0]], e.recs[w[1]] = e.recs[w[1]], e.recs[w[0]]
	}},
	{name: "a name without @", real: stops, want: "has no '@'", edit: func(e *editor) { e.begin().ToName = "image" }},
	{name: "checksum of the stream", real: stops, want: "the stream's checksum mismatch", raw: func(data []byte) { data[len(data)-stream.HeaderSize+8] ^= 1 }},
	{name: "header type 0", real: stops, want: "header type 0", edit: func(e *editor) { e.begin().HeaderType = 0 }},
	{name: "unknown feature", real: stops, want: "feature 10", edit: func(e *editor) { e.begin().Features |= 1 << 10 }},
	{name: "several blocks of no power of two", real: stops, object: "root/file", path: "root/file", want: "no power of two",
		edit: func(e *editor) {
			e.rec("root/file").BlockSize = 1536
			e.attr("root/file", atSize, 3072)
			i := e.write("root/file")
			w := e.recs[i].rec.(*stream.Write)
			w.LogicalSize = 1536
			e.recs[i].payload = pattern(1536)
			second := *w
			second.Offset = 1536
			e.insert(i+1, &second, pattern(1536))
		}},
	{name: "equal hash and collision number", real: stops, object: "root/dir", path: "root/dir", want: "hash and cd of another entry",
		edit: func(e *editor) {
			a, b := collision(le.Uint64(e.recs[e.write("root/dir")].payload[8:]))
			e.rename("root/dir", "one", a, 0)
			e.rename("root/dir", "two", b, 0)
		}},
	{name: "directory size", object: "root/dir", path: "root/dir", want: "its size is 9, which says 7 entries, but there are 3",
		edit: func(e *editor) { e.attr("root/dir", atSize, 9) }},
	{name: "salt 0", severity: zpl.Warning, object: "root/dir", path: "root/dir", real: stops, want: "salt 0",
		edit: func(e *editor) { le.PutUint64(e.recs[e.write("root/dir")].payload[8:], 0) }},
	{name: "bonus over spill", object: "root/long", path: "root/long", real: stops, want: "lies over the pointer to the spill block", edit: func(e *editor) {
		i := e.object("root/long")
		e.rec("root/long").BonusLen = 200
		e.recs[i].payload = append(e.recs[i].payload, make([]byte, 200-len(e.recs[i].payload))...)
	}},
	{name: "ACL of no bytes with a count", object: "root/file", path: "root/file", want: "its ACL has 0 entries, its count says 3",
		edit: func(e *editor) { binary.LittleEndian.PutUint16(e.recs[e.object("root/file")].payload[6:], 0) }},
	{name: "overlong free", real: stops, want: "beyond the last number", edit: func(e *editor) {
		e.insert(len(e.recs)-1, &stream.FreeObjects{First: 1 << 20, Count: 1<<64 - 2, ToGUID: e.begin().ToGUID}, nil)
	}},
	{name: "free of no object", real: stops, object: "missing", want: "there is no such object", edit: func(e *editor) {
		e.insert(len(e.recs)-1, &stream.Free{Object: missing, Length: 512, ToGUID: e.begin().ToGUID}, nil)
	}},
	{name: "data of no object", real: stops, object: "missing", want: "there is no such object", edit: func(e *editor) {
		w := *e.recs[e.write("root/file")].rec.(*stream.Write)
		w.Object = missing
		e.insert(len(e.recs)-1, &w, make([]byte, w.LogicalSize))
	}},
	{name: "bonus too long", real: stops, object: "root/file", path: "root/file", want: "320 fit into the dnode", edit: func(e *editor) {
		i := e.object("root/file")
		e.rec("root/file").BonusLen = 328
		e.recs[i].payload = append(e.recs[i].payload, make([]byte, 328-len(e.recs[i].payload))...)
	}},
	{name: "large block unannounced", object: "root/empty", path: "root/empty", want: "does not announce LARGE_BLOCKS",
		edit: func(e *editor) { e.rec("root/empty").BlockSize = 256 << 10 }},
	{name: "slots unannounced", object: "root/fifo", want: "does not announce LARGE_DNODE",
		edit: func(e *editor) { e.rec("root/fifo").DnSlots = 2 }, real: stops},
	{name: "fields of raw streams", object: "root/file", path: "root/file", want: "fields of raw streams", real: stops,
		edit: func(e *editor) { e.rec("root/file").NLevels = 1 }},
	{name: "type of data", object: "root/file", path: "root/file", want: "its type is ZVOL, that of the object PLAIN_FILE_CONTENTS",
		edit: func(e *editor) { e.recs[e.write("root/file")].rec.(*stream.Write).ObjType = stream.ObjZvol }},
	{name: "spill flag unannounced", object: "root/long", path: "root/long", real: stops, want: "without the flag SPILL_BLOCK",
		edit: func(e *editor) { e.begin().Flags = 0 }},
	{name: "compression unannounced", object: "root/big", path: "root/big", want: "does not announce COMPRESSED",
		edit: func(e *editor) { e.compress("root/big") }},
	{name: "compressed block damaged", object: "root/big", path: "root/big", want: "corrupt block", edit: func(e *editor) {
		e.begin().Features |= stream.FeatureCompressed | stream.FeatureLZ4
		r := e.compress("root/big")
		le.PutUint32(r.payload, 0xFFFFFFFF)
	}},
	{name: "another guid", severity: zpl.Warning, object: "root/file", path: "root/file", want: "guid 0x5 in the stream of",
		edit: func(e *editor) { e.recs[e.write("root/file")].rec.(*stream.Write).ToGUID = 5 }},

	// Directories and what they lead to.
	{name: "directory links", object: "root/dir", path: "root/dir", want: "it has 9 links", edit: func(e *editor) { e.attr("root/dir", atLinks, 9) }},
	{name: "file links", object: "root/file", path: "root/file", want: "2 links, but 1 names", edit: func(e *editor) { e.attr("root/file", atLinks, 2) }},
	{name: "file's parent", notice: true, object: "root/file", path: "root/file", want: "does not have it",
		edit: func(e *editor) { e.attr("root/file", atParent, e.number["root/dir"]) }},
	{name: "directory's parent", object: "root/dir", path: "root/dir", want: "but it is in directory",
		edit: func(e *editor) { e.attr("root/dir", atParent, e.number["."]) }},
	{name: "root's parent", object: ".", path: ".", want: "it is the root directory, and its parent is object",
		edit: func(e *editor) { e.attr(".", atParent, e.number["root"]) }},
	{name: "entry to nowhere", object: "root/dir", path: "root/dir/one", want: "which does not exist",
		edit: func(e *editor) { le.PutUint64(e.entry("root/dir", "one"), missing|8<<60) }},
	{name: "entry to no file", object: "registry", path: "root/dir/one", want: "which is no file",
		edit: func(e *editor) { e.point("root/dir", "one", "registry", tree.TypeFile) }},
	{name: "entry of another type", object: "root/dir/one", path: "root/dir/one", want: "its entry says link, its mode file",
		edit: func(e *editor) { e.point("root/dir", "one", "root/dir/one", tree.TypeSymlink) }},
	{name: "entry with unknown bits", severity: zpl.Warning, object: "root/dir/one", path: "root/dir/one", want: "unknown bits, 0x1",
		edit: func(e *editor) { e.entry("root/dir", "one")[6] = 1 }},
	{name: "directory in itself", object: "root/dir", path: "root/dir", want: "is in itself",
		edit: func(e *editor) { e.point("root/dir/sub", "inner", "root/dir", tree.TypeDir) }},
	{name: "directories that hold one another", object: "root/dir", path: "", want: "in no directory that the root leads to", edit: func(e *editor) {
		e.point("root/dir/sub", "inner", "root/dir", tree.TypeDir)
		e.point("root", "dir", "root/file", tree.TypeFile)
	}},
	{name: "directory with two names", object: "root/dir/sub", path: "root/dir/sub", want: "has a second name",
		edit: func(e *editor) { e.point("root", "file", "root/dir/sub", tree.TypeDir) }},
	{name: "file in no directory", object: "root/file", path: "", want: "no directory leads to it",
		edit: func(e *editor) { e.entry("root", "file")[14] = 0 }},
	{name: "directory in no directory", object: "root/dir", path: "", want: "no directory leads to it",
		edit: func(e *editor) { e.entry("root", "dir")[14] = 0 }},
	{name: "name twice", object: "root/dir", path: "root/dir/one", want: "the name twice",
		edit: func(e *editor) { e.rename("root/dir", "two", "one", 1) }},
	{name: "name with a slash", object: "root/dir/one", path: "root/dir/o/e", want: "none that a file can have",
		edit: func(e *editor) { e.rename("root/dir", "one", "o/e", 0) }},
	{name: "directory without data", object: "root/dir", path: "root/dir", want: "no ZAP", edit: func(e *editor) {
		i := e.write("root/dir")
		e.recs = slices.Delete(e.recs, i, i+1)
	}},
	{name: "fat ZAP: count", object: "root/fat", path: "root/fat", want: "entries where the header says", edit: func(e *editor) {
		e.recs[e.write("root/fat")].payload[72]++
	}},
	{name: "fat ZAP: free chunks", object: "root/fat", path: "root/fat", want: "free chunks", edit: func(e *editor) {
		e.recs[e.write("root/fat")+1].payload[28]++
	}},
	{name: "fat ZAP: hash", object: "root/fat", path: "root/fat", want: "leaf at block 1", edit: func(e *editor) {
		leaf := e.recs[e.write("root/fat")+1].payload
		for at := 48 + 1024; at < len(leaf); at += 24 {
			if leaf[at] == 252 {
				leaf[at+23] ^= 0x80
				return
			}
		}
	}},

	// What objects say of themselves.
	{name: "mode of no type", object: "root/file", path: "root/file", want: "is of no type", edit: func(e *editor) { e.attr("root/file", atMode, 0o644) }},
	{name: "mode with unknown bits", object: "root/file", path: "root/file", want: "unknown bits",
		edit: func(e *editor) { e.attr("root/file", atMode, 1<<40|0o100644) }},
	{name: "directory's mode on a file", object: "root/file", path: "root/file", want: "its mode says dir",
		edit: func(e *editor) { e.attr("root/file", atMode, 0o040755) }},
	{name: "nanoseconds", object: "root/file", path: "root/file", want: "its modification time has 1000000000 nanoseconds",
		edit: func(e *editor) { e.attr("root/file", atMTime+8, 1e9) }},
	{name: "owner of a domain", object: "root/file", path: "root/file", want: "of domain 1, which the file system does not have",
		edit: func(e *editor) { e.attr("root/file", atUID, 1<<32|5) }},
	{name: "link size", object: "root/link", path: "root/link", want: "its target has 4 bytes, its size is 5",
		edit: func(e *editor) { e.attr("root/link", atSize+8, 5) }},
	{name: "size beyond the only block", object: "root/odd", path: "root/file", want: "its only block has 1536 bytes",
		edit: func(e *editor) {
			e.number["root/odd"] = e.number["root/file"]
			e.rec("root/file").BlockSize = 1536
			e.attr("root/file", atSize, 5000)
			i := e.write("root/file")
			e.recs[i].rec.(*stream.Write).LogicalSize = 1536
			e.recs[i].payload = pattern(1536)
		}},
	{name: "data behind the end", severity: zpl.Warning, object: "root/file", path: "root/file", want: "data behind its end at 7",
		edit: func(e *editor) { e.recs[e.write("root/file")].payload[100] = 1 }},
	{name: "blocks behind the end", severity: zpl.Warning, object: "root/big", path: "root/big", want: "data behind its end at 131072",
		edit: func(e *editor) { e.attr("root/big", atSize, 128<<10) }},
	{name: "special file with a size", severity: zpl.Warning, object: "root/fifo", path: "root/fifo", want: "a fifo of 5 bytes",
		edit: func(e *editor) { e.attr("root/fifo", atSize, 5) }},
	{name: "special file with a size beyond all", object: "root/fifo", path: "root/fifo", want: "its size is 18446744073709551615", real: unsound,
		edit: func(e *editor) { e.attr("root/fifo", atSize, 1<<64-1) }},
	{name: "spill block missing", object: "root/long", path: "root/long", want: "its spill block is not in the stream",
		edit: func(e *editor) {
			e.recs = slices.DeleteFunc(e.recs, func(r editedRecord) bool {
				s, ok := r.rec.(*stream.Spill)
				return ok && s.Object == e.number["root/long"]
			})
		}},
	{name: "no such layout", object: "root/file", path: "root/file", real: stops, want: "there is no layout 903",
		edit: func(e *editor) { le.PutUint16(e.recs[e.object("root/file")].payload[4:], 903|1<<10) }},
	{name: "attributes of no magic", object: "root/file", path: "root/file", real: stops, want: "malformed attributes: magic",
		edit: func(e *editor) { e.recs[e.object("root/file")].payload[0] ^= 1 }},
	{name: "extended attributes of two files", object: "root/tagged", path: "root/tagged", want: "are also those of object",
		edit: func(e *editor) { e.setXattrDir("root/tagged", e.number["root/noted/[xattr]"]) }},
	{name: "extended attributes that do not exist", object: "root/noted", path: "root/noted", want: "which does not exist",
		edit: func(e *editor) { e.setXattrDir("root/noted", missing) }},
	{name: "extended attributes without their flag", object: "root/noted", path: "root/noted", want: "a directory without the flag for that",
		edit: func(e *editor) { e.attr("root/noted/[xattr]", atFlags, 0x40800000004) }},
	{name: "file with the flag of extended attributes", object: "root/file", path: "root/file", want: "has the flag of extended attributes",
		edit: func(e *editor) { e.attr("root/file", atFlags, 0x40800000005) }},

	// The tables of the file system.
	{name: "no delete queue", object: "master", want: "DELETE_QUEUE is missing", edit: func(e *editor) { e.entry("master", "DELETE_QUEUE")[14] = 0 }},
	{name: "delete queue that does not exist", object: "master", want: "the delete queue, object 2, does not exist", edit: func(e *editor) { e.remove("queue") }},
	{name: "delete queue without data", object: "queue", want: "no ZAP", edit: func(e *editor) {
		i := e.write("queue")
		e.recs = slices.Delete(e.recs, i, i+1)
	}},
	{name: "delete queue with a file in use", object: "root/file", path: "root/file", want: "in the delete queue, and has 1 links", edit: func(e *editor) {
		p := e.recs[e.write("queue")].payload
		le.PutUint64(p[64:], e.number["root/file"])
		copy(p[64+14:], fmt.Sprintf("%x", e.number["root/file"]))
	}},
	{name: "registry not contiguous", object: "registry", real: unsound, want: "not contiguous", edit: func(e *editor) {
		v := e.entry("registry", "ZPL_SCANSTAMP")
		le.PutUint16(v, 30)
	}},
	{name: "registry with an unknown class", object: "registry", want: "byteswap class 9", edit: func(e *editor) { e.entry("registry", "ZPL_SCANSTAMP")[2] = 9 }},
	{name: "no system attributes", object: "master", want: "no tables of them", edit: func(e *editor) { e.entry("master", "SA_ATTRS")[14] = 0 }},
	{name: "unknown version", object: "master", want: "version 9", edit: func(e *editor) { le.PutUint64(e.entry("master", "VERSION"), 9) }},
	{name: "root that is a file", object: "master", want: "root directory", edit: func(e *editor) {
		le.PutUint64(e.entry("master", "ROOT"), e.number["root/file"])
	}},
	{name: "object that nothing leads to", severity: zpl.Warning, object: "spare", want: "nothing leads to the object", edit: func(e *editor) {
		e.number["spare"] = missing
		e.insert(len(e.recs)-1, &stream.Object{Object: missing, ObjType: stream.ObjACL, BlockSize: 512, DnSlots: 1, ToGUID: e.begin().ToGUID}, nil)
	}},
	{name: "file that is no file", object: "root/file", path: "root/file", want: "it has the attributes of a file, and is of type ACL", edit: func(e *editor) {
		e.rec("root/file").ObjType = stream.ObjACL
		e.recs[e.write("root/file")].rec.(*stream.Write).ObjType = stream.ObjACL
	}},
}

// setXattrDir changes the last attribute of a file that has extended attributes.
func (e *editor) setXattrDir(path string, to uint64) {
	b := e.recs[e.object(path)].payload
	le.PutUint64(b[len(b)-8:], to)
}
