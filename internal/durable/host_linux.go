package durable

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// ChmodAt sets the mode of what has a name in an open directory. It follows no link: one is
// refused.
func ChmodAt(dir int, name string, mode uint32) error {
	err := again(func() error { return unix.Fchmodat(dir, name, mode, unix.AT_SYMLINK_NOFOLLOW) })
	if err != unix.EOPNOTSUPP {
		return err
	}
	return chmodOpen(dir, name, mode) // Linux before 6.6, or a link
}

// chmodOpen does it by a descriptor that allows nothing but to name the file.
func chmodOpen(dir int, name string, mode uint32) error {
	var fd int
	err := again(func() (err error) {
		fd, err = unix.Openat(dir, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFLNK {
		return unix.ELOOP
	}
	return again(func() error { return unix.Chmod(fmt.Sprintf("/proc/self/fd/%d", fd), mode) })
}

func renameExcl(dir int, name, newName string) error {
	return unix.Renameat2(dir, name, dir, newName, unix.RENAME_NOREPLACE)
}
