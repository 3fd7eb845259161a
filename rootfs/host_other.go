//go:build !linux

package rootfs

import (
	"golang.org/x/sys/unix"

	"imagetools/tree"
)

// chownLink gives away a link that the caller has just made. A link cannot be opened here: what
// is put in its place between the two calls is given away.
func chownLink(dir int, name string, attr Attr) error {
	var st unix.Stat_t
	if err := again(func() error { return unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW) }); err != nil {
		return err
	}
	if !isOwnLink(&st) {
		return tree.ErrChanged
	}
	return again(func() error { return unix.Fchownat(dir, name, int(attr.UID), int(attr.GID), unix.AT_SYMLINK_NOFOLLOW) })
}
