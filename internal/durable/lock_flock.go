//go:build !illumos && !solaris

package durable

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// lock waits for the lock of a file or directory. It ends when the file is closed.
func lock(f *os.File) error { return flock(f, unix.LOCK_EX) }

// tryLock takes the lock if nobody has it.
func tryLock(f *os.File) (bool, error) {
	err := flock(f, unix.LOCK_EX|unix.LOCK_NB)
	if err == unix.EWOULDBLOCK {
		return false, nil
	}
	return err == nil, err
}

func flock(f *os.File, how int) error {
	for {
		if err := unix.Flock(int(f.Fd()), how); err != unix.EINTR {
			return err
		}
	}
}

// isNoLock tells whether the file system has no locks for it.
func isNoLock(err error) bool {
	return errors.Is(err, errors.ErrUnsupported) || errors.Is(err, unix.ENOLCK) || errors.Is(err, unix.EBADF) || errors.Is(err, unix.EINVAL)
}
