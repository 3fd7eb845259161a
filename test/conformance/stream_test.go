package conformance

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"imagetools/test/oracle"
	"imagetools/test/oracle/listing"
	"imagetools/tree"
	"imagetools/zfs/zpl"
)

// writeStream writes the stream of a tree to a file.
func writeStream(t *testing.T, tr *tree.Tree, opts zpl.Options) string {
	t.Helper()
	plan, err := zpl.NewPlan(t.Context(), tr, opts)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "stream")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := plan.Write(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	return path
}

func torture(t *testing.T, entries int) (*tree.Tree, listing.Listing) {
	t.Helper()
	tr, err := Torture(entries)
	if err != nil {
		t.Fatal(err)
	}
	want, err := Expect(tr)
	if err != nil {
		t.Fatal(err)
	}
	return tr, want
}

func compare(t *testing.T, want, got listing.Listing, opts listing.DiffOptions) {
	t.Helper()
	if diff := listing.Diff(want, got, opts); diff != "" {
		t.Errorf("what was received differs:\n%s", diff)
	}
}

// largeDirectory is how many names the largest directory has.
const largeDirectory = 50000

// TestTortureJudge has OpenZFS's receive code take the torture tree, into a pool of today and
// into one without feature flags, in both versions of the ZPL.
func TestTortureJudge(t *testing.T) {
	t.Parallel()
	judge := oracle.RequireJudge(t)
	tr, want := torture(t, largeDirectory)
	for _, test := range []struct {
		name   string
		opts   zpl.Options
		legacy bool
	}{
		{"zpl5", zpl.Options{}, false},
		{"zpl5 old pool", zpl.Options{}, true},
		{"zpl4", zpl.Options{Version: 4}, false},
		{"zpl4 old pool", zpl.Options{Version: 4}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := writeStream(t, tr, test.opts)
			got := judge.Receive(t, []string{path}, oracle.JudgeOptions{Legacy: test.legacy})
			compare(t, want, got, listing.DiffOptions{})
			checkACLs(t, tr, got)
		})
	}
}

// checkACLs compares the ACLs that are more than the mode with what was received.
func checkACLs(t *testing.T, tr *tree.Tree, got listing.Listing) {
	t.Helper()
	n := 0
	for path, node := range tr.All() {
		if node.Attrs == nil || len(node.Attrs.ACL) == 0 {
			continue
		}
		n++
		have := got.Entries[listing.Escape(path)].ACL
		if len(have) != len(node.Attrs.ACL) {
			t.Errorf("%q: %d ACEs, want %d", path, len(have), len(node.Attrs.ACL))
			continue
		}
		for i, a := range node.Attrs.ACL {
			if want := aceHex(a); have[i] != want {
				t.Errorf("%q: ACE %d is %s, want %s", path, i, have[i], want)
			}
		}
	}
	if n == 0 {
		t.Error("the tree has no ACLs")
	}
}

// TestTortureZFSFuse has zfs-fuse, an older and independent implementation, receive, mount,
// list, change, remove and scrub the torture tree. What its listing cannot show is left out:
// nanoseconds, of which the daemon tells none, and the contents of holes/tib and holes/all, which
// FUSE gives no way to read without all of their holes. ACLs are left to the judge, the only one
// to list them.
func TestTortureZFSFuse(t *testing.T) {
	t.Parallel()
	fuse := oracle.RequireZFSFuse(t)
	tr, want := torture(t, 5000)
	for path, e := range want.Entries {
		if e.Rdev == "" {
			continue
		}
		raw, err := strconv.ParseUint(e.Rdev, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		e.Rdev = strconv.FormatUint(raw&(1<<32-1), 10) // all that FUSE carries of a device number
		want.Entries[path] = e
	}
	got := fuse.Receive(t, []string{writeStream(t, tr, zpl.Options{Version: 4})}, oracle.ZFSFuseOptions{Modify: true})
	compare(t, want, got, listing.DiffOptions{
		IgnoreNsec:     true,
		IgnoreSumsOver: oracle.ZFSFuseSumLimit,
	})
}
