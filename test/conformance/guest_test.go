package conformance

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"imagetools/test/oracle"
	"imagetools/test/oracle/listing"
	"imagetools/tree"
	treediff "imagetools/tree/compare"
	"imagetools/zfs/zpl"
)

// A guestJob is work for the guest, and what its result must be.
type guestJob struct {
	oracle.Job
	check func(t *testing.T, res oracle.Result)
}

// TestGuest has the kernel module receive, mount and list streams, then change, rename and
// remove everything, and scrub the pool; and make images of its datasets. An emulated guest is the
// longest of all tests, so two work side by side, each through as much as the other. They are
// started before the test is parallel to others, which begin after that.
func TestGuest(t *testing.T) {
	guest := oracle.RequireGuest(t)
	guest.Timeout = 30 * time.Minute
	type boot struct {
		jobs []guestJob
		wait func() []oracle.Result
	}
	start := func(jobs ...guestJob) boot {
		var list []oracle.Job
		for _, j := range jobs {
			list = append(list, j.Job)
		}
		return boot{jobs, guest.Start(t, list)}
	}
	boots := []boot{
		start(imagesJob(t), homesJob(t), tortureJob(t), manyJob(t), incrementJob(t)),
		start(append(baseImageJobs(t), debianJob(t), seedJob(t), diskJob(t), volumeIncrementJob(t))...),
	}
	t.Parallel()
	for _, b := range boots {
		for i, res := range b.wait() {
			t.Run(res.Name, func(t *testing.T) {
				if res.Err != nil {
					t.Fatal(res.Err)
				}
				b.jobs[i].check(t, res)
			})
		}
	}
}

// listed is a check of what the guest shows.
func listed(want listing.Listing) func(t *testing.T, res oracle.Result) {
	return func(t *testing.T, res oracle.Result) { compare(t, want, res.Listing, mounted) }
}

func tortureJob(t *testing.T) guestJob {
	hard, want := torture(t, 100)
	stream := writeStream(t, hard, zpl.Options{})
	return guestJob{oracle.Job{Name: "torture", Streams: []string{stream}, Modify: true, SendBack: true}, func(t *testing.T, res oracle.Result) {
		compare(t, want, res.Listing, mounted)
		checkSentBack(t, hard, res.Sent)
	}}
}

func debianJob(t *testing.T) guestJob {
	tar := debianRoot(t)
	image, _ := createImage(t, t.TempDir(), "--type", "lx-dataset", "--lx-profile", "none", "debian-12.1", tar)
	return guestJob{oracle.Job{Name: "debian", Streams: []string{gunzip(t, image)}, Modify: true}, listed(debianWant(t, tar))}
}

func seedJob(t *testing.T) guestJob {
	seed := newSeedRun(t)
	return guestJob{oracle.Job{Name: "seed", Streams: []string{seed.image(t)}}, func(t *testing.T, res oracle.Result) {
		seed.checkManifest(t, res.Listing)
		seed.checkServices(t, res.Listing)
	}}
}

func diskJob(t *testing.T) guestJob {
	raw, want := makeDisk(t)
	image, _ := createImage(t, t.TempDir(), "disk-1.0", raw)
	return guestJob{oracle.Job{Name: "disk", Streams: []string{gunzip(t, image)}}, listed(want)}
}

func manyJob(t *testing.T) guestJob {
	stream := writeStream(t, many(t), zpl.Options{})
	return guestJob{oracle.Job{Name: "many", Script: manyScript, Inputs: []string{stream}}, func(*testing.T, oracle.Result) {}}
}

// checkSentBack opens the stream that the kernel made of what it had received of ours.
func checkSentBack(t *testing.T, want *tree.Tree, path string) {
	t.Helper()
	o := open(t, path)
	f, err := o.FileSystem()
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.Tree(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for c, err := range treediff.Diff(t.Context(), want, got, treediff.Options{}) {
		if err != nil {
			t.Fatal(err)
		}
		t.Errorf("sent back: %v", c)
	}
}

// many is a directory with many names, of which each fiftieth has contents. Reading and hashing
// each in an emulated guest would take minutes; the judge does that in seconds.
func many(t *testing.T) *tree.Tree {
	t.Helper()
	b := &builder{t: tree.New()}
	for i := range largeDirectory {
		var data []byte
		if i%50 == 0 {
			data = fmt.Appendln(nil, i)
		}
		b.file(fmt.Sprintf("entry number %d", i), data)
	}
	if b.err != nil {
		t.Fatal(b.err)
	}
	if err := b.t.Seal(); err != nil {
		t.Fatal(err)
	}
	return b.t
}

// manyScript counts the names and reads all the files, makes the directory grow and shrink,
// and empties it.
var manyScript = fmt.Sprintf(`
input 1 | zfs receive zones/many
mount -t zfs -o zfsutil zones/many /mnt
cd /mnt
[ "$(ls -a | wc -l)" = %[1]d ] # with . and ..
seq 0 50 %[2]d >/tmp/want
find . -type f -size +0c -print0 | xargs -0 cat | sort -n | cmp - /tmp/want
for i in $(seq 3000); do echo "$i" >"new $i"; done
for i in $(seq 1000 1300); do mv "entry number $i" "moved $i"; done
[ "$(ls -a | wc -l)" = $((%[1]d + 3000)) ]
[ "$(cat 'moved 1250')" = 1250 ]
find . -type f -print0 | xargs -0 rm
[ "$(ls -a | wc -l)" = 2 ]
cd /
umount /mnt
`, largeDirectory+2, largeDirectory-1)

// mounted is what a file system mounted by Linux cannot show of an image for SmartOS: device
// numbers, which it packs otherwise, and POSIX ACLs, for which a plain stream sets no property.
var mounted = listing.DiffOptions{
	IgnoreRdev: true,
	Xattr:      func(name string) bool { return !strings.HasPrefix(name, "system.posix_acl_") },
}
