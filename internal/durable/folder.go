package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// folder is an open directory. It is an [*os.Root], or a pathFolder where that cannot be.
type folder interface {
	Lstat(name string) (fs.FileInfo, error)
	Stat(name string) (fs.FileInfo, error)
	Open(name string) (*os.File, error)
	OpenFile(name string, flag int, perm fs.FileMode) (*os.File, error)
	OpenRoot(name string) (*os.Root, error)
	Mkdir(name string, perm fs.FileMode) error
	Link(old, name string) error
	Remove(name string) error
	Close() error
}

// openFolder opens a directory. One that may be written to but not read is named by its path.
func openFolder(dir string) (folder, error) {
	root, err := os.OpenRoot(dir)
	if err == nil {
		return watched(root), nil
	}
	if errors.Is(err, fs.ErrPermission) && unix.Access(dir, unix.W_OK|unix.X_OK) == nil {
		return pathFolder(dir), nil
	}
	return nil, err
}

// Tests look at every step of a run.
var (
	watched  = func(f folder) folder { return f }
	renaming = func() {}
)

// pathFolder is a directory by its path.
type pathFolder string

func (p pathFolder) at(name string) string                     { return filepath.Join(string(p), name) }
func (p pathFolder) Lstat(name string) (fs.FileInfo, error)    { return os.Lstat(p.at(name)) }
func (p pathFolder) Stat(name string) (fs.FileInfo, error)     { return os.Stat(p.at(name)) }
func (p pathFolder) Open(name string) (*os.File, error)        { return os.Open(p.at(name)) }
func (p pathFolder) OpenRoot(name string) (*os.Root, error)    { return os.OpenRoot(p.at(name)) }
func (p pathFolder) Mkdir(name string, perm fs.FileMode) error { return os.Mkdir(p.at(name), perm) }
func (p pathFolder) Link(old, name string) error               { return os.Link(p.at(old), p.at(name)) }
func (p pathFolder) Remove(name string) error                  { return os.Remove(p.at(name)) }
func (p pathFolder) Close() error                              { return nil }

func (p pathFolder) OpenFile(name string, flag int, perm fs.FileMode) (*os.File, error) {
	return os.OpenFile(p.at(name), flag, perm)
}

// rename renames a name in one directory to one in another, which it replaces if it can.
func rename(from folder, name string, to folder, newName string) error {
	if p, ok := from.(pathFolder); ok && from == to {
		return again(func() error { return unix.Rename(p.at(name), p.at(newName)) })
	}
	renaming()
	a, err := from.Open(".")
	if err != nil {
		return err
	}
	b, err := to.Open(".")
	if err != nil {
		return errors.Join(err, a.Close())
	}
	err = again(func() error { return unix.Renameat(int(a.Fd()), name, int(b.Fd()), newName) })
	return errors.Join(err, a.Close(), b.Close())
}

// renameNew renames a name in a directory to one that nothing has. Not all systems, nor file
// systems, can; see isUnsupported.
func renameNew(f folder, name, newName string) error {
	if _, ok := f.(pathFolder); ok {
		return errors.ErrUnsupported
	}
	renaming()
	d, err := f.Open(".")
	if err != nil {
		return err
	}
	err = again(func() error { return renameExcl(int(d.Fd()), name, newName) })
	return errors.Join(err, d.Close())
}

// isUnsupported tells whether a file system cannot do something.
func isUnsupported(err error) bool {
	return errors.Is(err, errors.ErrUnsupported) || errors.Is(err, unix.EINVAL)
}

// again repeats a system call that a signal interrupts.
func again(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}
