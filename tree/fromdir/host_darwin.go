package fromdir

import (
	"golang.org/x/sys/unix"

	"imagetools/tree"
)

func device(dev uint64) *tree.Device {
	return &tree.Device{Major: unix.Major(dev), Minor: unix.Minor(dev)}
}

func readlinkAt(fd int, _, name string, size int64) (string, error) {
	return readlink(size, func(b []byte) (int, error) { return unix.Readlinkat(fd, name, b) })
}

// Attributes of files on a Mac are the Finder's: resource forks, quarantine marks.
const haveXattrs = false

func readXattrs(string, int, string) (*tree.Attrs, error) { return nil, nil }
