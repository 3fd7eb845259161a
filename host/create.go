package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"imagetools/internal/shell"
	"imagetools/tree"
	"imagetools/tree/todir"
)

// maxNewName is the longest name of a new dataset, without its pool: temporary ones are longer.
const maxNewName = 150

// newName returns the name without the pool, if a dataset could be called so in a pool and in
// a store.
func newName(pool, name string) (string, error) {
	short := strings.TrimPrefix(name, pool+"/")
	var err error
	switch {
	case !IsDatasetName(pool+"/"+short) || strings.Contains(short, "/"):
		err = errors.New("letters, digits and _ - . : are possible in a name")
	case len(short) > maxNewName:
		err = fmt.Errorf("%d bytes, the limit is %d", len(short), maxNewName)
	case strings.HasPrefix(short, ".") || strings.HasSuffix(short, ".mtree"):
		err = errors.New("names that begin with a dot or end in .mtree mean other things in a store")
	}
	if err != nil {
		return "", fmt.Errorf("dataset %q: %w", name, err)
	}
	return short, nil
}

// A dataset is made in a folder of the store, .NAME.imagetools-…, and so are the remains of the
// one that it replaces:
//
//	new, new.mtree   the new one
//	old, old.mtree   the older one, moved aside
//
// The older one is moved in, folder first, and the new one out, folder last: where there is a
// folder it is complete, and a METALOG without one is nothing.
const (
	newFolder = "new"
	oldFolder = "old"
)

func metalogOf(folder string) string { return folder + ".mtree" }

// Check implements [Home].
func (s Store) Check(_ context.Context, name string, replace bool) error {
	short, err := newName(Pool, name)
	if err != nil {
		return err
	}
	return s.checkFree(short, replace)
}

// checkFree looks for what is in the way of a dataset.
func (s Store) checkFree(short string, replace bool) error {
	info, err := os.Lstat(filepath.Join(s.Dir, short))
	_, logErr := os.Lstat(metalogOf(filepath.Join(s.Dir, short)))
	switch {
	case errors.Is(err, fs.ErrNotExist) && errors.Is(logErr, fs.ErrNotExist):
		return nil
	case errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("the store %q is no folder", s.Dir)
	case err == nil && !info.IsDir():
		return fmt.Errorf("dataset %q: %q is in the way, which is no folder", Pool+"/"+short, filepath.Join(s.Dir, short))
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	case !replace:
		return fmt.Errorf("dataset %q in the store %q: %w", Pool+"/"+short, s.Dir, ErrExists)
	}
	return nil
}

// Create implements [Home]: a folder, which belongs to the caller, and a METALOG beside it for
// owners, set-id bits and the like. The store is made if it does not exist.
func (s Store) Create(ctx context.Context, name string, t *tree.Tree, opts CreateOptions) (_ *Created, err error) {
	short, err := newName(Pool, name)
	if err != nil {
		return nil, err
	}
	c := &Created{Name: Pool + "/" + short, Path: filepath.Join(s.Dir, short)}
	c.Metalog = metalogOf(c.Path)
	if s.DryRun != nil {
		if err := s.checkFree(short, opts.Replace); err != nil {
			return nil, err
		}
		_, err := fmt.Fprintf(s.DryRun, "# written would be %s and %s\n", shell.Quote(c.Path), shell.Quote(c.Metalog))
		return c, err
	}
	me, err := self(opts.Now)
	if err != nil {
		return nil, err
	}
	made, err := makeFolders(s.Dir)
	defer func() {
		if err != nil {
			for _, dir := range made {
				os.Remove(dir) // if others use it by now, it stays
			}
		}
	}()
	if err != nil {
		return nil, fmt.Errorf("make the store: %w", err)
	}
	if err := s.clean(short, me, &opts); err != nil {
		return nil, err
	}
	if err := s.checkFree(short, opts.Replace); err != nil {
		return nil, err
	}
	work := filepath.Join(s.Dir, "."+short+"."+me.String())
	if err := os.Mkdir(work, 0o700); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil && exists(filepath.Join(work, oldFolder)) {
			return // it could not be put back, as err says; the next run does that, or removes it
		}
		e := removeAll(work)
		switch {
		case e == nil:
		case err != nil: // not to be taken for an interrupt that left nothing
			err = fmt.Errorf("%v; and the folder %q is left: %v", err, work, e)
		default:
			err = fmt.Errorf("dataset %q is new, but the older one is left in %q: %w", c.Name, work, e)
		}
	}()
	c.Report, err = todir.Extract(ctx, t, filepath.Join(work, newFolder), todir.Options{Sync: true, Progress: opts.Progress})
	if err != nil {
		return nil, fmt.Errorf("dataset %q: %w", c.Name, err)
	}
	c.Replaced, err = s.commit(short, work, opts.Replace)
	return c, err
}

// makeFolders makes a folder and those above it, and returns those that it made, the deepest
// first.
func makeFolders(dir string) (made []string, err error) {
	for at := filepath.Clean(dir); ; at = filepath.Dir(at) {
		if _, err := os.Lstat(at); !errors.Is(err, fs.ErrNotExist) {
			return made, os.MkdirAll(dir, 0o777)
		}
		made = append(made, at)
	}
}

// commit gives the new dataset its name.
func (s Store) commit(short, work string, replace bool) (replaced bool, err error) {
	if err := s.checkFree(short, replace); err != nil {
		return false, err // it appeared meanwhile
	}
	final := filepath.Join(s.Dir, short)
	moves := []move{
		{metalogOf(filepath.Join(work, newFolder)), metalogOf(final)},
		{filepath.Join(work, newFolder), final},
	}
	old := filepath.Join(work, oldFolder)
	if _, err := os.Lstat(metalogOf(final)); err == nil {
		moves = append([]move{{metalogOf(final), metalogOf(old)}}, moves...)
	}
	if _, err := os.Lstat(final); err == nil {
		moves, replaced = append([]move{{final, old}}, moves...), true
	}
	if err := moveAll(moves, s.Dir); err != nil {
		return false, fmt.Errorf("dataset %q: %w", Pool+"/"+short, err)
	}
	return replaced, nil
}

type move struct{ from, to string }

// do gives a folder or file another name. Nothing that has that name is replaced, not even a file,
// as os.Rename does: it is a METALOG of a run that was faster.
func (m move) do() error {
	info, err := os.Lstat(m.from)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return os.Rename(m.from, m.to)
	}
	err = os.Link(m.from, m.to)
	switch {
	case err == nil:
		if err = os.Remove(m.from); err != nil {
			os.Remove(m.to)
		}
		return err
	case exists(m.to):
		return err
	}
	return os.Rename(m.from, m.to) // not all file systems have hard links
}

// moveAll does all moves, or none if one fails, and waits until they are on the disk.
func moveAll(moves []move, dir string) error {
	var err error
	done := 0
	for _, m := range moves {
		if err = m.do(); err != nil {
			break
		}
		done++
	}
	if err == nil {
		if err = syncDir(dir); err == nil {
			return nil
		}
	}
	for ; done > 0; done-- {
		m := moves[done-1]
		if e := (move{m.to, m.from}).do(); e != nil {
			return fmt.Errorf("%w; and %q is left as %q: %w", err, m.from, m.to, e)
		}
	}
	return err
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = f.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		err = nil // not all file systems know that of folders
	}
	return errors.Join(err, f.Close())
}

// clean deals with what killed runs left of a dataset.
func (s Store) clean(short string, me taker, opts *CreateOptions) error {
	entries, err := os.ReadDir(s.Dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		rest, ok := strings.CutPrefix(e.Name(), "."+short+".")
		t, isTaker := parseTaker(rest)
		if !ok || !isTaker || !e.IsDir() || t.fate(me) != Ended {
			continue
		}
		work := filepath.Join(s.Dir, e.Name())
		back, err := s.putBack(short, work)
		if err == nil {
			err = removeAll(work)
		}
		if err != nil {
			return fmt.Errorf("what a run that was killed left in %q: %w", work, err)
		}
		if back {
			opts.note("a run that was killed had moved %q into %q: put back", Pool+"/"+short, work)
		} else {
			opts.note("a run that was killed left %q: removed", work)
		}
	}
	return nil
}

// putBack undoes moves of commit that were not finished.
func (s Store) putBack(short, work string) (back bool, err error) {
	final := filepath.Join(s.Dir, short)
	fresh, old := filepath.Join(work, newFolder), filepath.Join(work, oldFolder)
	if exists(final) || !exists(fresh) {
		return false, nil
	}
	if log := metalogOf(final); exists(log) && (!exists(metalogOf(fresh)) || sameFile(metalogOf(fresh), log)) {
		if err := os.Remove(log); err != nil { // it has come so far
			return false, err
		}
	}
	if exists(metalogOf(old)) {
		if err := os.Rename(metalogOf(old), metalogOf(final)); err != nil {
			return false, err
		}
	}
	if !exists(old) {
		return false, nil
	}
	return true, os.Rename(old, final)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func sameFile(a, b string) bool {
	x, errX := os.Lstat(a)
	y, errY := os.Lstat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// removeAll removes a folder and all in it, also where folders may not be written to, as long
// as they are the caller's.
func removeAll(dir string) error {
	err := os.RemoveAll(dir)
	if err == nil || !errors.Is(err, fs.ErrPermission) {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	walkErr := fs.WalkDir(root.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		return root.Chmod(path, 0o700) // comes before the folder is read
	})
	return errors.Join(walkErr, root.Close(), os.RemoveAll(dir))
}
