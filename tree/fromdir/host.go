package fromdir

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"imagetools/tree/source"
)

// hostDir is a directory on the host. The files in it share one.
type hostDir struct {
	parent *hostDir // nil at the top, whose name is a path
	name   string
}

func (d *hostDir) path(name string) string {
	size := len(name)
	for x := d; x != nil; x = x.parent {
		size += len(x.name) + 1
	}
	b := make([]byte, size)
	put := func(s string) {
		size -= len(s)
		copy(b[size:], s)
	}
	put(name)
	for x := d; x != nil; x = x.parent {
		put("/")
		put(x.name)
	}
	return string(b)
}

// longPath is the length from which a path is opened in steps; every system takes a
// shorter one (PATH_MAX is 1024 on illumos and darwin, 4096 on Linux).
const longPath = 1000

// openPath opens a path of any length.
func openPath(path string, flags int) (fd int, err error) {
	at := unix.AT_FDCWD
	for len(path) >= longPath {
		i := strings.LastIndexByte(path[:longPath], '/')
		if i <= 0 {
			return -1, unix.ENAMETOOLONG
		}
		fd, err := openAt(at, path[:i], unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NONBLOCK)
		if at != unix.AT_FDCWD {
			unix.Close(at)
		}
		if err != nil {
			return -1, err
		}
		at, path = fd, strings.TrimLeft(path[i:], "/")
	}
	fd, err = openAt(at, path, flags)
	if at != unix.AT_FDCWD {
		unix.Close(at)
	}
	return fd, err
}

func openAt(at int, path string, flags int) (int, error) {
	for {
		fd, err := unix.Openat(at, path, flags, 0)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

func lstatAt(fd int, name string, st *unix.Stat_t) error {
	for {
		if err := unix.Fstatat(fd, name, st, unix.AT_SYMLINK_NOFOLLOW); err != unix.EINTR {
			return err
		}
	}
}

// retry repeats a system call that a signal interrupted.
func retry(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

// openError is the error for a path that the walk knows and that cannot be opened now.
func openError(path string, err error) error {
	switch {
	case errors.Is(err, unix.ENOENT):
		return fmt.Errorf("%q: %w: it vanished", path, source.ErrChanged)
	case errors.Is(err, unix.ELOOP), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ENXIO):
		return fmt.Errorf("%q: %w", path, source.ErrChanged)
	}
	return fmt.Errorf("open %q: %w", path, err)
}

// readlink calls read with a buffer that holds the whole target; size is what lstat(2) says
// it needs, which some file systems give as 0.
func readlink(size int64, read func([]byte) (int, error)) (string, error) {
	var small [256]byte
	buf := small[:]
	if size >= int64(len(buf)) {
		buf = make([]byte, min(size, 1<<16)+1)
	}
	for {
		n, err := read(buf)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return "", err
		case n < len(buf):
			return string(buf[:n]), nil
		case len(buf) > 1<<20:
			return "", unix.ENAMETOOLONG
		}
		buf = make([]byte, 4*len(buf))
	}
}
