package build

import (
	"cmp"
	"context"
	"errors"

	"imagetools/fault"
	"imagetools/host"
	"imagetools/image"
	"imagetools/manifest"
	"imagetools/rootfs/edit"
	"imagetools/source"
)

// Plan is an image of which all is known but what only writing it tells.
type Plan struct {
	Source       source.Source
	Image        string       // path of the file that would be written
	ManifestPath string       // path of its manifest
	Edits        *edit.Report // what changed in the root file system; nil if there were no steps
	LX           *Finished    // how a Linux was finished; nil if it was not

	spec   *Spec
	out    *image.Options
	origin *image.Origin
	part   part
}

// part is what differs by the kind of source.
type part interface {
	// open reads what the image is made of.
	open(ctx context.Context, p *Plan) error
	// held is what is read: its files, and the bytes of memory it takes beside them.
	held() (files int, bytes int64)
	write(ctx context.Context, p *Plan) (*image.Result, error)
	// judge warns of what is wrong with the image, of which res is nil if it was not written.
	judge(p *Plan, res *image.Result)
	Close() error
}

// Result is an image that was made.
type Result struct {
	*image.Result
	Dataset string        // in ZFS, that the source was; empty for none
	Origin  *image.Origin // that it is an increment on; nil for a full image
	Edits   *edit.Report
	LX      *Finished
}

// Manifest is that of the image, as far as it is known: without its files, and with another UUID if
// that is derived.
func (p *Plan) Manifest() *manifest.Manifest { return manifest.New(p.out.Manifest) }

// Origin is the image that the new one is an increment on; nil for a full image.
func (p *Plan) Origin() *image.Origin { return p.origin }

// Close releases what the plan read.
func (p *Plan) Close() error {
	var err error
	if p.part != nil {
		err = p.part.Close()
	}
	if p.origin != nil {
		err = errors.Join(err, p.origin.Close())
	}
	return err
}

// Plan opens all that the image is made of, and makes the changes in memory. It writes no image,
// and changes nothing on this machine.
func (s *Spec) Plan(ctx context.Context) (_ *Plan, err error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	p := &Plan{spec: s}
	if p.out, err = s.options(); err != nil {
		return nil, err
	}
	s.tellTemplate()
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	if err := p.find(ctx); err != nil {
		return nil, err
	}
	if err := p.ask(); err != nil {
		return nil, err
	}
	if err := p.part.open(ctx, p); err != nil {
		return nil, err
	}
	p.warnOfOutput()
	return p, p.openOrigin(ctx)
}

// find finds the source and the origin, and settles what they say. What is wrong with the image
// whatever the source is comes before a source that is not found.
func (p *Plan) find(ctx context.Context) (err error) {
	s := p.spec
	read := s.Read
	read.Warn, read.Note, read.Progress, read.Count, read.Called = s.Log.Warn, s.Log.Note, s.Log.Progress, s.Log.Count, s.Called
	if read.Host == nil {
		read.Host = &host.Host{}
	}
	var notFound error
	p.origin, err = s.findOrigin()
	given := cmp.Or(p.out.Manifest.GivenType(), p.originType())
	read.Volume = given == manifest.TypeZvol
	p.Source, notFound = source.Find(ctx, s.Source, read)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case notFound != nil && read.OnlyImage: // then nothing is known to be checked
		return notFound
	case err != nil:
		return err
	}
	if notFound == nil {
		if err := p.settle(ctx); err != nil {
			return err
		}
	}
	if p.Image, p.ManifestPath, err = image.Check(*p.out); err != nil {
		return withWay(err)
	}
	return notFound
}

// settle completes the options with what the source says, and refuses what does not go with it.
func (p *Plan) settle(ctx context.Context) error {
	s, m := p.spec, &p.out.Manifest
	pool, _ := p.Source.(*source.Pool)
	var machine *source.Machine
	if pool != nil {
		machine = pool.Machine
	}
	if machine != nil {
		if err := machine.Settle(ctx, m); err != nil {
			return err
		}
	} else if s.Incremental || s.Unprepared {
		return fault.Askedf("%s, %s: %v is no virtual machine", s.called("Incremental"), s.called("Unprepared"), p.Source)
	}
	if img, ok := p.Source.(interface {
		Settle(*manifest.Options, string) error
	}); ok {
		if err := img.Settle(m, s.NameVersion); err != nil {
			return err
		}
	}
	if fields := s.given(treeFields...); pool != nil && fields != "" {
		return fault.Askedf("%s: the stream of the ZFS dataset %q is taken as it is", fields, pool.Dataset.Name)
	}
	if c, ok := p.Source.(*source.Container); ok {
		if m.ImpliedType() == "" && c.IsLinux() {
			m.Type = manifest.TypeLX
		}
	} else if fields := s.given(containerFields...); fields != "" {
		return fault.Askedf("%s: %v is no container image", fields, p.Source)
	}
	if err := p.settleKind(pool); err != nil {
		return err
	}
	if err := p.settleOrigin(pool != nil); err != nil {
		return err
	}
	p.out.Sources = p.Source.Files()
	switch src := p.Source.(type) {
	case *source.Pool:
		p.part = &sent{Pool: src}
		if !src.Dataset.Volume {
			m.Type = cmp.Or(m.GivenType(), p.originType(), m.ImpliedType(), mountedType(src.Dataset))
		}
	case source.Disks:
		p.part = &volume{source: src}
		p.settleVolume()
	case source.Trees:
		p.part = &fileSystem{source: src}
		m.Type = cmp.Or(m.GivenType(), p.originType(), m.ImpliedType())
	}
	return nil
}

// settleKind compares what the source is with what was asked for.
func (p *Plan) settleKind(pool *source.Pool) error {
	s, m := p.spec, &p.out.Manifest
	given := cmp.Or(m.GivenType(), p.originType())
	_, isDisk := p.Source.(source.Disks)
	if fields := s.given(treeFields...); isDisk && fields != "" {
		return fault.Askedf("%s: %v is a disk", fields, p.Source)
	}
	if fields := s.given(diskFields...); !isDisk && fields != "" {
		return fault.Askedf("%s: %v is no disk", fields, p.Source)
	}
	isVolume := isDisk || pool != nil && pool.Dataset.Volume
	if fields := s.given(volumeFields...); !isVolume && fields != "" {
		return fault.Askedf("%s: %v makes no %s", fields, p.Source, manifest.TypeZvol)
	}
	switch {
	case isVolume && given == "":
		m.Type = manifest.TypeZvol
	case isVolume && given != manifest.TypeZvol:
		return fault.Askedf("type %q: a volume or disk makes a %s", given, manifest.TypeZvol)
	case !isVolume && given == manifest.TypeZvol:
		return fault.Askedf("type %q: a tree makes a %s or a %s", given, manifest.TypeZone, manifest.TypeLX)
	}
	return nil
}

// ask has what is missing asked for, and tells what still is.
func (p *Plan) ask() error {
	s, m := p.spec, &p.out.Manifest
	have := manifest.New(*m)
	if s.Ask != nil {
		if err := s.Ask(m, have); err != nil {
			return err
		}
		have = manifest.New(*m)
	}
	if have.Description == "" {
		s.Log.warn("the image has no description; %s gives it one", s.called("Description"))
	}
	if have.Type == manifest.TypeZvol {
		p.warnOfDrivers(have)
	}
	return nil
}

// Run writes the image. It is called once.
func (p *Plan) Run(ctx context.Context) (*Result, error) {
	s := p.spec
	if s.Opened != nil {
		files, held := p.part.held()
		if p.origin != nil {
			held += p.origin.Held()
		}
		s.Opened(files, held)
	}
	p.out.Placed = func(res *image.Result) error {
		s.Log.finish()
		p.judge(res)
		if s.Placed == nil {
			return nil
		}
		return s.Placed(p.result(res))
	}
	res, err := p.part.write(ctx, p)
	s.Log.finish()
	if err != nil {
		return nil, withWay(err)
	}
	return p.result(res), nil
}

// judge warns of what is wrong with the image: with res nil, of what would be.
func (p *Plan) judge(res *image.Result) {
	p.part.judge(p, res)
	m := p.Manifest()
	if res != nil {
		m = res.Manifest
	}
	p.warnOfManifest(m)
}

func (p *Plan) result(res *image.Result) *Result {
	out := &Result{Result: res, Origin: p.origin, Edits: p.Edits, LX: p.LX}
	if pool, ok := p.Source.(*source.Pool); ok {
		out.Dataset = pool.Dataset.Name
	}
	return out
}
