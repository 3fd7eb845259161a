package build

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"imagetools/fault"
	"imagetools/image"
	"imagetools/internal/plain"
	"imagetools/manifest"
)

// findOrigin finds the origin, of which nothing but manifests is read; nil for a full image.
func (s *Spec) findOrigin() (*image.Origin, error) {
	if len(s.Origin) == 0 {
		return nil, nil
	}
	found, err := image.FindOrigin(s.Origin)
	if err != nil {
		err = fmt.Errorf("%s: %w", s.called("Origin"), err)
		if errors.Is(err, image.ErrNoOrigin) {
			err = fault.With(err, WayOrigins)
		}
		return nil, err
	}
	if depth := len(found.Chain); s.MaxOrigins != 0 && depth > s.MaxOrigins {
		return nil, fault.With(fmt.Errorf("%s: with all it builds on it is %d images, and %s is %d", s.called("Origin"), depth, s.called("MaxOrigins"), s.MaxOrigins), WayFlatten)
	}
	return found, nil
}

// originType is the type of an image that builds on the origin; empty for a full image.
func (p *Plan) originType() string {
	if p.origin == nil {
		return ""
	}
	return p.origin.Manifest.Type
}

// settleOrigin completes the options with what the manifest of the origin says.
func (p *Plan) settleOrigin(isPool bool) (err error) {
	m := &p.out.Manifest
	if p.origin == nil {
		if base := m.Base; base != nil && base.Origin != "" {
			full := *base
			full.Origin = ""
			m.Base = &full
			p.spec.Log.warn("the manifest names the origin %s, which is left out: the image is none that builds on another", base.Origin)
		}
		return nil
	}
	called := p.spec.called("Origin")
	if isPool {
		return fault.With(fault.Askedf("%s: the stream of %v is taken as it is", called, p.Source), WayIncremental)
	}
	if m.Base, err = p.origin.Inherit(m.Base); err != nil {
		return fmt.Errorf("%s: %w", called, err)
	}
	if have := manifest.New(*m).Type; have != p.originType() {
		return fault.Askedf("type %q: the origin is a %s, and so is what builds on it", have, p.originType())
	}
	p.out.Origin = p.origin
	return nil
}

// openOrigin reads the origin.
func (p *Plan) openOrigin(ctx context.Context) error {
	o, l := p.origin, &p.spec.Log
	if o == nil {
		return nil
	}
	opts := image.OpenOptions{TmpDir: p.spec.Read.TmpDir, Budget: p.spec.Read.Budget}
	opts.Progress = func(name string, done, total int64) { l.progress("reading origin "+name, done, total) }
	if err := o.Open(ctx, opts); err != nil {
		err = fmt.Errorf("origin: %w", err)
		if errors.Is(err, image.ErrIncomplete) {
			err = fault.With(err, WayOrigins)
		}
		return err
	}
	l.finish()
	text := fmt.Sprintf("origin %s %s (%s)", o.Manifest.Name, o.Manifest.Version, o.Manifest.UUID)
	if below := o.Chain[:len(o.Chain)-1]; len(below) > 0 {
		text += ", on " + strings.Join(below, ", ")
	}
	l.say("%s: it must be installed before the image", text)
	if n := o.Spooled(); n > 0 {
		l.note("unpacked into a temporary file of %s", plain.Size(n))
	}
	return nil
}
