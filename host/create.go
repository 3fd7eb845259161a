package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"imagetools/internal/durable"
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

func metalogOf(folder string) string { return folder + ".mtree" }

// Check implements [Home].
func (s Store) Check(_ context.Context, name string, replace bool) error {
	short, err := newName(Pool, name)
	if err != nil {
		return err
	}
	err = s.checkFree(short, replace)
	if errors.Is(err, ErrExists) && s.isLeft(short) {
		return nil
	}
	return err
}

// isLeft tells whether a METALOG without a folder may be what a killed run left, which Create
// puts right.
func (s Store) isLeft(short string) bool {
	if _, err := os.Lstat(filepath.Join(s.Dir, short)); err == nil {
		return false
	}
	entries, err := os.ReadDir(s.Dir)
	return err == nil && slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return durable.IsTemp(e.Name()) })
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
// owners, set-id bits and the like. The store is made if it does not exist. Where there is a
// folder it is complete, and its METALOG is its own; see package durable.
func (s Store) Create(ctx context.Context, name string, t *tree.Tree, opts CreateOptions) (*Created, error) {
	short, err := newName(Pool, name)
	if err != nil {
		return nil, err
	}
	c := &Created{Name: Pool + "/" + short, Path: filepath.Join(s.Dir, short)}
	c.Metalog = metalogOf(c.Path)
	if err := s.Check(ctx, name, opts.Replace); err != nil {
		return nil, err
	}
	if s.DryRun != nil {
		_, err := fmt.Fprintf(s.DryRun, "# written would be %s and %s\n", shell.Quote(c.Path), shell.Quote(c.Metalog))
		return c, err
	}
	_, err = todir.Extract(ctx, t, c.Path, todir.Options{
		Sync: true, Replace: opts.Replace, MakeDirs: true, Progress: opts.Progress, Note: opts.Note,
		Placed: func(rep *todir.Report) error {
			c.Report, c.Replaced = rep, rep.Replaced
			return opts.placed(c)
		},
	})
	if errors.Is(err, durable.ErrNotEmpty) { // one appeared meanwhile
		err = fmt.Errorf("%q: %w", c.Path, ErrExists)
	}
	if err != nil {
		return nil, fmt.Errorf("dataset %q: %w", c.Name, err)
	}
	return c, nil
}
