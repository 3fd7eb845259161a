package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"strings"

	"imagetools/host"
	"imagetools/image"
	"imagetools/internal/cli"
	"imagetools/manifest"
	"imagetools/rootfs/edit"
	"imagetools/rootfs/prepare"
)

// zoneTypes is what a machine of each brand makes an image of.
var zoneTypes = map[string]string{
	"joyent": manifest.TypeZone, "joyent-minimal": manifest.TypeZone, "builder": manifest.TypeZone, "sngl": manifest.TypeZone,
	"lx": manifest.TypeLX, host.BrandKVM: manifest.TypeZvol, host.BrandBhyve: manifest.TypeZvol,
}

// vmSource is a virtual machine of this host that an image is made of.
type vmSource struct {
	*host.VM
	Dataset string // of its zone, or its first disk
	Origin  string // UUID of the image that the dataset was made of; empty for none
	Pool    string
}

func newVMSource(vm *host.VM) (*vmSource, error) {
	s := &vmSource{vm, vm.ZFSFilesystem, vm.ImageUUID, vm.Zpool}
	if vm.HasDisks() {
		if len(vm.Disks) == 0 || vm.Disks[0].ZFSFilesystem == "" {
			return nil, fmt.Errorf("virtual machine %s: it has no disk", vm.UUID)
		}
		disk := vm.Disks[0]
		s.Dataset, s.Origin, s.Pool = disk.ZFSFilesystem, disk.ImageUUID, disk.Zpool
	}
	s.Pool, _, _ = strings.Cut(cmp.Or(s.Pool, s.Dataset), "/")
	return s, nil
}

// locateVM says what SOURCE is on a SmartOS: NAME may be the UUID or alias of a virtual machine,
// and a dataset may be that of a zone. at and notFound are what SOURCE is but for that.
func locateVM(ctx context.Context, env *cli.Env, h *host.Host, arg string, at *place, notFound error) (*place, error) {
	if !h.HasVMs() || arg == "-" || at == nil && !errors.Is(notFound, fs.ErrNotExist) {
		return at, notFound
	}
	name, bare := arg, !strings.Contains(arg, "/")
	if !bare && at != nil && at.inPool != nil {
		name = arg[strings.LastIndexByte(arg, '/')+1:]
	}
	if !host.IsUUID(name) && !(bare && host.IsAlias(name)) {
		return at, notFound
	}
	vm, err := h.FindVM(ctx, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return at, notFound
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil && at == nil:
		return nil, fmt.Errorf("%w, and of virtual machines vmadm cannot tell: %w", notFound, err)
	case err != nil:
		env.Warnf("vmadm cannot tell whether %q is a virtual machine, so it is taken for none: %v", arg, err)
		return at, nil
	}
	isZone := at != nil && at.inPool != nil && at.inPool.Name == vm.ZFSFilesystem
	if !bare && (!isZone || vm.HasDisks()) {
		return at, notFound
	}
	if at != nil && !isZone {
		return nil, cli.Hint(fmt.Errorf("source %q: it is the virtual machine %s and %s", arg, nameOf(vm), at),
			fmt.Sprintf("%s is the virtual machine; --pool or ./ before a path say that it is not meant", vm.UUID))
	}
	source, err := newVMSource(vm)
	if err != nil {
		return nil, err
	}
	zfs := h.ZFS()
	if zfs == nil {
		return nil, fmt.Errorf("virtual machine %s: there is no program zfs on this host", vm.UUID)
	}
	ds, err := zfs.Lookup(ctx, source.Dataset)
	if err != nil {
		return nil, err
	}
	return &place{dataset: ds, inPool: ds, vm: source}, nil
}

// describe completes the options with what the machine says of its image, as imgadm create
// does.
func (s *vmSource) describe(ctx context.Context, env *cli.Env, h *host.Host, out *image.Options) error {
	if s.State != "stopped" {
		return cli.Hint(fmt.Errorf("virtual machine %s: it is %s", s.name(), s.State), "stop it first: vmadm stop "+s.UUID)
	}
	imageType := zoneTypes[s.Brand]
	if imageType == "" {
		return fmt.Errorf("virtual machine %s: no image is made of one of brand %q", s.name(), s.Brand)
	}
	m := &out.Manifest
	given := m.Type
	var required *manifest.Requirements
	if m.Base != nil {
		given, required = cmp.Or(given, m.Base.Type), m.Base.Requirements
	}
	if given != "" && given != imageType {
		return cli.Usagef("type %q: a machine of brand %s makes a %s", given, s.Brand, imageType)
	}
	m.Type = imageType
	origin, err := s.originManifest(ctx, env, h)
	if err != nil {
		return err
	}
	if m.Base, err = manifest.Inherit(s.drivers(m.Base), origin, imageType); err != nil {
		return fmt.Errorf("image %s: %w", s.Origin, err)
	}
	return s.require(ctx, h, m, required)
}

// drivers returns base, nil for none, completed with what a machine with disks has: its first disk,
// its first interface and its processor. The machine runs with these, whatever the manifest of the
// image says that it was made of. Of the brand bhyve the processor is that of the host.
func (s *vmSource) drivers(base *manifest.Manifest) *manifest.Manifest {
	if !s.HasDisks() {
		return base
	}
	m := manifest.Manifest{}
	if base != nil {
		m = *base
	}
	m.DiskDriver = cmp.Or(m.DiskDriver, s.Disks[0].Model)
	if len(s.NICs) > 0 {
		m.NICDriver = cmp.Or(m.NICDriver, s.NICs[0].Model)
	}
	if m.CPUType = cmp.Or(m.CPUType, s.CPUType); m.CPUType == "" && s.Brand == host.BrandBhyve {
		m.CPUType = "host"
	}
	return &m
}

func (s *vmSource) name() string { return nameOf(s.VM) }

func nameOf(vm *host.VM) string {
	if vm.Alias == "" {
		return vm.UUID
	}
	return fmt.Sprintf("%s (%s)", vm.UUID, vm.Alias)
}

// originManifest is the manifest of the origin as far as imgadm knows it.
func (s *vmSource) originManifest(ctx context.Context, env *cli.Env, h *host.Host) (map[string]json.RawMessage, error) {
	if s.Origin == "" {
		return nil, nil
	}
	fields, err := h.InstalledImage(ctx, s.Origin, s.Pool)
	if errors.Is(err, fs.ErrNotExist) {
		env.Warnf("imgadm does not know the image %s, of which the virtual machine was made: nothing of its manifest is inherited", s.Origin)
		return nil, nil
	}
	return fields, err
}

// require says what the image needs of a host: what was given, else what the brand asks for.
// Images of a zone need the platform they were made on; those of the classic families the one
// that the packages of their year need, whatever host they were made on.
func (s *vmSource) require(ctx context.Context, h *host.Host, m *manifest.Options, given *manifest.Requirements) error {
	if given == nil {
		given = &manifest.Requirements{}
	}
	switch s.Brand {
	case "joyent", "joyent-minimal":
		if m.MinPlatform != nil || given.MinPlatform != nil {
			return nil
		}
		if family, ok := manifest.LookupKnown(m.Name); ok {
			m.MinPlatform = family.MinPlatform(m.Version)
			return nil
		}
		p, err := h.Platform(ctx)
		if err != nil {
			return err
		}
		m.MinPlatform = map[string]string{p.SDCVersion: p.Stamp}
	case "lx", host.BrandKVM, host.BrandBhyve:
		r := manifest.Requirements{}
		if m.Base.Requirements != nil {
			r = *m.Base.Requirements
			r.MinPlatform = maps.Clone(r.MinPlatform)
		}
		if given.Brand == "" {
			r.Brand = s.Brand
		}
		if s.Brand == host.BrandBhyve && given.Bootrom == "" {
			r.Bootrom = s.Bootrom
		}
		m.Base.Requirements = &r
	}
	return nil
}

// incremental has the image hold what is not in the origin, and returns the snapshot that the
// stream begins at.
func (s *vmSource) incremental(ctx context.Context, h *host.Host, ds *host.PoolDataset, out *image.Options) (from string, err error) {
	if s.Origin == "" {
		return "", cli.Usagef("--incremental: the virtual machine %s was made of no image", s.name())
	}
	dataset := s.Pool + "/" + s.Origin
	if out.FromGUID, err = h.ZFS().SnapshotGUID(ctx, dataset, "final"); err != nil {
		return "", fmt.Errorf("--incremental: %w", err)
	}
	out.Manifest.Base.Origin = s.Origin
	if ds.Volume {
		size, err := ds.VolumeSize(ctx)
		if err != nil {
			return "", err
		}
		out.Manifest.Base.ImageSize = int64((size + 1<<20 - 1) >> 20)
	}
	return dataset + "@final", nil
}

// maxUnprepared is how much of what is to be prepared is told.
const maxUnprepared = 20

// prepared looks whether a zone was prepared to be an image, and finds what prepare --check finds.
func (s *vmSource) prepared(ctx context.Context, env *cli.Env, ds host.Dataset, anyway bool) (err error) {
	if s.HasDisks() {
		return nil
	}
	zone, err := openZone(ctx, env, s.VM, ds)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, zone.Close()) }()
	plan, err := edit.Plan(ctx, zone.root(), zone.step(prepare.Options{}))
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		err = fmt.Errorf("%s: look whether it is prepared: %w", zone.what, err)
	case len(plan.Changes) > 0:
		err = unprepared(zone.what, plan)
	}
	if err == nil {
		return nil
	}
	if !anyway {
		return cli.Hint(err, "imagetools prepare "+s.UUID+" does what is to be done; --unprepared makes the image of the zone as it is")
	}
	env.Warnf("%v", err)
	return nil
}

func unprepared(what string, plan *edit.Report) error {
	var b strings.Builder
	for i, c := range plan.Changes {
		if i == maxUnprepared && len(plan.Changes) > i+1 {
			fmt.Fprintf(&b, "\n  and %d more, which imagetools prepare --check tells", len(plan.Changes)-i)
			break
		}
		fmt.Fprintf(&b, "\n  %s %s: %s", c.Step, printable(c.Path), c.Text)
	}
	return fmt.Errorf("%s: it is not prepared to be an image:%s", what, &b)
}

// prepareVM looks whether an image can be made of a machine, and says what it will be. from is
// where the stream begins.
func (o *createImageOptions) prepareVM(ctx context.Context, env *cli.Env, h *host.Host, at *place, out *image.Options) (from string, err error) {
	if err := at.vm.prepared(ctx, env, at.inPool, o.Unprepared); err != nil {
		return "", err
	}
	if o.Incremental {
		if from, err = at.vm.incremental(ctx, h, at.inPool, out); err != nil {
			return "", err
		}
	}
	if !o.Quiet {
		fmt.Fprintf(env.Stderr, "virtual machine %s of brand %s, made of %s\n", at.vm.name(), at.vm.Brand, cmp.Or(at.vm.Origin, "no image"))
	}
	return from, nil
}
