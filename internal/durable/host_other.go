//go:build !linux

package durable

import (
	"errors"

	"golang.org/x/sys/unix"
)

// ChmodAt sets the mode of what has a name in an open directory. It follows no link: one is
// refused, or changed itself.
func ChmodAt(dir int, name string, mode uint32) error {
	return again(func() error { return unix.Fchmodat(dir, name, mode, unix.AT_SYMLINK_NOFOLLOW) })
}

func renameExcl(int, string, string) error { return errors.ErrUnsupported }
