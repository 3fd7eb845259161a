//go:build linux

package reference

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"imagetools/test/oracle"
	"imagetools/test/oracle/listing"
	"imagetools/zfs/stream"
)

// holds is what a stream must have at least once, in the words of read, and, behind a "!", what it
// must not have: a variant that is like another exercises nothing.
var holds = map[string]string{
	"openzfs/plain":                     "SA_SPILL OBJECT WRITE FREE bonus=SA type=DIRECTORY_CONTENTS SPILL !LARGE_BLOCKS !COMPRESSED type=USERGROUP_QUOTA case=0",
	"openzfs/plain-last":                "OBJECT WRITE !incremental",
	"openzfs/chain":                     "incremental FREE FREEOBJECTS other-type other-block !compound !clone",
	"openzfs/jump":                      "incremental !compound",
	"openzfs/package":                   "incremental compound substreams=3 !clone",
	"openzfs/properties":                "compound substreams=1",
	"openzfs/properties-increment":      "compound incremental",
	"openzfs/backup":                    "compound substreams=1",
	"openzfs/clone":                     "incremental clone !compound",
	"openzfs/bookmark":                  "incremental",
	"openzfs/redacted":                  "REDACTED REDACT",
	"openzfs/resumed":                   "RESUMING",
	"openzfs/raw":                       "RAW OBJECT_RANGE incremental",
	"openzfs/decrypted":                 "!RAW !OBJECT_RANGE WRITE",
	"openzfs/compressed-off":            "COMPRESSED incremental !compression=15",
	"openzfs/compressed-lz4":            "COMPRESSED LZ4 compression=15 incremental",
	"openzfs/compressed-lzjb":           "COMPRESSED compression=3 incremental",
	"openzfs/compressed-gzip-6":         "COMPRESSED compression=10 incremental",
	"openzfs/compressed-zle":            "COMPRESSED compression=14 incremental",
	"openzfs/compressed-zstd":           "COMPRESSED ZSTD compression=16 incremental",
	"openzfs/embedded-lz4":              "EMBED_DATA LZ4 WRITE_EMBEDDED embedded=15 !COMPRESSED",
	"openzfs/embedded-zstd":             "EMBED_DATA !COMPRESSED",
	"openzfs/embedded-compressed-lz4":   "EMBED_DATA COMPRESSED LZ4 WRITE_EMBEDDED embedded=15 compression=15 incremental",
	"openzfs/embedded-compressed-zstd":  "EMBED_DATA COMPRESSED ZSTD WRITE_EMBEDDED embedded=16 compression=16 incremental",
	"openzfs/decompressed":              "WRITE !COMPRESSED !EMBED_DATA !LZ4 !WRITE_EMBEDDED",
	"openzfs/recordsize-512":            "WRITE incremental block=512 !block=131072",
	"openzfs/recordsize-4k":             "WRITE incremental block=4096 !block=131072",
	"openzfs/split":                     "WRITE incremental block=131072 !LARGE_BLOCKS !large",
	"openzfs/large":                     "LARGE_BLOCKS block=1048576 large incremental",
	"openzfs/recordsize-changing":       "LARGE_BLOCKS block=4096 block=1048576 block=8192 large incremental other-block",
	"openzfs/large-embedded-compressed": "LARGE_BLOCKS COMPRESSED EMBED_DATA LZ4 ZSTD LARGE_DNODE large compression=15 compression=16 WRITE_EMBEDDED slots SPILL incremental",
	"openzfs/fat":                       "WRITE block=16384 type=DIRECTORY_CONTENTS incremental",
	"openzfs/xattr-on":                  "SA_SPILL incremental",
	"openzfs/xattr-sa":                  "SA_SPILL SPILL spilled incremental !slots",
	"openzfs/dnode-auto":                "LARGE_DNODE slots SPILL incremental other-slots other-type",
	"openzfs/dnode-1k":                  "LARGE_DNODE slots=2 SPILL incremental",
	"openzfs/dnode-16k":                 "LARGE_DNODE slots=32 SPILL incremental",
	"openzfs/acl-off":                   "SA_SPILL WRITE",
	"openzfs/case-mixed":                "case=2 !case=0 WRITE",
	"openzfs/case-insensitive":          "insensitive case=1 normalization=16",
	"openzfs/zpl-1":                     "bonus=ZNODE !bonus=SA !SA_SPILL incremental",
	"openzfs/zpl-3":                     "bonus=ZNODE !bonus=SA !SA_SPILL incremental",
	"openzfs/zpl-4":                     "bonus=ZNODE !bonus=SA !SA_SPILL incremental",
	"openzfs/upgraded":                  "bonus=ZNODE bonus=SA SA_SPILL incremental other-bonus",
	"openzfs/upgraded-full":             "bonus=ZNODE bonus=SA SA_SPILL !incremental",
	"openzfs/volume-512":                "volume block=512 incremental FREE",
	"openzfs/volume-8k":                 "volume block=8192 incremental FREE",
	"openzfs/volume-128k":               "volume block=131072 incremental FREE",
	"openzfs/volume-compressed":         "volume COMPRESSED compression=15",
	"openzfs/replication":               "compound clone incremental volume substreams=14 bonus=ZNODE bonus=SA",
	"openzfs/replication-increments":    "compound clone incremental volume substreams=14",
	"openzfs/replication-compressed":    "compound clone incremental volume substreams=14 COMPRESSED compression=15",

	"zfs-fuse/plain":             "bonus=ZNODE !SA_SPILL WRITE FREE FREEOBJECTS",
	"zfs-fuse/chain":             "incremental !compound",
	"zfs-fuse/package":           "incremental compound substreams=3",
	"zfs-fuse/properties":        "compound substreams=1",
	"zfs-fuse/dedup":             "DEDUP WRITE_BYREF incremental",
	"zfs-fuse/clone":             "incremental clone",
	"zfs-fuse/compress-lzjb":     "bonus=ZNODE WRITE !COMPRESSED",
	"zfs-fuse/compress-gzip":     "bonus=ZNODE WRITE !COMPRESSED",
	"zfs-fuse/zpl-1":             "bonus=ZNODE incremental",
	"zfs-fuse/zpl-3":             "bonus=ZNODE incremental",
	"zfs-fuse/fat":               "WRITE block=16384 type=DIRECTORY_CONTENTS",
	"zfs-fuse/replication":       "compound clone incremental substreams=5 !WRITE_BYREF",
	"zfs-fuse/replication-dedup": "compound clone incremental substreams=5 DEDUP WRITE_BYREF elsewhere",
}

func TestStreams(t *testing.T) {
	all := make(map[string]bool)
	for _, require := range []struct {
		source source
		fn     func(testing.TB) []Stream
	}{{openZFS, RequireOpenZFS}, {zfsFuse, RequireZFSFuse}} {
		t.Run(require.source.name, func(t *testing.T) {
			streams := require.fn(t)
			for _, s := range streams {
				all[s.Name] = true
			}
			for name := range holds {
				if strings.HasPrefix(name, require.source.name+"/") && !all[name] {
					t.Errorf("%s was not made", name)
				}
			}
			for _, s := range streams {
				t.Run(strings.TrimPrefix(s.Name, require.source.name+"/"), func(t *testing.T) { checkStream(t, s) })
			}
		})
	}
}

func checkStream(t *testing.T, s Stream) {
	found := read(t, s)
	t.Logf("%s: %s", strings.Join(s.Commands, "; "), found)
	wanted, ok := holds[s.Name]
	if !ok {
		t.Fatal("not in the table")
	}
	for fact := range strings.FieldsSeq(wanted) {
		if name, not := strings.CutPrefix(fact, "!"); not {
			if found.count[name] > 0 {
				t.Errorf("has %s", name)
			}
		} else if found.count[fact] == 0 {
			t.Errorf("has no %s", fact)
		}
	}

	// What was listed is what the stream holds, and all of it.
	for name, l := range s.Snapshots {
		guid, ok := found.guids[name]
		if !ok {
			t.Errorf("%s is listed, and not in the stream", name)
		} else if guid != l.Dataset.GUID {
			t.Errorf("%s has guid %#x, listed %#x", name, guid, l.Dataset.GUID)
		}
		if l.Dataset.Name+"@"+l.Dataset.Snapshot != name {
			t.Errorf("%s: the listing is of %s@%s", name, l.Dataset.Name, l.Dataset.Snapshot)
		}
	}
	if len(s.Snapshots) > 0 {
		for name := range found.guids {
			if _, ok := s.Snapshots[name]; !ok {
				t.Errorf("%s is in the stream, and not listed", name)
			}
		}
	}
}

// facts are what was found in the files of a stream, with how often.
type facts struct {
	count   map[string]int
	guids   map[string]uint64 // by the name of the snapshot
	objects map[uint64]stream.Object
}

func (f facts) String() string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(f.count)) {
		out = append(out, fmt.Sprintf("%s:%d", name, f.count[name]))
	}
	return strings.Join(out, " ")
}

// read has every record of the files read, with all checksums.
func read(t *testing.T, s Stream) facts {
	f := facts{map[string]int{}, map[string]uint64{}, map[uint64]stream.Object{}}
	substreams := 0
	for _, path := range s.Files {
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		r := stream.NewReader(bufio.NewReaderSize(file, 1<<20))
		for {
			rec, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			payload, err := r.Payload()
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			if b, ok := rec.(*stream.Begin); ok && b.HeaderType == stream.Substream {
				substreams++
			}
			f.add(rec, payload)
		}
		info, err := file.Stat()
		if err != nil {
			t.Fatal(err)
		}
		if r.Position() != info.Size() {
			t.Errorf("%s: %d bytes follow the end", path, info.Size()-r.Position())
		}
	}
	f.count[fmt.Sprintf("substreams=%d", substreams)]++
	return f
}

func (f facts) add(rec stream.Record, payload []byte) {
	f.count[rec.Type().String()]++
	when := func(cond bool, fact string) {
		if cond {
			f.count[fact]++
		}
	}
	switch rec := rec.(type) {
	case *stream.Begin:
		if rec.HeaderType == stream.Compound {
			f.count["compound"]++
			break
		}
		f.guids[rec.ToName] = rec.ToGUID
		for feature := range strings.SplitSeq(rec.Features.String(), ",") {
			when(feature != "", feature)
		}
		when(rec.FromGUID != 0, "incremental")
		when(rec.Flags&stream.FlagClone != 0, "clone")
		when(rec.Flags&stream.FlagCIData != 0, "insensitive")
		when(rec.Objset == stream.ObjsetZvol, "volume")
	case *stream.Object:
		f.count["type="+stream.ObjTypeName(rec.ObjType)]++
		f.count["bonus="+stream.ObjTypeName(rec.BonusType)]++
		f.count[fmt.Sprintf("slots=%d", rec.DnSlots)]++
		when(rec.DnSlots > 1, "slots")
		if old, ok := f.objects[rec.Object]; ok {
			when(old.ObjType != rec.ObjType, "other-type")
			when(old.DnSlots != rec.DnSlots, "other-slots")
			when(old.BlockSize != rec.BlockSize, "other-block")
			when(old.BonusType != rec.BonusType, "other-bonus")
		}
		f.objects[rec.Object] = *rec
		when(rec.Flags&stream.FlagObjectSpill != 0, "spilled")
		when(rec.BlockSize&(rec.BlockSize-1) == 0, fmt.Sprintf("block=%d", rec.BlockSize))
	case *stream.Write:
		when(rec.Compression != 0, fmt.Sprintf("compression=%d", rec.Compression))
		when(len(payload) > stream.OldMaxBlock, "large")
		if rec.ObjType == stream.ObjMasterNode && rec.Compression == 0 {
			f.properties(payload)
		}
	case *stream.WriteEmbedded:
		f.count[fmt.Sprintf("embedded=%d", rec.Compression)]++
	case *stream.WriteByref:
		when(rec.RefGUID != rec.ToGUID, "elsewhere")
	}
}

// properties looks for two that a file system has from its creation on in a master node, which is a
// micro ZAP: entries of 64 bytes, a number first and its name at byte 14.
func (f facts) properties(masterNode []byte) {
	short := map[string]string{"casesensitivity": "case", "normalization": "normalization"}
	for entry := range slices.Chunk(masterNode, 64) {
		if len(entry) < 64 {
			break
		}
		name, _, _ := strings.Cut(string(entry[14:]), "\x00")
		if short[name] != "" {
			f.count[fmt.Sprintf("%s=%d", short[name], binary.LittleEndian.Uint64(entry))]++
		}
	}
}

// What the guest's kernel listed of a mounted snapshot is what the judge sees in the full stream of
// it. Increments are too much for the judge: libzpool is built with assertions, some of which do not
// hold where an object's number was used again or its blocks have changed their size.
func TestJudge(t *testing.T) {
	judge := oracle.RequireJudge(t)
	seen := make(map[string]bool)
	for _, s := range RequireOpenZFS(t) {
		file := s.Files[0]
		switch {
		case len(s.Snapshots) == 0 || seen[file]:
			continue
		case strings.Contains(s.Commands[0], " -R "): // several datasets
			continue
		case s.Name == "openzfs/zpl-1": // has no types in directory entries, for which the judge asks
			continue
		case s.Name == "openzfs/split": // the end of a split block is shorter than one: an assertion, too
			continue
		}
		seen[file] = true
		t.Run(strings.TrimPrefix(s.Name, "openzfs/"), func(t *testing.T) {
			t.Parallel()
			got := judge.Receive(t, []string{file}, oracle.JudgeOptions{Foreign: true, NoZDB: true})
			for name, want := range s.Snapshots {
				if want.Dataset.GUID != got.Dataset.GUID {
					continue
				}
				// Device numbers are raw here, and Linux's there.
				if d := oracle.Diff(want, got, oracle.DiffOptions{IgnoreRdev: true}); d != "" {
					t.Errorf("%s: the judge sees it otherwise:\n%s", name, d)
				}
				return
			}
			t.Errorf("no listing has the guid %#x", got.Dataset.GUID)
		})
	}
	if len(seen) < 30 {
		t.Errorf("only %d streams were judged", len(seen))
	}
}

// The source has what is hard to read.
func TestSource(t *testing.T) {
	find := func(streams []Stream, stream, snapshot string) listing.Listing {
		for _, s := range streams {
			if l, ok := s.Snapshots[snapshot]; ok && s.Name == stream {
				return l
			}
		}
		t.Fatalf("%s: no %s", stream, snapshot)
		return listing.Listing{}
	}
	streams := RequireOpenZFS(t)
	first, third := find(streams, "openzfs/chain", "zones/base@s1"), find(streams, "openzfs/chain", "zones/base@s3")

	seen := make(map[string]int)
	holders := make(map[uint64]string) // first names in the first snapshot, by object
	for path, e := range first.Entries {
		seen["type "+e.Type]++
		if len(e.Xattrs) > 0 {
			seen["xattrs of a "+e.Type]++
		}
		if _, ok := e.Xattrs["system.posix_acl_access"]; ok {
			seen["acl"]++
		}
		if e.MtimeSec < 0 {
			seen["before 1970"]++
		}
		if e.Links > 1 && e.Type == listing.File {
			seen["hard link"]++
		}
		if len(e.Xattrs) >= 60 {
			seen["many xattrs"]++
		}
		if e.UID >= 1<<31 {
			seen["high owner"]++
		}
		holders[e.Ino] = path
	}
	for path, e := range third.Entries {
		old, ok := holders[e.Ino]
		if !ok {
			continue
		}
		if _, still := third.Entries[old]; !still && old != path && first.Entries[old].Type != e.Type {
			seen["number used again for another type"]++
		}
	}
	for _, want := range []string{"type file", "type dir", "type symlink", "type char", "type block", "type fifo", "type socket",
		"xattrs of a file", "xattrs of a dir", "xattrs of a symlink", "xattrs of a char", "acl", "before 1970", "hard link",
		"many xattrs", "high owner", "number used again for another type"} {
		if seen[want] == 0 {
			t.Errorf("the source has no %s", want)
		}
	}
	if n := len(find(streams, "openzfs/fat", "zones/fat@s1").Entries); n < 3000 {
		t.Errorf("the large directory has %d names", n)
	}
	for name, want := range map[string]int{"openzfs/zpl-1": 1, "openzfs/zpl-3": 3, "openzfs/zpl-4": 4, "openzfs/upgraded": 4, "openzfs/plain": 5} {
		for _, s := range streams {
			if s.Name != name {
				continue
			}
			for snapshot, l := range s.Snapshots {
				if strings.HasSuffix(snapshot, "@s1") && l.Dataset.ZPL != want {
					t.Errorf("%s: version %d, want %d", snapshot, l.Dataset.ZPL, want)
				}
			}
		}
	}
	if v := find(streams, "openzfs/upgraded", "zones/upgraded@s2").Dataset.ZPL; v != 5 {
		t.Errorf("the upgraded file system has version %d", v)
	}
}
