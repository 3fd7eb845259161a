package smf_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"imagetools/internal/required"
	"imagetools/smf"
	"imagetools/smf/internal/smftest"
)

// realDatabases were made by svc.configd and svccfg of illumos; the texts say what they hold.
var realDatabases = map[string]string{
	"smf-manifests/expected/system-hostid.db":       "smf-manifests/expected/system-hostid.txt",
	"smf-expected/imagetools-list.repository.db.gz": "smf-expected/imagetools-list.txt.gz",
}

// roundTrip writes a repository, has it judged, reads it and compares.
func roundTrip(t testing.TB, r *smf.Repository) []byte {
	t.Helper()
	db, got := smftest.RoundTrip(t, r)
	if changes := smf.Diff(r, got); len(changes) > 0 {
		t.Errorf("written and read: %v", changes)
	}
	again, err := got.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(db, again) {
		t.Error("written again: other bytes")
	}
	return db
}

func TestRealDatabases(t *testing.T) {
	for name, text := range realDatabases {
		t.Run(path.Base(name), func(t *testing.T) {
			db := smftest.Data(t, name)
			r, err := smf.Decode(db)
			if err != nil {
				t.Fatal(err)
			}
			if want, got := string(smftest.Data(t, text)), smftest.Text(t, r); want != got {
				t.Errorf("content (-want +got):\n%s", cmp.Diff(want, got))
			}
			written := roundTrip(t, r)
			t.Logf("%d bytes, written %d", len(db), len(written))
			if len(written) > len(db) {
				t.Errorf("written %d bytes for %d", len(written), len(db))
			}
		})
	}
}

// TestRealContents writes what real imports gave.
func TestRealContents(t *testing.T) {
	dir := required.Data(t)
	texts, err := filepath.Glob(dir + "/smf-*/*.txt*")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob(dir + "/smf-manifests/expected/*.txt*")
	if err != nil {
		t.Fatal(err)
	}
	if texts = append(texts, more...); len(texts) < 18 {
		t.Errorf("only %d texts", len(texts))
	}
	for _, name := range texts {
		t.Run(filepath.Base(name), func(t *testing.T) {
			rel, err := filepath.Rel(dir, name)
			if err != nil {
				t.Fatal(err)
			}
			text := smftest.Data(t, rel)
			r := parseText(t, text)
			if got := smftest.Text(t, r); got != string(text) {
				t.Fatalf("text read by the test (-want +got):\n%s", cmp.Diff(string(text), got))
			}
			roundTrip(t, r)
		})
	}
}

func TestRandomContents(t *testing.T) {
	for seed := range uint64(60) {
		roundTrip(t, randomRepository(rand.New(rand.NewPCG(seed, 1))))
	}
	roundTrip(t, &smf.Repository{})
}

// randomRepository has odd names and values of all types; its snapshots say partly the same as
// the live groups.
func randomRepository(r *rand.Rand) *smf.Repository {
	repo := &smf.Repository{}
	for n := range r.IntN(6) {
		s := &smf.Service{Name: fmt.Sprintf("site,x/z%s%d", strings.Repeat("y", r.IntN(100)), n), Groups: randomGroups(r)}
		for n := range r.IntN(4) {
			i := &smf.Instance{Name: fmt.Sprint("i", n), Groups: randomGroups(r)}
			for n := range r.IntN(4) {
				snap := &smf.Snapshot{Name: fmt.Sprint("snap", n)}
				live := [][]*smf.Group{i.Groups, s.Groups}
				for k, name := range []string{i.Name, ""} {
					groups := randomGroups(r)
					for j := range min(len(groups), len(live[k])) {
						if r.IntN(2) == 0 {
							groups[j] = live[k][j]
						}
					}
					snap.Levels = append(snap.Levels, smf.Level{Number: k + 1, Service: s.Name, Instance: name, Groups: groups})
				}
				i.Snapshots = append(i.Snapshots, snap)
			}
			s.Instances = append(s.Instances, i)
		}
		repo.Services = append(repo.Services, s)
	}
	return repo
}

func randomGroups(r *rand.Rand) []*smf.Group {
	var groups []*smf.Group
	for n := range r.IntN(6) {
		g := &smf.Group{Name: fmt.Sprint("g", n), Type: "application"}
		for n := range r.IntN(5) {
			p := &smf.Property{Name: fmt.Sprint("p", n), Type: smf.AString}
			for range r.IntN(4) {
				b := make([]byte, r.IntN(1+r.IntN(4095)))
				for i := range b {
					b[i] = byte(r.IntN(255) + 1)
				}
				p.Values = append(p.Values, string(b))
			}
			if r.IntN(4) == 0 {
				p.Type, p.Values = smf.Timestamp, []string{"-5.000000001", "0"}
			}
			g.Properties = append(g.Properties, p)
		}
		groups = append(groups, g)
	}
	return groups
}

// FuzzDecode has what is read, written and read again.
func FuzzDecode(f *testing.F) {
	for _, r := range []*smf.Repository{{}, hostid()} {
		db, err := r.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(db)
	}
	f.Fuzz(func(t *testing.T, db []byte) {
		r, err := smf.Decode(db)
		if err != nil {
			return
		}
		again, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := smf.Decode(again)
		if err != nil {
			t.Fatal(err)
		}
		if smftest.Text(t, r) != smftest.Text(t, got) {
			t.Error("written and read again: another content")
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	r, err := smf.Decode(smftest.Data(b, "smf-expected/imagetools-list.repository.db.gz"))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Encode(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	db := smftest.Data(b, "smf-expected/imagetools-list.repository.db.gz")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := smf.Decode(db); err != nil {
			b.Fatal(err)
		}
	}
}
