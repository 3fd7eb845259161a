package scratch

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// nameless makes a file that never has a name. O_EXCL keeps it from getting one.
func nameless(dir string) (*os.File, error) {
	for {
		fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_EXCL|unix.O_CLOEXEC, 0o600)
		switch err {
		case nil:
			return os.NewFile(uintptr(fd), filepath.Join(dir, name)), nil
		case unix.EINTR:
			continue
		case unix.EISDIR, unix.ENOENT: // Linux before 3.11, or there is no such directory
			return nil, errors.ErrUnsupported
		}
		return nil, err // EOPNOTSUPP is ErrUnsupported
	}
}
