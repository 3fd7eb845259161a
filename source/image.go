package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"imagetools/fault"
	"imagetools/image"
	"imagetools/internal/plain"
	"imagetools/manifest"
	treesource "imagetools/tree/source"
	"imagetools/zfs/zvol"
)

// Image is an image, or another stream: a [*TreeImage] or a [*VolumeImage].
type Image struct {
	*image.Found

	path string
	opts *Options
}

// TreeImage is an image of a file system.
type TreeImage struct{ Image }

// VolumeImage is an image of a volume.
type VolumeImage struct{ Image }

// image looks what there is beside a stream or a manifest, and what the stream holds.
func (f *finder) image(path string) (Source, error) {
	var start io.Reader
	if path == "-" {
		peeked, err := f.opts.peek()
		if err != nil {
			return nil, err
		}
		start = bytes.NewReader(peeked)
	}
	found, err := image.Find(path, f.opts.Origins)
	if err != nil {
		return nil, err
	}
	s := Image{found, path, f.opts}
	volume, err := found.HoldsVolume(start)
	if err != nil {
		return nil, err
	}
	switch {
	case found.BadManifest != nil && found.Input().ManifestPath == path:
		return nil, found.BadManifest
	case found.BadManifest != nil:
		f.opts.warn("nothing is taken from the manifest beside the stream: %v", found.BadManifest)
	case errors.Is(found.NoOrigin, image.ErrNoOrigin):
		return nil, fault.With(found.NoOrigin, WayOrigin)
	case found.NoOrigin != nil:
		return nil, found.NoOrigin
	}
	if volume {
		return &VolumeImage{s}, nil
	}
	return &TreeImage{s}, nil
}

// String names the image by its path.
func (s *Image) String() string { return "the image " + s.Name() }

// Name is the path of the image, quoted.
func (s *Image) Name() string {
	if s.path == "-" {
		return stdin
	}
	return fmt.Sprintf("%q", s.path)
}

// open reads the image and what it builds on.
func (s *Image) open(ctx context.Context) (_ *image.Image, err error) {
	o := image.OpenOptions{
		Snapshot: s.opts.Snapshot, Budget: s.opts.Budget, TmpDir: s.opts.TmpDir,
		Progress: func(name string, done, total int64) { s.opts.progress("reading "+name, done, total) },
	}
	if s.path == "-" {
		if o.Stdin, err = s.opts.stdin(); err != nil {
			return nil, err
		}
	}
	return s.Found.Open(ctx, o)
}

// fail says which image an error is about, and what helps if another one is missing.
func (s *Image) fail(err error) error {
	if part, ok := errors.AsType[*image.IncompleteError](err); ok {
		return fault.With(fmt.Errorf("%s: %w", s.Name(), part), WayOriginGUID, fmt.Sprint(part.Missing))
	}
	return fmt.Errorf("%s: %w", s.Name(), err)
}

// notes are what is to be said of an image that was opened.
func (s *Image) notes(img *image.Image) (notes []string) {
	if origins := s.Origins(); len(origins) > 0 {
		notes = append(notes, fmt.Sprintf("it is an increment on %s", strings.Join(origins, ", ")))
	}
	if all := img.Input().Snapshots; len(all) > 1 {
		notes = append(notes, fmt.Sprintf("of %d snapshots, %s is taken", len(all), img.Snapshot().Begin.ToName))
	}
	if n := img.Spooled(); n > 0 {
		notes = append(notes, spooled(n))
	}
	return notes
}

// Tree opens the file system as a tree.
func (s *TreeImage) Tree(ctx context.Context) (_ *Tree, err error) {
	excludes, err := treesource.NewExcludes(s.opts.Exclude)
	if err != nil {
		return nil, fault.Asked(err)
	}
	img, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			img.Close()
		}
	}()
	t, err := img.Tree(ctx)
	if err != nil {
		return nil, s.fail(err)
	}
	rep := &treesource.Report{}
	if excludes != nil {
		excludes.Prune(t)
		excludes.NoteUnused(rep)
		if err := t.Seal(); err != nil {
			return nil, s.fail(err)
		}
	}
	survey(rep, t)
	rep.Notes = append(rep.Notes, s.notes(img)...)
	return &Tree{Tree: t, What: "image " + s.Name(), Report: rep, NameRules: img.NameRules(), Held: img.Held(), closer: img}, nil
}

// Disk opens the volume as a disk.
func (s *VolumeImage) Disk(ctx context.Context) (*Disk, error) {
	img, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	v, err := img.Volume()
	if err != nil {
		img.Close()
		return nil, s.fail(err)
	}
	d := &Disk{Source: v, Size: v.Size, What: fmt.Sprintf("image %s: volume", s.Name()), Notes: s.notes(img), closer: img, Held: img.Held()}
	d.BlockSize = min(max(v.BlockSize, zvol.MinBlockSize), zvol.MaxBlockSize)
	if d.BlockSize != v.BlockSize {
		d.Notes = append(d.Notes, fmt.Sprintf("its blocks are of %s, those of the new volume of %s", plain.Size(int64(v.BlockSize)), plain.Size(int64(d.BlockSize))))
	}
	return d, nil
}

// Settle completes what is said of the new image with what the manifest of this one says, as a
// manifest to start from does. nameVersion is the joined name and version that were asked for.
func (s *Image) Settle(m *manifest.Options, nameVersion string) error {
	if s.opts.Metalog != "" || s.opts.Owners != "" {
		field := "Metalog"
		if s.opts.Owners != "" {
			field = "Owners"
		}
		return fault.Askedf("%s: the image %s has owners and modes itself", s.opts.called(field), s.Name())
	}
	if s.Manifest != nil {
		if nameVersion != "" && (m.Base == nil || m.Base.Name+"-"+m.Base.Version != nameVersion) {
			var err error
			if m.Name, m.Version, err = s.Manifest.SplitNameVersion(nameVersion); err != nil {
				return fault.Asked(err)
			}
		}
		m.Base = manifest.Derive(m.Base, s.Manifest)
		if t := manifest.New(*m).Type; !isImageType(t) {
			return fault.Askedf("type %q: the image %s becomes a %s, a %s or a %s; %s says which", t, s.Name(), manifest.TypeZone, manifest.TypeLX, manifest.TypeZvol, s.opts.called("Type"))
		}
	}
	if m.Name != "" {
		return nil
	}
	if s.Manifest == nil || s.Manifest.Name == "" || s.Manifest.Version == "" {
		return fault.Askedf("NAME-VERSION is missing: no manifest of %s tells it", s.Name())
	}
	m.Name, m.Version = s.Manifest.Name, s.Manifest.Version
	return nil
}
