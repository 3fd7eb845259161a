package conformance

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"imagetools/image"
	"imagetools/test/oracle"
	"imagetools/test/oracle/listing"
	"imagetools/test/reference"
	"imagetools/tree"
	"imagetools/zfs/objset"
	"imagetools/zfs/stream"
	"imagetools/zfs/zpl"
	"imagetools/zfs/zvol"
)

// openStreams opens the last of several streams, each incremental on one before it.
func openStreams(t testing.TB, paths []string) (*image.Image, error) {
	last := len(paths) - 1
	img, err := image.Open(t.Context(), paths[last], image.OpenOptions{Origins: paths[:last], TmpDir: t.TempDir()})
	t.Cleanup(func() { img.Close() })
	return img, err
}

// open is openStreams for streams that can be read.
func open(t testing.TB, paths ...string) *image.Image {
	t.Helper()
	o, err := openStreams(t, paths)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// listOpened lists a snapshot as our reader sees it: every attribute and the hash of everything
// that has contents.
func listOpened(t testing.TB, x *objset.Index, s *objset.Snapshot) listing.Listing {
	t.Helper()
	out, err := listSnapshot(x, s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func listSnapshot(x *objset.Index, s *objset.Snapshot) (listing.Listing, error) {
	out := listing.Listing{Entries: make(map[string]listing.Entry)}
	if s.Begin.Objset == stream.ObjsetZvol {
		v, err := zvol.Open(x, s)
		if err != nil {
			return out, err
		}
		out.Dataset.Size, out.Dataset.VolBlockSize = v.Size, int64(v.BlockSize)
		extents, err := extentsOf(v)
		if err == nil {
			out.Dataset.SHA256, err = listing.Sum(v, v.Size, extents)
		}
		return out, err
	}
	f, err := zpl.Open(x, s)
	if err != nil {
		return out, err
	}
	out.Dataset.ZPL, out.Dataset.Root = f.Version(), f.Root()
	add := func(path string, z *zpl.Znode) error {
		e, err := entryOf(f, z)
		e.Path = listing.Escape(path)
		out.Entries[e.Path] = e
		return err
	}
	root, err := f.Znode(f.Root())
	if err == nil {
		err = add(".", root)
	}
	if err == nil {
		err = f.Walk(f.Root(), "", func(path string, _ zpl.DirEntry, z *zpl.Znode) error { return add(path, z) })
	}
	return out, err
}

func extentsOf(f tree.File) (all []listing.Extent, err error) {
	for off := int64(0); ; {
		start, end, err := f.NextData(off)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		all = append(all, listing.Extent{Offset: start, Length: end - start})
		off = end
	}
}

var listingTypes = map[tree.Mode]string{tree.TypeFile: listing.File, tree.TypeDir: listing.Dir, tree.TypeSymlink: listing.Symlink,
	tree.TypeChar: listing.Char, tree.TypeBlock: listing.Block, tree.TypeFIFO: listing.FIFO, tree.TypeSocket: listing.Socket}

// redactedSum stands for contents that the stream does not have.
const redactedSum = "redacted"

func entryOf(f *zpl.FS, z *zpl.Znode) (listing.Entry, error) {
	e := listing.Entry{
		Type: listingTypes[z.Mode.Type()], Mode: uint32(z.Mode.Perm()), UID: z.UID, GID: z.GID, Size: int64(z.Size),
		MtimeSec: z.MTime.Sec, MtimeNsec: int64(z.MTime.Nsec), Links: z.Links, Ino: z.Object, Target: listing.Escape(z.Target),
	}
	switch z.Mode.Type() {
	case tree.TypeChar, tree.TypeBlock:
		e.Rdev = strconv.FormatUint(z.Rdev, 10)
	case tree.TypeFile:
		if f.Snapshot().Object(z.Object).Redacted() {
			e.SHA256 = redactedSum
			break
		}
		file, err := f.Content(z).Open()
		var extents []listing.Extent
		if err == nil {
			extents, err = extentsOf(file)
		}
		if err == nil {
			e.SHA256, err = listing.Sum(file, int64(z.Size), extents)
		}
		if err != nil {
			return e, err
		}
	}
	xattrs, err := f.Xattrs(z)
	for _, x := range xattrs {
		if e.Xattrs == nil {
			e.Xattrs = make(map[string]string)
		}
		v := bytes.NewReader(x.Value)
		if e.Xattrs[listing.Escape(x.Name)], err = listing.Sum(v, v.Size(), []listing.Extent{{Length: v.Size()}}); err != nil {
			return e, err
		}
	}
	return e, err
}

// asLinuxShows turns raw device numbers into those that a mount under Linux shows.
func asLinuxShows(t testing.TB, l listing.Listing) {
	t.Helper()
	for path, e := range l.Entries {
		if e.Rdev == "" {
			continue
		}
		raw, err := strconv.ParseUint(e.Rdev, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		d := (&zpl.Znode{Rdev: raw}).Device()
		e.Rdev = strconv.FormatUint(unix.Mkdev(d.Major, d.Minor), 10)
		l.Entries[path] = e
	}
}

// TestOpenReference lists every snapshot of the streams that OpenZFS and zfs-fuse made, and finds
// what the mounted snapshots showed.
func TestOpenReference(t *testing.T) {
	t.Parallel()
	openZFS, zfsFuse := reference.RequireOpenZFS(t), reference.RequireZFSFuse(t)
	compared := 0
	check := func(s reference.Stream, opts listing.DiffOptions) {
		t.Run(s.Name, func(t *testing.T) {
			o := open(t, s.Files...)
			byName := make(map[string]*objset.Snapshot)
			for _, snapshot := range o.Index.Snapshots() {
				byName[snapshot.Begin.ToName] = snapshot
			}
			for name, want := range s.Snapshots {
				snapshot := byName[name]
				if snapshot == nil {
					t.Errorf("%s is not in the stream; there are %q", name, slices.Collect(maps.Keys(byName)))
					continue
				}
				got := listOpened(t, o.Index, snapshot)
				asLinuxShows(t, got)
				if want.Dataset.Size == 0 { // facts of the dataset are compared for volumes
					got.Dataset = want.Dataset
				}
				if diff := listing.Diff(want, got, opts); diff != "" {
					t.Errorf("%s differs from what was mounted:\n%s", name, diff)
				}
				compared++
			}
		})
	}
	for _, s := range openZFS {
		check(s, listing.DiffOptions{})
	}
	for _, s := range zfsFuse {
		check(s, oracle.ZFSFuseDiff)
	}
	t.Logf("%d snapshots in %d streams", compared, len(openZFS)+len(zfsFuse))
	if compared < 40 {
		t.Errorf("only %d snapshots were compared", compared)
	}
}

var update = flag.Bool("update", false, "write the listings in testdata anew")

// TestOpenPublic lists the published streams: as OpenZFS's own code does where that can, else as
// a listing in testdata that was reviewed has it.
func TestOpenPublic(t *testing.T) {
	t.Parallel()
	judge := oracle.RequireJudge(t)
	const prefix = "openzfs-"
	paths := make(map[string]string)
	for _, path := range publicStreams(t) {
		paths[strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), prefix), ".zsend.bz2")] = path
	}
	last := func(t *testing.T, o *image.Image) listing.Listing { return listOpened(t, o.Index, o.Snapshot()) }
	t.Run("judge", func(t *testing.T) {
		plain := unpackStream(t, paths["zstream-decompress"])
		want := judge.Receive(t, []string{plain}, oracle.JudgeOptions{Foreign: true})
		compare(t, want, last(t, open(t, plain)), listing.DiffOptions{})

		// zstream redup needs a file, and writes a stream without references.
		redup := filepath.Join(t.TempDir(), "redup")
		dedup := unpackStream(t, paths["rsend-dedup"])
		out, err := judge.ZStream("redup", dedup).Output()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(redup, out, 0o600); err != nil {
			t.Fatal(err)
		}
		a, b := open(t, dedup), open(t, redup)
		for i, s := range a.Index.Snapshots() {
			compare(t, listOpened(t, b.Index, b.Index.Snapshots()[i]), listOpened(t, a.Index, s), listing.DiffOptions{})
		}
		for i, part := range substreams(t, redup) {
			want := judge.Receive(t, []string{part}, oracle.JudgeOptions{Foreign: true})
			compare(t, want, listOpened(t, a.Index, a.Index.Snapshots()[i]), listing.DiffOptions{})
		}
	})
	for _, tt := range []struct {
		name  string
		files []string
	}{
		{"base-le-native", []string{"zstream-little-endian-all-drr-types-base-NATIVE"}},
		{"base-le-xdr", []string{"zstream-little-endian-all-drr-types-base-XDR"}},
		{"base-be-native", []string{"zstream-big-endian-all-drr-types-base-NATIVE"}},
		{"base-be-xdr", []string{"zstream-big-endian-all-drr-types-base-XDR"}},
		{"incr-le-native", []string{"zstream-little-endian-all-drr-types-base-NATIVE", "zstream-little-endian-all-drr-types-incr-NATIVE"}},
		{"incr-le-xdr", []string{"zstream-little-endian-all-drr-types-base-XDR", "zstream-little-endian-all-drr-types-incr-XDR"}},
		{"incr-be-native", []string{"zstream-big-endian-all-drr-types-base-NATIVE", "zstream-big-endian-all-drr-types-incr-NATIVE"}},
		{"incr-be-xdr", []string{"zstream-big-endian-all-drr-types-base-XDR", "zstream-big-endian-all-drr-types-incr-XDR"}},
		{"long-payloads-le", []string{"zstream-little-endian-long-payloads"}},
		{"long-payloads-be", []string{"zstream-big-endian-long-payloads"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var files []string
			for _, name := range tt.files {
				files = append(files, paths[name])
			}
			got := last(t, open(t, files...))
			golden := filepath.Join("testdata", "listings", tt.name+".jsonl")
			if *update {
				writeListing(t, golden, got)
			}
			f, err := os.Open(golden)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			want, err := listing.Parse(f)
			if err != nil {
				t.Fatal(err)
			}
			compare(t, want, got, listing.DiffOptions{})
			// The makers of the streams copied files into the folder copies.
			for path, copied := range got.Entries {
				if original, ok := got.Entries[strings.TrimPrefix(path, "copies/")]; ok && strings.HasPrefix(path, "copies/") && original.SHA256 != copied.SHA256 {
					t.Errorf("%s: SHA-256 %s, that of the original %s", path, copied.SHA256, original.SHA256)
				}
			}
		})
	}
	for name, path := range paths { // raw ones tell what they are
		if !strings.Contains(name, "crypt") {
			continue
		}
		for _, s := range open(t, path).Index.Snapshots() {
			if !s.Encrypted() || s.Len() == 0 || !s.Complete {
				t.Errorf("%s: %s: encrypted %v, %d objects", name, s.Begin.ToName, s.Encrypted(), s.Len())
			}
		}
	}
}

// substreams writes each substream of a package to a file of its own.
func substreams(t *testing.T, path string) (files []string) {
	t.Helper()
	in, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	r := stream.NewReader(in)
	var w *stream.Writer
	var out *os.File
	for {
		rec, err := r.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		payload, err := r.Payload()
		if err != nil {
			t.Fatal(err)
		}
		if b, ok := rec.(*stream.Begin); ok && b.HeaderType == stream.Substream {
			if out, err = os.Create(filepath.Join(t.TempDir(), "part")); err != nil {
				t.Fatal(err)
			}
			defer out.Close()
			files, w = append(files, out.Name()), stream.NewWriter(out)
		}
		if w == nil {
			continue
		}
		if err := w.WriteRecord(rec, payload); err != nil {
			t.Fatal(err)
		}
		if _, ok := rec.(*stream.End); ok {
			w = nil
		}
	}
}

func writeListing(t *testing.T, path string, l listing.Listing) {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	for _, p := range slices.Sorted(maps.Keys(l.Entries)) {
		if err := enc.Encode(l.Entries[p]); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestRoundTrip makes an image of the torture tree, writes it as a tar, and makes the same image of
// that; and has OpenZFS receive a stream and send it again, in which diff finds no difference.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	tool := toolPath(t)
	tr, _ := torture(t, 5000)
	first := writeStream(t, tr, zpl.Options{})
	dir := t.TempDir()
	run := func(args ...string) {
		t.Helper()
		if out, err := exec.Command(tool, args...).CombinedOutput(); err != nil {
			t.Fatalf("%q: %v: %s", args, err, out)
		}
	}
	tar := filepath.Join(dir, "tree.tar")
	run("extract", first, "--tar", tar)
	run("create-image", "torture-1", tar, "--as-dataset", "-q", "-c", "none", "-o", dir, "--description", "x")
	run("extract", filepath.Join(dir, "torture-1.zfs"), "--tar", filepath.Join(dir, "again.tar"))
	sameBytes(t, "the tar of an image made of a tar", filepath.Join(dir, "again.tar"), tar)
	run("create-image", "torture-2", filepath.Join(dir, "again.tar"), "--as-dataset", "-q", "-c", "none", "-o", dir, "--description", "x")
	sameBytes(t, "the stream", filepath.Join(dir, "torture-2.zfs"), filepath.Join(dir, "torture-1.zfs"))
	run("extract", first, "-C", filepath.Join(dir, "x"), "-q")
	run("create-image", "torture-3", filepath.Join(dir, "x"), "--as-dataset", "-q", "-c", "none", "-o", dir, "--description", "x")
	sameBytes(t, "the stream of an extracted image", filepath.Join(dir, "torture-3.zfs"), filepath.Join(dir, "torture-1.zfs"))
	run("diff", first, filepath.Join(dir, "torture-1.zfs"))
}
