package image

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"imagetools/manifest"
	"imagetools/zfs/zpl"
	"imagetools/zfs/zvol"
)

// Origin is an image that another one is an increment on.
type Origin struct {
	Chain    []string // the images that it consists of, the full one first and its own last
	Manifest *manifest.Manifest

	found  *Found
	fields map[string]json.RawMessage // of its manifest
	img    *Image                     // nil until it is open
	fs     *zpl.FS                    // one of them is there once it is open
	volume *zvol.Volume
}

// FindOrigin finds an image that another one is to build on, and says what it is; nothing is read
// but manifests, each once. paths are the image and what it builds on, the full one first; if it is
// the only one, the others are found by [Find]. Its manifest must be there: images name their origin
// by its UUID.
func FindOrigin(paths []string) (*Origin, error) {
	if len(paths) == 0 {
		return nil, errors.New("no image is named")
	}
	last := len(paths) - 1
	origins := paths[:last]
	if last == 0 {
		origins = nil
	}
	found, err := Find(paths[last], origins)
	if err != nil {
		return nil, err
	}
	in := found.Input()
	switch {
	case in.ManifestPath == "":
		return nil, fmt.Errorf("%s: %w", in.Name(), ErrNoManifest)
	case found.BadManifest != nil:
		return nil, found.BadManifest
	}
	o := &Origin{Chain: append(found.Origins(), paths[last]), Manifest: found.Manifest, found: found}
	if err = json.Unmarshal(in.Manifest, &o.fields); err == nil && o.Manifest.UUID == "" {
		err = errors.New("it has no uuid")
	}
	if err != nil {
		return nil, fmt.Errorf("%q: %w", in.ManifestPath, err)
	}
	switch o.Manifest.Type {
	case manifest.TypeZone, manifest.TypeLX, manifest.TypeZvol:
	default:
		return nil, fmt.Errorf("%q: type %q: nothing can build on it", in.ManifestPath, o.Manifest.Type)
	}
	return o, found.NoOrigin
}

// Files are the paths of all streams and manifests that the origin consists of.
func (o *Origin) Files() []string { return o.found.Files() }

// ErrNoManifest says that a stream lies alone.
var ErrNoManifest = errors.New("no manifest lies beside it, which would tell its UUID")

// Inherit returns base, nil for none, completed with what an image has of its origin, its UUID as
// origin included; see [manifest.Inherit].
func (o *Origin) Inherit(base *manifest.Manifest) (*manifest.Manifest, error) {
	m, err := manifest.Inherit(base, o.fields, o.Manifest.Type)
	if err != nil {
		return nil, err
	}
	m.Type = cmp.Or(m.Type, o.Manifest.Type)
	m.Origin = o.Manifest.UUID
	return m, nil
}

// Open reads the streams of the origin, for [Create] or [CreateVolume]. It must be closed, also
// after an error.
func (o *Origin) Open(ctx context.Context, opts OpenOptions) (err error) {
	opts.MetadataOnly, opts.Snapshot = false, ""
	if o.img, err = o.found.Open(ctx, opts); err != nil {
		return err
	}
	in := o.img.Input()
	if len(in.Snapshots) != 1 { // imgadm refuses such an image
		return fmt.Errorf("%s: %d snapshots, an image has one", in.Name(), len(in.Snapshots))
	}
	s := in.Snapshots[0]
	guid := strconv.FormatUint(s.Begin.ToGUID, 10)
	if files := o.Manifest.Files; len(files) == 1 && files[0].DatasetGUID != "" && files[0].DatasetGUID != guid {
		return fmt.Errorf("%s: its snapshot has the guid %s, and not %s as its manifest says: they do not belong together",
			in.Name(), guid, files[0].DatasetGUID)
	}
	if below := o.Chain[:len(o.Chain)-1]; len(below) > 0 && s.Begin.FromGUID == 0 {
		return fmt.Errorf("%s: it is a full image, which builds on none of %q", in.Name(), below)
	}
	if o.img.IsVolume() != (o.Manifest.Type == manifest.TypeZvol) {
		return fmt.Errorf("%s: it holds a %s, and its manifest says %s", in.Name(), Kind(s.Begin.Objset), o.Manifest.Type)
	}
	if o.img.IsVolume() {
		o.volume, err = o.img.Volume()
	} else {
		o.fs, err = o.img.FileSystem()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", in.Name(), err)
	}
	return nil
}

// named puts the name of the origin to an error that tells of a fault of it.
func (o *Origin) named(err error) error {
	if o != nil && (errors.Is(err, zpl.ErrOrigin) || errors.Is(err, zvol.ErrOrigin)) {
		return fmt.Errorf("%s: %w", o.found.Input().Name(), err)
	}
	return err
}

// Close closes what Open opened.
func (o *Origin) Close() error {
	if o.img == nil {
		return nil
	}
	return o.img.Close()
}

// Held is about how many bytes of memory the origin takes; 0 before it is open.
func (o *Origin) Held() int64 {
	if o.img == nil {
		return 0
	}
	return o.img.Held()
}

// Spooled is how many bytes of it lie in the temporary directory; 0 before it is open.
func (o *Origin) Spooled() int64 {
	if o.img == nil {
		return 0
	}
	return o.img.Spooled()
}
