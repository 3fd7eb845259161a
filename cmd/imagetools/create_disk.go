package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"imagetools/disk"
	"imagetools/image"
	"imagetools/internal/cli"
	"imagetools/manifest"
	"imagetools/source/content"
	"imagetools/zfs/zvol"
)

// diskOptions are the flags for images of disks. All but the first two are for the manifest,
// and for volumes of a ZFS, too.
type diskOptions struct {
	Size, BlockSize                string
	NICDriver, DiskDriver, CPUType string
	Brand, Bootrom                 string
}

func (o *diskOptions) addFlags(f *pflag.FlagSet) {
	f.StringVar(&o.Size, "size", "", "size of the volume in MiB, or as 10G (default image_size of -m, else that of the disk, in whole MiB)")
	f.StringVar(&o.BlockSize, "volblocksize", "", "block size of the volume, 4K to 128K, which clones of the image keep (default 8K)")
}

// addVolumeFlags adds those for the manifest of a volume, also of one that is no disk.
func (o *diskOptions) addVolumeFlags(f *pflag.FlagSet) {
	f.StringVar(&o.NICDriver, "nic-driver", "", "nic_driver (default of a disk: virtio)")
	f.StringVar(&o.DiskDriver, "disk-driver", "", "disk_driver (default of a disk: virtio)")
	f.StringVar(&o.CPUType, "cpu-type", "", "cpu_type (default of a disk: host)")
	f.StringVar(&o.Bootrom, "bootrom", "", "what the machines boot by, bios or uefi; the brand is bhyve then")
}

// manifest puts into the options of a manifest what flags say.
func (o *diskOptions) manifest(m *manifest.Options) {
	m.NICDriver, m.DiskDriver, m.CPUType = o.NICDriver, o.DiskDriver, o.CPUType
	m.Brand, m.Bootrom = o.Brand, o.Bootrom
	if m.Bootrom != "" && m.Brand == "" && (m.Base == nil || m.Base.Requirements == nil || m.Base.Requirements.Brand == "") {
		m.Brand = "bhyve"
	}
}

// settle completes the options of an image of a disk.
func (o *diskOptions) settle(out *image.Options) error {
	var base manifest.Manifest
	if out.Manifest.Base != nil {
		base = *out.Manifest.Base
	}
	m := &out.Manifest
	m.NICDriver = cmp.Or(m.NICDriver, base.NICDriver, "virtio")
	m.DiskDriver = cmp.Or(m.DiskDriver, base.DiskDriver, "virtio")
	m.CPUType = cmp.Or(m.CPUType, base.CPUType, "host")
	if o.BlockSize != "" {
		n, err := parseSize(o.BlockSize, 1)
		if err != nil || n < zvol.MinBlockSize || n > zvol.MaxBlockSize || n&(n-1) != 0 {
			return cli.Usagef("--volblocksize %q: it is 4K, 8K, 16K, 32K, 64K or 128K", o.BlockSize)
		}
		out.Volume.BlockSize = int(n)
	}
	switch {
	case o.Size != "":
		n, err := parseSize(o.Size, mebibyte)
		if err != nil || n == 0 || n%mebibyte != 0 {
			return cli.Usagef("--size %q: a number of MiB is needed, or one such as 512M or 10G", o.Size)
		}
		out.Volume.Size = n
		if m.Base != nil {
			base.ImageSize = 0
			m.Base = &base
		}
	case base.ImageSize > 0 && base.ImageSize <= zvol.MaxSize/mebibyte:
		out.Volume.Size = base.ImageSize * mebibyte
	}
	return nil
}

const mebibyte = 1 << 20

// parseSize reads a size with a suffix K, M, G or T, or in a unit.
func parseSize(s string, unit int64) (int64, error) {
	digits := strings.TrimRight(s, "KMGTkmgt")
	switch strings.ToUpper(s[len(digits):]) {
	case "":
	case "K":
		unit = 1 << 10
	case "M":
		unit = 1 << 20
	case "G":
		unit = 1 << 30
	case "T":
		unit = 1 << 40
	default:
		return 0, errors.New("unknown suffix")
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err == nil && (n < 0 || n > zvol.MaxSize/unit) {
		err = errors.New("out of range")
	}
	return n * unit, err
}

// isDisk tells whether SOURCE is a disk: what is no folder and shall become a zvol, or what looks
// like one.
func (p *place) isDisk(imageType string) (bool, error) {
	if p.inPool != nil || p.dataset != nil || p.oci != nil {
		return false, nil
	}
	if p.image != nil {
		return p.image.volume, nil
	}
	if p.path != "-" {
		info, err := os.Stat(p.path)
		if err != nil || info.IsDir() {
			return false, err
		}
	}
	return imageType == manifest.TypeZvol || isDisk(p.found), nil
}

// createFromDisk makes the image of a disk.
func (o *createImageOptions) createFromDisk(ctx context.Context, env *cli.Env, at *place, out *image.Options, progress *cli.Progress) (_ *image.Result, err error) {
	d, err := cli.Interruptible(ctx, func() (*openedDisk, error) {
		if err := o.complete(env, out); err != nil {
			return nil, err
		}
		if at.image != nil {
			return at.image.openVolume(ctx, env, o.source.TmpDir)
		}
		return openDisk(ctx, env, at, o.source.TmpDir, progress)
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.closer.Close()) }()
	progress.Finish()
	if !o.Quiet {
		fmt.Fprintf(env.Stderr, "%s of %s\n", d.what, cli.Size(d.Size))
		for _, n := range d.notes {
			fmt.Fprintf(env.Stderr, "note: %s\n", n)
		}
	}
	if out.Volume.BlockSize == 0 && o.origin.found == nil {
		out.Volume.BlockSize = d.blockSize
	}
	if err := o.checkContents(env, d, out); err != nil {
		return nil, err
	}
	if o.DryRun {
		return nil, nil
	}
	if err := o.origin.open(ctx, env, o.source.TmpDir, o.Quiet, out); err != nil {
		return nil, err
	}
	limitMemory(0, d.held+o.origin.held())
	out.Volume.Progress = func(phase zvol.Phase, done, total int64) {
		progress.Update(map[zvol.Phase]string{zvol.Digesting: "reading", zvol.Writing: "writing"}[phase], done, total)
	}
	res, err := image.CreateVolume(ctx, d, d.Size, *out)
	progress.Finish()
	if errors.Is(err, zvol.ErrTooLarge) {
		err = cli.Hint(err, "--size makes the volume larger; a disk is only made smaller inside the machine")
	}
	if err != nil {
		return nil, withHint(err)
	}
	if size := res.Manifest.ImageSize * mebibyte; o.origin.found != nil && out.Volume.Size == 0 && size-d.Size >= mebibyte && !o.Quiet {
		fmt.Fprintf(env.Stderr, "note: the disk is smaller than its origin, whose %s the volume keeps; what is behind the disk is zeros\n", cli.Size(size))
	}
	return res, nil
}

// openedDisk is a disk, and what is said of it.
type openedDisk struct {
	zvol.Source
	Size      int64
	blockSize int // of the volume that it is; 0 if it is none
	what      string
	notes     []string
	closer    io.Closer
	held      int64 // bytes of memory that the index of an image takes
}

func openDisk(ctx context.Context, env *cli.Env, at *place, tmpDir string, progress *cli.Progress) (*openedDisk, error) {
	opts := content.DiskOptions{TmpDir: tmpDir, Budget: env.Memory}
	opts.Unpacking = func(n int64) { progress.Update("unpacking", n, -1) }
	var d *disk.Disk
	var err error
	if at.path == "-" {
		opts.Name = "standard input"
		d, err = content.ReadDisk(ctx, env.Stdin, opts)
	} else {
		d, err = content.OpenDisk(ctx, at.path, opts)
	}
	if err != nil {
		return nil, err
	}
	open := &openedDisk{Source: d, Size: d.Size, what: fmt.Sprintf("disk %q: %v", d.Name, d.Format), closer: d}
	if at.found != nil && at.found.Member() != "" {
		open.notes = append(open.notes, fmt.Sprintf("%q is %v", d.Name, at.found))
	}
	if d.Spool > 0 {
		open.notes = append(open.notes, fmt.Sprintf("unpacked into a temporary file of %s", cli.Size(d.Spool)))
	}
	return open, nil
}

// checkContents warns of a disk on which machines find nothing, and compares what the machine is
// to boot by with the partition table.
func (o *createImageOptions) checkContents(env *cli.Env, d *openedDisk, out *image.Options) error {
	c, err := disk.ReadContents(d, d.Size)
	if err != nil {
		return err
	}
	for _, w := range c.Warnings() {
		env.Warnf("the disk: %s", w)
	}
	p := &c.Partitions
	bootrom := ""
	if r := manifest.New(out.Manifest).Requirements; r != nil {
		bootrom = r.Bootrom
	}
	switch {
	case bootrom == "" && p.ESP && !p.BIOSBoot:
		env.Warnf("the disk boots by UEFI alone: its %s has an EFI system partition, and there is no boot code for a BIOS; --bootrom uefi puts that into the manifest", p.Scheme)
	case bootrom == "" && p.ESP && !o.Quiet:
		fmt.Fprintf(env.Stderr, "note: the disk has an EFI system partition; with --bootrom uefi machines boot by it\n")
	case bootrom == "uefi" && !p.ESP:
		env.Warnf("bootrom uefi: the disk has no EFI system partition")
	case bootrom == "bios" && !p.BIOSBoot:
		env.Warnf("bootrom bios: the disk has no boot code for a BIOS")
	}
	if p.Scheme == "GPT" && out.Volume.VolumeSize(d.Size) > d.Size && !o.Quiet {
		fmt.Fprintf(env.Stderr, "note: the volume is larger than the disk, so the second copy of the partition table is not at its end; sgdisk -e in the machine moves it\n")
	}
	return nil
}
