package conformance

import (
	"strings"
	"testing"
	"time"

	"imagetools/test/oracle"
	"imagetools/test/oracle/listing"
	"imagetools/zfs/zpl"
)

// TestGuest has the kernel module receive, mount and list streams, then change, rename and
// remove everything, scrub the pool and send back. All jobs share one boot.
func TestGuest(t *testing.T) {
	t.Parallel() // half of make test's time
	guest := oracle.RequireGuest(t)
	guest.Timeout = 30 * time.Minute
	tr, want := torture(t, largeDirectory)
	tar := debianRoot(t)
	image, _ := createImage(t, t.TempDir(), "--type", "lx-dataset", "debian-12.1", tar)
	jobs := []oracle.Job{
		{Name: "torture", Streams: []string{writeStream(t, tr, zpl.Options{})}, Modify: true},
		{Name: "debian", Streams: []string{gunzip(t, image)}, Modify: true},
	}
	wants := []listing.Listing{want, debianWant(t, tar)}
	for i, res := range guest.Run(t, jobs) {
		t.Run(res.Name, func(t *testing.T) {
			if res.Err != nil {
				t.Fatal(res.Err)
			}
			compare(t, wants[i], res.Listing, mounted)
		})
	}
}

// mounted is what a file system mounted by Linux cannot show of an image for SmartOS: device
// numbers, which it packs otherwise, and POSIX ACLs, for which a plain stream sets no property.
var mounted = listing.DiffOptions{
	IgnoreRdev: true,
	Xattr:      func(name string) bool { return !strings.HasPrefix(name, "system.posix_acl_") },
}
