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

// TestGuest has the kernel module receive, mount and list streams, then change, rename and
// remove everything, and scrub the pool. All jobs share one boot.
func TestGuest(t *testing.T) {
	t.Parallel() // half of make test's time
	guest := oracle.RequireGuest(t)
	guest.Timeout = 30 * time.Minute
	hard, hardWant := torture(t, 100)
	tar := debianRoot(t)
	image, _ := createImage(t, t.TempDir(), "--type", "lx-dataset", "--lx-profile", "none", "debian-12.1", tar)
	seed := newSeedRun(t)
	raw, diskWant := makeDisk(t)
	disk, _ := createImage(t, t.TempDir(), "disk-1.0", raw)
	jobs := []oracle.Job{
		{Name: "torture", Streams: []string{writeStream(t, hard, zpl.Options{})}, Modify: true, SendBack: true},
		{Name: "debian", Streams: []string{gunzip(t, image)}, Modify: true},
		{Name: "seed", Streams: []string{seed.image(t)}},
		{Name: "many", Script: manyScript, Inputs: []string{writeStream(t, many(t), zpl.Options{})}},
		{Name: "disk", Streams: []string{gunzip(t, disk)}},
	}
	wants := []listing.Listing{hardWant, debianWant(t, tar), {}, {}, diskWant}
	for i, res := range guest.Run(t, jobs) {
		t.Run(res.Name, func(t *testing.T) {
			if res.Err != nil {
				t.Fatal(res.Err)
			}
			switch {
			case res.Name == "seed":
				seed.checkManifest(t, res.Listing)
				seed.checkServices(t, res.Listing)
			case jobs[i].Script == "":
				compare(t, wants[i], res.Listing, mounted)
			}
			if jobs[i].SendBack {
				checkSentBack(t, hard, res.Sent)
			}
		})
	}
}

// checkSentBack opens the stream that the kernel made of what it had received of ours.
func checkSentBack(t *testing.T, want *tree.Tree, path string) {
	t.Helper()
	o := open(t, path)
	s, err := o.Snapshot("")
	if err != nil {
		t.Fatal(err)
	}
	f, err := zpl.Open(o.Index, s)
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

// many is a directory with many names. Hashing each file of it in an emulated guest would
// take minutes; the judge does that in seconds.
func many(t *testing.T) *tree.Tree {
	t.Helper()
	b := &builder{t: tree.New()}
	for i := range largeDirectory {
		b.file(fmt.Sprintf("entry number %d", i), []byte(fmt.Sprintln(i)))
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
seq 0 %[2]d >/tmp/want
find . -type f -print0 | xargs -0 cat | sort -n | cmp - /tmp/want
for i in $(seq 3000); do echo "$i" >"new $i"; done
for i in $(seq 1000 1300); do mv "entry number $i" "moved $i"; done
[ "$(ls -a | wc -l)" = $((%[1]d + 3000)) ]
[ "$(cat 'moved 1234')" = 1234 ]
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
