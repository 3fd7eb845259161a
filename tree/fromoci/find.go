package fromoci

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"imagetools/fault"
	"imagetools/tree"
)

// Store has the parts of images: a layout, or a repository of a registry.
type Store interface {
	// String names the store in messages.
	String() string
	// Images are those that are there, or the one that was asked for.
	Images(ctx context.Context) ([]Descriptor, error)
	// Open returns the bytes of a blob from the first one on. What they hash to is for the
	// caller to check.
	Open(ctx context.Context, d Descriptor) (io.ReadCloser, error)
}

// placer is a [Store] whose blobs are files, which can be read at any place.
type placer interface {
	place(d Descriptor) (tree.Content, error)
}

// image is an image whose parts are known.
type image struct {
	name     string // in messages
	names    []string
	digest   Digest // of the manifest; "" if there is none
	config   *config
	platform platform
	layers   []layerSource
}

// layerSource is where a layer is.
type layerSource struct {
	Descriptor // Digest "" and Size -1 if they are not told
	diffID     Digest
	open       func(ctx context.Context) (io.ReadCloser, error)
	place      func() (tree.Content, error) // nil if there is no such file
}

// finder looks for one image in a store.
type finder struct {
	ctx   context.Context
	store Store
	want  platform
	loads int
}

// load reads a document and checks its digest.
func (f *finder) load(d Descriptor, limit int64) (_ []byte, err error) {
	if f.loads++; f.loads > maxLoads {
		return nil, fmt.Errorf("more than %d documents to find one image", maxLoads)
	}
	if d.Size > limit {
		return nil, fmt.Errorf("%s: %d bytes, the limit is %d", d.Digest.short(), d.Size, limit)
	}
	r, err := f.open(f.ctx, d)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	text, err := io.ReadAll(io.LimitReader(r, d.Size+1))
	if err != nil {
		return nil, err
	}
	if int64(len(text)) != d.Size {
		return nil, sizeError(d, int64(len(text)))
	}
	h := d.Digest.hash()
	h.Write(text)
	return text, checkDigest(d.Digest, d.Digest.of(h))
}

// open opens a blob: that in its descriptor, or else the one in the store.
func (f *finder) open(ctx context.Context, d Descriptor) (io.ReadCloser, error) {
	if d.Data != nil {
		return io.NopCloser(bytes.NewReader(d.Data)), nil
	}
	return f.store.Open(ctx, d)
}

// sizeError says that a blob has n bytes, or more, in place of its size.
func sizeError(d Descriptor, n int64) error {
	if n > d.Size {
		return fmt.Errorf("blob %s is longer than the %d bytes that it should have", d.Digest.short(), d.Size)
	}
	return fmt.Errorf("blob %s is cut after %d of %d bytes: %w", d.Digest.short(), n, d.Size, io.ErrUnexpectedEOF)
}

// ErrDigest says that a blob is not what its digest says.
var ErrDigest = errors.New("wrong digest")

func checkDigest(want, got Digest) error {
	if want != got {
		return fmt.Errorf("%w: it should be %s and is %s", ErrDigest, want, got)
	}
	return nil
}

// candidate is a manifest that may be the one.
type candidate struct {
	desc     Descriptor
	names    []string
	platform *platform
	config   *config // if it was read
}

// find finds the image that ref names, "" if there is but one, for the platform.
func (f *finder) find(ref string) (*image, error) {
	top, err := f.store.Images(f.ctx)
	if err != nil {
		return nil, err
	}
	if ref == "" {
		top = f.withoutArtifacts(top)
	}
	if top, err = named(top, ref); err != nil {
		return nil, err
	}
	var all []candidate
	for _, d := range top {
		if all, err = f.expand(all, d, d.names(), 0); err != nil {
			return nil, err
		}
	}
	c, err := f.choose(all)
	if err != nil {
		return nil, err
	}
	return f.read(c)
}

// named keeps of the images in a store those of one name.
func named(all []Descriptor, ref string) ([]Descriptor, error) {
	if ref == "" {
		all = slices.DeleteFunc(slices.Clone(all), func(d Descriptor) bool { return d.isAside() })
	}
	if len(all) == 0 {
		return nil, errors.New("it holds no image")
	}
	if ref != "" {
		found := slices.DeleteFunc(slices.Clone(all), func(d Descriptor) bool { return string(d.Digest) != ref && !slices.Contains(d.names(), ref) })
		if len(found) == 0 {
			return nil, fault.WithHint(fmt.Errorf("it has no image %q", clip(ref)), "there are: "+list(all))
		}
		return found, nil
	}
	for _, d := range all {
		if d.Digest != all[0].Digest && !slices.Equal(d.names(), all[0].names()) {
			return nil, fault.WithHint(fmt.Errorf("it has %d images", len(all)), "add :NAME of one; there are: "+list(all))
		}
	}
	return all, nil
}

// maxProbed bounds the manifests that are read to find out which one is that of the image.
const maxProbed = 50

// withoutArtifacts leaves out manifests that are not of images, if there are several and they have
// names. What cannot be read is told of later, if it is the one.
func (f *finder) withoutArtifacts(all []Descriptor) []Descriptor {
	if len(all) < 2 || len(all) > maxProbed {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), func(d Descriptor) bool {
		if d.isIndex() || d.isAside() {
			return false
		}
		text, err := f.load(d, MaxManifest)
		if err == nil {
			_, err = parseManifest(text)
		}
		_, artifact := errors.AsType[*artifactError](err)
		return artifact
	})
}

// list names images in one line.
func list(all []Descriptor) string {
	var out []string
	for _, d := range all {
		name := string(d.Digest)
		if names := d.names(); len(names) > 0 {
			name = strings.Join(names, " or ")
		}
		if d.Platform != nil {
			name += " (" + d.Platform.String() + ")"
		}
		if name = onLine(name); !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	const most = 20
	if more := len(out) - most; more > 0 {
		out = append(out[:most], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(out, ", ")
}

// expand adds the manifests that a descriptor leads to.
func (f *finder) expand(all []candidate, d Descriptor, names []string, depth int) ([]candidate, error) {
	switch {
	case d.isAside() && depth > 0:
		return all, nil
	case depth > maxNesting:
		return nil, fmt.Errorf("indexes nested deeper than %d", maxNesting)
	case len(all) > maxEntries:
		return nil, fmt.Errorf("more than %d images", maxEntries)
	case !d.isIndex():
		return append(all, candidate{desc: d, names: names, platform: d.Platform}), nil
	}
	text, err := f.load(d, MaxManifest)
	if err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	x, err := parseIndex(text)
	if err != nil {
		return nil, fmt.Errorf("index %s: %w", d.Digest.short(), err)
	}
	for _, below := range x.Manifests {
		if all, err = f.expand(all, below, names, depth+1); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// choose takes the candidate for the platform.
func (f *finder) choose(all []candidate) (*candidate, error) {
	if len(all) == 0 {
		return nil, errors.New("it holds no image")
	}
	var fit []*candidate
	var there []string
	var artifact error // of those that are no images
	for i := range all {
		c := &all[i]
		if c.platform == nil || c.platform.OS == "" {
			im, err := f.read(c)
			if _, ok := errors.AsType[*artifactError](err); ok {
				artifact = err
				continue
			}
			if err != nil {
				return nil, err
			}
			c.platform, c.config = &im.platform, im.config
		}
		if c.platform.runs(f.want) {
			fit = append(fit, c)
		} else if s := onLine(c.platform.String()); !slices.Contains(there, s) && len(there) < 20 {
			there = append(there, s)
		}
	}
	if len(fit) == 0 && len(there) == 0 {
		return nil, artifact
	}
	if len(fit) == 0 {
		slices.Sort(there)
		return nil, fault.With(fmt.Errorf("it is not for the platform %s", &f.want), WayPlatform, strings.Join(there, ", "))
	}
	if len(fit) > 1 && f.want.Variant == "" {
		wanted := f.want.variant()
		if usual := slices.DeleteFunc(slices.Clone(fit), func(c *candidate) bool { return c.platform.variant() != wanted }); len(usual) > 0 {
			fit = usual
		}
	}
	for _, c := range fit {
		if c.desc.Digest != fit[0].desc.Digest {
			var found []Descriptor
			for _, c := range fit {
				d := c.desc
				d.Annotations, d.Platform = nil, c.platform
				found = append(found, d)
			}
			return nil, fault.WithHint(fmt.Errorf("it has %d images for the platform %s", len(fit), &f.want), "add the digest of one; there are: "+list(found))
		}
	}
	return fit[0], nil
}

// read reads the manifest and the configuration of an image.
func (f *finder) read(c *candidate) (*image, error) {
	text, err := f.load(c.desc, MaxManifest)
	if err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	m, err := parseManifest(text)
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", c.desc.Digest.short(), err)
	}
	cfg := c.config
	if cfg == nil {
		if text, err = f.load(m.Config, maxConfig); err != nil {
			return nil, fmt.Errorf("config: %w", err)
		}
		if cfg, err = parseConfig(text); err != nil {
			return nil, fmt.Errorf("config %s: %w", m.Config.Digest.short(), err)
		}
	}
	if len(cfg.RootFS.DiffIDs) != len(m.Layers) {
		return nil, fmt.Errorf("the manifest has %d layers, the config %d", len(m.Layers), len(cfg.RootFS.DiffIDs))
	}
	im := &image{name: f.store.String(), names: c.names, digest: c.desc.Digest, config: cfg, platform: cfg.platform}
	for i, d := range m.Layers {
		l := layerSource{Descriptor: d, diffID: cfg.RootFS.DiffIDs[i]}
		l.open = func(ctx context.Context) (io.ReadCloser, error) { return f.open(ctx, d) }
		if d.Data != nil {
			l.place = func() (tree.Content, error) { return tree.Bytes(d.Data), nil }
		} else if p, ok := f.store.(placer); ok {
			l.place = func() (tree.Content, error) { return p.place(d) }
		}
		im.layers = append(im.layers, l)
	}
	return im, nil
}
