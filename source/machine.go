package source

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"strings"

	"imagetools/fault"
	"imagetools/host"
	"imagetools/manifest"
)

// Pool is a dataset of a ZFS, whose stream is taken as it is.
type Pool struct {
	Dataset *host.PoolDataset
	Machine *Machine // that it belongs to, if that was named
}

// String names the dataset.
func (p *Pool) String() string { return p.Dataset.String() }

// Files is nil: a dataset is not in files.
func (p *Pool) Files() []string { return nil }

// Machine is a virtual machine of this host that an image is made of.
type Machine struct {
	*host.VM
	Origin string // UUID of the image that the dataset was made of; empty for none

	dataset string // of its zone, or its first disk
	pool    string
	opts    *Options
}

// machineTypes is what a machine of each brand makes an image of.
var machineTypes = map[string]string{
	"joyent": manifest.TypeZone, "joyent-minimal": manifest.TypeZone, "builder": manifest.TypeZone, "sngl": manifest.TypeZone,
	"lx": manifest.TypeLX, host.BrandKVM: manifest.TypeZvol, host.BrandBhyve: manifest.TypeZvol,
}

// ImageType is the type of an image of the machine; empty if none is made of its brand.
func (s *Machine) ImageType() string { return machineTypes[s.Brand] }

// Name is the UUID, with the alias if there is one.
func (s *Machine) Name() string {
	if s.Alias == "" {
		return s.UUID
	}
	return fmt.Sprintf("%s (%s)", s.UUID, s.Alias)
}

func newMachine(vm *host.VM, opts *Options) (*Machine, error) {
	s := &Machine{VM: vm, Origin: vm.ImageUUID, dataset: vm.ZFSFilesystem, pool: vm.Zpool, opts: opts}
	if vm.HasDisks() {
		if len(vm.Disks) == 0 || vm.Disks[0].ZFSFilesystem == "" {
			return nil, fmt.Errorf("virtual machine %s: it has no disk", vm.UUID)
		}
		disk := vm.Disks[0]
		s.dataset, s.Origin, s.pool = disk.ZFSFilesystem, disk.ImageUUID, disk.Zpool
	}
	s.pool, _, _ = strings.Cut(cmp.Or(s.pool, s.dataset), "/")
	return s, nil
}

// machine says what the source is on a SmartOS: NAME may be the UUID or alias of a virtual machine,
// and a dataset may be that of a zone. at and notFound are what it is but for that.
func (f *finder) machine(ctx context.Context, at Source, notFound error) (Source, error) {
	if f.arg == "-" || notFound != nil && !errors.Is(notFound, fs.ErrNotExist) {
		return at, notFound
	}
	inPool, _ := at.(*Pool)
	name, bare := f.arg, !strings.Contains(f.arg, "/")
	if !bare && inPool != nil {
		name = f.arg[strings.LastIndexByte(f.arg, '/')+1:]
	}
	if !host.IsUUID(name) && !(bare && host.IsAlias(name)) {
		return at, notFound
	}
	vm, err := f.opts.Host.FindVM(ctx, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return at, notFound
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil && at == nil:
		return nil, fmt.Errorf("%w, and of virtual machines vmadm cannot tell: %w", notFound, err)
	case err != nil:
		f.opts.warn("vmadm cannot tell whether %q is a virtual machine, so it is taken for none: %v", f.arg, err)
		return at, nil
	}
	isZone := inPool != nil && inPool.Dataset.Name == vm.ZFSFilesystem
	if !bare && (!isZone || vm.HasDisks()) {
		return at, notFound
	}
	s, err := newMachine(vm, f.opts)
	if at != nil && !isZone {
		return nil, fault.With(fmt.Errorf("source %q: it is the virtual machine %s and %s", f.arg, (&Machine{VM: vm}).Name(), at), WayMachine, vm.UUID)
	}
	if err != nil {
		return nil, err
	}
	zfs := f.opts.Host.ZFS()
	if zfs == nil {
		return nil, fmt.Errorf("virtual machine %s: there is no program zfs on this host", vm.UUID)
	}
	ds, err := zfs.Lookup(ctx, s.dataset)
	if err != nil {
		return nil, err
	}
	return &Pool{Dataset: ds, Machine: s}, nil
}

// Settle completes what is said of an image with what the machine says, as imgadm create does.
func (s *Machine) Settle(ctx context.Context, m *manifest.Options) error {
	if s.State != "stopped" {
		return fault.With(fmt.Errorf("virtual machine %s: it is %s", s.Name(), s.State), WayStop, s.UUID)
	}
	imageType := s.ImageType()
	if imageType == "" {
		return fmt.Errorf("virtual machine %s: no image is made of one of brand %q", s.Name(), s.Brand)
	}
	given := m.Type
	var required *manifest.Requirements
	if m.Base != nil {
		given, required = cmp.Or(given, m.Base.Type), m.Base.Requirements
	}
	if given != "" && given != imageType {
		return fault.Askedf("type %q: a machine of brand %s makes a %s", given, s.Brand, imageType)
	}
	m.Type = imageType
	origin, err := s.originManifest(ctx)
	if err != nil {
		return err
	}
	if m.Base, err = manifest.Inherit(s.drivers(m.Base), origin, imageType); err != nil {
		return fmt.Errorf("image %s: %w", s.Origin, err)
	}
	return s.require(ctx, m, required)
}

// drivers returns base, nil for none, completed with what a machine with disks has: its first disk,
// its first interface and its processor. The machine runs with these, whatever the manifest of the
// image says that it was made of. Of the brand bhyve the processor is that of the host.
func (s *Machine) drivers(base *manifest.Manifest) *manifest.Manifest {
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

// originManifest is the manifest of the origin as far as imgadm knows it.
func (s *Machine) originManifest(ctx context.Context) (map[string]json.RawMessage, error) {
	if s.Origin == "" {
		return nil, nil
	}
	fields, err := s.opts.Host.InstalledImage(ctx, s.Origin, s.pool)
	if errors.Is(err, fs.ErrNotExist) {
		s.opts.warn("imgadm does not know the image %s, of which the virtual machine was made: nothing of its manifest is inherited", s.Origin)
		return nil, nil
	}
	return fields, err
}

// require says what the image needs of a host: what was given, else what the brand asks for.
// Images of a zone need the platform they were made on; those of the classic families the one
// that the packages of their year need, whatever host they were made on.
func (s *Machine) require(ctx context.Context, m *manifest.Options, given *manifest.Requirements) error {
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
		p, err := s.opts.Host.Platform(ctx)
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

// Incremental has the image hold what is not in the origin. from is the snapshot that the stream
// begins at, guid its guid.
func (s *Machine) Incremental(ctx context.Context, ds *host.PoolDataset, m *manifest.Options) (from string, guid uint64, err error) {
	called := s.opts.called("Incremental")
	if s.Origin == "" {
		return "", 0, fault.Askedf("%s: the virtual machine %s was made of no image", called, s.Name())
	}
	dataset := s.pool + "/" + s.Origin
	if guid, err = s.opts.Host.ZFS().SnapshotGUID(ctx, dataset, "final"); err != nil {
		return "", 0, fmt.Errorf("%s: %w", called, err)
	}
	m.Base.Origin = s.Origin
	if ds.Volume {
		size, err := ds.VolumeSize(ctx)
		if err != nil {
			return "", 0, err
		}
		m.Base.ImageSize = int64((size + 1<<20 - 1) >> 20)
	}
	return dataset + "@final", guid, nil
}
