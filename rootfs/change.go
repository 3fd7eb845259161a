package rootfs

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"imagetools/tree"
)

// change is like at, for what alters the root: do is told what the name is now, nil if it is
// nothing. Only what lies on the root's own file system comes so far.
func (f *FS) change(op, path string, last lastName, do func(p place, old *Info) error) error {
	return f.at(op, path, last, func(p place) error {
		if f.readOnly {
			return errors.New("the root is only read")
		}
		dir, err := p.dir().self()
		if err != nil {
			return err
		}
		if dir.dev != f.dev {
			return mounted()
		}
		info, err := p.lstat()
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return do(p, nil)
		case err != nil:
			return err
		case info.dev != f.dev:
			return mounted()
		}
		return do(p, &info)
	})
}

// CheckChange reports whether a path, which need not exist, lies where nothing can be changed:
// [ErrMounted]. It follows no link at the end of the path.
func (f *FS) CheckChange(path string) error {
	return f.change("change", trim(path), nofollow, func(place, *Info) error { return nil })
}

// WriteFile gives a regular file new content, or makes it. The file appears under its name
// with content, mode and owner complete; until then the old one stays.
func (f *FS) WriteFile(path string, data []byte, attr *Attr) error {
	return f.write(path, follow, data, attr)
}

// PutFile is WriteFile for a file that takes the place of a symbolic link instead of going
// where that leads.
func (f *FS) PutFile(path string, data []byte, attr *Attr) error {
	return f.write(trim(path), nofollow, data, attr)
}

func (f *FS) write(path string, last lastName, data []byte, attr *Attr) error {
	return f.change("write", path, last, func(p place, old *Info) error {
		if err := attr.check(); err != nil {
			return err
		}
		a := Attr{Mode: 0o644}
		if old != nil && (last == follow || old.Mode.Type() != tree.TypeSymlink) {
			if err := checkFile(*old); err != nil {
				return err
			}
			a = old.attr()
		}
		if attr != nil {
			a = *attr
		}
		return p.dir().write(p.name, data, a, old)
	})
}

func (i Info) attr() Attr { return Attr{i.Mode.Perm(), i.UID, i.GID} }

// Mkdir makes a directory.
func (f *FS) Mkdir(path string, attr *Attr) error {
	return f.change("make directory", trim(path), nofollow, func(p place, old *Info) error {
		if old != nil {
			return fs.ErrExist
		}
		if err := attr.check(); err != nil {
			return err
		}
		a := Attr{Mode: 0o755}
		if attr != nil {
			a = *attr
		}
		return p.dir().mkdir(p.name, a)
	})
}

// MkdirAll makes a directory and those above it that do not exist. One that exists stays as
// it is, and so does a link to one.
func (f *FS) MkdirAll(path string, attr *Attr) error {
	for end := 0; end < len(path); {
		if next := strings.IndexByte(path[end+1:], '/'); next >= 0 {
			end += 1 + next
		} else {
			end = len(path)
		}
		part := path[:end]
		info, err := f.Stat(part)
		if err == nil && !isDir(info) {
			return fmt.Errorf("make directory %q: %q: %w", path, part, tree.ErrNotDir)
		}
		if errors.Is(err, fs.ErrNotExist) {
			err = f.Mkdir(part, attr)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Symlink makes a symbolic link; of attr the owner counts. A name that exists is fs.ErrExist.
func (f *FS) Symlink(target, path string, attr *Attr) error {
	return f.change("make link", trim(path), nofollow, func(p place, old *Info) error {
		if old != nil {
			return fs.ErrExist
		}
		if err := errors.Join(attr.check(), tree.CheckTarget(target)); err != nil {
			return err
		}
		var a Attr
		if attr != nil {
			a = *attr
		}
		return p.dir().symlink(target, p.name, a)
	})
}

// Remove removes a file of any type, or an empty directory.
func (f *FS) Remove(path string) error {
	return f.change("remove", trim(path), nofollow, func(p place, old *Info) error {
		if err := checkRemovable(p, old); err != nil {
			return err
		}
		return p.dir().remove(*old)
	})
}

func checkRemovable(p place, old *Info) error {
	switch {
	case old == nil:
		return fs.ErrNotExist
	case p.name == "":
		return errors.New("the root, or a path that ends in a dot, cannot be removed")
	}
	return nil
}

// RemoveAll removes a file of any type, or a directory with all that is in it. A path that
// does not exist is no error. If something is mounted below it, what was met before that is
// gone.
func (f *FS) RemoveAll(path string) error {
	return f.change("remove", trim(path), nofollow, func(p place, old *Info) error {
		if old == nil {
			return nil
		}
		if err := checkRemovable(p, old); err != nil {
			return err
		}
		return f.removeAll(p.dir(), *old, p.name, 0)
	})
}

// removeAll removes what info is about from dir. path is for messages.
func (f *FS) removeAll(dir directory, info Info, path string, depth int) error {
	err := f.empty(dir, info, path, depth)
	if err == nil {
		err = dir.remove(info)
	}
	if _, told := errors.AsType[*belowError](err); err != nil && !told && depth > 0 {
		return &belowError{path, err}
	}
	return err
}

// belowError is a fault of what lies below the directory to be removed.
type belowError struct {
	path string
	err  error
}

func (e *belowError) Error() string { return fmt.Sprintf("%q: %v", e.path, e.err) }
func (e *belowError) Unwrap() error { return e.err }

// empty removes all that is in a directory.
func (f *FS) empty(dir directory, info Info, path string, depth int) error {
	switch {
	case info.dev != f.dev:
		return mounted()
	case !isDir(info):
		return nil
	case depth > maxDepth:
		return fmt.Errorf("more than %d directories deep", maxDepth)
	}
	sub, err := dir.open(info)
	if err != nil {
		return err
	}
	defer sub.close()
	list, err := entries(sub)
	if err != nil {
		return err
	}
	for _, child := range list {
		err := f.removeAll(sub, child, path+"/"+child.Name, depth+1)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Chmod sets the permission bits of a file or directory.
func (f *FS) Chmod(path string, mode tree.Mode) error {
	return f.setAttr("change mode", path, func(a *Attr, _ Info) { a.Mode = mode })
}

// Chown sets the owner of a file or directory. As with chown(2), a file whose owner changes
// is set-id no more.
func (f *FS) Chown(path string, uid, gid uint32) error {
	return f.setAttr("change owner", path, func(a *Attr, old Info) {
		if (uid != a.UID || gid != a.GID) && !isDir(old) {
			a.Mode &^= tree.SetUID | tree.SetGID
		}
		a.UID, a.GID = uid, gid
	})
}

func (f *FS) setAttr(op, path string, set func(*Attr, Info)) error {
	return f.change(op, path, follow, func(p place, old *Info) error {
		if old == nil {
			return fs.ErrNotExist
		}
		if !isDir(*old) {
			if err := checkFile(*old); err != nil {
				return err
			}
		}
		a := old.attr()
		set(&a, *old)
		if err := a.check(); err != nil {
			return err
		}
		if a == old.attr() {
			return nil
		}
		info := *old
		if p.name == "" {
			info.Name = "."
		}
		return p.dir().setAttr(info, a)
	})
}
