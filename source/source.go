// Package source finds and opens what an image is made of: a directory, a tar, the image of a
// container, another image, the disk of a virtual machine, a dataset of a ZFS, or a virtual machine
// of this host.
//
//	src, err := source.Find(ctx, "rootfs.tar.xz", source.Options{})
//	if trees, ok := src.(source.Trees); ok {
//		t, err := trees.Tree(ctx)
//		...
//	}
//
// [Find] looks at each thing once: what a file holds is told by its contents (package content),
// through compression and through archives. What it returns is one of [Trees], [Disks] and
// [*Pool], by what can be read of it.
package source

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"

	"imagetools/compress"
	"imagetools/fault"
	"imagetools/host"
	"imagetools/internal/budget"
	"imagetools/internal/plain"
	"imagetools/manifest"
	"imagetools/source/content"
	"imagetools/tree"
	"imagetools/tree/fromoci"
	treesource "imagetools/tree/source"
	"imagetools/zfs/zvol"
)

// Source is a thing that an image is made of.
type Source interface {
	fmt.Stringer // for messages, such as: the path "web"
	// Files are the paths of what is read, of an image those of its chain; nil for what is not in
	// files of this machine.
	Files() []string
}

// Trees is a source with a root file system or a dataset.
type Trees interface {
	Source
	// Tree reads it, and is called once.
	Tree(ctx context.Context) (*Tree, error)
}

// Disks is a source with a disk.
type Disks interface {
	Source
	// Disk opens it, and is called once.
	Disk(ctx context.Context) (*Disk, error)
}

// Tree is a sealed tree of a dataset, and what is said of it.
type Tree struct {
	*tree.Tree
	What   string // it was read from, such as: tar "web.tar"
	Report *treesource.Report
	Tags   map[string]any // for the manifest, of the image of a container
	Held   int64          // bytes of memory that the index of an image takes
	// NameRules are those of the file system in an image, which a tree does not have; see
	// [image.Image.NameRules].
	NameRules string

	// Metalog is that which a directory was read with, if it was not one of a dataset in a store.
	Metalog content.Metalog

	closer io.Closer
}

// Close releases what the contents of the tree are read from.
func (t *Tree) Close() error {
	if t.closer == nil {
		return nil
	}
	return t.closer.Close()
}

// Disk is an open disk, and what is said of it.
type Disk struct {
	zvol.Source
	Size      int64  // bytes
	BlockSize int    // of the volume that it is; 0 if it is none
	What      string // such as: disk "web.qcow2": qcow2
	Notes     []string
	Held      int64 // bytes of memory that the index of an image takes

	closer io.Closer
}

// Close releases what the disk is read from.
func (d *Disk) Close() error { return d.closer.Close() }

// Options say where a source is looked for, and how it is read. The zero value is for one of this
// machine, with nothing out of the ordinary. Fields that mean nothing for a kind of source are
// errors there, unless they are of where it is looked for.
type Options struct {
	Host         *host.Host // that has datasets and virtual machines; nil is this machine
	Pool         string     // the source is a dataset of this pool
	Store        string     // folder of datasets, in place of ZFS
	DefaultStore string     // folder of datasets beside ZFS; "" is host.DefaultStore

	Volume    bool // a file of unknown contents is a disk, not a tar
	OnlyImage bool // the source is an image or another send stream

	AsDataset *bool    // it is a whole dataset, or is not; nil: its names tell
	Metalog   string   // of a directory: path of its METALOG, or NoMetalog; "": that beside it
	Owners    Owners   // "" is OwnersAuto
	Exclude   []string // globs, see treesource.NewExcludes

	Platform   Platform // of the image of a container; "" is fromoci.DefaultPlatform
	Insecure   bool     // a registry may be reached without TLS
	SpoolLimit int64    // bytes that the layers may have unpacked; 0 is fromoci.DefaultSpoolLimit
	User       string   // for a registry, as is the next
	Password   string

	Origins  []string // of an image: those that it is an increment on; nil: what its manifest says
	Snapshot string   // of an image: its name, or its guid; "" is the last

	TmpDir string         // for spools; "" is os.TempDir
	Budget *budget.Budget // for what is held of input; nil is the default
	Stdin  io.Reader      // for "-"; nil if there is none, or it is a terminal

	// Warn and Note are told what is to be said of the source while it is looked for; the report of
	// a tree has more.
	Warn, Note func(text string)
	// Progress is told how many bytes of a file were read, of total (-1: unknown), and Count how
	// many names.
	Progress func(what string, done, total int64)
	Count    func(what string, n int64)
	// Called is what messages call a field; nil: its name.
	Called func(field string) string
}

// Owners says whose the files of a source are; see [treesource.Owners].
type Owners = treesource.Owners

// Platform is that of the image of a container; see [fromoci.Platform].
type Platform = fromoci.Platform

// Defaults for the image of a container.
const (
	DefaultPlatform   = string(fromoci.DefaultPlatform)
	DefaultSpoolLimit = fromoci.DefaultSpoolLimit // bytes
)

// NoMetalog is the value of [Options.Metalog] for a directory that is to be read without one.
const NoMetalog = "none"

// Ways out of what goes wrong with a source.
var (
	// WayDataset has the name of a source and the store.
	WayDataset = fault.NewWay("source.dataset")
	// WayPath is for a name that is both a path and a dataset.
	WayPath = fault.NewWay("source.path")
	// WayPool has the pool that a dataset is in, which is a path too.
	WayPool = fault.NewWay("source.pool")
	// WayMachine has the UUID of the virtual machine.
	WayMachine = fault.NewWay("source.machine")
	// WayStop has the UUID of the virtual machine.
	WayStop = fault.NewWay("source.stop")
	// WayOrigin is for an image whose origin is not found.
	WayOrigin = fault.NewWay("source.origin")
	// WayOriginGUID has the guid of the snapshot that is missing.
	WayOriginGUID = fault.NewWay("source.origin-guid")
	// WayTransport has the transport, such as oci, of a source without a place.
	WayTransport = fault.NewWay("source.transport")
	// WayRegistry is for a source that should name an image in a registry.
	WayRegistry = fault.NewWay("source.registry")
	// WayContainer has the source to use for the image of a container.
	WayContainer = fault.NewWay("source.container")
	// WayContainerTar has the transport for a tar of an unpacked image of a container.
	WayContainerTar = fault.NewWay("source.container-tar")
)

func (o *Options) warn(format string, args ...any) {
	if o.Warn != nil {
		o.Warn(fmt.Sprintf(format, args...))
	}
}

func (o *Options) note(format string, args ...any) {
	if o.Note != nil {
		o.Note(fmt.Sprintf(format, args...))
	}
}

func (o *Options) progress(what string, done, total int64) {
	if o.Progress != nil {
		o.Progress(what, done, total)
	}
}

func (o *Options) count(what string, n int64) {
	if o.Count != nil {
		o.Count(what, n)
	}
}

// called is what messages call a field.
func (o *Options) called(field string) string {
	if o.Called != nil {
		return o.Called(field)
	}
	return strings.ToLower(field)
}

// whole tells whether the source is given as a dataset, look whether its names tell.
func (o *Options) whole() (whole, look bool) {
	return o.AsDataset != nil && *o.AsDataset, o.AsDataset == nil
}

func (o *Options) owners() (treesource.Owners, error) {
	owners, err := treesource.ParseOwners(string(o.Owners))
	return owners, fault.Asked(err)
}

// check reports what cannot be asked for, whatever the source is.
func (o *Options) check() error {
	var faults fault.List
	_, err := o.owners()
	faults.Add(err)
	_, err = treesource.NewExcludes(o.Exclude)
	faults.Add(fault.Asked(err))
	if o.Platform != "" {
		faults.Add(fault.Asked(o.Platform.Check()))
	}
	faults.Check(o.SpoolLimit >= 0 && o.SpoolLimit <= 1<<60, "%s %d: out of range", o.called("SpoolLimit"), o.SpoolLimit>>20)
	return faults.Err()
}

// isImageType tells whether images of a type are made of sources.
func isImageType(t string) bool {
	return t == manifest.TypeZone || t == manifest.TypeLX || t == manifest.TypeZvol
}

// peekSize is how much of standard input is looked at before it is read.
const peekSize = 1 << 20

// stdin stands for standard input in messages.
const stdin = "standard input"

var errNoStdin = errors.New(stdin + " is a terminal, not a file or a stream")

// stdin is standard input, of which the start can be looked at.
func (o *Options) stdin() (*bufio.Reader, error) {
	if o.Stdin == nil {
		return nil, fault.Asked(errNoStdin)
	}
	in, ok := o.Stdin.(*bufio.Reader)
	if !ok || in.Size() < peekSize {
		in = bufio.NewReaderSize(o.Stdin, peekSize)
		o.Stdin = in
	}
	return in, nil
}

// peek is the start of standard input.
func (o *Options) peek() ([]byte, error) {
	in, err := o.stdin()
	if err != nil {
		return nil, err
	}
	start, err := in.Peek(peekSize)
	if err == io.EOF {
		err = nil
	}
	return start, err
}

// decompress unpacks what is compressed, and tells how far it came.
func (o *Options) decompress(r io.Reader) (io.ReadCloser, bool, error) {
	rc, format, err := compress.NewReader(r, compress.Options{Budget: o.Budget})
	if err != nil {
		return nil, false, err
	}
	return &unpacking{rc, o, 0}, format != compress.None, nil
}

type unpacking struct {
	io.ReadCloser
	opts *Options
	n    int64
}

func (u *unpacking) Read(p []byte) (int, error) {
	n, err := u.ReadCloser.Read(p)
	u.n += int64(n)
	u.opts.progress("unpacking", u.n, -1)
	return n, err
}

// Tell tells the report of the tree: its warnings, what was read, and notes. Functions may be nil.
func (t *Tree) Tell(warn, say, note func(text string)) {
	tell := func(f func(string), format string, args ...any) {
		if f != nil {
			f(fmt.Sprintf(format, args...))
		}
	}
	for _, w := range t.Report.Warnings {
		tell(warn, "%v", w)
	}
	if t.NameRules != "" {
		tell(warn, "%s: the file system has %s, which is not kept: names are compared byte by byte in what is written", t.What, t.NameRules)
	}
	c := t.Report.Counts
	tell(say, "%s: %s (%s with %s)", t.What, plural(c.Names(), "name"), plural(c.Files, "file"), plain.Size(c.Bytes))
	for _, n := range t.Report.Notes {
		tell(note, "%s", n)
	}
	if t.Report.Spool > 0 {
		tell(note, "%s", spooled(t.Report.Spool))
	}
}

func plural(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// Describe puts into the manifest what the source says of it.
func (t *Tree) Describe(m *manifest.Options) {
	if len(t.Tags) > 0 {
		tags := maps.Clone(t.Tags)
		maps.Copy(tags, m.Tags)
		m.Tags = tags
	}
}
