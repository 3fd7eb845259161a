package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"imagetools/image"
	"imagetools/internal/budget"
	"imagetools/test/mutant"
	"imagetools/test/oracle"
	"imagetools/test/oracle/listing"
	"imagetools/tree"
	"imagetools/zfs/objset"
	"imagetools/zfs/stream"
	"imagetools/zfs/zpl"
)

// mutantSeed is a stream that is changed.
type mutantSeed struct {
	name    string
	data    []byte
	foreign bool // a real ZFS made it
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

// mutantSeeds are what mutants are made of.
func mutantSeeds(t *testing.T) []mutantSeed {
	t.Helper()
	tiny := planned(t, tinyTree(t), zpl.Options{})
	seeds := []mutantSeed{
		{name: "tiny5", data: tiny},
		{name: "tiny4", data: planned(t, tinyTree(t), zpl.Options{Version: 4})},
		{name: "fat", data: planned(t, fatTree(t), zpl.Options{})},
		{name: "blocks", data: planned(t, blocksTree(t), zpl.Options{})},
		{name: "volume", data: volumeStream(t)},
	}
	dir := os.Getenv("IMAGETOOLS_TESTDATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "testdata")
	}
	for _, name := range []string{"openzfs-zstream-decompress", "openzfs-zstream-big-endian-all-drr-types-base-XDR"} {
		path := filepath.Join(dir, "streams", name+".zsend.bz2")
		if _, err := os.Stat(path); err != nil {
			t.Logf("without %s: %v", name, err)
			continue
		}
		data, err := os.ReadFile(unpackStream(t, path))
		if err != nil {
			t.Fatal(err)
		}
		seeds = append(seeds, mutantSeed{name: strings.TrimPrefix(name, "openzfs-zstream-"), data: unredacted(t, data), foreign: true})
	}
	return seeds
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

// notOfJudge are features of streams that came after the OpenZFS that judges, or left before it, and
// that of the rest of an interrupted stream, which it takes with the first part alone.
const notOfJudge = stream.FeatureDedup | stream.FeatureDedupProps | stream.FeatureLongname | stream.FeatureLargeMicrozap | stream.FeatureResuming

// mutated is a mutant, and what is made of it.
type mutated struct {
	number int
	seed   *mutantSeed
	what   string
	data   []byte
	res    *image.Verified
	want   listing.Listing // as our reader has it
	reads  error           // why it cannot
}

// Verdicts of verify, without what it says of images alone.
const (
	calledDamage = "damage"
	warnedOf     = "warned of"
	calledSound  = "sound"
)

// makeMutant makes the mutant of a number. It is nil if the stream cannot be written, or is
// more than verify holds.
func makeMutant(t testing.TB, seeds []mutantSeed, random uint64, number int) *mutated {
	r := rand.New(rand.NewPCG(random, uint64(number)))
	m := &mutated{number: number, seed: &seeds[r.IntN(len(seeds))]}
	s, err := mutant.Parse(m.seed.data)
	if err != nil {
		t.Fatalf("%s: %v", m.seed.name, err)
	}
	m.what = s.Mutate(r)
	if b := s.Parts[0].Rec.(*stream.Begin); b.Features&notOfJudge != 0 || b.FromGUID != 0 {
		return nil
	}
	if m.data, err = s.Bytes(); err != nil || bytes.Equal(m.data, m.seed.data) {
		return nil
	}
	m.res, err = image.Verify(context.Background(), []string{"-"}, image.VerifyOptions{Stdin: bytes.NewReader(m.data), Budget: budget.New(budget.Fixed(memoryOfFlips))})
	if errors.Is(err, objset.ErrTooLarge) {
		return nil
	}
	if err != nil {
		t.Errorf("mutant %d (%s: %s): %v", number, m.seed.name, m.what, err)
		return nil
	}
	return m
}

// faults are what verify says of the stream, not of the image.
func (m *mutated) faults() (all []image.Fault) {
	for _, f := range m.res.Faults {
		if !notAnImage(f) && !strings.HasPrefix(f.Message, "platforms before") && !strings.HasPrefix(f.Message, "no SmartOS platform") {
			all = append(all, f)
		}
	}
	return all
}

func (m *mutated) class() string {
	if m.res.Count[zpl.Damage] > 0 {
		return calledDamage
	}
	if len(m.faults()) > 0 {
		return warnedOf
	}
	return calledSound
}

// read lists the mutant as our reader does.
func (m *mutated) read() {
	x := objset.New(objset.Options{Keep: zpl.Keep})
	if m.reads = x.Read(stream.NewReader(bytes.NewReader(m.data)), objset.InPlace{ReaderAt: bytes.NewReader(m.data)}, nil); m.reads == nil {
		m.want, m.reads = listSnapshot(x, x.Snapshots()[len(x.Snapshots())-1])
	}
}

// compare tells how real ZFS's view differs from ours, "" if it does not.
func (m *mutated) compare(got []listing.Listing, err error) string {
	var faults *oracle.FaultError
	switch told := m.class() == warnedOf; {
	case errors.As(err, &faults) && told:
	case err != nil:
		return err.Error()
	}
	if m.reads != nil {
		return fmt.Sprintf("our reader does not read what it receives: %v", m.reads)
	}
	if len(got) == 0 {
		return "nothing was listed"
	}
	return listing.Diff(m.want, got[len(got)-1], listing.DiffOptions{})
}

func (m *mutated) String() string {
	return fmt.Sprintf("mutant %d: %s of %s: %s\n%s", m.number, m.class(), m.seed.name, m.what, list(m.faults()))
}
