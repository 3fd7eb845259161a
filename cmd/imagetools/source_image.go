package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"imagetools/compress"
	"imagetools/image"
	"imagetools/internal/cli"
	"imagetools/manifest"
	"imagetools/tree"
	"imagetools/tree/source"
	"imagetools/zfs/objset"
	"imagetools/zfs/stream"
	"imagetools/zfs/zpl"
	"imagetools/zfs/zvol"
)

// imageSource is an image, or another stream, that an image is made of.
type imageSource struct {
	path     string
	origins  []string           // that it is an increment on, the full one first
	snapshot string             // to take; empty for the last
	manifest *manifest.Manifest // nil if it has none
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
	return openHint(err)
}

// newImageSource looks what there is beside a stream or a manifest, and what the stream holds.
func (o *createImageOptions) newImageSource(env *cli.Env, path string) (*imageSource, error) {
	in, err := image.Locate(path)
	if err != nil {
		return nil, err
	}
	s := &imageSource{path: path, origins: o.sourceOrigins, snapshot: o.sourceSnapshot}
	if s.volume, err = holdsVolume(env, in.Path); err != nil {
		return nil, fmt.Errorf("%s: %w", in.Name(), err)
	}
	if in.ManifestPath == "" {
		return s, nil
	}
	s.manifest, err = manifest.ParsePartial(in.Manifest)
	switch {
	case err != nil && in.ManifestPath == path:
		return nil, fmt.Errorf("%q: %w", in.ManifestPath, err)
	case err != nil:
		env.Warnf("nothing is taken from the manifest beside the stream: %q: %v", in.ManifestPath, err)
	case len(s.origins) == 0:
		chain, err := image.Chain(path)
		if errors.Is(err, image.ErrNoOrigin) {
			err = cli.Hint(err, "imagetools flatten --origin names it")
		}
		if err != nil {
			return nil, err
		}
		s.origins = chain[:len(chain)-1]
	}
	return s, nil
}

// holdsVolume tells what a stream begins with.
func holdsVolume(env *cli.Env, path string) (bool, error) {
	var r io.Reader
	if path == "-" {
		start, err := env.PeekStdin(peekSize)
		if err != nil {
			return false, err
		}
		r = bytes.NewReader(start)
	} else {
		info, err := os.Stat(path)
		if err != nil {
			return false, errors.Unwrap(err)
		}
		if !info.Mode().IsRegular() {
			return false, cli.Hint(errors.New("is no regular file"), "\"-\" is standard input")
		}
		f, err := os.Open(path)
		if err != nil {
			return false, errors.Unwrap(err)
		}
		defer f.Close()
		r = f
	}
	plain, _, err := compress.NewReader(r, compress.Options{})
	if err != nil {
		return false, err
	}
	defer plain.Close()
	in := stream.NewReader(plain)
	for {
		rec, err := in.Next()
		if err != nil {
			return false, err
		}
		if b, ok := rec.(*stream.Begin); ok && b.HeaderType == stream.Substream {
			return b.Objset == stream.ObjsetZvol, nil
		}
	}
}

// settleImage completes the options with what the manifest of the image says, as -m does.
func (o *createImageOptions) settleImage(s *imageSource, out *image.Options) error {
	for _, flag := range []string{"--metalog", "--owners"} {
		if slices.Contains(o.treeOnly, flag) {
			return cli.Usagef("%s: the image %s has owners and modes itself", flag, s.name())
		}
	}
	m := &out.Manifest
	if s.manifest != nil {
		if o.NameVersion != "" && (m.Base == nil || m.Base.Name+"-"+m.Base.Version != o.NameVersion) {
			var err error
			if m.Name, m.Version, err = s.manifest.SplitNameVersion(o.NameVersion); err != nil {
				return &cli.UsageError{Err: err}
			}
		}
		m.Base = manifest.Derive(m.Base, s.manifest)
		switch t := manifest.New(*m).Type; t {
		case manifest.TypeZone, manifest.TypeLX, manifest.TypeZvol:
		default:
			return cli.Usagef("type %q: the image %s becomes a %s, a %s or a %s; --type says which", t, s.name(), manifest.TypeZone, manifest.TypeLX, manifest.TypeZvol)
		}
	}
	if m.Name != "" {
		return nil
	}
	if s.manifest == nil || s.manifest.Name == "" || s.manifest.Version == "" {
		return cli.Usagef("NAME-VERSION is missing: no manifest of %s tells it", s.name())
	}
	m.Name, m.Version = s.manifest.Name, s.manifest.Version
	return nil
}

func (s *imageSource) name() string {
	if s.path == "-" {
		return "standard input"
	}
	return fmt.Sprintf("%q", s.path)
}

// open reads the image and what it builds on.
func (s *imageSource) open(ctx context.Context, env *cli.Env, tmpDir string) (*openedImage, error) {
	o := openOptions{Origins: s.origins, Snapshot: s.snapshot, TmpDir: tmpDir, SpoolLimit: image.DefaultSpoolLimit >> 20}
	img, err := o.open(ctx, env, s.path, true)
	if err != nil {
		return nil, err
	}
	if err := s.complete(img.snapshot); err != nil {
		img.Close()
		return nil, err
	}
	return img, nil
}

// complete refuses a snapshot of which only a part is known.
func (s *imageSource) complete(snap *objset.Snapshot) error {
	switch {
	case snap.Encrypted():
		return fmt.Errorf("%s: snapshot %q: %w", s.name(), snap.Begin.ToName, objset.ErrEncrypted)
	case snap.Resumed():
		return fmt.Errorf("%s: snapshot %q: %w", s.name(), snap.Begin.ToName, objset.ErrResumed)
	case !snap.Partial():
		return nil
	}
	err := fmt.Errorf("%s: snapshot %q: %w", s.name(), snap.Begin.ToName, zpl.ErrPartial)
	if len(s.origins) > 0 {
		err = fmt.Errorf("%w: no snapshot in %s has the guid %d", err, strings.Join(s.origins, ", "), snap.Missing())
	}
	return cli.Hint(err, fmt.Sprintf("imagetools flatten --origin names the image with the snapshot of guid %d; it is found if its manifest lies beside that of the increment", snap.Missing()))
}

// notes are what is to be said of an image that was opened.
func (s *imageSource) notes(img *openedImage) (notes []string) {
	if len(s.origins) > 0 {
		notes = append(notes, fmt.Sprintf("it is an increment on %s", strings.Join(s.origins, ", ")))
	}
	last := img.Inputs[len(img.Inputs)-1]
	if len(last.Snapshots) > 1 {
		notes = append(notes, fmt.Sprintf("of %d snapshots, %s is taken", len(last.Snapshots), img.snapshot.Begin.ToName))
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
	fail := func(err error) error { return fmt.Errorf("%s: %w", s.name(), err) }
	f, err := zpl.Open(img.Index, img.snapshot)
	if err != nil {
		return nil, fail(err)
	}
	t, err := f.Tree(ctx)
	if err != nil {
		return nil, fail(err)
	}
	rep := &source.Report{}
	if excludes != nil {
		excludes.Prune(t)
		excludes.NoteUnused(rep)
		if err := t.Seal(); err != nil {
			return nil, fail(err)
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
	warnNameRules(env, s.name(), f)
	return &openedSource{Tree: t, what: "image " + s.name(), rep: rep, closer: img, held: img.Index.Held()}, nil
}

// warnNameRules tells of properties of a file system that what is written of it does not have.
func warnNameRules(env *cli.Env, name string, f *zpl.FS) {
	if rules := f.NameRules(); rules != "" {
		env.Warnf("%s: the file system has %s, which is not kept: names are compared byte by byte in what is written", name, rules)
	}
}

// openVolume opens the volume as a disk.
func (s *imageSource) openVolume(ctx context.Context, env *cli.Env, tmpDir string) (*openedDisk, error) {
	img, err := s.open(ctx, env, tmpDir)
	if err != nil {
		return nil, err
	}
	v, err := img.volume()
	if err != nil {
		img.Close()
		return nil, fmt.Errorf("%s: %w", s.name(), err)
	}
	d := &openedDisk{Source: v, Size: v.Size, what: fmt.Sprintf("image %s: volume", s.name()), notes: s.notes(img), closer: img, held: img.Index.Held()}
	d.blockSize = min(max(v.BlockSize, zvol.MinBlockSize), zvol.MaxBlockSize)
	if d.blockSize != v.BlockSize {
		d.notes = append(d.notes, fmt.Sprintf("its blocks are of %s, those of the new volume of %s", cli.Size(int64(v.BlockSize)), cli.Size(int64(d.blockSize))))
	}
	return d, nil
}
