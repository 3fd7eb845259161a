package image

import (
	"math"
	"path"

	"imagetools/image/check"
	"imagetools/internal/durable"
	"imagetools/rootfs/prepare"
	"imagetools/zfs/zpl"
)

// privateName tells whether files of a name may be private wherever they are; the path decides.
func privateName(name string) bool { return prepare.LeakName(name) || durable.IsTemp(name) }

// leak tells why a file is better not in an image, empty if it may be.
func leak(p string, size uint64) string {
	if durable.IsTemp(path.Base(p)) {
		return check.Left
	}
	return prepare.Leak(p, int64(min(size, math.MaxInt64)))
}

// leaks tells of private files.
func (im *imageVerifier) leaks(c checkedFS) {
	for _, f := range c.found {
		if why := leak(f.Path, f.Znode.Size); why != "" {
			im.inFS(c, zpl.Warning, f.Path, "%s", why)
		}
	}
}
