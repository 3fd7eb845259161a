package main

import (
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"imagetools/build"
	"imagetools/internal/cli"
)

// diskFlags are the flags for images of disks. All but the first two are for the manifest,
// and for volumes of a ZFS, too.
type diskFlags struct {
	Size, BlockSize                string
	NICDriver, DiskDriver, CPUType string
	Brand, Bootrom                 string
}

func (o *diskFlags) addFlags(f *pflag.FlagSet) {
	f.StringVar(&o.Size, "size", "", "size of the volume in MiB, or as 10G (default image_size of -m, else that of the disk, in whole MiB)")
	f.StringVar(&o.BlockSize, "volblocksize", "", "block size of the volume, 4K to 128K, which clones of the image keep (default 8K)")
}

// addVolumeFlags adds those for the manifest of a volume, also of one that is no disk.
func (o *diskFlags) addVolumeFlags(f *pflag.FlagSet) {
	f.StringVar(&o.NICDriver, "nic-driver", "", "nic_driver (default of a disk: virtio)")
	f.StringVar(&o.DiskDriver, "disk-driver", "", "disk_driver (default of a disk: virtio)")
	f.StringVar(&o.CPUType, "cpu-type", "", "cpu_type (default of a disk: host)")
	f.StringVar(&o.Bootrom, "bootrom", "", "what the machines boot by, bios or uefi; the brand is bhyve then")
}

// fill puts into the specification what the flags say.
func (o *diskFlags) fill(spec *build.Spec) error {
	m := &spec.Manifest
	m.NICDriver, m.DiskDriver, m.CPUType = o.NICDriver, o.DiskDriver, o.CPUType
	m.Brand, m.Bootrom = o.Brand, o.Bootrom
	if o.BlockSize != "" {
		n, err := parseSize(o.BlockSize, 1)
		if err != nil || n == 0 || n > 1<<30 {
			return cli.Usagef("--volblocksize %q: it is 4K, 8K, 16K, 32K, 64K or 128K", o.BlockSize)
		}
		spec.BlockSize = int(n)
	}
	if o.Size != "" {
		n, err := parseSize(o.Size, mebibyte)
		if err != nil || n == 0 || n%mebibyte != 0 {
			return cli.Usagef("--size %q: a number of MiB is needed, or one such as 512M or 10G", o.Size)
		}
		spec.VolumeSize = n
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
	if err == nil && (n < 0 || n > math.MaxInt64/unit) {
		err = errors.New("out of range")
	}
	return n * unit, err
}
