package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"imagetools/compress"
	"imagetools/host"
	"imagetools/internal/budget"
	"imagetools/internal/cli"
	"imagetools/source/content"
	"imagetools/tree"
	"imagetools/tree/fromdir"
	"imagetools/tree/fromtar"
	"imagetools/tree/source"
)

// sourceOptions are the flags of commands that read a tree.
type sourceOptions struct {
	Store     string
	Pool      string
	AsDataset bool
	Metalog   string
	Owners    string
	Exclude   []string
	TmpDir    string
	oci       ociOptions

	notDataset bool      // whatever it looks like
	host       host.Host // that has the datasets
}

func (o *sourceOptions) addFlags(f *pflag.FlagSet) {
	o.addPlaceFlags(f, "SOURCE")
	o.addTreeFlags(f)
	o.addSpoolFlag(f)
	o.oci.addFlags(f)
}

// addTreeFlags adds those for what is read of the root file system.
func (o *sourceOptions) addTreeFlags(f *pflag.FlagSet) {
	o.addMetalogFlag(f)
	f.StringVar(&o.Owners, "owners", string(source.OwnersAuto), "whose the files are: disk, root, or auto (root where all are one user's)")
	f.StringArrayVar(&o.Exclude, "exclude", nil, "leave out what matches the glob: a name at any depth, or with a slash a path, in which ** crosses folders; repeatable")
}

func (o *sourceOptions) addSpoolFlag(f *pflag.FlagSet) {
	f.StringVar(&o.TmpDir, "tmpdir", "", "folder for the spool of a tar that is compressed or on a pipe (default $TMPDIR)")
}

func (o *sourceOptions) addMetalogFlag(f *pflag.FlagSet) {
	f.StringVar(&o.Metalog, "metalog", "", "mtree file with owners and modes, or none (default DIR.mtree if it exists)")
}

// addPlaceFlags adds those that say where the tree is, which the command calls what.
func (o *sourceOptions) addPlaceFlags(f *pflag.FlagSet, what string) {
	f.StringVar(&o.Store, "store", "", "folder that holds datasets, in place of ZFS (default $IMAGETOOLS_STORE, or "+host.DefaultStore+", beside ZFS)")
	f.StringVar(&o.Pool, "pool", "", "ZFS pool of which "+what+" is a dataset, and nothing else (default "+host.Pool+", if "+what+" is one there)")
	f.Var(&asDataset{o}, "as-dataset", what+" is the whole dataset, not what lies under root/ (default if it plainly is one); with =false it never is")
	f.Lookup("as-dataset").NoOptDefVal = "true"
}

// asDataset is the flag of that name.
type asDataset struct{ opts *sourceOptions }

func (a *asDataset) String() string { return "" }
func (a *asDataset) Type() string   { return "bool" }

func (a *asDataset) Set(s string) (err error) {
	a.opts.AsDataset, err = strconv.ParseBool(s)
	a.opts.notDataset = err == nil && !a.opts.AsDataset
	return err
}

// openedSource is a sealed tree and what was said of it.
type openedSource struct {
	Tree   *tree.Tree
	what   string
	rep    *source.Report
	closer io.Closer
	held   int64          // bytes of memory that the index of an image takes
	tags   map[string]any // for the manifest, of a container image

	metalog content.Metalog // of a directory, that was found
	isTar   bool
}

// Close releases what the contents of the tree are read from.
func (s *openedSource) Close() error {
	if s.closer == nil {
		return nil
	}
	return s.closer.Close()
}

// report prints warnings, and unless quiet what was read and notes.
func (s *openedSource) report(env *cli.Env, quiet bool) {
	for _, w := range s.rep.Warnings {
		env.Warnf("%v", w)
	}
	if quiet {
		return
	}
	c := s.rep.Counts
	fmt.Fprintf(env.Stderr, "%s: %s (%s with %s)\n", s.what, plural(c.Names(), "name"), plural(c.Files, "file"), cli.Size(c.Bytes))
	for _, n := range s.rep.Notes {
		fmt.Fprintf(env.Stderr, "note: %s\n", n)
	}
	if s.rep.Spool > 0 {
		fmt.Fprintf(env.Stderr, "note: unpacked into a temporary file of %s\n", cli.Size(s.rep.Spool))
	}
}

// place is where a SOURCE argument leads: to a path or to a dataset.
type place struct {
	path    string            // "-" for standard input, "" for a dataset of a ZFS
	disk    bool              // the path is that of a disk
	dataset host.Dataset      // nil if it is a path only
	inPool  *host.PoolDataset // that, if it is in a ZFS
	vm      *vmSource         // that inPool belongs to, if SOURCE says a virtual machine
	image   *imageSource      // nil if the path is not that of one
	oci     *ociSource        // nil if it is no container image
	found   *finding          // what the file at the path holds; nil if it was not looked at
}

// placeOf is where a dataset is; nil for none.
func placeOf(ds host.Dataset) *place {
	switch ds := ds.(type) {
	case *host.PoolDataset:
		return &place{dataset: ds, inPool: ds}
	case *host.StoreDataset:
		return &place{dataset: ds, path: ds.Path}
	}
	return nil
}

func (p *place) String() string {
	switch {
	case p.dataset != nil:
		return p.dataset.String()
	case p.image != nil:
		return "the image " + p.image.name()
	case p.oci != nil:
		return p.oci.String()
	case p.path == "-":
		return "standard input"
	case !strings.Contains(p.path, "/"):
		return fmt.Sprintf("the path %q", "./"+p.path)
	}
	return fmt.Sprintf("the path %q", p.path)
}

// files are the paths of what is read, for an image those of its chain.
func (p *place) files() []string {
	switch {
	case p.dataset != nil:
		return nil
	case p.image != nil:
		return p.image.Files()
	case p.oci != nil && p.oci.transport == dockerRemote:
		return nil
	case p.oci != nil:
		return []string{p.oci.place}
	}
	return []string{p.path}
}

// storeVariable names the store where no option does.
const storeVariable = "IMAGETOOLS_STORE"

// homes returns where SOURCE may be a dataset. One that names a pool may be one there.
func (o *sourceOptions) homes(env *cli.Env, arg string) ([]host.Home, error) {
	at := host.HomeOptions{Pool: o.Pool, Store: o.Store, DefaultStore: env.Getenv(storeVariable)}
	pool, _, withPool := strings.Cut(arg, "/")
	if withPool && host.IsDatasetName(arg) {
		at.DefaultPool = pool
	}
	short := strings.TrimPrefix(arg, o.Pool+"/")
	if o.Pool != "" && (withPool && short == arg || !host.IsDatasetName(o.Pool+"/"+short)) {
		return nil, cli.Usagef("source %q: with --pool %s it must be NAME or %[2]s/NAME", arg, o.Pool)
	}
	homes, err := o.host.Homes(at)
	if err != nil {
		err = fmt.Errorf("source %q: %w", arg, err)
	}
	return homes, err
}

// locate reads SOURCE as the design has it: a name without a slash, zones/NAME or a path into
// the store is a dataset if there is one, in a ZFS pool or in the store; anything else is a
// path.
func locate(ctx context.Context, env *cli.Env, arg string, opts sourceOptions) (*place, error) {
	homes, err := opts.homes(env, arg)
	if err != nil {
		return nil, err
	}
	if opts.Pool != "" {
		ds, err := homes[0].Lookup(ctx, arg)
		return placeOf(ds), err
	}
	if arg == "-" {
		found, err := recognise(env, arg)
		return &place{path: arg, found: found}, err
	}
	if oci, err := parseOCI(arg); oci != nil || err != nil {
		return &place{oci: oci}, err
	}
	var inPool, inStore *place
	var doubt error // of a ZFS that cannot tell
	for _, home := range homes {
		ds, err := home.Lookup(ctx, arg)
		_, isStore := home.(host.Store)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err == nil && isStore:
			inStore = placeOf(ds)
		case err == nil:
			inPool = placeOf(ds)
		case errors.Is(err, fs.ErrNotExist):
		case isStore:
			return nil, err
		default:
			doubt = err
		}
	}
	_, statErr := os.Stat(arg)
	if inPool != nil {
		return only(inPool, arg, statErr == nil, inStore)
	}
	switch {
	case inStore == nil && statErr != nil:
		err := fmt.Errorf("source %q: %w", arg, errors.Unwrap(statErr))
		if doubt != nil {
			err = fmt.Errorf("%w, and of datasets ZFS cannot tell: %w", err, doubt)
		}
		if store, ok := homes[len(homes)-1].(host.Store); ok && (!strings.Contains(arg, "/") || strings.HasPrefix(arg, host.Pool+"/")) {
			err = cli.Hint(err, fmt.Sprintf("there is no dataset %q in the store %q either; --store names another, --pool a ZFS pool", arg, store.Dir))
		}
		return nil, err
	case inStore != nil && statErr == nil && !samePath(arg, inStore.path):
		return nil, cli.Hint(fmt.Errorf("source %q: it is %v and the path %q", arg, inStore, "./"+arg),
			"name the path with ./ before it, or the dataset by its path")
	}
	if doubt != nil {
		env.Warnf("ZFS cannot tell whether %q is a dataset, so it is taken for a folder or file: %v", arg, doubt)
	}
	if inStore != nil {
		return inStore, nil
	}
	found, err := recognise(env, arg)
	if err != nil {
		return nil, err
	}
	return &place{path: arg, found: found, oci: recogniseOCI(arg, found)}, nil
}

// only returns a dataset of a ZFS if SOURCE can be nothing else.
func only(at *place, arg string, isPath bool, inStore *place) (*place, error) {
	other, mountpoint := "", at.inPool.Mountpoint
	switch {
	case isPath && !samePath(arg, mountpoint):
		other = fmt.Sprintf("path %q", "./"+arg)
	case inStore != nil && !samePath(inStore.path, mountpoint):
		other = fmt.Sprintf("folder %q of the store", inStore.path)
	default:
		return at, nil
	}
	pool, _, _ := strings.Cut(at.inPool.Name, "/")
	return nil, cli.Hint(fmt.Errorf("source %q: it is %v and the %s", arg, at, other),
		fmt.Sprintf("with --pool %s it is the ZFS dataset; name a folder with ./ before it", pool))
}

func samePath(a, b string) bool {
	x, errA := os.Stat(a)
	y, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(x, y)
}

// openSource reads the tree at a path, and seals it.
func openSource(ctx context.Context, env *cli.Env, at *place, opts sourceOptions, progress *cli.Progress) (_ *openedSource, err error) {
	if at.image != nil {
		return at.image.openTree(ctx, env, opts)
	}
	owners, err := source.ParseOwners(opts.Owners)
	if err != nil {
		return nil, &cli.UsageError{Err: err}
	}
	whole := at.dataset != nil || opts.AsDataset
	look := !whole && !opts.notDataset
	var s *openedSource
	if at.oci != nil {
		if s, err = at.oci.open(ctx, env, opts, progress); err != nil {
			return nil, err
		}
	} else if info, err := os.Stat(at.path); at.path != "-" && err == nil && info.IsDir() {
		note := ""
		if look {
			if whole, note, err = at.findDir(); err != nil {
				return nil, err
			}
		}
		s, err = openDir(ctx, env, at, owners, opts, progress)
		if err != nil {
			return nil, err
		}
		if note != "" {
			s.rep.Note("%s", note)
		}
	} else if opts.Metalog != "" && opts.Metalog != "none" {
		return nil, cli.Usagef("--metalog %q: only a directory has one, a tar holds owners and modes itself", opts.Metalog)
	} else if err := at.checkTree(); err != nil {
		return nil, err
	} else if s, err = openTar(ctx, env, at.path, owners, opts, progress); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if look && at.oci == nil {
		if err := s.checkContainer(at.path); err != nil {
			return nil, err
		}
	}
	if look && s.isTar {
		if whole, err = s.relevel(strings.TrimPrefix(at.path, "-")); err != nil {
			return nil, err
		}
	}
	if !whole {
		if err := s.under(s.metalog); err != nil {
			return nil, err
		}
	}
	if err := s.Tree.Seal(); err != nil {
		return nil, fmt.Errorf("%s: %w", s.what, err)
	}
	return s, nil
}

func openDir(ctx context.Context, env *cli.Env, at *place, owners source.Owners, opts sourceOptions, progress *cli.Progress) (*openedSource, error) {
	s := &openedSource{what: fmt.Sprintf("directory %q", at.path)}
	metalog := opts.Metalog
	if ds, ok := at.dataset.(*host.StoreDataset); ok {
		s.what = fmt.Sprintf("dataset %s (%q)", ds.Name, at.path)
		metalog = cmp.Or(metalog, ds.Metalog)
	} else if metalog == "" {
		var err error
		if s.metalog, err = content.FindMetalog(at.path); err != nil {
			return nil, err
		}
		metalog = s.metalog.Path
	} else if metalog != "none" {
		var err error
		if s.metalog, err = content.NamedMetalog(at.path, metalog); err != nil {
			return nil, err
		}
	}
	read := fromdir.Options{Owners: owners, Exclude: opts.Exclude, Budget: env.Memory}
	read.Progress = func(names int) { progress.Count("looking at names", int64(names)) }
	if metalog != "" && metalog != "none" {
		f, err := os.Open(metalog)
		if err != nil {
			return nil, fmt.Errorf("METALOG: %w", err)
		}
		defer f.Close()
		read.Metalog, read.MetalogName, read.MetalogPrefix = f, metalog, s.metalog.Prefix
	}
	var err error
	if s.Tree, s.rep, err = fromdir.Read(ctx, at.path, read); err != nil {
		return nil, err
	}
	if read.Metalog != nil {
		s.rep.Note("owners, modes and devices are from %q", filepath.Clean(metalog))
	}
	return s, nil
}

func openTar(ctx context.Context, env *cli.Env, path string, owners source.Owners, opts sourceOptions, progress *cli.Progress) (*openedSource, error) {
	read := fromtar.Options{Owners: owners, Exclude: opts.Exclude, TmpDir: opts.TmpDir, Budget: env.Memory}
	read.Decompress = func(r io.Reader) (io.ReadCloser, bool, error) { return decompress(r, env.Memory, progress) }
	s := &openedSource{what: fmt.Sprintf("tar %q", path)}
	var src *fromtar.Source
	var err error
	if path == "-" {
		s.what = "tar from standard input"
		src, err = fromtar.Read(ctx, env.Stdin, read)
	} else {
		src, err = fromtar.Open(ctx, path, read)
	}
	if err != nil {
		return nil, err
	}
	s.Tree, s.rep, s.closer, s.isTar = src.Tree, src.Report, src, true
	return s, nil
}

// decompress unpacks what is compressed, and shows how far it came where there is a progress.
func decompress(r io.Reader, memory *budget.Budget, progress *cli.Progress) (io.ReadCloser, bool, error) {
	rc, format, err := compress.NewReader(r, compress.Options{Budget: memory})
	if err != nil {
		return nil, false, err
	}
	return &unpacking{rc, progress, 0}, format != compress.None, nil
}

type unpacking struct {
	io.ReadCloser
	progress *cli.Progress
	n        int64
}

func (u *unpacking) Read(p []byte) (int, error) {
	n, err := u.ReadCloser.Read(p)
	if u.n += int64(n); u.progress != nil {
		u.progress.Update("unpacking", u.n, -1)
	}
	return n, err
}
