package conformance

import (
	"os"
	"testing"
	"time"

	"imagetools/test/edits"
	"imagetools/test/oracle"
	"imagetools/test/oracle/listing"
	"imagetools/tree"
	"imagetools/zfs/zpl"
)

// increments are streams on top of one another, with what each must give.
type increments struct {
	streams []string
	wants   []listing.Listing
}

// add writes the stream of a tree, on one of those before or, where on is negative, a full one.
func (in *increments) add(t *testing.T, tr *tree.Tree, on int, opts zpl.Options) {
	t.Helper()
	if on >= 0 {
		opts.Origin = in.open(t, on)
	}
	in.streams = append(in.streams, writeStream(t, tr, opts))
	want, err := Expect(tr)
	if err != nil {
		t.Fatal(err)
	}
	in.wants = append(in.wants, want)
}

// open opens a stream with those below it; each is on the one before it, or on the first.
func (in *increments) open(t *testing.T, on int) *zpl.FS {
	t.Helper()
	o := open(t, in.streams[:on+1]...)
	s := o.Inputs[on].Snapshots[0]
	f, err := zpl.Open(o.Index, s)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// scripts are a tree of 2,000 files, and fifty of what random edits make of it.
func scripts(t *testing.T, n int, opts zpl.Options) *increments {
	t.Helper()
	var in increments
	base := edits.New(2000, 1)
	in.add(t, sealed(t, base), -1, opts)
	for seed := range n {
		m := base.Clone()
		m.Edit(50, uint64(seed))
		in.add(t, sealed(t, m), 0, zpl.Options{})
	}
	return &in
}

// chain is a tree and ten of what edits make of it one after the other.
func chain(t *testing.T, opts zpl.Options) *increments {
	t.Helper()
	var in increments
	m := edits.New(500, 2)
	in.add(t, sealed(t, m), -1, opts)
	for i := range 10 {
		m.Edit(30, uint64(i))
		in.add(t, sealed(t, m), i, zpl.Options{})
	}
	return &in
}

func sealed(t *testing.T, m *edits.Model) *tree.Tree {
	t.Helper()
	tr, err := m.Tree()
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

const scriptCount = 50

// TestIncrementsJudge has OpenZFS's receive code take increments on one tree, and a chain of
// them, in both versions of the ZPL and into a pool without feature flags.
func TestIncrementsJudge(t *testing.T) {
	t.Parallel()
	judge := oracle.RequireJudge(t)
	for _, test := range []struct {
		name   string
		make   func(*testing.T) *increments
		legacy bool
	}{
		{"scripts", func(t *testing.T) *increments { return scripts(t, scriptCount, zpl.Options{}) }, false},
		{"scripts zpl4", func(t *testing.T) *increments { return scripts(t, 10, zpl.Options{Version: 4}) }, true},
		{"chain", func(t *testing.T) *increments { return chain(t, zpl.Options{}) }, true},
		{"chain zpl4", func(t *testing.T) *increments { return chain(t, zpl.Options{Version: 4}) }, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			in := test.make(t)
			all, err := judge.Verdict(in.streams, oracle.JudgeOptions{Legacy: test.legacy})
			if err != nil {
				t.Fatal(err)
			}
			if len(all) != len(in.wants) {
				t.Fatalf("%d listings of %d snapshots", len(all), len(in.wants))
			}
			for i, want := range in.wants {
				if diff := listing.Diff(want, all[i], listing.DiffOptions{}); diff != "" {
					t.Errorf("snapshot %d:\n%s", i, diff)
				}
			}
		})
	}
}

// TestIncrementsZFSFuse has zfs-fuse receive the increments in version 4, list and scrub them.
func TestIncrementsZFSFuse(t *testing.T) {
	t.Parallel()
	fuse := oracle.RequireZFSFuse(t)
	for _, test := range []struct {
		name string
		in   *increments
	}{
		{"scripts", scripts(t, scriptCount, zpl.Options{Version: 4})},
		{"chain", chain(t, zpl.Options{Version: 4})},
	} {
		all := fuse.ReceiveEach(t, test.in.streams, oracle.ZFSFuseOptions{Timeout: 20 * time.Minute})
		for i, want := range test.in.wants {
			if diff := listing.Diff(want, all[i], oracle.ZFSFuseDiff); diff != "" {
				t.Errorf("%s: snapshot %d:\n%s", test.name, i, diff)
			}
		}
	}
}

// TestIncrementVim makes an increment of a Debian root into which vim was installed. The judge
// receives it on its origin, and lists the root; the increment has but a part of its size.
func TestIncrementVim(t *testing.T) {
	t.Parallel()
	judge := oracle.RequireJudge(t)
	base, vim := debianRoot(t), script(t, "debian-vim")
	dir := t.TempDir()
	build := func(args ...string) string {
		image, manifest := createImage(t, dir, append(args, "--lx-profile", "none")...)
		acceptManifest(t, manifest)
		return image
	}
	origin := build("debian-1.0", base, "--type", "lx-dataset")
	increment := build("debian-1.1", vim, "--origin", origin)
	all, err := judge.Verdict([]string{gunzip(t, origin), gunzip(t, increment)}, oracle.JudgeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 2 {
		t.Fatalf("%d snapshots received", len(all))
	}
	compare(t, debianWant(t, base), all[0], listing.DiffOptions{})
	compare(t, debianWant(t, vim), all[1], listing.DiffOptions{})
	was, is := size(t, origin), size(t, increment)
	t.Logf("the origin has %d bytes, the increment %d", was, is)
	if is > was/4 {
		t.Errorf("the increment has %d bytes, the origin %d", is, was)
	}
}

func size(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// TestIncrementVimZFSFuse has zfs-fuse receive the same, in version 4.
func TestIncrementVimZFSFuse(t *testing.T) {
	t.Parallel()
	fuse := oracle.RequireZFSFuse(t)
	base, vim := debianRoot(t), script(t, "debian-vim")
	dir := t.TempDir()
	origin, _ := createImage(t, dir, "--type", "lx-dataset", "--lx-profile", "none", "--zpl", "4", "debian-1.0", base)
	increment, _ := createImage(t, dir, "--lx-profile", "none", "--zpl", "4", "--origin", origin, "debian-1.1", vim)
	all := fuse.ReceiveEach(t, []string{gunzip(t, origin), gunzip(t, increment)}, oracle.ZFSFuseOptions{Timeout: 20 * time.Minute})
	for i, tar := range []string{base, vim} {
		if diff := listing.Diff(debianWant(t, tar), all[i], oracle.ZFSFuseDiff); diff != "" {
			t.Errorf("snapshot %d:\n%s", i, diff)
		}
	}
}
