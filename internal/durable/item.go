package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// item is one output.
type item struct {
	set   *Set
	place *place
	path  string // as the caller names it, for messages
	base  string // its name at the end
	temp  string // its name until then
	dir   bool
	into  *Into

	file *os.File // holds the lock; of a directory, it is open on it
	root *os.Root // of a directory
	info fs.FileInfo

	old      string // what had the name, set aside
	placed   bool
	replaced bool
}

// createFile makes the file. A lock that somebody else is faster with is that of a run which
// takes it for left, and removes it: then it is made again.
func (i *item) createFile(perm fs.FileMode) error {
	for range tries {
		f, err := i.place.root.OpenFile(i.temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, perm)
		if err != nil {
			return err
		}
		i.file = f
		if i.info, err = f.Stat(); err == nil {
			var gone bool
			if gone, err = i.lock(); err == nil && !gone {
				return nil
			}
		}
		if err != nil {
			return errors.Join(err, f.Close(), i.place.root.Remove(i.temp))
		}
		f.Close()
	}
	return errTooBusy
}

// tries bounds what is done again because others were faster.
const tries = 100

var errTooBusy = errors.New("others make and remove it all the time")

// createDir makes the directory, with mode 0700, and opens it.
func (i *item) createDir() error {
	for range tries {
		if err := i.place.root.Mkdir(i.temp, 0o700); err != nil {
			return err
		}
		gone, err := i.openDir()
		if errors.Is(err, fs.ErrNotExist) && !i.place.has(i.temp) { // removed before it had a lock
			gone, err = true, nil
		}
		if err != nil {
			return errors.Join(err, i.closeAll(), removeDir(i.place.root, i.temp))
		}
		if !gone {
			return nil
		}
		i.closeAll()
	}
	return errTooBusy
}

// removeDir removes an empty directory.
func removeDir(root folder, name string) error {
	if info, err := root.Lstat(name); err != nil || !info.IsDir() {
		return nil // it is not ours any more
	}
	return root.Remove(name)
}

func (i *item) openDir() (gone bool, err error) {
	if i.root, err = openMade(i.place.root, i.temp); err != nil {
		return false, err
	}
	if i.file, err = i.root.Open("."); err != nil {
		return false, err
	}
	if err := i.file.Chmod(0o700); err != nil { // what a default ACL made of it
		return false, err
	}
	if i.info, err = i.file.Stat(); err != nil {
		return false, err
	}
	return i.lock()
}

// lock locks the output. gone says that another run has removed it before.
func (i *item) lock() (gone bool, err error) {
	err = lock(i.file)
	if isNoLock(err) {
		name := tempName(i.set.token, unlocked, i.base)
		err = rename(i.place.root, i.temp, i.place.root, name)
		i.temp = name
		return false, err
	}
	if err != nil {
		return false, fmt.Errorf("lock: %w", err)
	}
	return !i.place.is(i.place.root, i.temp, i.info), nil
}

// closeAll closes what is open, which ends the lock.
func (i *item) closeAll() error {
	var errs []error
	if i.file != nil {
		errs = append(errs, i.file.Close())
		i.file = nil
	}
	if i.root != nil {
		errs = append(errs, i.root.Close())
		i.root = nil
	}
	return errors.Join(errs...)
}

// claim gives the output its name, if nothing has it.
func (i *item) claim() error {
	r := i.place.root
	switch {
	case i.into != nil:
		return i.into.moveUp()
	case i.dir:
		return i.claimDir()
	}
	err := r.Link(i.temp, i.base)
	if err == nil || errors.Is(err, fs.ErrExist) {
		i.placed = err == nil
		return err
	}
	// Not all file systems have hard links.
	if err := renameNew(r, i.temp, i.base); !isUnsupported(err) {
		i.placed = err == nil
		return err
	}
	f, err := r.OpenFile(i.base, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = errors.Join(f.Close(), rename(r, i.temp, r, i.base))
	if err != nil {
		return errors.Join(err, r.Remove(i.base))
	}
	i.placed = true
	return nil
}

func (i *item) claimDir() error {
	r := i.place.root
	if err := renameNew(r, i.temp, i.base); !isUnsupported(err) {
		i.placed = err == nil
		return err
	}
	if err := r.Mkdir(i.base, 0o700); err != nil {
		return err
	}
	mine, err := r.Lstat(i.base)
	if err == nil {
		err = rename(r, i.temp, r, i.base)
	}
	if err != nil {
		if mine != nil && i.place.is(r, i.base, mine) {
			removeDir(r, i.base) // unless somebody uses it
		}
		return err
	}
	i.placed = true
	return nil
}

// give gives the output its name. What has it is set aside if it is to be replaced.
func (i *item) give() error {
	for range tries {
		err := i.claim()
		if !errors.Is(err, fs.ErrExist) || i.into != nil {
			return err
		}
		info, statErr := i.place.root.Lstat(i.base)
		if errors.Is(statErr, fs.ErrNotExist) {
			continue // it is gone again
		}
		if statErr != nil {
			return statErr
		}
		if i.dir {
			err = checkDir(i.path, info, i.set.opts.Replace)
		} else {
			err = checkFile(i.path, info, i.set.opts.Replace)
		}
		if err != nil {
			return named{err}
		}
		if done, err := i.replace(); done || err != nil {
			return err
		}
	}
	return errTooBusy
}

// named is an error that has the path of the output already.
type named struct{ error }

func (n named) Unwrap() error { return n.error }

func checkDir(path string, info fs.FileInfo, replace bool) error {
	switch {
	case !info.IsDir():
		return fmt.Errorf("%q: %w", path, ErrNotDir)
	case !replace:
		return fmt.Errorf("%q: %w", path, ErrExists)
	}
	return nil
}

// replace has a file take the name from another one in one step, and sets aside what else has
// it. done says that the output has the name now.
func (i *item) replace() (done bool, err error) {
	r := i.place.root
	old := tempName(i.set.token, aside, i.base)
	if !i.dir {
		if err := r.Link(i.base, old); err == nil {
			i.old, i.replaced = old, true
			if err := rename(r, i.temp, r, i.base); err != nil {
				return false, err
			}
			i.placed = true
			return true, nil
		} else if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
	}
	err = rename(r, i.base, r, old)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil {
		i.old, i.replaced = old, true
	}
	return false, err
}

// setAside takes the name from a directory that is to be replaced.
func (i *item) setAside() error {
	if !i.dir || i.into != nil || !i.set.opts.Replace {
		return nil
	}
	if info, err := i.place.root.Lstat(i.base); err != nil || !info.IsDir() {
		return nil // give says what is in the way
	}
	_, err := i.replace()
	return err
}

// check tells whether what has the name is the output.
func (i *item) check() error {
	if i.into == nil && !i.place.is(i.place.root, i.base, i.info) {
		return named{fmt.Errorf("%q: somebody put another file in its place", i.path)}
	}
	return nil
}

// takeBack takes the name back, and gives the output its temporary one again. A file that took
// the name from another one keeps it: that takes it in one step, too.
func (i *item) takeBack() (err error) {
	r := i.place.root
	switch {
	case i.into != nil:
		return i.into.moveBack()
	case !i.placed || !i.place.is(r, i.base, i.info) || i.old != "" && !i.dir:
	case i.place.is(r, i.temp, i.info):
		err = r.Remove(i.base)
	default:
		err = rename(r, i.base, r, i.temp)
	}
	if err != nil {
		return fmt.Errorf("%q is left: %w", i.path, cause(err))
	}
	i.placed = false
	return nil
}

// putBack gives the name to what had it before.
func (i *item) putBack() error {
	r := i.place.root
	if i.old == "" {
		return nil
	}
	if !i.dir && i.place.same(i.old, i.base) {
		return r.Remove(i.old)
	}
	if i.place.has(i.base) && !i.place.is(r, i.base, i.info) {
		return RemoveTree(r, i.old) // somebody else has replaced it since
	}
	if err := rename(r, i.old, r, i.base); err != nil {
		return fmt.Errorf("what was %q is left as %q: %w", i.path, i.old, cause(err))
	}
	i.old = ""
	return nil
}

// discard removes what has no name.
func (i *item) discard() error {
	r := i.place.root
	var err error
	switch {
	case i.dir && i.root != nil:
		err = emptyRoot(i.root)
		if err = errors.Join(err, i.closeAll()); err == nil {
			err = removeDir(r, i.temp)
		}
	case i.place.is(r, i.temp, i.info):
		err = errors.Join(r.Remove(i.temp), i.closeAll())
	default:
		return i.closeAll()
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%q is left beside %q: %w", i.temp, i.path, cause(err))
	}
	return nil
}

// finish removes what only mattered until all outputs had their names.
func (i *item) finish() error {
	r := i.place.root
	var errs []error
	if !i.dir && i.place.is(r, i.temp, i.info) {
		errs = append(errs, r.Remove(i.temp))
	}
	if i.old != "" {
		errs = append(errs, RemoveTree(r, i.old))
	}
	if err := errors.Join(errs...); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%q is complete, but %q is left beside it: %w", i.path, i.old, cause(err))
	}
	return i.closeAll()
}
