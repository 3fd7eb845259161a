package conformance

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
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

// TestZFSFuse has zfs-fuse, an older implementation, receive, mount and scrub a version 4 tree:
// all sizes, link targets inside and outside of the znode, hard links, a fat ZAP.
func TestZFSFuse(t *testing.T) {
	fuse := oracle.RequireZFSFuse(t)
	b := &builder{t: tree.New()}
	b.t.Root.ModTime = tree.Time{Sec: 1_234_567_890}
	for _, n := range []int{0, 1, 511, 512, 513, 131071, 131072, 131073, 1 << 20} {
		b.file(fmt.Sprintf("file%d", n), pattern(n))
	}
	for _, n := range []int{1, 56, 57, 300, 1000, 4095} {
		b.link(fmt.Sprintf("link%d", n), strings.Repeat("t", n))
	}
	hard := b.file("hard", []byte("two names"))
	b.add("harder", hard)
	b.dir("dir")
	for i := range 300 {
		b.file(fmt.Sprintf("dir/a name that is too long for a micro ZAP, number %d", i), []byte(fmt.Sprint(i)))
	}
	if b.err != nil {
		t.Fatal(b.err)
	}
	if err := b.t.Seal(); err != nil {
		t.Fatal(err)
	}
	want, err := Expect(b.t)
	if err != nil {
		t.Fatal(err)
	}
	got := fuse.Receive(t, []string{writeStream(t, b.t, zpl.Options{Version: 4})}, oracle.ZFSFuseOptions{})
	compare(t, want, got, listing.DiffOptions{IgnoreNsec: true, IgnoreRdev: true, IgnoreXattrs: true})
}
