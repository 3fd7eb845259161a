package rootfs

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// procPath is a path of a name in an open directory, for the calls that x/sys has without a
// descriptor on illumos. The kernel takes the entry for the directory itself, wherever that
// lies now (proc(5), /proc/PID/fd).
func procPath(dir int, name string) string {
	return "/proc/self/fd/" + strconv.Itoa(dir) + "/" + name
}

func readlinkAt(dir int, name string, buf []byte) (int, error) {
	return unix.Readlink(procPath(dir, name), buf)
}

func symlinkAt(target string, dir int, name string) error {
	return unix.Symlink(target, procPath(dir, name))
}

// x/sys reaches neither extended attributes nor ACLs here; chmod(2) brings an ACL in line with
// the mode.
const haveXattrs = false

func copyXattrs(int, int, changed) error { return nil }

func dropACL(int) error { return nil }

func dropACLs(int) error { return nil }
