package conformance

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"imagetools/test/oracle"
	"imagetools/test/smartos"
)

// baseImageJobs have the guest receive the images that were made in zones, to be listed as their
// golden files say; there are none where none can be made.
func baseImageJobs(t *testing.T) (jobs []guestJob) {
	t.Helper()
	dir := ""
	t.Run("base images", func(t *testing.T) { dir = smartos.MakeBaseImages(t) })
	if dir == "" {
		return nil
	}
	for _, b := range smartos.BaseImages {
		stream := gunzip(t, filepath.Join(dir, b.NameVersion()+".zfs.gz"))
		jobs = append(jobs, guestJob{oracle.Job{Name: "base image " + b.Name, Streams: []string{stream}}, func(t *testing.T, res oracle.Result) {
			if diff := cmp.Diff(b.Files(t), smartos.Lines(res.Listing)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		}})
	}
	return jobs
}
