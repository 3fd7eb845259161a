package image

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"imagetools/manifest"
)

// ErrNoOrigin says that an image is an increment, and that what it builds on was not found.
var ErrNoOrigin = errors.New("the image that it is an increment on does not lie beside it")

// Chain returns the image at a path with all that it builds on, the full one first, as [Open]
// takes them. Each manifest says the UUID of the next one, which is looked for among the
// manifests in the folder of the first; one that is not there is [ErrNoOrigin]. An image without
// a manifest is alone.
func Chain(path string) ([]string, error) {
	in, err := Locate(path)
	if err != nil {
		return nil, err
	}
	chain := []string{path}
	if in.ManifestPath == "" {
		return chain, nil
	}
	dir := folder{path: filepath.Dir(in.ManifestPath)}
	m, err := manifest.ParsePartial(in.Manifest)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", in.ManifestPath, err)
	}
	for met := []string{m.UUID}; m.Origin != ""; met = append(met, m.UUID) {
		if slices.Contains(met, m.Origin) {
			return nil, fmt.Errorf("%q: image %s is an increment on itself", in.ManifestPath, m.Origin)
		}
		found, err := dir.find(m.Origin)
		if err != nil {
			return nil, fmt.Errorf("%q: origin %s: %w", path, m.Origin, err)
		}
		chain, m = append(chain, found.path), found.manifest
	}
	slices.Reverse(chain)
	return chain, nil
}

// WithOrigins returns paths with the images that they are increments on, each found as [Chain]
// finds it and before the image that needs it. An image that is named, or needed, several times is
// there once. missing says for a path why its origins were not all found.
func WithOrigins(paths []string) (all []string, missing map[string]error) {
	missing = map[string]error{}
	met := map[string]bool{}
	for _, path := range paths {
		chain, err := Chain(path)
		if err != nil {
			missing[path], chain = err, []string{path}
		}
		for _, p := range chain {
			key := p
			if in, err := Locate(p); err == nil && in.Path != "-" {
				if key, err = filepath.EvalSymlinks(in.Path); err != nil {
					key = in.Path
				}
			}
			if key != "-" && met[key] {
				continue
			}
			met[key] = true
			all = append(all, p)
		}
	}
	return all, missing
}

// folder is one with manifests.
type folder struct {
	path   string
	images map[string]inFolder // by UUID; nil before they are read
}

type inFolder struct {
	path     string
	manifest *manifest.Manifest
}

// find returns the image of a UUID.
func (f *folder) find(uuid string) (inFolder, error) {
	if f.images == nil {
		if err := f.read(); err != nil {
			return inFolder{}, err
		}
	}
	found, ok := f.images[uuid]
	if !ok {
		return inFolder{}, ErrNoOrigin
	}
	return found, nil
}

// read reads all manifests of images whose stream is there. Files that are none may lie among
// them.
func (f *folder) read() error {
	list, err := os.ReadDir(f.path)
	if err != nil {
		return err
	}
	f.images = make(map[string]inFolder)
	for _, e := range list {
		if e.IsDir() || !slices.ContainsFunc(manifestSuffixes, func(s string) bool { return strings.HasSuffix(e.Name(), s) }) {
			continue
		}
		path := filepath.Join(f.path, e.Name())
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
		if _, twice := f.images[m.UUID]; twice {
			continue
		}
		if _, err := Locate(path); err != nil {
			continue
		}
		f.images[m.UUID] = inFolder{path, m}
	}
	return nil
}
