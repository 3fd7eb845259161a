package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"

	"imagetools/fault"
	"imagetools/internal/budget"
	"imagetools/manifest"
	"imagetools/tree"
	"imagetools/zfs/objset"
	"imagetools/zfs/stream"
	"imagetools/zfs/zpl"
	"imagetools/zfs/zvol"
)

// OpenOptions say how an image is opened. The zero value opens its last snapshot, with its origins
// as [Find] finds them, for reading everything.
type OpenOptions struct {
	// Origins are the images that the image is incremental on, the full one first, each a path as
	// [Find] takes it. nil has them found by the manifests beside the image.
	Origins []string
	// Snapshot is the snapshot to look at: DATASET@SNAPSHOT, @SNAPSHOT or SNAPSHOT in the first
	// dataset of the image's file, DATASET for its last snapshot, or a guid as 0xHEX. The empty
	// name is the last snapshot of that dataset.
	Snapshot string

	Stdin io.Reader // for the path "-"

	// MetadataOnly says that no file contents will be read, so that nothing is spooled. Otherwise
	// they are spooled into TmpDir if the stream is compressed or comes from a pipe.
	MetadataOnly bool
	TmpDir       string // "" is os.TempDir
	SpoolLimit   int64  // bytes; 0 is DefaultSpoolLimit

	// Budget counts the memory that is held, for programs that share one between several readers.
	// nil is a budget of MemoryLimit bytes; 0 is the default, which grows with the number of files.
	Budget      *budget.Budget
	MemoryLimit int64

	// Progress, if set, is told how much of a file was read; total is -1 for a pipe.
	Progress func(name string, done, total int64)
}

// Image is an open image, or any other ZFS send stream, with the images that it is incremental
// on. It is safe for concurrent use until it is closed.
type Image struct {
	Manifest *manifest.Manifest // nil if there is none that can be read
	Index    *objset.Index      // the objects in all streams
	Inputs   []*Input           // the files that were read: the full image first, the image itself last
	NoOrigin error              // why the images that it builds on were not found; nil if they were

	snapshot *objset.Snapshot

	mu   sync.Mutex // guards what follows, which is nil before it is asked for
	fs   *zpl.FS
	tree *tree.FS
}

// Ways out of what [Open] and the methods of [Image] report.
var (
	// WayCreate is for what is no stream: it may be a source to make an image of.
	WayCreate = fault.NewWay("image.create")
	// WayVolume is for a volume that was taken for a file system.
	WayVolume = fault.NewWay("image.volume")
	// WayFile is for a file system that was taken for a volume.
	WayFile = fault.NewWay("image.file")
	// WayStructure is for encrypted streams, of which only the structure can be read.
	WayStructure = fault.NewWay("image.structure")
	// WayStdin is for a pipe that has a path, whose start cannot be looked at.
	WayStdin = fault.NewWay("image.stdin")
	// WayOrigin is for an incremental image; the argument is the guid of the snapshot needed.
	WayOrigin = fault.NewWay("image.origin")
)

// Errors of [Open] and the methods of [Image], which wrap them.
var (
	ErrNotStream     = stream.ErrMagic          // not a ZFS send stream
	ErrNotFileSystem = zpl.ErrNotFileSystem     // such as a volume
	ErrNotVolume     = zvol.ErrNotVolume        // such as a file system
	ErrEncrypted     = objset.ErrEncrypted      // a raw stream
	ErrResumed       = objset.ErrResumed        // the first part of the stream is missing
	ErrIncomplete    = errors.New("incomplete") // see [IncompleteError]
)

// errNotOpen says that an Image is not one that Open returned.
var errNotOpen = errors.New("the image is not open: Open returns one that is")

// IncompleteError says that an image is incremental, and that what it builds on was not read.
type IncompleteError struct {
	Snapshot string   // that is wanted
	Missing  uint64   // guid of the snapshot that is needed
	Origins  []string // in quotes: the images that were read in search of it
	Err      error    // what cannot be opened, or why the origins were not found
}

// Error names the snapshot and says what is missing.
func (e *IncompleteError) Error() string {
	if len(e.Origins) > 0 {
		return fmt.Sprintf("%v: no snapshot in %s has the guid %#x", e.Err, strings.Join(e.Origins, ", "), e.Missing)
	}
	return e.Err.Error()
}

// Unwrap returns Err.
func (e *IncompleteError) Unwrap() error { return e.Err }

// Is reports ErrIncomplete.
func (e *IncompleteError) Is(err error) bool { return err == ErrIncomplete }

// Open opens the image at a path: a stream in any compression, the manifest of an image whose stream
// lies beside it, or "-" for opts.Stdin. The streams are read once, and checked while they are. What
// is held in memory is some 200 bytes for each file, its names and attributes; see
// [OpenOptions.Budget].
//
//	img, err := image.Open(ctx, "web-1.0.json", image.OpenOptions{})
//	...
//	defer img.Close()
//	files, err := img.FS()
//
// An incremental image whose origins are not found can be opened, and Index tells of what it
// changes; its contents cannot be read.
func Open(ctx context.Context, path string, opts OpenOptions) (*Image, error) {
	found, err := Find(path, opts.Origins)
	if err != nil {
		return nil, err
	}
	return found.Open(ctx, opts)
}

// Open opens the image that was found; Origins of the options are not looked at.
func (f *Found) Open(ctx context.Context, opts OpenOptions) (_ *Image, err error) {
	img := &Image{Manifest: f.Manifest, NoOrigin: f.NoOrigin}
	img.Index = objset.New(objset.Options{Keep: zpl.Keep, Budget: opts.Budget, Limit: opts.MemoryLimit})
	defer func() {
		if err != nil {
			img.Close()
		}
	}()
	for _, in := range f.chain {
		in := in.unread()
		img.Inputs = append(img.Inputs, in)
		if err := in.read(ctx, img.Index, opts); err != nil {
			err = fmt.Errorf("%s: %w", in.Name(), err)
			if errors.Is(err, ErrNotStream) {
				err = fault.With(err, WayCreate)
			}
			return nil, err
		}
	}
	if img.snapshot, err = img.find(opts.Snapshot); err != nil {
		return nil, err
	}
	return img, nil
}

// Close removes spools and closes files. Contents cannot be read afterwards. A nil image has nothing to
// close.
func (img *Image) Close() error {
	if img == nil || img.Index == nil {
		return nil
	}
	var errs []error
	for _, in := range img.Inputs {
		if in.spool != nil {
			errs = append(errs, in.spool.Close())
		}
		if in.file != nil {
			errs = append(errs, in.file.Close())
		}
	}
	img.Index.Close()
	return errors.Join(errs...)
}

// Input is the file of the image itself.
func (img *Image) Input() *Input { return img.Inputs[len(img.Inputs)-1] }

// Snapshot is the snapshot that is looked at.
func (img *Image) Snapshot() *objset.Snapshot { return img.snapshot }

// Spooled is how many bytes lie in the temporary directory.
func (img *Image) Spooled() (n int64) {
	for _, in := range img.Inputs {
		n += in.Spooled
	}
	return n
}

// Held is about how many bytes of memory the image takes.
func (img *Image) Held() int64 { return img.Index.Held() }

// IsVolume reports whether the snapshot is that of a volume, which has no files.
func (img *Image) IsVolume() bool {
	return img.snapshot != nil && img.snapshot.Begin.Objset == stream.ObjsetZvol
}

// FileSystem opens the file system at the level of its objects. The error is [ErrNotFileSystem],
// [ErrIncomplete], [ErrEncrypted] or [ErrResumed], or tells of damage.
func (img *Image) FileSystem() (*zpl.FS, error) {
	img.mu.Lock()
	defer img.mu.Unlock()
	return img.fileSystem()
}

func (img *Image) fileSystem() (*zpl.FS, error) {
	switch {
	case img.snapshot == nil:
		return nil, errNotOpen
	case img.fs != nil:
		return img.fs, nil
	}
	f, err := zpl.Open(img.Index, img.snapshot)
	if errors.Is(err, zpl.ErrNotFileSystem) {
		err = fault.With(fmt.Errorf("%w: a %s", err, Kind(img.snapshot.Begin.Objset)), WayVolume)
	}
	if err != nil {
		return nil, img.explain(err)
	}
	img.fs = f
	return f, nil
}

// NameRules are the properties by which the file system does not compare names byte by byte, which
// are not kept in an image that is made of it; see [zpl.FS.NameRules]. It is empty if there are none.
func (img *Image) NameRules() string {
	f, err := img.FileSystem()
	if err != nil {
		return ""
	}
	return f.NameRules()
}

// Volume opens the disk in a volume. It is closed with the image. The error is [ErrNotVolume],
// [ErrIncomplete], [ErrEncrypted] or [ErrResumed], or tells of damage.
func (img *Image) Volume() (*zvol.Volume, error) {
	if img.snapshot == nil {
		return nil, errNotOpen
	}
	v, err := zvol.Open(img.Index, img.snapshot)
	if errors.Is(err, zvol.ErrNotVolume) {
		err = fault.With(err, WayFile)
	}
	return v, img.explain(err)
}

// explain adds to why a snapshot cannot be opened what is missing, and the way out.
func (img *Image) explain(err error) error {
	switch {
	case errors.Is(err, zpl.ErrPartial) || errors.Is(err, zvol.ErrPartial):
		if img.NoOrigin != nil {
			err = fmt.Errorf("%w: %w", err, img.NoOrigin)
		}
		e := &IncompleteError{Snapshot: img.snapshot.Begin.ToName, Missing: img.snapshot.Missing(), Err: err}
		for _, in := range img.Inputs[:len(img.Inputs)-1] {
			e.Origins = append(e.Origins, strconv.Quote(in.name))
		}
		return fault.With(e, WayOrigin, fmt.Sprintf("%#x", e.Missing))
	case errors.Is(err, objset.ErrEncrypted):
		return fault.With(err, WayStructure)
	}
	return err
}

// find returns the snapshot that name stands for; see [OpenOptions.Snapshot].
func (img *Image) find(name string) (*objset.Snapshot, error) {
	var all []*objset.Snapshot
	for _, in := range img.Inputs {
		all = append(all, in.Snapshots...)
	}
	if len(all) == 0 {
		return nil, errors.New("there is no snapshot in the stream")
	}
	lastFile := img.Input().Snapshots
	if len(lastFile) == 0 {
		lastFile = all
	}
	first := DatasetOf(lastFile[0])
	var found *objset.Snapshot
	for _, s := range all {
		dataset, snapshot, _ := strings.Cut(s.Begin.ToName, "@")
		switch {
		case name == "" && dataset == first,
			name == s.Begin.ToName, name == dataset,
			dataset == first && strings.TrimPrefix(name, "@") == snapshot && name != "",
			name == fmt.Sprintf("%#x", s.Begin.ToGUID):
			found = s
		}
	}
	if found == nil {
		var names []string
		for _, s := range all {
			names = append(names, s.Begin.ToName)
		}
		return nil, fmt.Errorf("no snapshot %q in the stream; there are %q", name, names)
	}
	return found, nil
}

// DatasetOf is the name of a snapshot's dataset.
func DatasetOf(s *objset.Snapshot) string {
	dataset, _, _ := strings.Cut(s.Begin.ToName, "@")
	return dataset
}
