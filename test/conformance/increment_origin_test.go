package conformance

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"imagetools/image"
	"imagetools/test/edits"
	"imagetools/test/oracle"
	"imagetools/test/oracle/listing"
	"imagetools/test/reference"
	"imagetools/tree"
	treediff "imagetools/tree/compare"
	"imagetools/zfs/zpl"
)

// foreign are streams of real file systems that an increment can be built on, by what they have;
// of some, the last of a chain.
var foreign = []string{
	"openzfs/plain", "openzfs/chain", "openzfs/clone", "openzfs/recordsize-512", "openzfs/recordsize-4k", "openzfs/split", "openzfs/large",
	"openzfs/compressed-lz4", "openzfs/embedded-compressed-zstd", "openzfs/fat", "openzfs/xattr-on", "openzfs/xattr-sa",
	"openzfs/dnode-auto", "openzfs/dnode-16k", "openzfs/zpl-4", "openzfs/upgraded",
	"zfs-fuse/chain", "zfs-fuse/clone", "zfs-fuse/fat",
}

// refused are those that it cannot be built on, and why.
var refused = map[string]string{
	"openzfs/zpl-1":            "version 1 of the file system",
	"openzfs/zpl-3":            "version 3 of the file system",
	"openzfs/case-mixed":       "does not take names as they are",
	"openzfs/case-insensitive": "does not take names as they are",
	"openzfs/redacted":         "a redacted stream",
}

// TestIncrementsForeign builds increments on file systems that real ZFS have sent: of the same
// tree, which are empty, and of one changed by edits, which OpenZFS's receive code takes.
func TestIncrementsForeign(t *testing.T) {
	t.Run("openzfs", func(t *testing.T) { t.Parallel(); incrementsForeign(t, reference.RequireOpenZFS(t), 21) })
	t.Run("zfs-fuse", func(t *testing.T) { t.Parallel(); incrementsForeign(t, reference.RequireZFSFuse(t), 3) })
}

func incrementsForeign(t *testing.T, streams []reference.Stream, count int) {
	judge := oracle.RequireJudge(t)
	for _, s := range streams {
		because := refused[s.Name]
		if because == "" && !slices.Contains(foreign, s.Name) {
			continue
		}
		count--
		t.Run(s.Name, func(t *testing.T) {
			o := open(t, s.Files...)
			f, err := o.FileSystem()
			if err != nil {
				t.Fatal(err)
			}
			if because != "" {
				_, err := zpl.NewPlan(t.Context(), sealed(t, edits.New(10, 1)), zpl.Options{Origin: f})
				if err == nil || !strings.Contains(err.Error(), because) {
					t.Errorf("error %v, want %q", err, because)
				}
				return
			}
			onForeign(t, judge, s, f)
		})
	}
	if count != 0 {
		t.Errorf("%d streams are not there", count)
	}
}

func onForeign(t *testing.T, judge *oracle.Judge, s reference.Stream, f *zpl.FS) {
	same, left := treeOf(t, f)
	plan, err := zpl.NewPlan(t.Context(), same, zpl.Options{Origin: f})
	if err != nil {
		t.Fatal(err)
	}
	if c := plan.Changes(); c.Added+int(c.Bytes) > 0 || c.Removed != left || c.Changed > left {
		t.Errorf("but for %d files that a tree cannot hold, the same tree has changes: %+v", left, c)
	}
	// Assertions of the judge stop at some streams of real ZFS: what builds on those is read alone.
	_, refusal := judge.Verdict(s.Files, oracle.JudgeOptions{Foreign: true, NoZDB: true})
	if refusal != nil {
		t.Logf("the judge does not take the origin: %v", refusal)
	}
	for seed := range uint64(3) {
		m, err := edits.From(same)
		if err != nil {
			t.Fatal(err)
		}
		script := m.Edit(40, seed)
		tr := sealed(t, m)
		path := writeStream(t, tr, zpl.Options{Origin: f})
		files := append(slices.Clip(slices.Clone(s.Files)), path)
		if !sameAsTree(t, tr, open(t, files...)) {
			t.Logf("script %d:\n%s", seed, strings.Join(script, "\n"))
		}
		if refusal != nil {
			continue
		}
		all, err := judge.Verdict(files, oracle.JudgeOptions{Foreign: true})
		if err != nil {
			t.Fatal(err)
		}
		want, err := Expect(tr)
		if err != nil {
			t.Fatal(err)
		}
		got := all[len(all)-1]
		asPacked(want, got)
		if diff := listing.Diff(want, got, listing.DiffOptions{}); diff != "" {
			t.Errorf("script %d:\n%s\n%s", seed, strings.Join(script, "\n"), diff)
		}
	}
}

// treeOf is the tree of a file system without what a tree cannot hold: owners that are too large,
// of which it returns the number.
func treeOf(t *testing.T, f *zpl.FS) (tr *tree.Tree, left int) {
	t.Helper()
	tr = tree.New()
	nodes := make(map[uint64]*tree.Node)
	fill := func(n *tree.Node, z *zpl.Znode) error {
		n.Mode, n.UID, n.GID = z.Mode, uint32(z.UID), uint32(z.GID)
		n.ModTime = tree.Time{Sec: z.MTime.Sec, Nsec: uint32(z.MTime.Nsec)}
		n.Target = z.Target
		switch z.Mode.Type() {
		case tree.TypeFile:
			n.Size, n.Content = int64(z.Size), f.Content(z)
		case tree.TypeChar, tree.TypeBlock:
			d := z.Device()
			n.Device = &d
		}
		xattrs, err := f.Xattrs(z)
		n.Attrs = &tree.Attrs{Xattrs: xattrs}
		for _, a := range z.ACL {
			if !z.TrivialACL() {
				n.Attrs.ACL = append(n.Attrs.ACL, tree.ACE{Type: a.Type, Flags: a.Flags, Mask: a.Mask, ID: uint32(a.ID)})
			}
		}
		return err
	}
	root, err := f.Znode(f.Root())
	if err == nil {
		err = fill(tr.Root, root)
	}
	if err == nil {
		err = f.Walk(f.Root(), "", func(path string, _ zpl.DirEntry, z *zpl.Znode) error {
			if z.UID > tree.MaxOwner || z.GID > tree.MaxOwner {
				left++
				return fs.SkipDir
			}
			n := nodes[z.Object]
			if n == nil {
				if n = new(tree.Node); z.IsDir() {
					n = tree.NewDir(0)
				}
				nodes[z.Object] = n
				if err := fill(n, z); err != nil {
					return err
				}
			}
			dir, name := "", path
			if i := strings.LastIndexByte(path, '/'); i >= 0 {
				dir, name = path[:i], path[i+1:]
			}
			return tr.Lookup(dir).Add(name, n)
		})
	}
	if err == nil {
		err = tr.Seal()
	}
	if err != nil {
		t.Fatal(err)
	}
	return tr, left
}

// asPacked takes over device numbers that stay as the system of the origin packed them.
func asPacked(want, got listing.Listing) {
	for path, e := range want.Entries {
		if e.Rdev != "" {
			e.Rdev = got.Entries[path].Rdev
			want.Entries[path] = e
		}
	}
}

// sameAsTree reads what was written on the origin, checks it and compares it with the tree.
func sameAsTree(t *testing.T, tr *tree.Tree, o *image.Image) bool {
	t.Helper()
	snap := o.Inputs[len(o.Inputs)-1].Snapshots[0]
	f, err := zpl.Open(o.Index, snap)
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.Tree(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ok := true
	for c, err := range treediff.Diff(t.Context(), tr, got, treediff.Options{}) {
		if err != nil {
			t.Fatal(err)
		}
		t.Errorf("%s: as it is read: %v", filepath.Base(o.Inputs[0].Path), c)
		ok = false
	}
	res, err := zpl.Check(t.Context(), f, zpl.CheckOptions{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range res.Faults {
		if fault.Severity > zpl.Warning {
			t.Errorf("check: %v", fmt.Sprint(fault))
			ok = false
		}
	}
	return ok
}
