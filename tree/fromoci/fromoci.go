// Package fromoci reads the image of a container, in the forms of OCI and of Docker, into a tree:
// the layers laid over each other, as one file system.
//
//	src, err := fromoci.OpenLayout(ctx, "image", "latest", fromoci.Options{Decompress: …})
//	...
//	defer src.Close()
//	err = src.Tree.Seal()
//
// The tree comes back unsealed. Images come from an OCI layout, which is a folder or a tar of one,
// from a tar of docker save, or from any [Store], such as a registry (package registry).
//
// # Contents
//
// Layers are read from the uppermost down, each once, however often the image has it, and what lower ones have that upper ones hide
// is not kept. Contents of a layer that is not compressed stay where they are, unless they come
// over a network. All others go into one temporary file, which has no name while it is used. A file
// that seemed hidden and is not, since it has another name, makes its layer be read again. Of all
// layers, at most [Options.SpoolLimit] bytes are unpacked.
//
// # What is checked
//
// Size and digest of every document and layer as the one above it has them, and the digest of each
// layer unpacked (diff_id). The contents of a tree can be believed once Open returns, as far as
// what named the image can.
//
// # Layers
//
// A layer is a tar as package fromtar understands it, plain or compressed by whatever
// [Options.Decompress] knows. Names may be absolute and come several times: the last one counts. A
// whiteout (.wh.NAME) and an opaque directory (.wh..wh..opq) act on lower layers only; other names
// that begin with .wh..wh. mean nothing, but for the files with several names that AUFS put below
// .wh..wh.plnk. Where a directory on the way to a name is a link in a lower layer, the link is
// followed, inside the image. A hard link may lead to a file of a lower layer. Directories that no
// layer has an entry for get mode 0755, owner 0:0 and the time of the newest member.
//
// Members are applied in the order of the archive, as umoci does. A link that the same layer has
// replaced before is not followed, and an opaque mark never goes through a link in the place of
// which the layer has an entry of its own. What a layer brings is not taken away by its whiteouts.
package fromoci

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"imagetools/fault"

	"imagetools/internal/budget"
	"imagetools/tree"
	"imagetools/tree/fromtar"
	"imagetools/tree/source"
)

// DefaultSpoolLimit is how much is unpacked if nothing else is said.
const DefaultSpoolLimit = 64 << 30

// maxPlaced is how many layers are read in place: each has an open file.
const maxPlaced = 100

// Options say how an image is read. The zero value reads all of an image for linux/amd64 whose
// layers are not compressed.
type Options struct {
	Platform Platform

	// Decompress returns a reader of what r holds, unpacked if it recognises r as
	// compressed, which the second result tells; if it does not, the reader gives what r
	// gave. It may be nil.
	Decompress func(r io.Reader) (io.ReadCloser, bool, error)

	TmpDir     string         // for what is unpacked; "" is os.TempDir
	SpoolLimit int64          // bytes of all layers unpacked; 0 is [DefaultSpoolLimit]
	Owners     source.Owners  // auto and disk keep the numbers in the layers
	Exclude    []string       // globs, see [source.Excludes]
	NoXattrs   bool           // also leaves out ACLs
	Budget     *budget.Budget // for what is held; nil is the default

	// Progress is told how many bytes of the layers, as they are stored, were read. It is
	// called from another goroutine.
	Progress func(done, total int64)
}

// Source is an image with its tree. The contents in the tree can be read until it is closed.
type Source struct {
	Tree   *tree.Tree
	Report *source.Report

	Image Image

	closers []io.Closer
}

// Image is what an image says of itself.
type Image struct {
	OS, Architecture string
	Names            []string                   // in the layout or archive
	TopLayer         Digest                     // of the blob, or unpacked if that is all that is known
	Config           map[string]json.RawMessage // how containers of it are run: Cmd, Entrypoint, Env …
}

// Close closes the image and removes what was unpacked. A second Close is harmless.
func (s *Source) Close() error {
	var errs []error
	for _, c := range s.closers {
		errs = append(errs, c.Close())
	}
	s.closers = nil
	return errors.Join(errs...)
}

// OpenLayout reads an image of the OCI layout in a folder. ref is its name there, or the digest of
// its manifest; it may be empty if there is but one.
func OpenLayout(ctx context.Context, dir, ref string, opts Options) (*Source, error) {
	l := &layout{name: fmt.Sprintf("OCI layout %q", dir), files: &folder{dir: dir}}
	if _, err := os.Stat(dir); err != nil {
		return nil, err
	}
	if !isLayout(l.files) {
		return nil, errors.Join(fmt.Errorf("%q: no OCI layout: it has no %s with a version 1", dir, layoutFile), l.Close())
	}
	return readStore(ctx, l, ref, opts, l)
}

// OpenArchive reads an image of the archive in a file, compressed or not: an OCI layout, or what
// docker save writes. ref is its name in it, of a layout as for [OpenLayout]; of the other @ and
// its number, too.
func OpenArchive(ctx context.Context, name, ref string, opts Options) (*Source, error) {
	src, err := fromtar.Open(ctx, name, archiveOptions(opts))
	if err != nil {
		return nil, err
	}
	return readArchive(ctx, src, fmt.Sprintf("%q", name), ref, opts)
}

// ReadArchive is [OpenArchive] for an archive that is no file.
func ReadArchive(ctx context.Context, r io.Reader, ref string, opts Options) (*Source, error) {
	src, err := fromtar.Read(ctx, r, archiveOptions(opts))
	if err != nil {
		return nil, err
	}
	return readArchive(ctx, src, "from standard input", ref, opts)
}

func archiveOptions(opts Options) fromtar.Options {
	return fromtar.Options{Decompress: opts.Decompress, TmpDir: opts.TmpDir, NoXattrs: true, Budget: opts.Budget}
}

func readArchive(ctx context.Context, src *fromtar.Source, name, ref string, opts Options) (*Source, error) {
	a := &archive{src}
	if isLayout(a) {
		return readStore(ctx, &layout{name: "OCI archive " + name, files: a}, ref, opts, a)
	}
	d := &dockerArchive{name: "Docker archive " + name, files: a}
	if src.Tree.Lookup(dockerFile) == nil {
		return nil, errors.Join(fmt.Errorf("%s: no archive of an image: it has neither %s nor %s", name, layoutFile, dockerFile), a.Close())
	}
	want, err := opts.Platform.parse()
	if err != nil {
		return nil, errors.Join(err, a.Close())
	}
	im, err := d.find(ref, want)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", d.name, err), a.Close())
	}
	return read(ctx, im, opts, a)
}

// Read reads an image of a store. ref names it among several.
func Read(ctx context.Context, store Store, ref string, opts Options) (*Source, error) {
	return readStore(ctx, store, ref, opts, io.NopCloser(nil))
}

func readStore(ctx context.Context, store Store, ref string, opts Options, close io.Closer) (*Source, error) {
	want, err := opts.Platform.parse()
	if err != nil {
		return nil, errors.Join(err, close.Close())
	}
	f := &finder{ctx: ctx, store: store, want: want}
	im, err := f.find(ref)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%v: %w", store, err), close.Close())
	}
	return read(ctx, im, opts, close)
}

// reader reads the layers of an image.
type reader struct {
	opts   Options
	image  *image
	report *source.Report
	spool  *fromtar.Spool
	layers []*layer // the lowest first
	limit  int64    // bytes that may still be unpacked
	placed int      // layers that are read in place
	faults fault.Faults

	done, total int64
}

// read reads an image whose parts are known. It closes what it is read from if that fails.
func read(ctx context.Context, im *image, opts Options, from io.Closer) (_ *Source, err error) {
	excludes, err := source.NewExcludes(opts.Exclude)
	if err != nil {
		return nil, errors.Join(err, from.Close())
	}
	opts.Budget = budget.Or(opts.Budget)
	limit := cmp.Or(opts.SpoolLimit, DefaultSpoolLimit)
	spool := fromtar.NewSpool(opts.TmpDir, im.name, limit)
	s := &Source{closers: []io.Closer{spool, from}}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	r := &reader{opts: opts, image: im, report: &source.Report{}, spool: spool, limit: limit}
	t, linked, err := r.read(ctx)
	if err != nil {
		return nil, err
	}
	excludes.Prune(t)
	excludes.NoteUnused(r.report)
	r.report.Spool = spool.Size()
	r.report.Survey(t, linked)
	s.Tree, s.Report = t, r.report
	s.Image = Image{OS: im.platform.OS, Architecture: im.platform.Architecture, Names: im.names, Config: im.config.Config}
	top := im.layers[len(im.layers)-1]
	s.Image.TopLayer = cmp.Or(top.Digest, top.diffID)
	return s, nil
}

func (r *reader) progress(n int) {
	if r.done += int64(n); r.opts.Progress != nil {
		r.opts.Progress(r.done, max(r.total, r.done))
	}
}

// fault notes what is wrong with a member.
func (r *reader) fault(l *layer, err error) {
	r.faults.Add(l.name, err)
}

// read makes the tree, and a map with a key for each node that has several names.
func (r *reader) read(ctx context.Context) (*tree.Tree, map[*tree.Node]bool, error) {
	for i, src := range r.image.layers {
		name := fmt.Sprintf("%s: layer %d of %d", r.image.name, i+1, len(r.image.layers))
		if src.Digest != "" {
			name += " (" + src.Digest.short() + ")"
		}
		r.layers = append(r.layers, &layer{source: src, name: name})
	}
	r.pair()
	hidden := cover{meter: meter{budget: r.opts.Budget}}
	for i := len(r.layers) - 1; i >= 0; i-- {
		l := r.layers[i]
		var err error
		if l.twin != nil {
			err = l.copyTwin(r.opts.Budget)
		} else {
			err = r.scan(ctx, l,
				func(_ int, c *change) bool { return !hidden.hides(c.path) },
				func(_ int, c *change) { l.changes = append(l.changes, *c) })
		}
		if err != nil {
			return nil, nil, errors.Join(r.faults.Err(), err)
		}
		if i > 0 {
			for j := range l.changes {
				if hidden.add(&l.changes[j]); hidden.meter.err != nil {
					return nil, nil, fmt.Errorf("%s: %w", l.name, hidden.meter.err)
				}
			}
		}
	}
	hidden.release()
	m := newMerger(r.opts.Budget)
	for _, l := range r.layers {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		err := m.apply(l.changes, func(c *change, err error) {
			r.fault(l, fmt.Errorf("%s: %q: %w", l.name, c.path, err))
		})
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", l.name, err)
		}
	}
	if err := r.faults.Err(); err != nil {
		return nil, nil, err
	}
	if err := r.fillIn(ctx, m.tree); err != nil {
		return nil, nil, errors.Join(r.faults.Err(), err)
	}
	if err := r.spool.Flush(); err != nil {
		return nil, nil, err
	}
	names := source.NewNames(m.tree)
	var newest tree.Time
	for _, l := range r.layers {
		if l.twin != nil {
			continue
		}
		l.members.Finish(names)
		if t := l.members.Newest(); newest.Before(t) {
			newest = t
		}
	}
	for n := range m.implied {
		n.ModTime = newest
	}
	if delete(m.implied, m.tree.Root); len(m.implied) > 0 {
		r.report.Note("%d directories have no entry of their own in the layers: mode 0755, owner 0:0", len(m.implied))
	}
	if m.through > 0 {
		r.report.Note("links of lower layers lead to the folders of %d names, and are followed inside the image", m.through)
	}
	return m.tree, m.linked, r.faults.Err()
}

// fillIn reads the layers again that have contents which seemed to be hidden, and are not.
func (r *reader) fillIn(ctx context.Context, t *tree.Tree) error {
	missing := make(map[*tree.Node]bool)
	var look func(dir *tree.Node)
	look = func(dir *tree.Node) {
		for _, e := range dir.Entries() {
			if n := e.Node; n.IsDir() {
				look(n)
			} else if n.Size > 0 && n.Content == nil {
				missing[n] = true
			}
		}
	}
	look(t.Root)
	for i := len(r.layers) - 1; i >= 0 && len(missing) > 0; i-- {
		l := r.layers[i]
		again := false
		for j := range l.changes {
			again = again || missing[l.changes[j].node]
		}
		if !again {
			continue
		}
		err := r.scan(ctx, l,
			func(j int, _ *change) bool { return j < len(l.changes) && missing[l.changes[j].node] },
			func(j int, c *change) {
				if j < len(l.changes) && c.node != nil && c.node.Content != nil {
					if n := l.changes[j].node; n != nil && missing[n] {
						n.Content = c.node.Content
						delete(missing, n)
					}
				}
			})
		if err != nil {
			return err
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("%s: %w", r.image.name, source.ErrChanged)
	}
	return nil
}
