package conformance

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"imagetools/compress"
	"imagetools/internal/required"
	"imagetools/test/mutant"
	"imagetools/test/reference"
	"imagetools/tree"
	"imagetools/zfs/stream"
	"imagetools/zfs/zpl"
	"imagetools/zfs/zvol"
)

// mutantSeed is a stream that is changed.
type mutantSeed struct {
	name    string
	weight  int // how often it is chosen
	data    []byte
	parsed  *mutant.Stream
	below   [][]byte // the streams that it is incremental on, and
	origins []string // their files
	foreign bool     // a real ZFS made it
}

// begin is the first record.
func (s *mutantSeed) begin() *stream.Begin { return s.parsed.Parts[0].Rec.(*stream.Begin) }

// chooseSeed chooses a seed by weight.
func chooseSeed(seeds []*mutantSeed, r *rand.Rand) *mutantSeed {
	total := 0
	for _, s := range seeds {
		total += s.weight
	}
	n := r.IntN(total)
	for _, s := range seeds {
		if n -= s.weight; n < 0 {
			return s
		}
	}
	panic("no seed")
}

// tinyTree is a tree with one of each kind of file that makes a stream of some 60 kB.
func tinyTree(t testing.TB) *tree.Tree {
	t.Helper()
	b := &builder{t: tree.New()}
	b.dir("root")
	b.file("root/file", []byte("a file\n"))
	b.file("root/two", pattern(3<<10))
	b.dir("root/dir")
	hard := b.file("root/dir/hard", []byte("two names"))
	b.add("root/dir/harder", hard)
	b.link("root/link", "file")
	b.link("root/long", strings.Repeat("t", 200))
	b.add("root/device", &tree.Node{Mode: tree.TypeChar | 0o600, Device: &tree.Device{Major: 13, Minor: 2}})
	b.file("root/noted", []byte("noted")).Attrs = &tree.Attrs{Xattrs: []tree.Xattr{{Name: "user.note", Value: []byte("kept")}}}
	return sealTree(t, b)
}

func sealTree(t testing.TB, b *builder) *tree.Tree {
	t.Helper()
	if b.err != nil {
		t.Fatal(b.err)
	}
	if err := b.t.Seal(); err != nil {
		t.Fatal(err)
	}
	return b.t
}

// fatTree has a directory that is a fat ZAP, with two names of one hash.
func fatTree(t testing.TB) *tree.Tree {
	t.Helper()
	b := &builder{t: tree.New()}
	b.dir("root")
	b.dir("root/fat")
	for i := range 5 {
		b.file(fmt.Sprintf("root/fat/a name that is too long for the entries of a micro ZAP %d", i), []byte{byte(i), 1})
	}
	return sealTree(t, b)
}

// blocksTree has a file of several blocks, with a hole.
func blocksTree(t testing.TB) *tree.Tree {
	t.Helper()
	b := &builder{t: tree.New()}
	b.dir("root")
	b.file("root/big", slices.Concat(pattern(128<<10), make([]byte, 128<<10), pattern(5<<10)))
	b.file("root/other", []byte("another file\n"))
	return sealTree(t, b)
}

// laterTree is what the tree of tinyTree may be later.
func laterTree(t testing.TB) *tree.Tree {
	t.Helper()
	b := &builder{t: tree.New()}
	b.dir("root")
	b.file("root/file", pattern(9<<10)) // was smaller
	b.file("root/two", pattern(1<<10))  // was larger
	b.dir("root/moved")
	b.file("root/moved/hard", []byte("two names"))
	b.link("root/link", strings.Repeat("u", 300))
	b.file("root/noted", []byte("noted")).Attrs = &tree.Attrs{Xattrs: []tree.Xattr{{Name: "user.other", Value: pattern(700)}}}
	b.file("root/new", pattern(200<<10))
	return sealTree(t, b)
}

// mutantSeeds are what mutants are made of: small streams of ours and of real ZFS, full ones and
// incremental ones.
func mutantSeeds(t *testing.T) []*mutantSeed {
	t.Helper()
	seeds := []*mutantSeed{
		{name: "tiny5", weight: 8, data: planned(t, tinyTree(t), zpl.Options{})},
		{name: "tiny4", weight: 8, data: planned(t, tinyTree(t), zpl.Options{Version: 4})},
		{name: "fat", weight: 8, data: planned(t, fatTree(t), zpl.Options{})},
		{name: "blocks", weight: 6, data: planned(t, blocksTree(t), zpl.Options{})},
		{name: "volume", weight: 4, data: volumeStream(t)},
	}
	for _, version := range []int{4, 5} {
		origin := writeStream(t, tinyTree(t), zpl.Options{Version: version})
		f, err := open(t, origin).FileSystem()
		if err != nil {
			t.Fatal(err)
		}
		later := writeStream(t, laterTree(t), zpl.Options{Origin: f})
		seeds = append(seeds, chainSeed(t, fmt.Sprint("tiny", version, "-increment"), 5, false, origin, later))
	}
	disk := slices.Concat(pattern(16<<10), make([]byte, 16<<10), pattern(32<<10))
	first := writeVolume(t, disk, zvol.Options{BlockSize: 8 << 10})
	clear(disk[:8<<10])
	copy(disk[20<<10:], "data in a hole")
	second := writeVolume(t, append(disk, pattern(16<<10)...), zvol.Options{Origin: lastVolume(t, first.stream)})
	seeds = append(seeds, chainSeed(t, "volume-increment", 3, false, first.stream, second.stream))
	seeds = append(seeds, publicSeeds(t)...)
	seeds = append(seeds, referenceSeeds(t)...)
	for _, s := range seeds {
		var err error
		if s.parsed, err = mutant.Parse(s.data); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
	}
	return seeds
}

// publicSeeds are those of the test data.
func publicSeeds(t *testing.T) (seeds []*mutantSeed) {
	t.Helper()
	dir := required.Data(t, "streams")
	for _, name := range []string{"openzfs-zstream-decompress", "openzfs-zstream-big-endian-all-drr-types-base-XDR"} {
		data, err := os.ReadFile(unpacked(t, filepath.Join(dir, name+".zsend.bz2")))
		if err != nil {
			t.Fatal(err)
		}
		seeds = append(seeds, &mutantSeed{name: strings.TrimPrefix(name, "openzfs-zstream-"), weight: 6, data: unredacted(t, data), foreign: true})
	}
	for _, chain := range [][]string{{"illumos-onours.base"}, {"illumos-onours.base", "illumos-2012-onours.fa"}, {"illumos-2013-12-spill.a", "illumos-2013-12-spill.ab"}} {
		var files []string
		for _, name := range chain {
			files = append(files, unpacked(t, filepath.Join(dir, name+".zfs.xz")))
		}
		seeds = append(seeds, chainSeed(t, chain[len(chain)-1], 1, true, files...))
	}
	return seeds
}

// unpacked is the file of what a compressed one holds.
func unpacked(t testing.TB, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, _, err := compress.NewReader(f, compress.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return store(t, data)
}

// referenceSeeds are some of those that OpenZFS and zfs-fuse made, for what is only in them.
func referenceSeeds(t *testing.T) (seeds []*mutantSeed) {
	t.Helper()
	names := []string{"acl-off", "case-insensitive", "recordsize-512", "recordsize-4k", "recordsize-changing", "fat", "dnode-1k", "clone",
		"embedded-compressed-zstd", "compressed-gzip-6", "volume-512", "volume-compressed", "large-embedded-compressed"}
	want := make(map[string]bool)
	for _, n := range names {
		want["openzfs/"+n] = true
	}
	want["zfs-fuse/zpl-1"] = true
	for _, s := range append(reference.RequireOpenZFS(t), reference.RequireZFSFuse(t)...) {
		if want[s.Name] {
			seeds = append(seeds, chainSeed(t, strings.ReplaceAll(s.Name, "/", "-"), 1, true, s.Files...))
			delete(want, s.Name)
		}
	}
	if len(want) > 0 {
		t.Errorf("reference streams that are not there: %v", want)
	}
	return seeds
}

// chainSeed is the last stream of a chain, without most of the contents of files.
func chainSeed(t *testing.T, name string, weight int, foreign bool, files ...string) *mutantSeed {
	t.Helper()
	s := &mutantSeed{name: name, weight: weight, foreign: foreign}
	for i, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if data = thinned(t, data); i == len(files)-1 {
			s.data = data
			continue
		}
		s.below, s.origins = append(s.below, data), append(s.origins, store(t, data))
	}
	return s
}

// thinned is a stream without contents of files: the first block of each, if it is small, and two
// large ones are left, what else there was are holes or what there was before.
func thinned(t testing.TB, data []byte) []byte {
	t.Helper()
	const small = 8 << 10
	s, err := mutant.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	large, known := 2, make(map[uint64]bool)
	s.Parts = slices.DeleteFunc(s.Parts, func(p mutant.Part) bool {
		var object uint64
		switch rec := p.Rec.(type) {
		case *stream.Write:
			if rec.ObjType != stream.ObjPlainFile && rec.ObjType != stream.ObjZvol {
				return false
			}
			object = rec.Object
		case *stream.WriteEmbedded:
			object = rec.Object
		default:
			return false
		}
		switch {
		case known[object]:
			return true
		case len(p.Payload) <= small:
		case large == 0:
			return true
		default:
			large--
		}
		known[object] = true
		return false
	})
	if data, err = s.Bytes(); err != nil {
		t.Fatal(err)
	}
	return data
}

// unredacted is a stream without what marks it as redacted: what was left out are holes.
func unredacted(t testing.TB, data []byte) []byte {
	t.Helper()
	s, err := mutant.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	begin := s.Parts[0].Rec.(*stream.Begin)
	if begin.Features&stream.FeatureRedacted == 0 {
		return data
	}
	begin.Features &^= stream.FeatureRedacted
	begin.PayloadLen, s.Parts[0].Payload = 0, nil
	s.Parts = slices.DeleteFunc(s.Parts, func(p mutant.Part) bool { return p.Rec.Type() == stream.TypeRedact })
	if data, err = s.Bytes(); err != nil {
		t.Fatal(err)
	}
	return data
}
