// Package holes asks the file system where a file has data.
package holes

import (
	"io"

	"golang.org/x/sys/unix"
)

// Next returns the first range of data at or after off, which is not negative, of an open file
// of size bytes; io.EOF says that none follows. A file system that does not tell has no holes.
// It moves the offset of the file, so only one call at a time makes sense.
func Next(fd int, off, size int64) (start, end int64, err error) {
	if off >= size {
		return 0, 0, io.EOF
	}
	start, err = seek(fd, off, seekData)
	switch err {
	case nil:
	case unix.ENXIO:
		return 0, 0, io.EOF
	case unix.EINVAL, unix.ENOTSUP, unix.ENOSYS, unix.ENOTTY:
		return off, size, nil
	default:
		return 0, 0, err
	}
	if start = max(start, off); start >= size {
		return 0, 0, io.EOF
	}
	end, err = seek(fd, start, seekHole)
	if err != nil || end <= start || end > size {
		end = size
	}
	return start, end, nil
}

func seek(fd int, off int64, whence int) (int64, error) {
	for {
		n, err := unix.Seek(fd, off, whence)
		if err != unix.EINTR {
			return n, err
		}
	}
}
