package rootfs

import (
	"bytes"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"imagetools/tree"

	"imagetools/tree/posixacl"
)

func readlinkAt(dir int, name string, buf []byte) (int, error) {
	return unix.Readlinkat(dir, name, buf)
}

func symlinkAt(target string, dir int, name string) error { return unix.Symlinkat(target, dir, name) }

const haveXattrs = true

// maxXattrs is the room that Linux gives to the names of attributes, and to a value.
const maxXattrs = 64 << 10 // XATTR_LIST_MAX, XATTR_SIZE_MAX

// carried tells the attributes of the file from those that the host makes up: labels and such.
func carried(name string) bool {
	return name == posixacl.Access || strings.HasPrefix(name, "user.") || strings.HasPrefix(name, "trusted.") ||
		strings.HasPrefix(name, "security.") && name != "security.selinux"
}

// copyXattrs copies the attributes that a changed file keeps.
func copyXattrs(from, to int, c changed) error {
	list := make([]byte, maxXattrs)
	n, err := unix.Flistxattr(from, list)
	if err == unix.ENOTSUP || err == nil && n == 0 {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list extended attributes: %w", err)
	}
	value := make([]byte, maxXattrs)
	for name := range bytes.SplitSeq(bytes.TrimSuffix(list[:n], []byte{0}), []byte{0}) {
		name := string(name)
		if !c.keeps(name) || !carried(name) {
			continue
		}
		n, err := unix.Fgetxattr(from, name, value)
		if err == unix.ENODATA { // gone since it was listed
			continue
		}
		if err == nil {
			err = unix.Fsetxattr(to, name, value[:n], 0)
		}
		if err != nil {
			return fmt.Errorf("extended attribute %q: %w", name, err)
		}
	}
	return nil
}

// dropACL takes away the ACL that says more than the mode.
func dropACL(fd int) error { return drop(fd, posixacl.Access) }

// dropACLs takes from a new directory what it has from the one above.
func dropACLs(fd int) error {
	if err := drop(fd, posixacl.Default); err != nil {
		return err
	}
	return dropACL(fd)
}

func drop(fd int, name string) error {
	err := unix.Fremovexattr(fd, name)
	if err == unix.ENODATA || err == unix.ENOTSUP {
		return nil
	}
	if err != nil {
		return fmt.Errorf("drop extended attribute %q: %w", name, err)
	}
	return nil
}

// chownLink gives away a link that the caller has just made, and nothing else that somebody may
// have put in its place.
func chownLink(dir int, name string, attr Attr) error {
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
	if err := again(func() error { return unix.Fstat(fd, &st) }); err != nil {
		return err
	}
	if !isOwnLink(&st) {
		return tree.ErrChanged
	}
	return again(func() error { return unix.Fchownat(fd, "", int(attr.UID), int(attr.GID), unix.AT_EMPTY_PATH) })
}
