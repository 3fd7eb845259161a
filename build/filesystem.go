package build

import (
	"cmp"
	"context"
	"errors"
	"path/filepath"

	"imagetools/host"
	"imagetools/image"
	"imagetools/image/check"
	"imagetools/internal/plain"
	"imagetools/manifest"
	"imagetools/rootfs"
	"imagetools/rootfs/lx"
	"imagetools/rootfs/prepare"
	"imagetools/source"
	"imagetools/zfs/zpl"
)

// fileSystem is an image of a tree.
type fileSystem struct {
	source source.Trees
	tree   *source.Tree
}

func (f *fileSystem) held() (int, int64) { return f.tree.Len(), f.tree.Held }

func (f *fileSystem) Close() error {
	if f.tree == nil {
		return nil
	}
	return f.tree.Close()
}

func (f *fileSystem) open(ctx context.Context, p *Plan) (err error) {
	l := &p.spec.Log
	if f.tree, err = f.source.Tree(ctx); err != nil {
		return err
	}
	l.finish()
	f.tree.Tell(l.Warn, l.Say, l.Note)
	f.tree.Describe(&p.out.Manifest)
	if err := f.findType(p); err != nil {
		return err
	}
	return p.change(ctx, f.tree.Tree)
}

func (f *fileSystem) write(ctx context.Context, p *Plan) (*image.Result, error) {
	p.out.FileSystem.Progress = func(phase zpl.Phase, done, total int64) {
		p.spec.Log.progress(map[zpl.Phase]string{zpl.Digesting: "reading", zpl.Writing: "writing"}[phase], done, total)
	}
	return image.Create(ctx, f.tree.Tree, *p.out)
}

// judge warns, by the rules of verify, of what keeps zones of an image from booting, and of files
// that are better not in it.
func (f *fileSystem) judge(p *Plan, res *image.Result) {
	m := p.Manifest()
	if res != nil {
		m = res.Manifest
	}
	zone, leaks := check.Image(f.tree.Tree, m)
	p.warnOfFindings(zone, leaks)
}

// findType finds out what a tree is the root file system of, which is the type of its image unless
// that is given, and warns if it is not what it should be.
func (f *fileSystem) findType(p *Plan) error {
	l, m := &p.spec.Log, &p.out.Manifest
	dataset := rootfs.View(f.tree.Tree)
	defer dataset.Close()
	found, err := systemIn(dataset)
	if err != nil {
		return err
	}
	if m.Type == "" { // what goes with it was not judged yet
		m.Type = cmp.Or(found.imageType, manifest.TypeZone)
		if m.Type == manifest.TypeLX {
			l.note("root/ is %s: the type of the image is %s (use %s %s for another)", found.name, m.Type, p.spec.called("Type"), manifest.TypeZone)
		}
		if p.Image, p.ManifestPath, err = image.Check(*p.out); err != nil {
			return withWay(err)
		}
	}
	if found.imageType != "" && found.imageType != m.Type {
		l.warn("the type of the image is %s, but root/ is %s: zones of the image will not boot; use %s %s", m.Type, found.name, p.spec.called("Type"), found.imageType)
	}
	return p.settleLX()
}

// mountedType is the type of an image of a file system in ZFS, by what it holds where it is mounted;
// empty if nothing tells.
func mountedType(ds *host.PoolDataset) string {
	if ds.Volume || !filepath.IsAbs(ds.Mountpoint) {
		return ""
	}
	root, err := rootfs.OpenDir(ds.Mountpoint)
	if err != nil {
		return "" // not mounted
	}
	defer root.Close()
	found, err := systemIn(root)
	if err != nil {
		return "" // sending it says what is wrong
	}
	return found.imageType
}

// system is what a root file system is one of.
type system struct {
	imageType string // of images of such a root; empty if nothing tells
	name      string // in words
}

// systemIn tells by files what the root in a dataset is.
func systemIn(dataset *rootfs.FS) (system, error) {
	root, err := dataset.Sub("root")
	if err != nil {
		return system{}, nil // there is none: whoever needs it says so
	}
	defer root.Close()
	d, linux, err := lx.Recognize(root)
	if err != nil || linux {
		return system{manifest.TypeLX, "the root file system of " + plain.Entry(d.Name)}, err
	}
	os, err := prepare.Detect(root)
	if errors.Is(err, prepare.ErrUnknownOS) {
		return system{}, nil
	}
	if err != nil || os != prepare.SmartOS {
		return system{}, err
	}
	return system{manifest.TypeZone, "the root file system of a SmartOS zone"}, nil
}
