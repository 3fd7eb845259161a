package fromdir

import (
	"golang.org/x/sys/unix"

	"imagetools/tree"
)

// device splits a dev_t of a 64-bit process: 32 bits each (sys/mkdev.h, NBITSMINOR64).
func device(dev uint64) *tree.Device {
	return &tree.Device{Major: uint32(dev >> 32), Minor: uint32(dev)}
}

// readlinkAt takes the path, since x/sys has no readlinkat(2) here.
func readlinkAt(_ int, dir, name string, size int64) (string, error) {
	return readlink(size, func(b []byte) (int, error) { return unix.Readlink(dir+"/"+name, b) })
}

// Attributes here are files in a hidden directory, and ACLs those of NFSv4 behind acl(2),
// which x/sys does not have. Neither is read: zfs send keeps them where they matter.
const haveXattrs = false

func readXattrs(string, int, string) (*tree.Attrs, error) { return nil, nil }
