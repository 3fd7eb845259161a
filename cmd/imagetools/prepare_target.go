package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"imagetools/build"
	"imagetools/fault"
	"imagetools/host"
	"imagetools/image"
	"imagetools/internal/cli"
	"imagetools/internal/shell"
	"imagetools/rootfs"
	"imagetools/rootfs/edit"
	"imagetools/rootfs/folder"
	"imagetools/rootfs/prepare"
	"imagetools/source"
	"imagetools/source/content"
	"imagetools/tree"
)

// prepareTarget is an opened TARGET.
type prepareTarget struct {
	prepare.Target
	what    string
	known   prepare.Options // by who has it, as far as nothing else is said
	tree    *tree.Tree      // nil if changes are made on disk
	save    func() error    // brings those of the tree to the disk; nil if none are made there
	metalog content.Metalog // of a directory
	closers []io.Closer
}

// Close releases what is open.
func (t *prepareTarget) Close() error {
	var errs []error
	for _, c := range t.closers {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// openTarget opens TARGET in the way that what is to be done with it needs.
func (o *prepareOptions) openTarget(ctx context.Context, env *cli.Env, progress *cli.Progress) (_ *prepareTarget, err error) {
	t := &prepareTarget{what: fmt.Sprintf("%q", o.Target)}
	defer func() {
		if err != nil {
			t.Close()
		}
	}()
	h := &host.Host{}
	read, err := o.source.options(env, o.Target)
	if err != nil {
		return nil, err
	}
	told(&read, env, progress, true)
	read.Host, read.Origins, read.TmpDir = h, o.open.Origins, o.source.TmpDir
	src, err := source.Find(ctx, o.Target, read)
	if _, ok := errors.AsType[*fault.Error](err); ok && errors.Is(err, image.ErrNoOrigin) {
		err = cli.Hint(errors.Unwrap(err), "use --origin to name it")
	}
	if err != nil {
		return nil, err
	}
	switch s := src.(type) {
	case *source.TreeImage:
		return t, o.readTree(ctx, env, t, s, "an image", true)
	case *source.Container:
		return t, o.readTree(ctx, env, t, s.Whole(), "a container image", read.IsDataset())
	case *source.Tar:
		return t, o.readTree(ctx, env, t, s.Whole(), "a tar", read.IsDataset())
	case *source.DiskFile:
		return nil, s.NotRead()
	case *source.VolumeImage:
		return nil, fault.With(fmt.Errorf("%v: %w", s, image.ErrNotFileSystem), image.WayVolume)
	case *source.Pool:
		if s.Machine != nil {
			t.known = build.PrepareOptions(s.Machine)
		}
		folder, err := s.Dataset.Folder(ctx)
		if err != nil {
			return nil, build.WithHalt(err)
		}
		return t, o.openDir(ctx, env, t, h, s.Dir(folder.Path, read), true)
	case *source.Dir:
		return t, o.openDir(ctx, env, t, h, s, read.IsDataset() || s.Dataset != nil)
	}
	return nil, fmt.Errorf("%v: nothing is prepared there", src)
}

// openDir opens a directory, where it lies or to be copied.
func (o *prepareOptions) openDir(ctx context.Context, env *cli.Env, t *prepareTarget, h *host.Host, dir *source.Dir, isDataset bool) error {
	if err := checkZonesAt(ctx, h, dir.Path); err != nil {
		return err
	}
	if !isDataset && o.source.AsDataset.value == nil {
		level, err := content.LevelOfDir(dir.Path)
		if err != nil {
			return err
		}
		isDataset = level.Kind == content.Dataset
	}
	metalog, err := dir.MetalogPath()
	if err != nil {
		return err
	}
	if o.Output == "" && metalog == "" {
		return t.useDir(env, dir.Path, isDataset)
	}
	if err := o.readTree(ctx, env, t, dir.Whole(metalog), "", isDataset); err != nil || o.Output != "" || o.tellOnly() {
		return err
	}
	if prefix := t.metalog.Prefix; prefix != "" && prefix != "." {
		return cli.Hint(fmt.Errorf("METALOG %q: it describes more than %q, which is %q in it", metalog, dir.Path, prefix),
			"use the directory of the whole dataset as TARGET")
	}
	watched := folder.Watch(t.tree)
	t.save = func() error { return watched.Save(dir.Path, metalog) }
	return nil
}

// cannotChange is the error for what is to be changed where it lies, and cannot.
func (o *prepareOptions) cannotChange(what string) error {
	if o.tellOnly() || o.Output != "" {
		return nil
	}
	return cli.Hint(cli.Usagef("%q is %s, which is not changed where it lies", o.Target, what),
		"-o OUT.tar writes a prepared copy, of which create-image makes an image; --check tells what would go")
}

// readTree reads a tree that is what it is called, and cannot be changed where it lies unless that is
// empty.
func (o *prepareOptions) readTree(ctx context.Context, env *cli.Env, t *prepareTarget, src source.Trees, what string, isDataset bool) error {
	if what != "" {
		if err := o.cannotChange(what); err != nil {
			return err
		}
	}
	read, err := src.Tree(ctx)
	if err != nil {
		return err
	}
	t.closers = append(t.closers, read)
	read.Tell(func(text string) { env.Warnf("%s", text) }, nil, nil)
	t.metalog = read.Metalog
	return t.useTree(read.Tree, isDataset)
}

// useTree prepares a sealed tree.
func (t *prepareTarget) useTree(tr *tree.Tree, isDataset bool) error {
	t.tree = tr
	return t.use(rootfs.NewTree(tr, edit.Time(tr, nil)), isDataset)
}

// useDir prepares a directory on disk.
func (t *prepareTarget) useDir(env *cli.Env, dir string, isDataset bool) error {
	top, err := rootfs.OpenDir(dir)
	if err != nil {
		return err
	}
	top.OnLeft(func(text string) { env.Warnf("%s", text) })
	return t.use(top, isDataset)
}

// use prepares a root file system, or the dataset that has one.
func (t *prepareTarget) use(top *rootfs.FS, isDataset bool) (err error) {
	t.closers = append(t.closers, top)
	if !isDataset {
		t.Root = top
		return nil
	}
	if info, err := top.Lstat("root"); err != nil || info.Mode.Type() != tree.TypeDir {
		return cli.Hint(fmt.Errorf("%s: a dataset has its root file system in root/, and there is none", t.what),
			"the directory of a root file system is named by its path, without --as-dataset")
	}
	t.Dataset = top
	if t.Root, err = top.Sub("root"); err == nil {
		t.closers = append(t.closers, t.Root)
	}
	return err
}

func haltHint(err error, zone string) error {
	return cli.Hint(err, "halt it first: zoneadm -z "+shell.Quote(zone)+" halt")
}

// checkZonesAt tells whether a folder is in a zone that runs.
func checkZonesAt(ctx context.Context, h *host.Host, dir string) error {
	zones, err := h.Zones(ctx)
	if err != nil {
		return err
	}
	for _, z := range zones {
		if _, inside := build.PathInside(z.Path, dir); inside && !z.Halted() {
			return haltHint(fmt.Errorf("%q is in the zone %q, which is %s", dir, z.Name, z.State), z.Name)
		}
	}
	return nil
}
