//go:build illumos || solaris

package durable

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// lock puts a shared lock that belongs to the open file (F_OFD_SETLK, fcntl(2)), which a
// directory can have too. It ends when the file is closed.
func lock(f *os.File) error {
	return LockShared(int(f.Fd()))
}

// tryLock tells whether nobody has a lock.
func tryLock(f *os.File) (bool, error) {
	return isFree(int(f.Fd()))
}

func isFree(fd int) (bool, error) {
	l := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart}
	err := ofd(fd, unix.F_OFD_GETLK, &l)
	return err == nil && l.Type == unix.F_UNLCK, err
}

// LockShared locks an open directory, as others may at the same time. It does not wait.
func LockShared(fd int) error {
	return ofd(fd, unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_RDLCK, Whence: io.SeekStart})
}

// TryLock tells whether nobody has locked an open directory.
func TryLock(fd int) bool {
	free, err := isFree(fd)
	return err == nil && free
}

// Unlock ends a lock.
func Unlock(fd int) {
	ofd(fd, unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_UNLCK, Whence: io.SeekStart})
}

func ofd(fd, cmd int, l *unix.Flock_t) error {
	for {
		if err := unix.FcntlFlock(uintptr(fd), cmd, l); err != unix.EINTR {
			return err
		}
	}
}

// isNoLock tells whether the file system has no locks for it.
func isNoLock(err error) bool {
	return errors.Is(err, errors.ErrUnsupported) || errors.Is(err, unix.ENOLCK) || errors.Is(err, unix.EBADF) || errors.Is(err, unix.EINVAL)
}
