package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"imagetools/internal/durable"
	"imagetools/tree"
	"imagetools/tree/todir"
)

// Home is where datasets live: a [Store] or a [*PoolHome]. Names of datasets are with the pool
// or without, as in zones/NAME and NAME.
type Home interface {
	// String names the home for people.
	String() string

	// Lookup returns a dataset; one that does not exist gives fs.ErrNotExist.
	Lookup(ctx context.Context, name string) (Dataset, error)

	// Check tells whether a dataset could be made. The error is [ErrExists] if there is one
	// of that name and it is not to be replaced.
	Check(ctx context.Context, name string, replace bool) error

	// Create makes a dataset from a sealed tree, and gives it its name, and an older one's
	// end, when it is complete and on the disk. After an error, or when ctx ends, everything
	// is as before; a kill leaves an older dataset under its name or puts it back when a
	// dataset of that name is made the next time. In a dry run of the host nothing is made,
	// and shown is what would be run and written.
	Create(ctx context.Context, name string, t *tree.Tree, opts CreateOptions) (*Created, error)
}

// Dataset is a dataset in a home: a [*StoreDataset] or a [*PoolDataset].
type Dataset interface {
	// String names the dataset for people, in the middle of a sentence.
	String() string

	// Folder returns where its files lie, to be read or changed there. One that has no files,
	// or that somebody else may be writing to, is an error.
	Folder(ctx context.Context) (*Folder, error)
}

// Folder is where the files of a dataset lie.
type Folder struct {
	Path    string
	Metalog string // of what the folder itself cannot tell; "" if there is none
}

// CreateOptions say how a dataset is made. The zero value makes one where there is none.
type CreateOptions struct {
	Replace  bool      // a dataset of that name, if there is one
	Now      time.Time // stands in the names of temporary datasets
	Progress func(names int)

	// Placed, if set, is called when the dataset is complete. If it fails, Create does: in a store
	// all is as it was before, in a pool the dataset stays.
	Placed func(*Created) error

	Note func(text string) // is told of what killed runs left, and of how it was put right
}

func (o *CreateOptions) note(format string, args ...any) {
	if o.Note != nil {
		o.Note(fmt.Sprintf(format, args...))
	}
}

func (o *CreateOptions) placed(c *Created) error {
	if o.Placed == nil {
		return nil
	}
	return o.Placed(c)
}

// Created is a dataset that was made.
type Created struct {
	Name     string // POOL/NAME
	Path     string // of its folder, or where it is mounted
	Metalog  string // of its METALOG; "" in a pool
	Replaced bool
	Report   *todir.Report
}

// ErrExists says that there is a dataset of that name already.
var ErrExists = durable.ErrExists

// HomeOptions say where datasets live. The zero value is the pool [Pool] and [DefaultStore].
type HomeOptions struct {
	Pool  string // this ZFS pool and nothing else
	Store string // this directory store and nothing else

	DefaultPool  string // in place of Pool
	DefaultStore string // in place of DefaultStore
}

// Homes returns where datasets live on this host: the pool and the store that were asked for,
// or else a pool, unless there is no ZFS, and after it a store. A dataset may be in any of
// them; a new one goes to the [FirstHome].
func (h *Host) Homes(o HomeOptions) ([]Home, error) {
	zfs := h.ZFS()
	var homes []Home
	switch {
	case o.Pool != "" && zfs == nil:
		return nil, fmt.Errorf("ZFS pool %q: there is no program zfs on this host", o.Pool)
	case o.Pool != "" || o.Store == "" && zfs != nil:
		homes = append(homes, &PoolHome{Pool: cmp.Or(o.Pool, o.DefaultPool, Pool), zfs: zfs})
	}
	if o.Pool == "" {
		homes = append(homes, Store{Dir: cmp.Or(o.Store, o.DefaultStore, DefaultStore), DryRun: h.DryRun})
	}
	return homes, nil
}

// FirstHome returns the first home that there is. A store is made when it is needed, so there
// always is one; doubt is what a ZFS said that could not tell whether it has the pool before
// it.
func FirstHome(ctx context.Context, homes []Home) (home Home, doubt, err error) {
	for i, home := range homes {
		pool, ok := home.(*PoolHome)
		if !ok {
			return home, doubt, nil
		}
		err := pool.exists(ctx)
		switch {
		case err == nil:
			return home, nil, nil
		case ctx.Err() != nil:
			return nil, nil, ctx.Err()
		case i == len(homes)-1:
			return nil, nil, err
		case !errors.Is(err, fs.ErrNotExist):
			doubt = err
		}
	}
	return nil, nil, errors.New("there is no home for datasets")
}
