package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"imagetools/host"
	"imagetools/image"
	"imagetools/internal/cli"
	"imagetools/manifest"
	"imagetools/rootfs"
	"imagetools/rootfs/lx"
	"imagetools/rootfs/prepare"
	"imagetools/tree"
)

// findType finds out what a tree is the root file system of, which is the type of its image unless
// that is given, and warns if it is not what it should be.
func (o *createImageOptions) findType(ctx context.Context, env *cli.Env, t *tree.Tree, at *place, out *image.Options) error {
	found, err := cli.Interruptible(ctx, func() (foundSystem, error) { return systemOf(t) })
	if err != nil {
		return err
	}
	m := &out.Manifest
	if m.Type == "" { // what goes with it was not judged yet
		m.Type = cmp.Or(found.imageType, manifest.TypeZone)
		if m.Type == manifest.TypeLX && !o.Quiet {
			fmt.Fprintf(env.Stderr, "note: root/ is %s: the type of the image is %s (use --type %s for another)\n", found.name, m.Type, manifest.TypeZone)
		}
		if _, _, err := image.Check(*out); err != nil {
			return withHint(err)
		}
	}
	if found.imageType != "" && found.imageType != m.Type {
		env.Warnf("the type of the image is %s, but root/ is %s: zones of the image will not boot; use --type %s", m.Type, found.name, found.imageType)
	}
	return o.lx.settle(m, at.image != nil)
}

// mountedType is the type of an image of a file system in ZFS, by what it holds where it is mounted;
// empty if that does not tell.
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

// foundSystem is what a root file system is one of.
type foundSystem struct {
	imageType string // of images of such a root; empty if nothing tells
	name      string // in words
}

// systemOf tells by files what the root in a dataset is.
func systemOf(t *tree.Tree) (foundSystem, error) {
	dataset := rootfs.View(t)
	defer dataset.Close()
	return systemIn(dataset)
}

func systemIn(dataset *rootfs.FS) (foundSystem, error) {
	root, err := dataset.Sub("root")
	if err != nil {
		return foundSystem{}, nil // there is none: whoever needs it says so
	}
	defer root.Close()
	d, linux, err := lx.Recognize(root)
	if err != nil || linux {
		return foundSystem{manifest.TypeLX, "the root file system of " + printable(d.Name)}, err
	}
	os, err := prepare.Detect(root)
	if errors.Is(err, prepare.ErrUnknownOS) {
		return foundSystem{}, nil
	}
	if err != nil || os != prepare.SmartOS {
		return foundSystem{}, err
	}
	return foundSystem{manifest.TypeZone, "the root file system of a SmartOS zone"}, nil
}
