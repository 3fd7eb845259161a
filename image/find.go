package image

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"imagetools/compress"
	"imagetools/fault"
	"imagetools/manifest"
	"imagetools/zfs/stream"
)

// ErrNoOrigin says that an image is incremental, and that the image it builds on was not found.
var ErrNoOrigin = errors.New("the image that it is an increment on does not lie beside it")

// Found is an image that was found, with the images that it is incremental on. Only manifests were
// read, each once.
type Found struct {
	Manifest *manifest.Manifest // nil if there is none, or if it cannot be read
	// BadManifest is why the manifest is not used; nil if it is, or if there is none.
	BadManifest error
	// NoOrigin is why the images that it builds on were not found, such as [ErrNoOrigin]. The image
	// can be opened, but its contents cannot be read, unless it is full after all.
	NoOrigin error

	chain []*Input
}

// Find finds the image at a path: that of a stream in any compression, that of the manifest of an
// image whose stream lies beside it, or "-".
//
// origins are the images that it is incremental on, the full one first. If they are nil, each
// manifest tells the UUID of the next image, which is looked for among the manifests in the
// directory of the first. An image without a manifest is taken for a full one.
func Find(path string, origins []string) (*Found, error) {
	f := &Found{}
	for _, p := range origins {
		in, err := Locate(p)
		if err != nil {
			return nil, err
		}
		f.chain = append(f.chain, in)
	}
	in, err := Locate(path)
	if err != nil {
		return nil, err
	}
	f.chain = append(f.chain, in)
	if in.ManifestPath != "" {
		if f.Manifest, err = manifest.ParsePartial(in.Manifest); err != nil {
			f.Manifest, f.BadManifest = nil, fmt.Errorf("%q: %w", in.ManifestPath, err)
		}
	}
	if origins == nil {
		f.findOrigins()
	}
	return f, nil
}

// findOrigins looks for the images that the only one of the chain is incremental on.
func (f *Found) findOrigins() {
	if f.NoOrigin = f.BadManifest; f.Manifest == nil {
		return
	}
	in := f.Input()
	chain, m := f.chain, f.Manifest
	dir := directory{path: filepath.Dir(in.ManifestPath), own: in, manifest: m}
	for met := []string{m.UUID}; m.Origin != ""; met = append(met, m.UUID) {
		if slices.Contains(met, m.Origin) {
			f.NoOrigin = fmt.Errorf("%q: image %s is an increment on itself", in.ManifestPath, m.Origin)
			return
		}
		next, err := dir.find(m.Origin)
		if err != nil {
			f.NoOrigin = fmt.Errorf("%q: origin %s: %w", in.name, m.Origin, err)
			return
		}
		chain, m = append(chain, next.Input), next.manifest
	}
	slices.Reverse(chain)
	f.chain = chain
}

// Input is the file of the image, with nothing read but its manifest.
func (f *Found) Input() *Input { return f.chain[len(f.chain)-1] }

// Origins are the paths of the images that it is incremental on, the full one first.
func (f *Found) Origins() []string {
	var paths []string
	for _, in := range f.chain[:len(f.chain)-1] {
		paths = append(paths, in.name)
	}
	return paths
}

// Files are the paths of all streams and manifests of the image and of those that it builds on.
func (f *Found) Files() []string {
	var paths []string
	for _, in := range f.chain {
		for _, path := range []string{in.Path, in.ManifestPath} {
			if path != "" && path != "-" {
				paths = append(paths, path)
			}
		}
	}
	return paths
}

// HoldsVolume reads the start of the stream, of stdin for the path "-", and reports whether it is
// that of a volume. A file must be a regular one, since what is read of a pipe is gone.
func (f *Found) HoldsVolume(stdin io.Reader) (bool, error) {
	in := f.Input()
	volume, err := in.holdsVolume(stdin)
	if err != nil {
		return false, fmt.Errorf("%s: %w", in.Name(), err)
	}
	return volume, nil
}

func (in *Input) holdsVolume(r io.Reader) (bool, error) {
	if in.Path != "-" {
		info, err := os.Stat(in.Path)
		if err != nil {
			return false, errors.Unwrap(err)
		}
		if !info.Mode().IsRegular() {
			return false, fault.With(errors.New("is no regular file"), WayStdin)
		}
		f, err := os.Open(in.Path)
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
	records := stream.NewReader(plain)
	for {
		rec, err := records.Next()
		if err != nil {
			return false, err
		}
		if b, ok := rec.(*stream.Begin); ok && b.HeaderType == stream.Substream {
			return b.Objset == stream.ObjsetZvol, nil
		}
	}
}

// locateAll finds what the paths name, each alone.
func locateAll(paths []string) (all []*Input, err error) {
	for _, path := range paths {
		in, err := Locate(path)
		if err != nil {
			return nil, err
		}
		all = append(all, in)
	}
	return all, nil
}

// findAll finds images with those that they are incremental on, each before the image that needs it.
// One that is named, or needed, several times is there once.
func findAll(paths []string) (all []*Input, err error) {
	met := map[string]bool{}
	for _, path := range paths {
		f, err := Find(path, nil)
		if err != nil {
			return nil, err
		}
		f.Input().noOrigin = f.NoOrigin
		for _, in := range f.chain {
			key := in.Path
			if key != "-" {
				if real, err := filepath.EvalSymlinks(key); err == nil {
					key = real
				}
				if met[key] {
					continue
				}
			}
			met[key] = true
			all = append(all, in)
		}
	}
	return all, nil
}

// directory is one with manifests.
type directory struct {
	path     string
	own      *Input // of the image that origins are looked for: it was read already
	manifest *manifest.Manifest
	images   map[string]neighbor // by UUID; nil before they are read
}

type neighbor struct {
	*Input
	manifest *manifest.Manifest
}

// find returns the image of a UUID.
func (d *directory) find(uuid string) (neighbor, error) {
	if d.images == nil {
		if err := d.read(); err != nil {
			return neighbor{}, err
		}
	}
	found, ok := d.images[uuid]
	if !ok {
		return neighbor{}, ErrNoOrigin
	}
	return found, nil
}

// read reads all manifests of images whose stream is there. Files that are none may lie among
// them.
func (d *directory) read() error {
	list, err := os.ReadDir(d.path)
	if err != nil {
		return err
	}
	d.images = map[string]neighbor{d.manifest.UUID: {d.own, d.manifest}}
	for _, e := range list {
		if e.IsDir() || !slices.ContainsFunc(manifestSuffixes, func(s string) bool { return strings.HasSuffix(e.Name(), s) }) {
			continue
		}
		path := filepath.Join(d.path, e.Name())
		if path == filepath.Clean(d.own.ManifestPath) {
			continue
		}
		if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() || info.Size() > maxManifest {
			continue
		}
		text, err := readManifest(path)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			continue
		}
		if err != nil {
			return err
		}
		m, err := manifest.ParsePartial(text)
		if err != nil || m.UUID == "" {
			continue
		}
		if _, twice := d.images[m.UUID]; twice {
			continue
		}
		if in, err := locateStream(path, text); err == nil {
			d.images[m.UUID] = neighbor{in, m}
		}
	}
	return nil
}
