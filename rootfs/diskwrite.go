package rootfs

import (
	"bytes"
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"imagetools/internal/durable"
	"imagetools/tree"
)

func (d *diskDir) write(name string, data []byte, attr Attr, old *Info) error {
	if old != nil && old.Mode.Type() != tree.TypeFile {
		old = nil // a link
	}
	return d.replace(name, bytes.NewReader(data), attr, old, true)
}

// replace makes a file under a temporary name and gives it name, with the attributes of old.
// changed says that the content is not old's.
func (d *diskDir) replace(name string, content io.Reader, attr Attr, old *Info, changed bool) error {
	end, err := d.begin()
	if err != nil {
		return err
	}
	defer end()
	temp := durable.ChangeName(name)
	var fd int
	err = again(func() (err error) {
		fd, err = unix.Openat(d.fd, temp, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
		return err
	})
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), temp)
	_, err = io.Copy(f, content)
	if err == nil {
		err = dropACL(fd)
	}
	if err == nil && old != nil {
		err = d.copyAttrs(f, *old, old.changed(attr, changed))
	}
	if err == nil {
		err = d.own(fd, attr)
	}
	if err = errors.Join(cause(err), f.Close()); err == nil {
		err = d.giveName(temp, name)
	}
	if err != nil {
		return d.discard(temp, err)
	}
	return nil
}

// own gives an open file or directory mode and owner, in the order in which the second does
// not undo the first.
func (d *diskDir) own(fd int, attr Attr) error {
	now, err := d.fstat(fd, "")
	if err != nil {
		return err
	}
	if now.UID != attr.UID || now.GID != attr.GID {
		if d.euid != 0 {
			return cannotGive(attr)
		}
		if err := again(func() error { return unix.Fchown(fd, int(attr.UID), int(attr.GID)) }); err != nil {
			return err
		}
	}
	return again(func() error { return unix.Fchmod(fd, uint32(attr.Mode)) })
}

// copyAttrs gives a new file the extended attributes of the one it replaces.
func (d *diskDir) copyAttrs(to *os.File, old Info, c changed) error {
	if !haveXattrs {
		return nil
	}
	from, err := d.openFile(old)
	if err != nil {
		return err
	}
	return errors.Join(copyXattrs(int(from.Fd()), int(to.Fd()), c), from.Close())
}

func (d *diskDir) mkdir(name string, attr Attr) error {
	end, err := d.begin()
	if err != nil {
		return err
	}
	defer end()
	temp := durable.ChangeName(name)
	if err := again(func() error { return unix.Mkdirat(d.fd, temp, 0o700) }); err != nil {
		return err
	}
	if err = d.ownDir(temp, attr); err == nil {
		err = d.giveName(temp, name)
	}
	if err != nil {
		return errors.Join(err, again(func() error { return unix.Unlinkat(d.fd, temp, unix.AT_REMOVEDIR) }))
	}
	return nil
}

// ownDir gives a new directory mode and owner.
func (d *diskDir) ownDir(name string, attr Attr) error {
	info, err := d.lstat(name)
	if err != nil {
		return err
	}
	if !isDir(info) {
		return tree.ErrChanged
	}
	fd, err := d.openSame(info, dirFlags)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := d.isNew(fd); err != nil {
		return err
	}
	if err := dropACLs(fd); err != nil {
		return err
	}
	return d.own(fd, attr)
}

// isNew tells whether an open directory is one that the caller has just made: who may write to
// the one around it could have put another in its place, to be given away.
func (d *diskDir) isNew(fd int) error {
	var st unix.Stat_t
	if err := again(func() error { return unix.Fstat(fd, &st) }); err != nil {
		return err
	}
	names, err := (&diskDir{fd: fd, euid: d.euid}).names()
	if err == nil && (int(st.Uid) != d.euid || len(names) > 0) {
		err = tree.ErrChanged
	}
	return err
}

func (d *diskDir) symlink(target, name string, attr Attr) error {
	end, err := d.begin()
	if err != nil {
		return err
	}
	defer end()
	temp := durable.ChangeName(name)
	if err := symlinkAt(target, d.fd, temp); err != nil {
		return err
	}
	if err = d.ownLink(temp, attr); err == nil {
		err = d.giveName(temp, name)
	}
	if err != nil {
		return d.discard(temp, err)
	}
	return nil
}

func (d *diskDir) ownLink(name string, attr Attr) error {
	now, err := d.lstat(name)
	if err != nil {
		return err
	}
	if now.UID == attr.UID && now.GID == attr.GID {
		return nil
	}
	if d.euid != 0 {
		return cannotGive(attr)
	}
	if now.links > 1 || now.Mode.Type() != tree.TypeSymlink {
		return tree.ErrChanged
	}
	return chownLink(d.fd, name, attr)
}

// isOwnLink tells whether a link is one that the caller has just made.
func isOwnLink(st *unix.Stat_t) bool {
	return tree.Mode(st.Mode).Type() == tree.TypeSymlink && st.Nlink == 1 && int(st.Uid) == os.Geteuid()
}

// setAttr changes the open file, or directory, if the name is its only one; else it makes a
// copy for this name.
func (d *diskDir) setAttr(info Info, attr Attr) (err error) {
	flags := fileFlags
	if isDir(info) {
		flags = dirFlags
	}
	fd, err := d.openSame(info, flags)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), info.Name)
	defer func() { err = errors.Join(err, f.Close()) }()
	now, err := d.fstat(fd, info.Name)
	if err != nil {
		return err
	}
	if now.links > 1 && !isDir(now) {
		return d.replace(info.Name, f, attr, &now, false)
	}
	if now.Mode.Perm() != attr.Mode {
		if err := dropACL(fd); err != nil {
			return err
		}
	}
	return d.own(fd, attr)
}
