package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"imagetools/image"
	"imagetools/internal/cli"
	"imagetools/manifest"
	"imagetools/tree"
	"imagetools/tree/source"
	"imagetools/zfs/zvol"
)

// imageSource is an image, or another stream, that an image is made of.
type imageSource struct {
	*image.Found
	path     string
	snapshot string // to take; empty for the last
	volume   bool
}

// findImage makes at that of an image if its file is one, by its content.
func (o *createImageOptions) findImage(env *cli.Env, at *place) error {
	terminal := at.path == "-" && cli.IsTerminal(env.Stdin)
	if terminal && o.onlyImage {
		return cli.Usagef("standard input is a terminal, not a stream")
	}
	if at.inPool != nil || at.dataset != nil || terminal {
		return nil
	}
	if at.found == nil && o.onlyImage {
		found, err := recognise(env, at.path)
		if err != nil {
			return err
		}
		at.found = found
	}
	if !isImage(at.found) && !o.onlyImage {
		return nil
	}
	var err error
	at.image, err = o.newImageSource(env, at.path)
	return err
}

// newImageSource looks what there is beside a stream or a manifest, and what the stream holds.
func (o *createImageOptions) newImageSource(env *cli.Env, path string) (*imageSource, error) {
	found, err := image.Find(path, o.sourceOrigins)
	if err != nil {
		return nil, err
	}
	s := &imageSource{Found: found, path: path, snapshot: o.sourceSnapshot}
	var start io.Reader
	if path == "-" {
		peeked, err := env.PeekStdin(peekSize)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.name(), err)
		}
		start = bytes.NewReader(peeked)
	}
	if s.volume, err = found.HoldsVolume(start); err != nil {
		return nil, err
	}
	switch in := found.Input(); {
	case found.BadManifest != nil && in.ManifestPath == path:
		return nil, found.BadManifest
	case found.BadManifest != nil:
		env.Warnf("nothing is taken from the manifest beside the stream: %v", found.BadManifest)
	case errors.Is(found.NoOrigin, image.ErrNoOrigin):
		return nil, cli.Hint(found.NoOrigin, "imagetools flatten --origin names it")
	case found.NoOrigin != nil:
		return nil, found.NoOrigin
	}
	return s, nil
}

// settleImage completes the options with what the manifest of the image says, as -m does.
func (o *createImageOptions) settleImage(s *imageSource, out *image.Options) error {
	for _, flag := range []string{"--metalog", "--owners"} {
		if slices.Contains(o.treeOnly, flag) {
			return cli.Usagef("%s: the image %s has owners and modes itself", flag, s.name())
		}
	}
	m := &out.Manifest
	if s.Manifest != nil {
		if o.NameVersion != "" && (m.Base == nil || m.Base.Name+"-"+m.Base.Version != o.NameVersion) {
			var err error
			if m.Name, m.Version, err = s.Manifest.SplitNameVersion(o.NameVersion); err != nil {
				return &cli.UsageError{Err: err}
			}
		}
		m.Base = manifest.Derive(m.Base, s.Manifest)
		switch t := manifest.New(*m).Type; t {
		case manifest.TypeZone, manifest.TypeLX, manifest.TypeZvol:
		default:
			return cli.Usagef("type %q: the image %s becomes a %s, a %s or a %s; --type says which", t, s.name(), manifest.TypeZone, manifest.TypeLX, manifest.TypeZvol)
		}
	}
	if m.Name != "" {
		return nil
	}
	if s.Manifest == nil || s.Manifest.Name == "" || s.Manifest.Version == "" {
		return cli.Usagef("NAME-VERSION is missing: no manifest of %s tells it", s.name())
	}
	m.Name, m.Version = s.Manifest.Name, s.Manifest.Version
	return nil
}

func (s *imageSource) name() string {
	if s.path == "-" {
		return "standard input"
	}
	return fmt.Sprintf("%q", s.path)
}

// open reads the image and what it builds on.
func (s *imageSource) open(ctx context.Context, env *cli.Env, tmpDir string) (*image.Image, error) {
	o := openOptions{Snapshot: s.snapshot, TmpDir: tmpDir, SpoolLimit: image.DefaultSpoolLimit >> 20}
	return o.openFound(ctx, env, true, func() (*image.Found, error) { return s.Found, nil })
}

// fail says which image an error is about, and what helps if another one is missing.
func (s *imageSource) fail(err error) error {
	if part, ok := errors.AsType[*image.IncompleteError](err); ok {
		return cli.Hint(fmt.Errorf("%s: %w", s.name(), part),
			fmt.Sprintf("imagetools flatten --origin names the image with the snapshot of guid %d; it is found if its manifest lies beside that of the increment", part.Missing))
	}
	return fmt.Errorf("%s: %w", s.name(), err)
}

// notes are what is to be said of an image that was opened.
func (s *imageSource) notes(img *image.Image) (notes []string) {
	if origins := s.Origins(); len(origins) > 0 {
		notes = append(notes, fmt.Sprintf("it is an increment on %s", strings.Join(origins, ", ")))
	}
	if all := img.Input().Snapshots; len(all) > 1 {
		notes = append(notes, fmt.Sprintf("of %d snapshots, %s is taken", len(all), img.Snapshot().Begin.ToName))
	}
	if n := img.Spooled(); n > 0 {
		notes = append(notes, fmt.Sprintf("unpacked into a temporary file of %s", cli.Size(n)))
	}
	return notes
}

// openTree opens the file system as a tree.
func (s *imageSource) openTree(ctx context.Context, env *cli.Env, opts sourceOptions) (_ *openedSource, err error) {
	excludes, err := source.NewExcludes(opts.Exclude)
	if err != nil {
		return nil, &cli.UsageError{Err: err}
	}
	img, err := s.open(ctx, env, opts.TmpDir)
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
	rep := &source.Report{}
	if excludes != nil {
		excludes.Prune(t)
		excludes.NoteUnused(rep)
		if err := t.Seal(); err != nil {
			return nil, s.fail(err)
		}
	}
	linked := map[*tree.Node]bool{}
	for _, n := range t.Nodes() {
		if n.Links > 1 && !n.IsDir() {
			linked[n] = false
		}
	}
	rep.Survey(t, linked)
	rep.Notes = append(rep.Notes, s.notes(img)...)
	warnNameRules(env, s.name(), img)
	return &openedSource{Tree: t, what: "image " + s.name(), rep: rep, closer: img, held: img.Held()}, nil
}

// warnNameRules tells of properties of a file system that what is written of it does not have.
func warnNameRules(env *cli.Env, name string, img *image.Image) {
	if rules := img.NameRules(); rules != "" {
		env.Warnf("%s: the file system has %s, which is not kept: names are compared byte by byte in what is written", name, rules)
	}
}

// openVolume opens the volume as a disk.
func (s *imageSource) openVolume(ctx context.Context, env *cli.Env, tmpDir string) (*openedDisk, error) {
	img, err := s.open(ctx, env, tmpDir)
	if err != nil {
		return nil, err
	}
	v, err := img.Volume()
	if err != nil {
		img.Close()
		return nil, s.fail(err)
	}
	d := &openedDisk{Source: v, Size: v.Size, what: fmt.Sprintf("image %s: volume", s.name()), notes: s.notes(img), closer: img, held: img.Held()}
	d.blockSize = min(max(v.BlockSize, zvol.MinBlockSize), zvol.MaxBlockSize)
	if d.blockSize != v.BlockSize {
		d.notes = append(d.notes, fmt.Sprintf("its blocks are of %s, those of the new volume of %s", cli.Size(int64(v.BlockSize)), cli.Size(int64(d.blockSize))))
	}
	return d, nil
}
