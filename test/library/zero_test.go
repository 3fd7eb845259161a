package library

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"imagetools/base"
	"imagetools/base/edits"
	"imagetools/compress"
	"imagetools/disk"
	"imagetools/host"
	"imagetools/image"
	"imagetools/image/check"
	"imagetools/manifest"
	"imagetools/rootfs"
	"imagetools/rootfs/edit"
	"imagetools/rootfs/overlay"
	"imagetools/rootfs/prepare"
	"imagetools/seed"
	"imagetools/source"
	"imagetools/source/content"
	"imagetools/tree"
	"imagetools/tree/compare"
	"imagetools/tree/fromdir"
	"imagetools/tree/fromfs"
	"imagetools/tree/fromoci"
	"imagetools/tree/fromoci/registry"
	"imagetools/tree/fromtar"
	"imagetools/tree/todir"
	"imagetools/tree/totar"
	"imagetools/zfs/objset"
	"imagetools/zfs/stream"
	"imagetools/zfs/zpl"
	"imagetools/zfs/zvol"
)

// zero is a use of the zero value of an options type. want is in its error; empty if it works.
type zero struct {
	do   func(t *testing.T) error
	want string
}

func newTree(t *testing.T) *tree.Tree {
	t.Helper()
	tr := tree.New()
	root := tree.NewDir(0o755)
	err := errors.Join(
		tr.Root.Add("root", root),
		root.Add("motd", &tree.Node{Mode: tree.TypeFile | 0o644, Size: 5, Content: tree.Bytes("hello")}),
	)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func sealedTree(t *testing.T) *tree.Tree {
	t.Helper()
	tr := newTree(t)
	if err := tr.Seal(); err != nil {
		t.Fatal(err)
	}
	return tr
}

func archive(t *testing.T) io.Reader {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	// An unknown type is a fault, and the global header a note.
	err := errors.Join(
		w.WriteHeader(&tar.Header{Typeflag: tar.TypeXGlobalHeader, Name: "g", PAXRecords: map[string]string{"comment": "odd"}, Format: tar.FormatPAX}),
		w.WriteHeader(&tar.Header{Name: "motd", Mode: 0o644}),
		w.Close(),
	)
	if err != nil {
		t.Fatal(err)
	}
	return &b
}

func volume(t *testing.T) tree.File {
	t.Helper()
	f, err := tree.Bytes("a disk").Open()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func writtenStream(t *testing.T) *bytes.Reader {
	t.Helper()
	plan, err := zpl.NewPlan(t.Context(), sealedTree(t), zpl.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := plan.Write(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	return bytes.NewReader(b.Bytes())
}

func fileSystem(t *testing.T, opts objset.Options) (*zpl.FS, error) {
	t.Helper()
	x := objset.New(opts)
	if err := x.Read(stream.NewReader(writtenStream(t)), nil, nil); err != nil {
		return nil, err
	}
	return zpl.Open(x, x.Snapshots()[0])
}

// newImage makes an image and returns the path of its manifest.
func newImage(t *testing.T) string {
	t.Helper()
	res, err := image.Create(t.Context(), sealedTree(t), image.Options{Dir: t.TempDir(), Manifest: manifest.Options{Name: "web", Version: "1.0"}})
	if err != nil {
		t.Fatal(err)
	}
	return res.ManifestPath
}

func memoryRoot(t *testing.T) *rootfs.FS {
	t.Helper()
	root := rootfs.NewTree(tree.New(), tree.Time{})
	if err := errors.Join(root.MkdirAll("/etc/ssh", nil), root.WriteFile("/etc/os-release", []byte("ID=debian\n"), nil), root.WriteFile("/etc/ssh/ssh_host_rsa_key", nil, nil)); err != nil {
		t.Fatal(err)
	}
	return root
}

// zeros has each options type of the public packages.
var zeros = map[string]zero{
	"manifest.Options": {func(*testing.T) error {
		faults, err := manifest.New(manifest.Options{}).Validate(manifest.IMGADM)
		return errors.Join(err, errors.New(fmt.Sprint(faults)))
	}, "name"},
	"seed.LocateOptions": {func(t *testing.T) error {
		_, err := seed.Locate(t.TempDir(), seed.LocateOptions{})
		return err
	}, "proto"},
	"seed.Options": {func(t *testing.T) error {
		_, err := seed.Build(t.Context(), seed.Options{})
		return err
	}, "Places"},
	"rootfs/overlay.Options": {func(t *testing.T) error {
		layer, err := overlay.ReadFS("layer", fstest.MapFS{"etc/motd": {Data: []byte("hello"), Mode: 0o644}}, "")
		if err != nil {
			return err
		}
		plan, err := overlay.NewPlan(memoryRoot(t), []*overlay.Layer{layer}, overlay.Options{})
		if err != nil {
			return err
		}
		return plan.Apply(t.Context(), nil)
	}, ""},
	"tree/todir.Options": {func(t *testing.T) error {
		_, err := todir.Extract(t.Context(), sealedTree(t), filepath.Join(t.TempDir(), "root"), todir.Options{})
		return err
	}, ""},
	"tree/fromdir.Options": {func(t *testing.T) error {
		_, _, err := fromdir.Read(t.Context(), t.TempDir(), fromdir.Options{})
		return err
	}, ""},
	"tree/fromfs.Options": {func(t *testing.T) error {
		_, _, err := fromfs.Read(t.Context(), fstest.MapFS{"a": {}}, fromfs.Options{})
		return err
	}, ""},
	"tree/fromtar.Options": {func(t *testing.T) error {
		s, err := fromtar.Read(t.Context(), archive(t), fromtar.Options{})
		if err != nil {
			return err
		}
		return s.Close()
	}, ""},
	"tree/fromtar.MembersOptions": {func(t *testing.T) error {
		m, err := fromtar.NewMembers(t.Context(), archive(t), fromtar.MembersOptions{})
		if err != nil {
			return err
		}
		for {
			if _, err := m.Next(); err == io.EOF {
				return nil
			} else if err != nil {
				return err
			}
		}
	}, ""},
	"tree/compare.Options": {func(t *testing.T) error {
		for c, err := range compare.Diff(t.Context(), sealedTree(t), sealedTree(t), compare.Options{}) {
			return fmt.Errorf("%v, %w", c, err)
		}
		return nil
	}, ""},
	"tree/totar.Options": {func(t *testing.T) error { return totar.Write(t.Context(), io.Discard, sealedTree(t), totar.Options{}) }, ""},
	"tree/fromoci.Options": {func(t *testing.T) error {
		_, err := fromoci.OpenLayout(t.Context(), t.TempDir(), "", fromoci.Options{})
		return err
	}, "oci-layout"},
	"tree/fromoci/registry.Options": {func(t *testing.T) error {
		_, err := registry.Open(t.Context(), "", registry.Options{})
		return err
	}, "reference"},
	"source/content.DiskOptions": {func(t *testing.T) error {
		d, err := content.ReadDisk(t.Context(), bytes.NewReader(make([]byte, 4096)), content.DiskOptions{})
		if err != nil {
			return err
		}
		return d.Close()
	}, ""},
	"image.OpenOptions": {func(t *testing.T) error {
		img, err := image.Open(t.Context(), newImage(t), image.OpenOptions{})
		if err != nil {
			return err
		}
		defer img.Close()
		files, err := img.FS()
		if err != nil {
			return err
		}
		_, err = fs.ReadFile(files, "root/motd")
		return err
	}, ""},
	"image.Options": {func(t *testing.T) error {
		t.Chdir(t.TempDir())
		_, err := image.Create(t.Context(), sealedTree(t), image.Options{})
		return err
	}, "name"},
	"image.VerifyOptions": {func(t *testing.T) error {
		_, err := image.Verify(t.Context(), []string{newImage(t)}, image.VerifyOptions{})
		return err
	}, ""},
	"image/check.Options": {func(t *testing.T) error {
		check.Zone(check.Tree(sealedTree(t)), check.Options{})
		return nil
	}, ""},
	"disk.Options": {func(t *testing.T) error {
		d, err := disk.Read(t.Context(), io.NewSectionReader(volume(t), 0, 6), disk.Options{})
		if err != nil {
			return err
		}
		return d.Close()
	}, ""},
	"zfs/zpl.Options": {func(t *testing.T) error {
		writtenStream(t)
		return nil
	}, ""},
	"zfs/zpl.CheckOptions": {func(t *testing.T) error {
		f, err := fileSystem(t, objset.Options{})
		if err != nil {
			return err
		}
		_, err = zpl.Check(t.Context(), f, zpl.CheckOptions{})
		return err
	}, ""},
	"zfs/zvol.Options": {func(t *testing.T) error {
		plan, err := zvol.NewPlan(t.Context(), volume(t), 6, zvol.Options{})
		if err != nil {
			return err
		}
		return plan.Write(t.Context(), io.Discard)
	}, ""},
	"zfs/objset.Options": {func(t *testing.T) error {
		_, err := fileSystem(t, objset.Options{})
		return err
	}, ""},
	"rootfs/prepare.Options": {func(t *testing.T) error {
		plan, err := prepare.Find(t.Context(), prepare.Target{Root: memoryRoot(t)}, prepare.Options{})
		if err != nil {
			return err
		}
		return plan.Apply(t.Context(), nil)
	}, ""},
	"host.CreateOptions": {func(t *testing.T) error {
		_, err := host.Store{Dir: t.TempDir()}.Create(t.Context(), "zones/seed", sealedTree(t), host.CreateOptions{})
		return err
	}, ""},
	"host.HomeOptions": {func(*testing.T) error {
		homes, err := (&host.Host{}).Homes(host.HomeOptions{})
		if err == nil && len(homes) == 0 {
			err = errors.New("no home")
		}
		return err
	}, ""},
	"base/edits.Options": {func(t *testing.T) error {
		step := &edits.Step{Which: base.Which{Config: "2024Q4-x86_64"}}
		_, err := edit.Run(t.Context(), &edit.Root{FS: memoryRoot(t)}, edit.Watch{}, step)
		return err
	}, "/etc/hosts"},
	"source.Options": {func(t *testing.T) error {
		src, err := source.Find(t.Context(), t.TempDir(), source.Options{})
		if err != nil {
			return err
		}
		tree, err := src.(source.Trees).Tree(t.Context())
		if err != nil {
			return err
		}
		return tree.Close()
	}, ""},
	"compress.Options": {func(*testing.T) error {
		w, err := compress.NewWriter(io.Discard, compress.Gzip, compress.Options{})
		if err != nil {
			return err
		}
		return w.Close()
	}, ""},
}

// noPanic runs a function and makes an error of its panic.
func noPanic(do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return do()
}

// The zero value of every options type works, or the error says what is missing.
func TestZeroOptions(t *testing.T) {
	names := optionTypes(t)
	for _, name := range names {
		if _, ok := zeros[name]; !ok {
			t.Errorf("%s has no test of its zero value", name)
		}
	}
	for name, z := range zeros {
		if !slices.Contains(names, name) {
			t.Errorf("there is no %s", name)
			continue
		}
		t.Run(name, func(t *testing.T) {
			err := noPanic(func() error { return z.do(t) })
			switch {
			case err == nil && z.want != "":
				t.Errorf("no error, want one with %q", z.want)
			case err != nil && (z.want == "" || !strings.Contains(err.Error(), z.want) || strings.HasPrefix(err.Error(), "panic")):
				t.Errorf("%v; want %q", err, z.want)
			}
		})
	}
}

// A tree that is not sealed is sealed, or an error of whoever needs a sealed one.
func TestUnsealedTrees(t *testing.T) {
	f, err := fileSystem(t, objset.Options{})
	if err != nil {
		t.Fatal(err)
	}
	uses := map[string]func(tr *tree.Tree) error{
		"tree.FS":        func(tr *tree.Tree) error { _, err := tr.FS(); return err },
		"zpl.NewPlan":    func(tr *tree.Tree) error { _, err := zpl.NewPlan(t.Context(), tr, zpl.Options{}); return err },
		"zpl.NewPlan on": func(tr *tree.Tree) error { _, err := zpl.NewPlan(t.Context(), tr, zpl.Options{Origin: f}); return err },
		"totar.Write":    func(tr *tree.Tree) error { return totar.Write(t.Context(), io.Discard, tr, totar.Options{}) },
		"todir.Extract": func(tr *tree.Tree) error {
			_, err := todir.Extract(t.Context(), tr, filepath.Join(t.TempDir(), "d"), todir.Options{})
			return err
		},
		"compare.Diff":      func(tr *tree.Tree) error { return firstError(t.Context(), tr, sealedTree(t)) },
		"compare.Diff with": func(tr *tree.Tree) error { return firstError(t.Context(), sealedTree(t), tr) },
		"image.Create": func(tr *tree.Tree) error {
			_, err := image.Create(t.Context(), tr, image.Options{Dir: t.TempDir(), Manifest: manifest.Options{Name: "web", Version: "1.0"}})
			return err
		},
		"host.Store": func(tr *tree.Tree) error {
			_, err := host.Store{Dir: t.TempDir()}.Create(t.Context(), "zones/seed", tr, host.CreateOptions{})
			return err
		},
	}
	for name, use := range uses {
		for kind, tr := range map[string]*tree.Tree{"unsealed": newTree(t), "zero": {}, "root without entries": {Root: &tree.Node{Mode: tree.TypeDir}}} {
			err := noPanic(func() error { return use(tr) })
			if err != nil && strings.HasPrefix(err.Error(), "panic") {
				t.Errorf("%s, %s tree: %v", name, kind, err)
			}
			if kind != "root without entries" && err != nil && !errors.Is(err, tree.ErrNotSealed) && !strings.Contains(err.Error(), "root of the tree") {
				t.Errorf("%s, %s tree: %v", name, kind, err)
			}
			if kind == "zero" && err == nil {
				t.Errorf("%s took a tree without a root", name)
			}
		}
	}
}

func firstError(ctx context.Context, a, b *tree.Tree) error {
	for _, err := range compare.Diff(ctx, a, b, compare.Options{}) {
		if err != nil {
			return err
		}
	}
	return nil
}

// Other values that are used as they come.
func TestZeroValues(t *testing.T) {
	for name, use := range map[string]func() error{
		"compress.Format": func() error {
			var b bytes.Buffer
			w, err := compress.NewWriter(&b, "", compress.Options{})
			if err != nil {
				return err
			}
			if err := w.Close(); err != nil {
				return err
			}
			if f := compress.Detect(b.Bytes()); f != compress.Gzip {
				return fmt.Errorf("no compression named is %q", f)
			}
			return nil
		},
		"tree.Tree": func() error {
			tr := &tree.Tree{}
			tr.Unseal()
			for range tr.All() {
				return errors.New("a tree without a root has names")
			}
			if tr.Lookup("a") != nil || tr.Nodes() != nil || tr.Len() != 0 {
				return errors.New("a tree without a root has nodes")
			}
			_, err := tr.Under("root")
			if err == nil {
				return errors.New("a tree without a root is put under another")
			}
			return nil
		},
		"tree.Node": func() error {
			n := &tree.Node{}
			if n.Lookup("a") != nil || n.Entries() != nil || n.IsDir() || n.Path() != "." || n.Cost() == 0 {
				return errors.New("a node without a mode is odd")
			}
			return nil
		},
		"image.Image": func() error {
			img := &image.Image{}
			if _, err := img.FS(); err == nil {
				return errors.New("an image that was not opened has files")
			}
			if _, err := img.Volume(); err == nil {
				return errors.New("an image that was not opened has a volume")
			}
			if _, err := img.Tree(t.Context()); err == nil {
				return errors.New("an image that was not opened has a tree")
			}
			return img.Close()
		},
		"image.Origin": func() error { return (&image.Origin{}).Close() },
		"image.FindOrigin": func() error {
			if _, err := image.FindOrigin(nil); err == nil {
				return errors.New("an origin was found")
			}
			return nil
		},
		"image.Open": func() error {
			if _, err := image.Open(t.Context(), "", image.OpenOptions{}); !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("the empty path: %w", err)
			}
			if _, err := image.Open(t.Context(), "-", image.OpenOptions{}); err == nil || !strings.Contains(err.Error(), "standard input") {
				return fmt.Errorf("standard input that nobody gave: %w", err)
			}
			return nil
		},
		"image.Verify": func() error {
			if _, err := image.Verify(t.Context(), []string{"-"}, image.VerifyOptions{}); err == nil || !strings.Contains(err.Error(), "standard input") {
				return fmt.Errorf("standard input that nobody gave: %w", err)
			}
			return nil
		},
	} {
		if err := noPanic(use); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
