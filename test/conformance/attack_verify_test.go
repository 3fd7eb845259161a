package conformance

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"imagetools/test/attack"
	"imagetools/test/oracle"
)

// Mutants that verify does not call damaged are received by real ZFS, and listed as we list
// them. What an assertion of the judge stops, verify must have warned of. In the full run the
// kernel module of the guest, which has no assertions, takes all that the judge does not, and
// some that verify calls sound. IMAGETOOLS_ATTACK_MUTANTS is another number of mutants, for a
// run in several sittings with a seed each.
func TestAttackVerify(t *testing.T) {
	if !attack.Full() {
		t.Parallel()
	}
	judge := oracle.RequireJudge(t)
	seeds := mutantSeeds(t)
	want, random := attack.Runs(t, 200, fullMutants), attack.Seed(t)
	keep := os.Getenv("IMAGETOOLS_ATTACK_KEEP") // a folder for the mutants that real ZFS does not take
	if n, err := strconv.Atoi(os.Getenv("IMAGETOOLS_ATTACK_MUTANTS")); err == nil {
		want = n
	}

	a := &verifyAttack{t: t, seeds: seeds, random: random, want: want, keep: keep, counts: make(map[string]int)}
	a.checkSeeds(judge)
	var workers sync.WaitGroup
	for range judgesAtOnce {
		workers.Go(func() { a.work(judge) })
	}
	workers.Wait()
	for _, key := range slices.Sorted(maps.Keys(a.counts)) {
		t.Logf("%6d %s", a.counts[key], key)
	}
	slices.SortFunc(a.suspects, func(x, y suspect) int { return x.m.number - y.m.number })
	if attack.Full() {
		a.askGuest()
	}
}

// judgesAtOnce is how many judges there are: most of their time they wait for threads of their own.
const judgesAtOnce = 8

// checkSeeds checks that what mutants are made of is received and listed alike before. Some
// increments of real ZFS trip assertions of the judge: those are left out.
func (a *verifyAttack) checkSeeds(judge *oracle.Judge) {
	a.t.Helper()
	sessions := map[bool]*oracle.Sessions{}
	for _, foreign := range []bool{false, true} {
		sessions[foreign] = judge.Sessions(a.t, oracle.JudgeOptions{Foreign: foreign})
	}
	var sound []*mutantSeed
	for _, seed := range a.seeds {
		m := &mutated{seed: seed, what: "nothing", data: seed.data}
		m.store(a.t, filepath.Join(a.t.TempDir(), "stream"))
		if err := m.verify(); err != nil || m.class() == calledDamage {
			a.t.Fatalf("%s: %v\n%v", seed.name, err, m)
		}
		m.read()
		got, err := sessions[seed.foreign].Verdict(m.files...)
		var crash *oracle.CrashError
		if errors.As(err, &crash) && crash.Assertion() && seed.foreign {
			a.t.Logf("without %s: %v", seed.name, err)
			continue
		}
		if why := m.compare(got, err); why != "" {
			a.t.Errorf("%vreal ZFS: %s", m, why)
		}
		sound = append(sound, seed)
	}
	a.seeds = sound
}

// askGuest has the kernel module, which is built without assertions, receive all suspects and the
// sound mutants that were kept.
func (a *verifyAttack) askGuest() {
	var list []*mutated
	for _, s := range a.suspects {
		list = append(list, s.m)
	}
	list = append(list, a.sound...)
	// The guest reads whole volumes, of which sizes are changed too: zeros of exabytes.
	huge := func(m *mutated) bool { return m.want.Dataset.Size > 1<<32 }
	n := len(list)
	list = slices.DeleteFunc(list, huge)
	a.t.Logf("%d volumes of more than 4 GiB are left out", n-len(list))
	a.t.Logf("%d mutants for the guest, %d suspects among them", len(list), len(a.suspects))
	for i, why := range guestVerdicts(a.t, oracle.RequireGuest(a.t), list) {
		a.t.Errorf("%vthe kernel: %s", list[i], why)
	}
}

// soundForGuest is how many of the full number of mutants that are received, and that verify
// calls sound, the guest receives too.
const soundForGuest = 300

// soundWanted is the share of those in a run of fewer.
func (a *verifyAttack) soundWanted() int {
	return (soundForGuest*a.want + fullMutants - 1) / fullMutants
}

const fullMutants = 20_000

// verifyAttack is a run of the attack.
type verifyAttack struct {
	t      *testing.T
	seeds  []*mutantSeed
	random uint64
	want   int    // mutants for the judge
	keep   string // folder for suspects, empty for none

	mu       sync.Mutex
	next     int // mutant
	asked    int
	counts   map[string]int
	suspects []suspect
	sound    []*mutated // some of those that were received
	received int        // of them all
}

// keepSome keeps a random choice of the sound mutants.
func (a *verifyAttack) keepSome(m *mutated) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.received++
	if len(a.sound) < a.soundWanted() {
		a.sound = append(a.sound, m)
		return
	}
	if at := rand.New(rand.NewPCG(a.random, uint64(m.number)^1<<63)).IntN(a.received); at < a.soundWanted() {
		a.sound[at] = m
	}
}

// suspect is a mutant that real ZFS does not take as verify does.
type suspect struct {
	m           *mutated
	why         string
	onlyAsserts bool // and verify warns
}

// suspect notes one, and tells of it at once: a sitting may be ended early.
func (a *verifyAttack) suspect(s suspect) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.suspects = append(a.suspects, s)
	if !s.onlyAsserts {
		a.t.Errorf("%vreal ZFS: %s", s.m, s.why)
	}
	if a.keep == "" {
		return
	}
	for i, data := range append(slices.Clip(s.m.seed.below), s.m.data) {
		name := filepath.Join(a.keep, fmt.Sprintf("%s-%d.%d.zfs", s.m.seed.name, s.m.number, i))
		if err := os.WriteFile(name, data, 0o644); err != nil {
			a.t.Error(err)
		}
	}
}

// take gives the number of the next mutant away, until enough were judged.
func (a *verifyAttack) take() (number int, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.next++
	return a.next - 1, a.asked < a.want && a.next < 20*a.want+1000
}

func (a *verifyAttack) count(format string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.counts[fmt.Sprintf(format, args...)]++
}

func (a *verifyAttack) work(judge *oracle.Judge) {
	path := filepath.Join(a.t.TempDir(), "stream")
	sessions := map[bool]*oracle.Session{}
	for _, foreign := range []bool{false, true} {
		s, err := judge.NewSession(oracle.JudgeOptions{Foreign: foreign})
		if err != nil {
			a.t.Error(err)
			return
		}
		defer s.Close()
		sessions[foreign] = s
	}
	for {
		number, ok := a.take()
		if !ok {
			return
		}
		m := makeMutant(a.t, a.seeds, a.random, number, path)
		if m == nil {
			a.count("not a mutant")
			continue
		}
		if m.class() == calledDamage {
			a.count(calledDamage)
			continue
		}
		a.mu.Lock()
		if a.asked++; a.asked%500 == 0 {
			a.t.Logf("%s: %d asked, %d suspects", time.Now().Format(time.TimeOnly), a.asked, len(a.suspects))
		}
		a.mu.Unlock()
		m.read()
		got, err := sessions[m.seed.foreign].Verdict(m.files...)
		why := m.compare(got, err)
		if why != "" { // ask again alone: what came before may have left something behind
			if got, err = freshVerdict(judge, m); m.compare(got, err) == "" {
				a.count("stopped a judge only behind others")
				why = ""
			} else {
				why = m.compare(got, err)
			}
		}
		if why != "" {
			var crash *oracle.CrashError
			asserts := errors.As(err, &crash) && crash.Assertion() && m.class() == warnedOf
			what := "not received, or listed otherwise"
			if asserts {
				what = "an assertion stops it"
			}
			a.count("%s, and %s", m.class(), what)
			a.suspect(suspect{m, strings.TrimSpace(why), asserts})
			continue
		}
		a.count("%s, and received", m.class())
		if m.class() == calledSound {
			a.keepSome(m)
		}
	}
}

// freshVerdict is that of a judge that has received nothing before.
func freshVerdict(judge *oracle.Judge, m *mutated) ([]oracle.Listing, error) {
	s, err := judge.NewSession(oracle.JudgeOptions{Foreign: m.seed.foreign})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	return s.Verdict(m.files...)
}
