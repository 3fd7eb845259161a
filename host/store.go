// Package host is where datasets and zones live. Datasets are in the ZFS of this machine, if it
// has one, or in the directory store, a folder in which each dataset is a folder, with an mtree
// METALOG beside it for what the file system of this machine could not keep (owners, devices,
// set-id bits); a [Home] is either. Zones, virtual machines and images are those of SmartOS.
//
// [Host] runs the programs: zfs, zoneadm, zlogin, vmadm, imgadm and sysinfo, as their manual
// pages on illumos and SmartOS have them. Names are checked before they reach an argument list,
// and answers in another form than the documented one are errors.
package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Pool is the name of the pool that datasets are named in.
const Pool = "zones"

// DefaultStore is the directory store if nothing names another.
const DefaultStore = "./" + Pool

// Store is a directory store.
type Store struct {
	Dir    string
	DryRun io.Writer // if not nil, gets what would be made, and nothing is; see [Host]
}

// String implements [Home].
func (s Store) String() string { return fmt.Sprintf("the directory store %q", s.Dir) }

// StoreDataset is a dataset in a store.
type StoreDataset struct {
	Name    string // with the pool: zones/NAME
	Path    string // of its folder
	Metalog string // of its METALOG; empty if it has none
}

// String implements [Dataset].
func (d *StoreDataset) String() string { return fmt.Sprintf("the dataset %q", d.Path) }

// Folder implements [Dataset].
func (d *StoreDataset) Folder(context.Context) (*Folder, error) {
	return &Folder{Path: d.Path, Metalog: d.Metalog}, nil
}

// Lookup implements [Home]. The path of its folder is a name of a dataset, too.
func (s Store) Lookup(_ context.Context, name string) (Dataset, error) {
	d, err := s.lookupPath(name)
	if errors.Is(err, fs.ErrNotExist) {
		d, err = s.lookup(name)
	}
	if err != nil {
		return nil, err
	}
	return d, nil
}

// lookup returns the dataset called NAME or zones/NAME.
func (s Store) lookup(name string) (*StoreDataset, error) {
	short := strings.TrimPrefix(name, Pool+"/")
	if short == "" || short == "." || short == ".." || strings.ContainsAny(short, "/\x00") {
		return nil, fmt.Errorf("dataset %q: %w", name, fs.ErrNotExist)
	}
	path := filepath.Join(s.Dir, short)
	info, err := os.Lstat(path)
	if errors.Is(err, syscall.ENOTDIR) {
		return nil, fmt.Errorf("the store %q is no folder: %w", s.Dir, fs.ErrNotExist)
	}
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("dataset %q: %q is no folder: %w", name, path, fs.ErrNotExist)
	}
	d := &StoreDataset{Name: Pool + "/" + short, Path: path}
	if d.Metalog, err = Metalog(path); err != nil {
		return nil, err
	}
	return d, nil
}

// lookupPath returns the dataset whose folder is at path, or fs.ErrNotExist if path is no
// folder directly below the store.
func (s Store) lookupPath(path string) (*StoreDataset, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	store, err := filepath.Abs(s.Dir)
	if err != nil {
		return nil, err
	}
	if filepath.Dir(abs) != store {
		return nil, fmt.Errorf("%q is not in the store %q: %w", path, s.Dir, fs.ErrNotExist)
	}
	return s.lookup(filepath.Base(abs))
}

// Metalog returns the path of the METALOG beside a folder, DIR.mtree; empty if there is none.
func Metalog(dir string) (string, error) {
	abs, err := filepath.Abs(dir) // "." has no name to put anything behind
	if err != nil {
		return "", err
	}
	path := abs + ".mtree"
	info, err := os.Stat(path)
	switch {
	case err == nil && !info.Mode().IsRegular(): // who opens a FIFO may wait for ever
		return "", fmt.Errorf("%q: not a METALOG: not a regular file", path)
	case err == nil:
		return path, nil
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	}
	return "", err
}
