package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"imagetools/host"
	"imagetools/internal/cli"
	"imagetools/internal/shell"
	"imagetools/manifest"
	"imagetools/rootfs"
	"imagetools/rootfs/edit"
	"imagetools/rootfs/folder"
	"imagetools/rootfs/prepare"
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
	isImage, err := looksLikeImage(env, o.Target)
	if err != nil {
		return nil, err
	}
	if isImage {
		if err := o.cannotChange("an image"); err != nil {
			return nil, err
		}
		o.open.TmpDir = o.source.TmpDir
		tr, closer, err := openTree(ctx, env, o.Target, o.open, o.source, progress)
		if err != nil {
			return nil, err
		}
		t.closers = append(t.closers, closer)
		return t, t.useTree(tr, true)
	}
	h := &host.Host{}
	at, err := locate(ctx, env, o.Target, o.source)
	if o.source.Pool == "" {
		at, err = locateVM(ctx, env, h, o.Target, at, err)
	}
	if err != nil {
		return nil, err
	}
	if at.vm != nil {
		t.ofVM(at.vm.VM)
	}
	isDataset := o.source.AsDataset || at.dataset != nil
	if at.dataset != nil {
		folder, err := at.dataset.Folder(ctx)
		if err != nil {
			return nil, withHaltHint(err)
		}
		at.path = folder.Path
		o.source.Metalog = cmp.Or(o.source.Metalog, folder.Metalog, "none")
	}
	if at.oci != nil {
		if err := o.cannotChange("a container image"); err != nil {
			return nil, err
		}
		return t, o.readTree(ctx, env, t, at, isDataset, progress)
	}
	info, err := os.Stat(at.path)
	if at.path == "-" || err == nil && !info.IsDir() {
		if err := o.cannotChange("a tar"); err != nil {
			return nil, err
		}
		return t, o.readTree(ctx, env, t, &place{path: at.path}, isDataset, progress)
	}
	if err != nil {
		return nil, err
	}
	if err := checkZonesAt(ctx, h, at.path); err != nil {
		return nil, err
	}
	if !isDataset && !o.source.notDataset {
		level, err := content.LevelOfDir(at.path)
		if err != nil {
			return nil, err
		}
		isDataset = level.Kind == content.Dataset
	}
	if o.source.Metalog == "" {
		if o.source.Metalog, err = host.Metalog(at.path); err != nil {
			return nil, err
		}
	}
	withMetalog := o.source.Metalog != "" && o.source.Metalog != "none"
	if o.Output == "" && !withMetalog {
		return t, t.useDir(env, at.path, isDataset)
	}
	return t, o.readTree(ctx, env, t, &place{path: at.path}, isDataset, progress)
}

// openZone opens the root of a virtual machine that is a halted zone, for prepare to look at.
func openZone(ctx context.Context, env *cli.Env, vm *host.VM, ds host.Dataset) (*prepareTarget, error) {
	folder, err := ds.Folder(ctx)
	if err != nil {
		return nil, withHaltHint(err)
	}
	t := &prepareTarget{what: "virtual machine " + nameOf(vm)}
	t.ofVM(vm)
	if err := t.useDir(env, folder.Path, true); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

// ofVM says what vmadm knows of a zone.
func (t *prepareTarget) ofVM(vm *host.VM) {
	switch zoneTypes[vm.Brand] {
	case manifest.TypeZone:
		t.known = prepare.Options{OS: prepare.SmartOS, Addresses: vm.Addresses()}
	case manifest.TypeLX:
		t.known = prepare.Options{OS: prepare.Linux}
	}
}

// cannotChange is the error for what is to be changed where it lies, and cannot.
func (o *prepareOptions) cannotChange(what string) error {
	if o.tellOnly() || o.Output != "" {
		return nil
	}
	return cli.Hint(cli.Usagef("%q is %s, which is not changed where it lies", o.Target, what),
		"-o OUT.tar writes a prepared copy, of which create-image makes an image; --check tells what would go")
}

// readTree reads a directory or a tar.
func (o *prepareOptions) readTree(ctx context.Context, env *cli.Env, t *prepareTarget, at *place, isDataset bool, progress *cli.Progress) error {
	read := o.source
	read.AsDataset = true // what lies where is known
	src, err := openSource(ctx, env, at, read, progress)
	if err != nil {
		return err
	}
	t.closers = append(t.closers, src)
	progress.Finish()
	src.report(env, true)
	if o.Output == "" && !o.tellOnly() && src.metalog.Prefix != "" && src.metalog.Prefix != "." {
		return cli.Hint(fmt.Errorf("METALOG %q: it describes more than %q, which is %q in it", o.source.Metalog, at.path, src.metalog.Prefix),
			"use the directory of the whole dataset as TARGET")
	}
	if o.Output == "" && !o.tellOnly() {
		watched := folder.Watch(src.Tree)
		t.save = func() error { return watched.Save(at.path, o.source.Metalog) }
	}
	return t.useTree(src.Tree, isDataset)
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

// withHaltHint says how to halt a zone that is in the way.
func withHaltHint(err error) error {
	if running, ok := errors.AsType[*host.RunningZoneError](err); ok {
		return haltHint(err, running.Zone)
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
		if _, inside := pathInside(z.Path, dir); inside && !z.Halted() {
			return haltHint(fmt.Errorf("%q is in the zone %q, which is %s", dir, z.Name, z.State), z.Name)
		}
	}
	return nil
}
