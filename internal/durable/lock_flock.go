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

func flock(f *os.File, how int) error { return flockFD(int(f.Fd()), how) }

func flockFD(fd, how int) error {
	for {
		if err := unix.Flock(fd, how); err != unix.EINTR {
			return err
		}
	}
}

// LockShared locks an open directory, as others may at the same time. It does not wait.
func LockShared(fd int) error { return flockFD(fd, unix.LOCK_SH|unix.LOCK_NB) }

// TryLock tells whether nobody has locked an open directory. What it locks is to be unlocked.
func TryLock(fd int) bool { return flockFD(fd, unix.LOCK_EX|unix.LOCK_NB) == nil }

// Unlock ends a lock.
func Unlock(fd int) { flockFD(fd, unix.LOCK_UN) }

// isNoLock tells whether the file system has no locks for it.
func isNoLock(err error) bool {
	return errors.Is(err, errors.ErrUnsupported) || errors.Is(err, unix.ENOLCK) || errors.Is(err, unix.EBADF) || errors.Is(err, unix.EINVAL)
}
