package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"imagetools/fault"
	"imagetools/host"
	"imagetools/source/content"
	"imagetools/tree/fromoci"
)

// Find finds what arg names: a virtual machine or a dataset, the image of a container, or a path by
// what is there. "-" is standard input. What cannot be asked for is a fault.AskedError.
func Find(ctx context.Context, arg string, opts Options) (Source, error) {
	f := &finder{opts: &opts, arg: arg}
	if opts.Host == nil {
		opts.Host = &host.Host{}
	}
	if err := opts.check(); err != nil {
		return nil, err
	}
	if opts.OnlyImage {
		return f.image(arg)
	}
	s, err := f.find(ctx)
	if opts.Pool == "" && opts.Host.HasVMs() {
		return f.machine(ctx, s, err)
	}
	return s, err
}

// finder looks for one source.
type finder struct {
	opts *Options
	arg  string
}

func (f *finder) find(ctx context.Context) (Source, error) {
	homes, err := f.homes()
	if err != nil {
		return nil, err
	}
	if f.opts.Pool != "" {
		ds, err := homes[0].Lookup(ctx, f.arg)
		if err != nil {
			return nil, err
		}
		return f.dataset(ds), nil
	}
	if f.arg == "-" {
		return f.standardInput()
	}
	if c, err := f.container(); c != nil || err != nil {
		return c, err
	}
	inPool, inStore, doubt, err := f.lookup(ctx, homes)
	if err != nil {
		return nil, err
	}
	_, statErr := os.Stat(f.arg)
	switch {
	case inPool != nil:
		return f.only(inPool, statErr == nil, inStore)
	case inStore == nil && statErr != nil:
		return nil, f.notFound(homes, errors.Unwrap(statErr), doubt)
	case inStore != nil && statErr == nil && !samePath(f.arg, inStore.Path):
		return nil, fault.With(fmt.Errorf("source %q: it is %v and the path %q", f.arg, inStore, "./"+f.arg), WayPath)
	}
	if doubt != nil {
		f.opts.warn("ZFS cannot tell whether %q is a dataset, so it is taken for a folder or file: %v", f.arg, doubt)
	}
	if inStore != nil {
		return inStore, nil
	}
	return f.path()
}

// homes returns where the source may be a dataset. One that names a pool may be one there.
func (f *finder) homes() ([]host.Home, error) {
	o := f.opts
	at := host.HomeOptions{Pool: o.Pool, Store: o.Store, DefaultStore: o.DefaultStore}
	pool, _, withPool := strings.Cut(f.arg, "/")
	if withPool && host.IsDatasetName(f.arg) {
		at.DefaultPool = pool
	}
	short := strings.TrimPrefix(f.arg, o.Pool+"/")
	if o.Pool != "" && (withPool && short == f.arg || !host.IsDatasetName(o.Pool+"/"+short)) {
		return nil, fault.Askedf("source %q: with %s %s it must be NAME or %[3]s/NAME", f.arg, o.called("Pool"), o.Pool)
	}
	homes, err := o.Host.Homes(at)
	if err != nil {
		err = fmt.Errorf("source %q: %w", f.arg, err)
	}
	return homes, err
}

// lookup looks for a dataset in a pool and in the store. doubt is the error of a ZFS that cannot
// tell.
func (f *finder) lookup(ctx context.Context, homes []host.Home) (inPool *Pool, inStore *Dir, doubt, err error) {
	for _, home := range homes {
		ds, err := home.Lookup(ctx, f.arg)
		_, isStore := home.(host.Store)
		switch {
		case ctx.Err() != nil:
			return nil, nil, nil, ctx.Err()
		case err == nil:
			switch s := f.dataset(ds).(type) {
			case *Pool:
				inPool = s
			case *Dir:
				inStore = s
			}
		case errors.Is(err, fs.ErrNotExist):
		case isStore:
			return nil, nil, nil, err
		default:
			doubt = err
		}
	}
	return inPool, inStore, doubt, nil
}

// dataset is the source that a dataset is.
func (f *finder) dataset(ds host.Dataset) Source {
	switch ds := ds.(type) {
	case *host.PoolDataset:
		return &Pool{Dataset: ds}
	case *host.StoreDataset:
		return &Dir{Path: ds.Path, Dataset: ds, opts: f.opts}
	}
	panic(fmt.Sprintf("source: a dataset of type %T", ds))
}

func (f *finder) notFound(homes []host.Home, err, doubt error) error {
	err = fmt.Errorf("source %q: %w", f.arg, err)
	if doubt != nil {
		err = fmt.Errorf("%w, and of datasets ZFS cannot tell: %w", err, doubt)
	}
	store, ok := homes[len(homes)-1].(host.Store)
	if ok && (!strings.Contains(f.arg, "/") || strings.HasPrefix(f.arg, host.Pool+"/")) {
		err = fault.With(err, WayDataset, f.arg, store.Dir)
	}
	return err
}

// only returns a dataset of a ZFS if the source can be nothing else.
func (f *finder) only(at *Pool, isPath bool, inStore *Dir) (Source, error) {
	other, mountpoint := "", at.Dataset.Mountpoint
	switch {
	case isPath && !samePath(f.arg, mountpoint):
		other = fmt.Sprintf("path %q", "./"+f.arg)
	case inStore != nil && !samePath(inStore.Path, mountpoint):
		other = fmt.Sprintf("folder %q of the store", inStore.Path)
	default:
		return at, nil
	}
	pool, _, _ := strings.Cut(at.Dataset.Name, "/")
	return nil, fault.With(fmt.Errorf("source %q: it is %v and the %s", f.arg, at, other), WayPool, pool)
}

func samePath(a, b string) bool {
	x, errA := os.Stat(a)
	y, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(x, y)
}

// standardInput is the source that "-" is, by how it begins.
func (f *finder) standardInput() (Source, error) {
	start, err := f.opts.peek()
	if err != nil {
		return nil, err
	}
	found, err := content.Sniff(bytes.NewReader(start))
	if err != nil {
		return nil, err
	}
	return f.file(found)
}

// path is the source that there is at a path.
func (f *finder) path() (Source, error) {
	found, err := content.SniffFile(f.arg)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(f.arg)
	switch {
	case err != nil:
		return nil, err
	case info.IsDir() && fromoci.IsLayout(f.arg):
		return &Container{transport: ociLayout, place: f.arg, implied: true, opts: f.opts}, nil
	case info.IsDir():
		return &Dir{Path: f.arg, opts: f.opts}, nil
	}
	return f.file(found)
}

// file is the source that a file or a stream is by its contents. found is nil for what can be read
// once only.
func (f *finder) file(found *content.Finding) (Source, error) {
	switch {
	case IsImage(found):
		return f.image(f.arg)
	case found != nil && found.Kind == content.Container && f.arg != "-":
		return &Container{transport: dockerArchive, place: f.arg, implied: true, opts: f.opts}, nil
	case f.opts.Volume, found != nil && (found.Kind == content.Disk || found.Kind == content.Disks):
		return &DiskFile{path: f.arg, found: found, opts: f.opts}, nil
	}
	return &Tar{path: f.arg, found: found, opts: f.opts}, nil
}

// IsImage tells whether contents are the stream of an image, as it can be read, or a manifest.
func IsImage(f *content.Finding) bool {
	return f != nil && (f.Kind == content.Stream && (!f.Packed() || f.Compressed()) || f.Kind == content.JSON && !f.Packed())
}

// quoted is a path for messages.
func quoted(path string) string {
	switch {
	case path == "-":
		return stdin
	case !strings.Contains(path, "/"):
		return fmt.Sprintf("the path %q", "./"+path)
	}
	return fmt.Sprintf("the path %q", path)
}
