package durable

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// place is an open directory in which outputs are made.
type place struct {
	path  string
	root  folder
	above *place // of a directory that was made; else nil
	made  fs.FileInfo
}

// openPlace opens a directory. With mkdirs it is made if it does not exist.
func openPlace(dir string, mkdirs bool) (*place, error) {
	root, err := openFolder(dir)
	if err == nil {
		return &place{path: dir, root: root}, nil
	}
	if !mkdirs || !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	above, err := openPlace(filepath.Dir(dir), true)
	if err != nil {
		return nil, err
	}
	p := &place{path: dir, above: above}
	if err := p.mkdir(); err != nil {
		return nil, errors.Join(err, above.close(true))
	}
	return p, nil
}

// mkdir makes the directory and opens it.
func (p *place) mkdir() (err error) {
	name := filepath.Base(p.path)
	err = p.above.root.Mkdir(name, 0o777)
	if errors.Is(err, fs.ErrExist) { // somebody was faster, or it is a link to nowhere
		root, err := p.above.root.OpenRoot(name)
		if err == nil {
			p.root = root
		}
		return err
	}
	if err != nil {
		return err
	}
	root, err := openMade(p.above.root, name)
	if errors.Is(err, ErrSwapped) { // another run uses it already; it stays
		p.root, err = p.above.root.OpenRoot(name)
		return err
	}
	if err != nil {
		return errors.Join(err, removeDir(p.above.root, name))
	}
	p.root = root
	p.made, err = p.root.Stat(".")
	return err
}

// close closes what is open. With remove, directories that were made and are empty go.
func (p *place) close(remove bool) error {
	var errs []error
	if p.root != nil {
		errs = append(errs, p.root.Close())
	}
	if p.above != nil {
		name := filepath.Base(p.path)
		if remove && p.made != nil && p.is(p.above.root, name, p.made) {
			p.above.root.Remove(name) // unless somebody else uses it by now
		}
		errs = append(errs, p.above.close(remove))
	}
	return errors.Join(errs...)
}

func (p *place) is(root folder, name string, info fs.FileInfo) bool {
	now, err := root.Lstat(name)
	return err == nil && os.SameFile(now, info)
}

// has tells whether there is something of a name.
func (p *place) has(name string) bool {
	_, err := p.root.Lstat(name)
	return err == nil
}

// same tells whether two names are one file.
func (p *place) same(a, b string) bool {
	x, err := p.root.Lstat(a)
	return err == nil && p.is(p.root, b, x)
}

// sync makes the names durable. Some file systems cannot, nor can one who may write but not
// read there.
func (p *place) sync() error {
	for q := p; q != nil; q = q.above {
		d, err := q.root.Open(".")
		if errors.Is(err, fs.ErrPermission) {
			continue
		}
		if err != nil {
			return err
		}
		err = d.Sync()
		if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.EBADF) {
			err = nil
		}
		if err = errors.Join(err, d.Close()); err != nil {
			return fmt.Errorf("sync %q: %w", q.path, cause(err))
		}
	}
	return nil
}

// names are those in a directory that may be read.
func (p *place) names() ([]string, error) {
	d, err := p.root.Open(".")
	if errors.Is(err, fs.ErrPermission) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	names, err := d.Readdirnames(-1)
	return names, errors.Join(err, d.Close())
}

// ErrSwapped says that another directory was found where one had just been made.
var ErrSwapped = errors.New("somebody put another directory in the place of the one that was made")

// OpenMade opens the directory that the caller has just made in parent, and nothing else: it
// belongs to the caller, is empty, and is no link. Who owns parent could have put another one
// in its place; then the error is [ErrSwapped].
func OpenMade(parent *os.Root, name string) (*os.Root, error) { return openMade(parent, name) }

func openMade(parent folder, name string) (_ *os.Root, err error) {
	root, err := parent.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, root.Close())
		}
	}()
	named, err := parent.Lstat(name)
	if err != nil {
		return nil, err
	}
	opened, err := root.Stat(".")
	if err != nil {
		return nil, err
	}
	if !named.IsDir() || !os.SameFile(named, opened) {
		return nil, ErrSwapped
	}
	d, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	_, err = d.Readdirnames(1)
	if err = errors.Join(notEmpty(err), d.Close()); err != nil {
		return nil, err
	}
	return root, checkOwner(parent, opened)
}

func notEmpty(err error) error {
	if err == io.EOF {
		return nil
	}
	if err == nil {
		err = ErrSwapped
	}
	return err
}

// checkOwner tells whether a directory belongs to the caller. Some file systems give all that is
// made to another user; a file shows to whom.
func checkOwner(parent folder, info fs.FileInfo) error {
	if owner(info) == os.Geteuid() {
		return nil
	}
	probe := tempName("", unlocked, "owner")
	f, err := parent.OpenFile(probe, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	mine, err := f.Stat()
	if err = errors.Join(err, f.Close(), parent.Remove(probe)); err != nil {
		return err
	}
	if owner(mine) != owner(info) {
		return ErrSwapped
	}
	return nil
}

func owner(info fs.FileInfo) int {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return -1
}
