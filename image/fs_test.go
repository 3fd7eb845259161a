package image_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"imagetools/compress"
	"imagetools/fault"
	"imagetools/image"
	"imagetools/internal/budget"
	"imagetools/manifest"
	"imagetools/test/edits"
	"imagetools/tree"
	"imagetools/tree/fromfs"
)

// imageOfTree writes the image of a tree, and returns the path of its manifest.
func imageOfTree(t *testing.T, tr *tree.Tree, c compress.Format) string {
	t.Helper()
	created := int64(1e9)
	opts := image.Options{Dir: t.TempDir(), Compression: c, Now: time.Unix(created, 0), Manifest: manifest.Options{Name: "web", Version: "1.0"}}
	opts.FileSystem.Created = &created
	res, err := image.Create(t.Context(), tr, opts)
	if err != nil {
		t.Fatal(err)
	}
	return res.ManifestPath
}

func openImage(t *testing.T, path string, opts image.OpenOptions) *image.Image {
	t.Helper()
	opts.TmpDir = t.TempDir()
	img, err := image.Open(t.Context(), path, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := img.Close(); err != nil {
			t.Error(err)
		}
	})
	return img
}

// edited is a tree of everything that random edits make.
func edited(t *testing.T, seed uint64) *tree.Tree {
	t.Helper()
	m := edits.New(200, seed)
	m.Edit(60, seed)
	tr, err := m.Tree()
	if err == nil {
		err = tr.Seal()
	}
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// The files of an image are a file system as package fs wants it, whatever the stream is packed in.
func TestFS(t *testing.T) {
	tr := tree.New()
	root := tree.NewDir(0o755)
	for _, err := range []error{
		tr.Root.Add("root", root),
		root.Add("motd", &tree.Node{Mode: tree.TypeFile | 0o644, Size: 9, Content: tree.Bytes("Welcome!\n")}),
		root.Add("dangling", &tree.Node{Mode: tree.TypeSymlink | 0o777, Target: "../../../proc/mounts"}),
		root.Add("absolute", &tree.Node{Mode: tree.TypeSymlink | 0o777, Target: "/motd"}),
		root.Add("null", &tree.Node{Mode: tree.TypeChar | 0o666, Device: &tree.Device{Major: 13, Minor: 2}}),
		root.Add("large", &tree.Node{Mode: tree.TypeFile, Size: 3 << 17, Content: tree.Bytes(append(make([]byte, 1<<18), bytes.Repeat([]byte("x"), 1<<17)...))}),
		tr.Seal(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []compress.Format{compress.None, compress.Gzip} {
		img := openImage(t, imageOfTree(t, tr, c), image.OpenOptions{})
		files, err := img.FS()
		if err != nil {
			t.Fatal(err)
		}
		if err := fstest.TestFS(files, "root/motd", "root/dangling", "root/null", "root/large"); err != nil {
			t.Errorf("%s: %v", c, err)
		}
		sub, err := fs.Sub(files, "root")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := fs.ReadFile(sub, "absolute"); err != nil || string(got) != "Welcome!\n" {
			t.Errorf("%s: an absolute link: %q, %v", c, got, err)
		}
		f, err := files.Open("root/large")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		p := make([]byte, 2)
		if _, err := f.(io.ReaderAt).ReadAt(p, 1<<18-1); err != nil || string(p) != "\x00x" {
			t.Errorf("%s: read at random: %q, %v", c, p, err)
		}
		if start, end, err := f.(tree.File).NextData(0); start != 1<<18 || end != 3<<17 || err != nil {
			t.Errorf("%s: data from %d to %d, %v", c, start, end, err)
		}
	}
}

// An image whose files are read as a file system, and written, is the same image.
func TestImageThroughFS(t *testing.T) {
	want := imageOfTree(t, edited(t, 1), compress.Gzip)
	files, err := openImage(t, want, image.OpenOptions{}).FS()
	if err != nil {
		t.Fatal(err)
	}
	tr, _, err := fromfs.Read(t.Context(), files, fromfs.Options{})
	if err == nil {
		err = tr.Seal()
	}
	if err != nil {
		t.Fatal(err)
	}
	got := imageOfTree(t, tr, compress.Gzip)
	for _, name := range []string{"web-1.0.json", "web-1.0.zfs.gz"} {
		if read(filepath.Join(filepath.Dir(got), name)) != read(filepath.Join(filepath.Dir(want), name)) {
			t.Errorf("%s is not the same", name)
		}
	}
}

// What has no files, or not all of them, says so, and what helps.
func TestNoFiles(t *testing.T) {
	way := func(err error) fault.Way {
		if e, ok := errors.AsType[*fault.Error](err); ok {
			return e.Way
		}
		return fault.Way{}
	}
	volume := openImage(t, makeVolume(t, "disk", make([]byte, 1<<20), 8192), image.OpenOptions{})
	if _, err := volume.FS(); !errors.Is(err, image.ErrNotFileSystem) || way(err) != image.WayVolume {
		t.Errorf("FS of a volume: %v", err)
	}
	if v, err := volume.Volume(); err != nil || v.Size != 1<<20 {
		t.Errorf("its disk: %v, %v", v, err)
	}
	base := imageOfTree(t, edited(t, 1), compress.Gzip)
	if _, err := openImage(t, base, image.OpenOptions{}).Volume(); !errors.Is(err, image.ErrNotVolume) || way(err) != image.WayFile {
		t.Errorf("Volume of a file system: %v", err)
	}

	o, err := image.FindOrigin([]string{base})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if err := o.Open(t.Context(), image.OpenOptions{}); err != nil {
		t.Fatal(err)
	}
	opts := image.Options{Dir: t.TempDir(), Origin: o, Now: time.Unix(2e9, 0), Manifest: manifest.Options{Name: "web", Version: "1.1"}}
	if opts.Manifest.Base, err = o.Inherit(nil); err != nil {
		t.Fatal(err)
	}
	res, err := image.Create(t.Context(), edited(t, 2), opts)
	if err != nil {
		t.Fatal(err)
	}
	lost := openImage(t, res.ManifestPath, image.OpenOptions{})
	_, err = lost.FS()
	part, ok := errors.AsType[*image.IncompleteError](err)
	if !ok || !errors.Is(err, image.ErrIncomplete) || !errors.Is(err, image.ErrNoOrigin) || way(err) != image.WayOrigin || part.Missing == 0 {
		t.Errorf("an increment without its origin: %v", err)
	}
	found := openImage(t, res.ManifestPath, image.OpenOptions{Origins: []string{base}})
	if _, err := found.FS(); err != nil {
		t.Error(err)
	}
	for _, path := range []string{base, filepath.Join(filepath.Dir(base), "web-1.0.zfs.gz")} {
		if err := os.Symlink(path, filepath.Join(filepath.Dir(res.ManifestPath), filepath.Base(path))); err != nil {
			t.Fatal(err)
		}
	}
	img := openImage(t, res.Image, image.OpenOptions{})
	if files, err := img.FS(); err != nil || img.NoOrigin != nil || len(img.Inputs) != 2 {
		t.Errorf("an increment beside its origin: %v, %v", files, err)
	}
}

// The files of an image are held within the limit for its memory.
func TestMemoryOfFS(t *testing.T) {
	path := imageOfTree(t, edited(t, 1), compress.Gzip)
	if _, err := image.Open(t.Context(), path, image.OpenOptions{MemoryLimit: 1 << 12}); !errors.Is(err, budget.ErrExceeded) {
		t.Errorf("an index in 4 KiB: %v", err)
	}
	b := budget.New(budget.Limits{})
	img := openImage(t, path, image.OpenOptions{Budget: b})
	index := b.Held()
	if _, err := img.FS(); err != nil {
		t.Fatal(err)
	}
	if held := b.Held() - index; held < 200*200 {
		t.Errorf("the files of 200 names count %d bytes", held)
	}
	if _, err := openImage(t, path, image.OpenOptions{MemoryLimit: index + 1<<12}).FS(); !errors.Is(err, budget.ErrExceeded) {
		t.Errorf("files beyond the limit: %v", err)
	}
}
