package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"imagetools/image"
	"imagetools/internal/budget"
	"imagetools/test/oracle"
	"imagetools/test/oracle/listing"
	"imagetools/zfs/objset"
	"imagetools/zfs/stream"
	"imagetools/zfs/zpl"
)

// notOfJudge are features of streams that came after the OpenZFS that judges, or left before it, and
// that of the rest of an interrupted stream, which it takes with the first part alone.
const notOfJudge = stream.FeatureDedup | stream.FeatureDedupProps | stream.FeatureLongname | stream.FeatureLargeMicrozap | stream.FeatureResuming

// mutated is a mutant, and what is made of it.
type mutated struct {
	number int
	seed   *mutantSeed
	what   string
	data   []byte
	files  []string // the stream behind those it is on, until the next mutant is made
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

// makeMutant makes the mutant of a number, and stores it. It is nil if the stream cannot be
// written, or is more than verify holds.
func makeMutant(t testing.TB, seeds []*mutantSeed, random uint64, number int, path string) *mutated {
	r := rand.New(rand.NewPCG(random, uint64(number)))
	m := &mutated{number: number, seed: chooseSeed(seeds, r)}
	s := m.seed.parsed.Clone()
	m.what = s.Mutate(r)
	was := m.seed.begin()
	// A list of the other byte order in the form of the host, only hosts of that order receive; the
	// judge's listing has no times beyond 63 bits.
	if p := s.Parts[0].Payload; len(p) > 1 && p[0] == 0 && p[1] == 0 || s.Parts[0].Rec.(*stream.Begin).CreationTime > math.MaxInt64 {
		return nil
	}
	// The judge receives what is no clone into the dataset of its origin, which has the name already.
	if b := s.Parts[0].Rec.(*stream.Begin); b.Features&notOfJudge != 0 || b.FromGUID != was.FromGUID || was.Flags&^b.Flags&stream.FlagClone != 0 {
		return nil
	}
	var err error
	if m.data, err = s.Bytes(); err != nil || bytes.Equal(m.data, m.seed.data) {
		return nil
	}
	m.store(t, path)
	err = m.verify()
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
		ofImage := func(part string) bool { return strings.Contains(f.Message, part) }
		if !notAnImage(f) && (f.Severity == zpl.Damage || !slices.ContainsFunc(aboutImages, ofImage)) {
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

func (m *mutated) store(t testing.TB, path string) {
	if err := os.WriteFile(path, m.data, 0o600); err != nil {
		t.Error(err)
	}
	m.files = append(slices.Clip(m.seed.origins), path)
}

func (m *mutated) verify() (err error) {
	m.res, err = image.Verify(context.Background(), m.files, image.VerifyOptions{Budget: budget.New(budget.Fixed(memoryOfMutants))})
	return err
}

// memoryOfMutants bounds the index of a mutant and what it is on.
const memoryOfMutants = 64 << 20

// read lists the mutant as our reader does.
func (m *mutated) read() {
	x := objset.New(objset.Options{Keep: zpl.Keep})
	for _, data := range append(slices.Clip(m.seed.below), m.data) {
		if m.reads = x.Read(stream.NewReader(bytes.NewReader(data)), objset.InPlace{ReaderAt: bytes.NewReader(data)}, nil); m.reads != nil {
			return
		}
	}
	m.want, m.reads = listSnapshot(x, x.Snapshots()[len(x.Snapshots())-1])
}

// compare tells how real ZFS's view differs from ours, "" if it does not.
func (m *mutated) compare(got []listing.Listing, err error) string {
	var faults *oracle.FaultError
	switch told := m.class() == warnedOf; {
	case errors.As(err, &faults) && (told || onlyBehindTheEnd(faults)):
	case err != nil:
		return err.Error()
	}
	if m.tooLarge() {
		return ""
	}
	if m.reads != nil {
		return fmt.Sprintf("our reader does not read what it receives: %v", m.reads)
	}
	if len(got) == 0 {
		return "nothing was listed"
	}
	return listing.Diff(m.want, got[len(got)-1], listing.DiffOptions{})
}

// tooLarge tells whether our reader does not read the mutant, and verify has told that it would not.
func (m *mutated) tooLarge() bool {
	return m.reads != nil && strings.Contains(list(m.faults()), "cannot be extracted")
}

// onlyBehindTheEnd tells whether all that the judge finds is what no reader of a file sees, and
// verify would have to read contents for.
func onlyBehindTheEnd(faults *oracle.FaultError) bool {
	for line := range strings.Lines(faults.Faults) {
		if !strings.Contains(line, "bytes after the end at") {
			return false
		}
	}
	return true
}

func (m *mutated) String() string {
	return fmt.Sprintf("mutant %d: %s of %s: %s\n%s", m.number, m.class(), m.seed.name, m.what, list(m.faults()))
}
