package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// RemoveTree removes a file, or a directory and all in it, also directories that may not be
// written to, as long as they are the caller's. It follows no link and needs few descriptors,
// however deep the directory is.
func RemoveTree(parent folder, name string) error {
	info, err := parent.Lstat(name)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return parent.Remove(name)
	}
	root, err := openOwn(parent, name, info)
	if err != nil {
		return err
	}
	if err := errors.Join(emptyRoot(root), root.Close()); err != nil {
		return err
	}
	return removeDir(parent, name)
}

// openOwn opens the directory that info is about.
func openOwn(parent folder, name string, info fs.FileInfo) (*os.Root, error) {
	if err := unlockDir(parent, name); err != nil {
		return nil, err
	}
	root, err := parent.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	if now, err := root.Stat("."); err != nil || !os.SameFile(now, info) {
		return nil, errors.Join(err, root.Close(), ErrSwapped)
	}
	return root, nil
}

// unlockDir lets the owner of a directory into it again. Root needs no permission.
func unlockDir(parent folder, name string) error {
	info, err := parent.Lstat(name)
	if err != nil || !info.IsDir() || info.Mode().Perm()&0o700 == 0o700 || os.Geteuid() == 0 || owner(info) != os.Geteuid() {
		return err
	}
	d, err := parent.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(ChmodAt(int(d.Fd()), name, 0o700), d.Close())
}

// emptyRoot removes all that is in a directory: what lies in a directory below is moved to the
// top before that is removed.
func emptyRoot(root folder) error {
	r := remover{root: root}
	for {
		names, err := (&place{root: root}).names()
		if err != nil {
			return err
		}
		if len(names) == 0 {
			return nil
		}
		for _, name := range names {
			if err := r.remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("remove %q: %w", name, cause(err))
			}
		}
	}
}

type remover struct {
	root folder
	n    int // directories that moved to the top
}

func (r *remover) remove(name string) error {
	info, err := r.root.Lstat(name)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return r.root.Remove(name)
	}
	dir, err := openOwn(r.root, name, info)
	if err != nil {
		return err
	}
	if err := errors.Join(r.clear(dir), dir.Close()); err != nil {
		return err
	}
	return removeDir(r.root, name)
}

// clear removes the files in a directory and moves its directories to the top.
func (r *remover) clear(dir folder) error {
	names, err := (&place{root: dir}).names()
	if err != nil {
		return err
	}
	for _, name := range names {
		info, err := dir.Lstat(name)
		if err != nil {
			return err
		}
		if !info.IsDir() {
			err = dir.Remove(name)
		} else if err = unlockDir(dir, name); err == nil {
			err = r.toTop(dir, name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *remover) toTop(dir folder, name string) error {
	for {
		r.n++
		err := rename(dir, name, r.root, fmt.Sprintf("%sremoved-%d", prefix, r.n))
		if !errors.Is(err, fs.ErrExist) && !errors.Is(err, syscall.ENOTEMPTY) && !errors.Is(err, syscall.ENOTDIR) {
			return err
		}
	}
}
