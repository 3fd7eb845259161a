package conformance

import (
	"strings"
	"testing"

	"imagetools/test/attack"
	"imagetools/test/oracle/listing"
	"imagetools/test/reference"
	"imagetools/zfs/zpl"
)

// TestAttackChains reads chains of streams whose increments were sent with other flags than what
// they build on: large blocks, compressed and embedded data, over datasets whose records and
// dnodes change their sizes. What OpenZFS has received we list alike, what it has refused is
// refused.
func TestAttackChains(t *testing.T) {
	t.Parallel()
	runs := attack.Runs(t, reference.ChainsOfSet, 4*reference.ChainsOfSet)
	var whole, received, refused int
	for _, c := range reference.RequireChains(t, runs/reference.ChainsOfSet) {
		switch n := len(c.Files); {
		case n == 3:
			whole++
		case c.Refused:
			whole += 1 << (2 * (3 - n)) // so many chains end here
		}
		o, err := openStreams(t, c.Files)
		switch {
		case c.Refused:
			refused++
			if err == nil {
				t.Errorf("%s: read, though OpenZFS refuses it", c.Name)
			}
		case err != nil:
			t.Errorf("%s: %v", c.Name, err)
		default:
			received++
			got := listOpened(t, o.Index, o.Index.Snapshots()[len(c.Files)-1])
			asLinuxShows(t, got)
			got.Dataset = c.Listing.Dataset
			if diff := listing.Diff(c.Listing, got, listing.DiffOptions{}); diff != "" {
				t.Errorf("%s differs from what was received:\n%s", c.Name, diff)
			}
			for _, f := range verify(t, c.Files...).Faults {
				ofImage := f.Place == nil && f.Severity == zpl.Warning
				known := f.Severity < zpl.Damage && (strings.Contains(f.Message, "receivers before OpenZFS 2.0 lose") ||
					strings.Contains(f.Message, "kernels for debugging stop"))
				if !ofImage && !known {
					t.Errorf("%s: verify: %v: %s", c.Name, f.Severity, f.Message)
				}
			}
		}
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d chains of three: %d streams received, %d refused", whole, received, refused)
	if whole != runs || received == 0 || refused == 0 {
		t.Errorf("%d chains, want %d; %d received, %d refused", whole, runs, received, refused)
	}
}
