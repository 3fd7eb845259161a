package image

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"imagetools/manifest"
	"imagetools/zfs/stream"
	"imagetools/zfs/zpl"
	"imagetools/zfs/zvol"
)

// Origin is an image that another one is an increment on.
type Origin struct {
	Chain    []string // the images that it consists of, the full one first and its own last
	Manifest *manifest.Manifest

	name   string                     // of its own image, for messages
	fields map[string]json.RawMessage // of its manifest
	opened *Opened
	fs     *zpl.FS // one of them is there once it is open
	volume *zvol.Volume
}

// FindOrigin finds an image that another one is to build on, and says what it is; nothing is read
// but manifests. paths are the image and what it builds on, the full one first; if it is the only
// one, the others are found by [Chain]. Its manifest must be there: images name their origin by
// its UUID.
func FindOrigin(paths []string) (*Origin, error) {
	o := &Origin{Chain: paths}
	last := paths[len(paths)-1]
	in, err := Locate(last)
	if err != nil {
		return nil, err
	}
	if o.name = in.Name(); in.ManifestPath == "" {
		return nil, fmt.Errorf("%s: %w", o.name, ErrNoManifest)
	}
	if o.Manifest, err = manifest.ParsePartial(in.Manifest); err == nil {
		err = json.Unmarshal(in.Manifest, &o.fields)
	}
	if err == nil && o.Manifest.UUID == "" {
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
	if len(paths) == 1 {
		o.Chain, err = Chain(last)
	}
	return o, err
}

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
	opts.Contents = true
	if o.opened, err = Open(ctx, o.Chain, opts); err != nil {
		return err
	}
	in := o.opened.Inputs[len(o.Chain)-1]
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
	volume := s.Begin.Objset == stream.ObjsetZvol
	if volume != (o.Manifest.Type == manifest.TypeZvol) {
		return fmt.Errorf("%s: it holds a %s, and its manifest says %s", in.Name(), Kind(s.Begin.Objset), o.Manifest.Type)
	}
	if volume {
		o.volume, err = zvol.Open(o.opened.Index, s)
	} else {
		o.fs, err = zpl.Open(o.opened.Index, s)
	}
	if errors.Is(err, zpl.ErrPartial) || errors.Is(err, zvol.ErrPartial) {
		err = fmt.Errorf("%w: no snapshot in %q has the guid %d", err, o.Chain, s.Missing())
	}
	if err != nil {
		return fmt.Errorf("%s: %w", in.Name(), err)
	}
	return nil
}

// named puts the name of the origin to an error that tells of a fault of it.
func (o *Origin) named(err error) error {
	if o != nil && (errors.Is(err, zpl.ErrOrigin) || errors.Is(err, zvol.ErrOrigin)) {
		return fmt.Errorf("%s: %w", o.name, err)
	}
	return err
}

// Close closes what Open opened.
func (o *Origin) Close() error {
	if o.opened == nil {
		return nil
	}
	return o.opened.Close()
}

// Held is about how many bytes of memory the origin takes.
func (o *Origin) Held() int64 { return o.opened.Index.Held() }

// Spooled is how many bytes of it lie in the temporary folder.
func (o *Origin) Spooled() int64 { return o.opened.Spooled() }
