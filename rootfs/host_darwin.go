package rootfs

import "golang.org/x/sys/unix"

func readlinkAt(dir int, name string, buf []byte) (int, error) {
	return unix.Readlinkat(dir, name, buf)
}

func symlinkAt(target string, dir int, name string) error { return unix.Symlinkat(target, dir, name) }

// Attributes are the Finder's here.
const haveXattrs = false

func copyXattrs(int, int, changed) error { return nil }

func dropACL(int) error { return nil }

func dropACLs(int) error { return nil }
