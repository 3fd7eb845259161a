package lx

import (
	"errors"

	"imagetools/rootfs"
	"imagetools/rootfs/prepare"
)

// Recognize tells by its files whether a root is that of a Linux, and of which. If nothing tells,
// it is taken for none. A root that cannot be read is an error.
func Recognize(root *rootfs.FS) (d Distribution, linux bool, err error) {
	os, err := prepare.Detect(root)
	if errors.Is(err, prepare.ErrUnknownOS) {
		return Distribution{}, false, nil
	}
	if err != nil || os != prepare.Linux {
		return Distribution{}, false, err
	}
	d, err = Detect(root)
	return d, err == nil, err
}
