package rootfs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"imagetools/fault"

	"golang.org/x/sys/unix"

	"imagetools/tree"
)

// OpenDir gives access to the directory at path, which may be a link to one: those who can
// change what lies above it are trusted.
func OpenDir(path string) (*FS, error) {
	var fd int
	err := again(func() (err error) {
		fd, err = unix.Open(path, dirFlags, 0)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open root %q: %w", path, err)
	}
	d := &diskDir{fd: fd, euid: os.Geteuid(), left: &leftovers{}}
	info, err := d.self()
	if err != nil {
		d.close()
		return nil, fmt.Errorf("open root %q: %w", path, err)
	}
	return &FS{top: d, dev: info.dev}, nil
}

// Nothing is opened that makes the caller wait (a FIFO), and no link is followed.
const (
	dirFlags  = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC
	fileFlags = unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC
)

// diskDir is a directory on disk, by its descriptor.
type diskDir struct {
	fd    int
	name  string
	above *diskDir // for messages; it may be closed
	euid  int
	left  *leftovers // of the whole root
}

// again repeats a system call that a signal interrupts.
func again(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

func (d *diskDir) close() { unix.Close(d.fd) }

func (d *diskDir) info(name string, st *unix.Stat_t) Info {
	i := Info{
		Name: name,
		Mode: tree.Mode(st.Mode) & (tree.TypeMask | tree.PermMask),
		UID:  st.Uid, GID: st.Gid,
		ModTime: tree.Time{Sec: int64(st.Mtim.Sec), Nsec: uint32(st.Mtim.Nsec)},
		dev:     uint64(st.Dev), ino: uint64(st.Ino), links: uint64(st.Nlink),
	}
	if i.Mode.Type() == tree.TypeFile {
		i.Size = st.Size
	}
	if d.euid != 0 && int64(st.Uid) == int64(d.euid) {
		i.UID, i.GID = 0, 0
	}
	return i
}

func (d *diskDir) fstat(fd int, name string) (Info, error) {
	var st unix.Stat_t
	if err := again(func() error { return unix.Fstat(fd, &st) }); err != nil {
		return Info{}, err
	}
	return d.info(name, &st), nil
}

func (d *diskDir) self() (Info, error) { return d.fstat(d.fd, d.name) }

func (d *diskDir) lstat(name string) (Info, error) {
	var st unix.Stat_t
	err := again(func() error { return unix.Fstatat(d.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW) })
	if err != nil {
		return Info{}, err
	}
	return d.info(name, &st), nil
}

func (d *diskDir) names() (_ []string, err error) {
	fd, err := d.openat(".", dirFlags)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), d.name)
	defer func() { err = errors.Join(err, f.Close()) }()
	names, err := f.Readdirnames(-1)
	return names, cause(err)
}

// cause takes away the name of a file that the caller knows better.
func cause(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

func (d *diskDir) readlink(name string) (string, error) {
	buf := make([]byte, tree.MaxTarget+1)
	var n int
	err := again(func() (err error) {
		n, err = readlinkAt(d.fd, name, buf)
		return err
	})
	switch {
	case err == unix.EINVAL: // no link any more
		return "", tree.ErrChanged
	case err != nil:
		return "", err
	case n > tree.MaxTarget:
		return "", fmt.Errorf("link %q: its target is longer than %d bytes", name, tree.MaxTarget)
	}
	return string(buf[:n]), nil
}

func (d *diskDir) openat(name string, flags int) (fd int, err error) {
	err = again(func() (err error) {
		fd, err = unix.Openat(d.fd, name, flags|unix.O_NOFOLLOW, 0)
		return err
	})
	return fd, err
}

// openSame opens what info is about, and nothing else.
func (d *diskDir) openSame(info Info, flags int) (int, error) {
	fd, err := d.openat(info.Name, flags)
	if err != nil {
		now, e := d.lstat(info.Name)
		if e != nil || now.dev != info.dev || now.ino != info.ino || now.Mode.Type() != info.Mode.Type() {
			err = tree.ErrChanged
		}
		return -1, err
	}
	now, err := d.fstat(fd, info.Name)
	if err == nil && (now.dev != info.dev || now.ino != info.ino || now.Mode.Type() != info.Mode.Type()) {
		err = tree.ErrChanged
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func (d *diskDir) open(info Info) (directory, error) {
	fd, err := d.openSame(info, dirFlags)
	if err != nil {
		return nil, err
	}
	return &diskDir{fd: fd, name: info.Name, above: d, euid: d.euid, left: d.left}, nil
}

func (d *diskDir) read(info Info, limit int64) (_ []byte, err error) {
	f, err := d.openFile(info)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	var buf bytes.Buffer
	n, err := io.Copy(&buf, io.LimitReader(f, limit+1))
	if err != nil {
		return nil, cause(err)
	}
	if n > limit {
		return nil, tooLarge(n, limit)
	}
	return buf.Bytes(), nil
}

// openFile opens a regular file.
func (d *diskDir) openFile(info Info) (*os.File, error) {
	fd, err := d.openSame(info, fileFlags)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), info.Name), nil
}

func (d *diskDir) remove(info Info) error {
	flags := 0
	if isDir(info) {
		flags = unix.AT_REMOVEDIR
	}
	err := again(func() error { return unix.Unlinkat(d.fd, info.Name, flags) })
	switch err {
	case unix.ENOTDIR, unix.EISDIR:
		return tree.ErrChanged
	case unix.EPERM: // of a directory, on some systems
		if now, e := d.lstat(info.Name); e == nil && isDir(now) != isDir(info) {
			return tree.ErrChanged
		}
	case unix.EEXIST, unix.ENOTEMPTY:
		return errNotEmpty
	}
	return err
}

// giveName renames a temporary file, replacing what is no directory.
func (d *diskDir) giveName(temp, name string) error {
	err := again(func() error { return unix.Renameat(d.fd, temp, d.fd, name) })
	switch err {
	case unix.EISDIR, unix.EEXIST, unix.ENOTEMPTY: // it became one
		return tree.ErrChanged
	case unix.EBUSY:
		return mounted()
	}
	return err
}

// discard removes a temporary file that got no name.
func (d *diskDir) discard(temp string, err error) error {
	if e := again(func() error { return unix.Unlinkat(d.fd, temp, 0) }); e != nil && e != unix.ENOENT {
		return errors.Join(err, fmt.Errorf("temporary file %q stays: %w", temp, e))
	}
	return err
}

// cannotGive is the error of a user other than root who is to give a file away.
func cannotGive(attr Attr) error {
	return fault.WithHint(fmt.Errorf("owner %d:%d: %w", attr.UID, attr.GID, fs.ErrPermission),
		"run it as root, or work on a tree and keep owners in a METALOG")
}
