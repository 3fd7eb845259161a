package build

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"imagetools/disk"
	"imagetools/fault"
	"imagetools/image"
	"imagetools/internal/plain"
	"imagetools/manifest"
	"imagetools/source"
	"imagetools/zfs/zvol"
)

// volume is an image of a disk.
type volume struct {
	source source.Disks
	disk   *source.Disk
}

func (v *volume) held() (int, int64) { return 0, v.disk.Held }

func (v *volume) Close() error {
	if v.disk == nil {
		return nil
	}
	return v.disk.Close()
}

// settleVolume completes the options of an image of a disk.
func (p *Plan) settleVolume() {
	var base manifest.Manifest
	m := &p.out.Manifest
	if m.Base != nil {
		base = *m.Base
	}
	m.NICDriver = cmp.Or(m.NICDriver, base.NICDriver, "virtio")
	m.DiskDriver = cmp.Or(m.DiskDriver, base.DiskDriver, "virtio")
	m.CPUType = cmp.Or(m.CPUType, base.CPUType, "host")
	switch {
	case p.spec.VolumeSize != 0:
		p.out.Volume.Size = p.spec.VolumeSize
		if m.Base != nil {
			base.ImageSize = 0
			m.Base = &base
		}
	case base.ImageSize > 0 && base.ImageSize <= zvol.MaxSize/mebibyte:
		p.out.Volume.Size = base.ImageSize * mebibyte
	}
}

func (v *volume) open(ctx context.Context, p *Plan) (err error) {
	l := &p.spec.Log
	if v.disk, err = v.source.Disk(ctx); err != nil {
		return err
	}
	l.finish()
	l.say("%s of %s", v.disk.What, plain.Size(v.disk.Size))
	for _, n := range v.disk.Notes {
		l.note("%s", n)
	}
	if p.out.Volume.BlockSize == 0 && p.origin == nil {
		p.out.Volume.BlockSize = v.disk.BlockSize
	}
	return v.check(p)
}

// check warns of a disk on which machines find nothing, and compares what the machine is to boot by
// with the partition table.
func (v *volume) check(p *Plan) error {
	l := &p.spec.Log
	c, err := disk.ReadContents(v.disk, v.disk.Size)
	if err != nil {
		return err
	}
	for _, w := range c.Warnings() {
		l.warn("the disk: %s", w)
	}
	table := &c.Partitions
	bootrom := ""
	if r := manifest.New(p.out.Manifest).Requirements; r != nil {
		bootrom = r.Bootrom
	}
	use := p.spec.called("Bootrom") + " uefi"
	switch {
	case bootrom == "" && table.ESP && !table.BIOSBoot:
		l.warn("the disk boots by UEFI alone: its %s has an EFI system partition, and there is no boot code for a BIOS; %s puts that into the manifest", table.Scheme, use)
	case bootrom == "" && table.ESP:
		l.note("the disk has an EFI system partition; with %s machines boot by it", use)
	case bootrom == "uefi" && !table.ESP:
		l.warn("bootrom uefi: the disk has no EFI system partition")
	case bootrom == "bios" && !table.BIOSBoot:
		l.warn("bootrom bios: the disk has no boot code for a BIOS")
	}
	if table.Scheme == "GPT" && p.out.Volume.VolumeSize(v.disk.Size) > v.disk.Size {
		l.note("the volume is larger than the disk, so the second copy of the partition table is not at its end; sgdisk -e in the machine moves it")
	}
	return nil
}

func (v *volume) write(ctx context.Context, p *Plan) (*image.Result, error) {
	l := &p.spec.Log
	p.out.Volume.Progress = func(phase zvol.Phase, done, total int64) {
		l.progress(map[zvol.Phase]string{zvol.Digesting: "reading", zvol.Writing: "writing"}[phase], done, total)
	}
	res, err := image.CreateVolume(ctx, v.disk, v.disk.Size, *p.out)
	l.finish()
	if errors.Is(err, zvol.ErrTooLarge) {
		err = fault.With(err, WaySize)
	}
	if err != nil {
		return nil, err
	}
	if size := res.Manifest.ImageSize * mebibyte; p.origin != nil && p.out.Volume.Size == 0 && size-v.disk.Size >= mebibyte {
		l.note("the disk is smaller than its origin, whose %s the volume keeps; what is behind the disk is zeros", plain.Size(size))
	}
	return res, nil
}

func (v *volume) judge(*Plan, *image.Result) {}

// warnOfDrivers names what the manifest of a volume lacks.
func (p *Plan) warnOfDrivers(m *manifest.Manifest) {
	var fields, flags []string
	for _, f := range []struct{ value, field, called string }{
		{m.NICDriver, "nic_driver", "NICDriver"}, {m.DiskDriver, "disk_driver", "DiskDriver"}, {m.CPUType, "cpu_type", "CPUType"},
	} {
		if f.value == "" {
			fields, flags = append(fields, f.field), append(flags, p.spec.called(f.called))
		}
	}
	if len(fields) > 0 {
		p.spec.Log.warn("the manifest lacks %s, which image servers ask for; use %s", strings.Join(fields, ", "), strings.Join(flags, ", "))
	}
}
