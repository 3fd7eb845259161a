package treetest

import (
	"testing"

	"golang.org/x/sys/unix"
)

// Setxattr sets an extended attribute of a file.
func Setxattr(path, name, value string) error { return unix.Setxattr(path, name, []byte(value), 0) }

// SmallDisk puts a file system of one megabyte at dir until the test ends, or skips it.
func SmallDisk(t testing.TB, dir string) {
	t.Helper()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("mounting needs root: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// Mknod makes a device node.
func Mknod(path string, mode, major, minor uint32) error {
	return unix.Mknod(path, mode, int(unix.Mkdev(major, minor)))
}
