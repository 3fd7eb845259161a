package conformance

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"imagetools/test/attack"
	"imagetools/test/oracle"
	"imagetools/test/oracle/listing"
	"imagetools/test/reference"
	"imagetools/zfs/block"
	"imagetools/zfs/filter"
)

// streamFilters are what may be done to every stream of a chain.
var streamFilters = []struct {
	name string
	run  func(io.Writer, io.Reader) error
}{
	{"deholes", func(w io.Writer, r io.Reader) error { _, err := filter.Deholes(w, r); return err }},
	{"recompress off", recompressBy(block.Off)},
	{"recompress lz4", recompressBy(block.LZ4)},
	{"recompress zstd", recompressBy(block.Zstd)},
	{"recompress gzip-1", recompressBy(block.Gzip1)},
}

func recompressBy(c block.Compression) func(io.Writer, io.Reader) error {
	return func(w io.Writer, r io.Reader) error { _, err := filter.Recompress(w, r, c); return err }
}

// TestAttackFilteredChains runs filters over the streams of chains, one here and one there. What
// OpenZFS has received we read alike afterwards, and what its receive code takes before in user
// space, where some chains trip assertions, it takes afterwards, with the same contents.
func TestAttackFilteredChains(t *testing.T) {
	t.Parallel()
	sessions := oracle.RequireJudge(t).Sessions(t, oracle.JudgeOptions{Foreign: true})
	chains := reference.RequireChains(t, 1)
	if attack.Full() {
		chains = reference.RequireChains(t, 4)
	}
	chains = slices.DeleteFunc(chains, func(c reference.Chain) bool { return c.Refused })
	judged, refused := 0, 0
	for i := range attack.Runs(t, 20, 200) {
		c := chains[(i*37+int(attack.Seed(t)))%len(chains)]
		f := streamFilters[i%len(streamFilters)]
		files := make([]string, len(c.Files))
		copy(files, c.Files)
		at := i / len(streamFilters) % len(files)
		if i%2 == 0 {
			at = 0
		}
		files[at] = filepath.Join(t.TempDir(), "filtered")
		data, err := os.ReadFile(c.Files[at])
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := f.run(&out, bytes.NewReader(data)); err != nil {
			var no *filter.RefusedError
			if !errors.As(err, &no) || f.name != "deholes" || at == 0 {
				t.Errorf("%s, stream %d, %s: %v", c.Name, at, f.name, err)
			}
			refused++
			continue
		}
		if err := os.WriteFile(files[at], out.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		o := open(t, files...)
		got := listOpened(t, o.Index, o.Index.Snapshots()[len(files)-1])
		asLinuxShows(t, got)
		got.Dataset = c.Listing.Dataset
		if diff := listing.Diff(c.Listing, got, listing.DiffOptions{}); diff != "" {
			t.Errorf("%s, stream %d, %s: read otherwise:\n%s", c.Name, at, f.name, diff)
		}
		want, err := sessions.Verdict(c.Files...)
		if err != nil {
			continue
		}
		judged++
		all, err := sessions.Verdict(files...)
		if err != nil {
			t.Errorf("%s, stream %d, %s: %v", c.Name, at, f.name, err)
			continue
		}
		if diff := listing.Diff(want[len(want)-1], all[len(all)-1], listing.DiffOptions{CompareACL: true}); diff != "" {
			t.Errorf("%s, stream %d, %s: received otherwise:\n%s", c.Name, at, f.name, diff)
		}
	}
	t.Logf("%d judged, %d refused by deholes", judged, refused)
	if judged == 0 {
		t.Error("the judge took no chain")
	}
}
