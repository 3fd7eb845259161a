package image

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"imagetools/compress"
	"imagetools/internal/durable"
	"imagetools/manifest"
	"imagetools/tree"
	"imagetools/zfs/stream"
	"imagetools/zfs/zpl"
	"imagetools/zfs/zvol"
)

// Options say what image to make of a tree or of a stream.
type Options struct {
	// Dir is the folder for both files; it is made if it does not exist.
	Dir string
	// Force replaces files that exist, but those of the origin and of Sources.
	Force bool
	// Sources are the files that the image is made from; of an image, [Found.Files].
	Sources     []string
	Compression compress.Format // the zero value stands for gzip
	// FileSystem is for trees; for others, it says Created alone.
	FileSystem zpl.Options
	// Volume is for disks. Its Created is that of FileSystem, or 0: a disk tells no time.
	Volume zvol.Options
	// Origin is the image that a tree or a disk is written as an increment on; it is open. nil is
	// for a full image. Manifest.Base is what [Origin.Inherit] gives.
	Origin *Origin
	// Manifest is what the manifest is made from. Name and Version must be given; File,
	// SnapshotGUID and, if zero, PublishedAt are filled in: with FileSystem.Created, or Now.
	Manifest manifest.Options
	Now      time.Time
	// Placed, if set, is called when both files have their names. If it fails, all is as it was
	// before.
	Placed func(*Result) error
	// Note, if set, is told what killed runs left in Dir, and that it was removed.
	Note func(text string)
	// FromGUID is the guid of the snapshot that a stream is incremental on; 0 is for a full one.
	// Manifest.Base then names the origin, and for a volume its ImageSize.
	FromGUID uint64
}

// Result is a finished image.
type Result struct {
	Image        string             // path of the image file
	ManifestPath string             // path of the manifest
	Manifest     *manifest.Manifest // as written
	GUID         uint64             // of the snapshot
	StreamSize   int64              // bytes of the uncompressed stream
	Features     stream.Features    // of a stream that was sent; see [CreateFromStream]
	SHA256       string             // of the image file, in hex
	Changes      Changes            // from the origin
	Findings     Findings           // about a stream that was sent; see [CreateFromStream]
}

// Changes say how a tree or a disk differs from its origin.
type Changes struct {
	Added, Changed, Removed int   // names in the tree
	Bytes                   int64 // of contents that the stream has
}

// What a file that is in the way of the image may be. The last two are not replaced, whatever
// [Options] say.
var (
	ErrExists = durable.ErrExists
	ErrOrigin = errors.New("is a file of the origin, without which the image cannot be installed")
	ErrSource = errors.New("is a file that the image is made of")
)

// InvalidError is a manifest that imgadm would refuse.
type InvalidError struct{ Faults []manifest.Fault }

func (e *InvalidError) Error() string {
	var b strings.Builder
	b.WriteString("invalid manifest:")
	for _, f := range e.Faults {
		fmt.Fprintf(&b, "\n  %v", f)
	}
	return b.String()
}

// Check returns the paths that [Create] will give the image and its manifest, or reports what it
// would refuse before there is a tree: files in the way ([ErrExists], [ErrOrigin], [ErrSource])
// and an invalid manifest ([*InvalidError]).
func Check(opts Options) (imagePath, manifestPath string, err error) {
	out, err := newOutput(&opts)
	if err != nil {
		return "", "", err
	}
	return out.imagePath, out.manifestPath, nil
}

// Create writes the image of a sealed tree. What can be refused is refused before contents
// are read: what [Check] reports, and a folder that cannot be written.
func Create(ctx context.Context, t *tree.Tree, opts Options) (*Result, error) {
	if opts.Origin != nil {
		if opts.FileSystem.Origin = opts.Origin.fs; opts.Origin.fs == nil {
			return nil, errors.New("the origin is a volume: no tree can build on it")
		}
	}
	return create(ctx, opts, func(out *output) (*contents, error) {
		plan, err := zpl.NewPlan(ctx, t, opts.FileSystem)
		if err != nil {
			return nil, err
		}
		size, err := out.writeStream(func(w io.Writer) error { return plan.Write(ctx, w) })
		return &contents{guid: plan.GUID(), size: size, changes: Changes(plan.Changes())}, err
	})
}

// CreateVolume writes the image of a disk of size bytes, of type zvol. What can be refused is
// refused before the disk is read: what [Check] reports, a disk that is larger than the volume
// is to be, and an image_size in the manifest that is not the volume's.
func CreateVolume(ctx context.Context, disk zvol.Source, size int64, opts Options) (*Result, error) {
	if opts.FileSystem.Created != nil {
		opts.Volume.Created = *opts.FileSystem.Created
	}
	if opts.Origin != nil {
		if opts.Volume.Origin = opts.Origin.volume; opts.Origin.volume == nil {
			return nil, errors.New("the origin is a file system: no volume can build on it")
		}
	}
	if err := opts.setImageSize(uint64(opts.Volume.VolumeSize(size))); err != nil {
		return nil, err
	}
	return create(ctx, opts, func(out *output) (*contents, error) {
		plan, err := zvol.NewPlan(ctx, disk, size, opts.Volume)
		if err != nil {
			return nil, err
		}
		n, err := out.writeStream(func(w io.Writer) error { return plan.Write(ctx, w) })
		written, _ := plan.Changes()
		return &contents{guid: plan.GUID(), size: n, volume: uint64(plan.Size()), changes: Changes{Bytes: written}}, err
	})
}

// contents is what is known of a stream that has been written.
type contents struct {
	guid     uint64
	size     int64 // bytes
	features stream.Features
	volume   uint64 // size of a volume in bytes
	changes  Changes
	findings Findings
}

// create has write fill the image file, makes the manifest and gives both their names.
func create(ctx context.Context, opts Options, write func(*output) (*contents, error)) (_ *Result, err error) {
	out, err := newOutput(&opts)
	if err != nil {
		return nil, err
	}
	if err := out.open(); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, out.set.Discard()) }()

	in, err := write(out)
	if err != nil {
		return nil, opts.Origin.named(err)
	}
	if err := opts.setImageSize(in.volume); err != nil {
		return nil, err
	}
	opts.Manifest.SnapshotGUID = in.guid
	opts.Manifest.File = &manifest.File{
		SHA1: hex.EncodeToString(out.sha1.Sum(nil)), Size: out.size, Compression: out.compression.String(),
	}
	m := manifest.New(opts.Manifest)
	if err := out.writeManifest(m); err != nil {
		return nil, err
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	res := &Result{
		Image: out.imagePath, ManifestPath: out.manifestPath, Manifest: m, GUID: in.guid,
		StreamSize: in.size, Features: in.features, SHA256: hex.EncodeToString(out.sha256.Sum(nil)), Changes: in.changes,
		Findings: in.findings,
	}
	err = out.set.Commit(func() error {
		if opts.Placed == nil {
			return nil
		}
		return opts.Placed(res)
	})
	if err != nil {
		return nil, err
	}
	return res, nil
}

// checkManifest judges the manifest as far as it is known before anything is read.
func checkManifest(opts Options) (*manifest.Manifest, error) {
	o := opts.Manifest
	if _, err := compress.ParseFormat(opts.Compression.String()); err != nil {
		return nil, err
	}
	o.SnapshotGUID = 1
	o.File = &manifest.File{SHA1: strings.Repeat("0", 2*sha1.Size), Size: 1, Compression: opts.Compression.String()}
	m := manifest.New(o)
	var more []manifest.Fault
	if fault := o.Contradiction(); fault != nil {
		more = append(more, *fault)
	}
	return m, judge(m, more...)
}

// judge reports what imgadm would refuse, and more faults that are known.
func judge(m *manifest.Manifest, more ...manifest.Fault) error {
	faults, err := m.Validate(manifest.IMGADM)
	if err != nil {
		return err
	}
	faults = append(faults, more...)
	if len(faults) > 0 {
		return &InvalidError{faults}
	}
	return nil
}

// Suffix is the end of an image file's name: ".zfs", or ".zvol" for a volume, and that of
// the compression.
func Suffix(imageType string, c compress.Format) string {
	if imageType == manifest.TypeZvol {
		return ".zvol" + c.Extension()
	}
	return ".zfs" + c.Extension()
}
