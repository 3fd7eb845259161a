package build

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"imagetools/fault"
	"imagetools/host"
	"imagetools/image"
	"imagetools/internal/plain"
	"imagetools/manifest"
	"imagetools/rootfs"
	"imagetools/rootfs/edit"
	"imagetools/rootfs/prepare"
	"imagetools/source"
	"imagetools/zfs/stream"
)

// sent is an image of a dataset in ZFS, whose stream is taken as it is.
type sent struct {
	*source.Pool
	from string // snapshot that the stream begins at; empty for a full one
	left []host.Leftover
}

func (s *sent) held() (int, int64) { return 0, 0 }
func (s *sent) Close() error       { return nil }

// open looks whether the dataset can be sent, and says what is sent.
func (s *sent) open(ctx context.Context, p *Plan) (err error) {
	if s.Machine != nil {
		if err := s.openMachine(ctx, p); err != nil {
			return err
		}
	}
	l, ds := &p.spec.Log, s.Dataset
	if err := ds.CheckZones(ctx); err != nil {
		return WithHalt(err)
	}
	l.say("dataset %s in ZFS: %s", ds.Name, map[bool]string{false: "file system", true: "volume"}[ds.Volume])
	if s.left, err = ds.Leftovers(ctx); err != nil {
		return err
	}
	children, err := ds.Children(ctx)
	if err == nil && len(children) > 0 {
		l.note("the image does not hold the datasets below: %s", strings.Join(children, ", "))
	}
	return err
}

// openMachine looks whether an image can be made of a machine, and says what it will be.
func (s *sent) openMachine(ctx context.Context, p *Plan) (err error) {
	if err := s.checkPrepared(ctx, p); err != nil {
		return err
	}
	m := s.Machine
	if p.spec.Incremental {
		if s.from, p.out.FromGUID, err = m.Incremental(ctx, s.Dataset, &p.out.Manifest); err != nil {
			return err
		}
	}
	p.spec.Log.say("virtual machine %s of brand %s, made of %s", m.Name(), m.Brand, cmp.Or(m.Origin, "no image"))
	return nil
}

// maxUnprepared is how much of what is to be prepared is told.
const maxUnprepared = 20

// checkPrepared looks whether a zone was prepared to be an image, and finds what prepare --check
// finds.
func (s *sent) checkPrepared(ctx context.Context, p *Plan) error {
	if s.Machine.HasDisks() {
		return nil
	}
	what := "virtual machine " + s.Machine.Name()
	report, err := s.findUnprepared(ctx)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil && report == nil:
		return err
	case err != nil:
		err = fmt.Errorf("%s: look whether it is prepared: %w", what, err)
	case len(report.Changes) > 0:
		err = unprepared(what, report.Changes)
	default:
		return nil
	}
	if !p.spec.Unprepared {
		return fault.With(err, WayPrepare, s.Machine.UUID)
	}
	p.spec.Log.warn("%v", err)
	return nil
}

func (s *sent) findUnprepared(ctx context.Context) (_ *edit.Report, err error) {
	folder, err := s.Dataset.Folder(ctx)
	if err != nil {
		return nil, WithHalt(err)
	}
	dataset, err := rootfs.OpenDir(folder.Path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, dataset.Close()) }()
	root, err := edit.OpenRoot(dataset, edit.Image{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	return edit.Plan(ctx, root, &prepare.Step{Options: PrepareOptions(s.Machine)})
}

// PrepareOptions are what a host knows of the root of a virtual machine.
func PrepareOptions(m *source.Machine) prepare.Options {
	switch m.ImageType() {
	case manifest.TypeZone:
		return prepare.Options{OS: prepare.SmartOS, Addresses: m.Addresses()}
	case manifest.TypeLX:
		return prepare.Options{OS: prepare.Linux}
	}
	return prepare.Options{}
}

func unprepared(what string, changes []edit.Change) error {
	var b strings.Builder
	for i, c := range changes {
		if i == maxUnprepared && len(changes) > i+1 {
			fmt.Fprintf(&b, "\n  and %d more", len(changes)-i)
			break
		}
		fmt.Fprintf(&b, "\n  %s %s: %s", c.Step, plain.Entry(c.Path), c.Text)
	}
	return fmt.Errorf("%s: it is not prepared to be an image:%s", what, &b)
}

// WithHalt says how to halt a zone that is in the way.
func WithHalt(err error) error {
	if running, ok := errors.AsType[*host.RunningZoneError](err); ok {
		return fault.With(err, WayHalt, running.Zone)
	}
	return err
}

// clean deals with the snapshots that other runs took and left.
func (s *sent) clean(ctx context.Context, p *Plan) error {
	for _, l := range s.left {
		if err := s.dealWith(ctx, p, l); err != nil {
			return err
		}
	}
	return nil
}

// dealWith removes a snapshot that another run took and left, or says what it is.
func (s *sent) dealWith(ctx context.Context, p *Plan, l host.Leftover) error {
	log := &p.spec.Log
	what := fmt.Sprintf("snapshot %s, taken at %s by process %d", l.Name, l.Taken.Format(time.RFC3339), l.PID)
	switch l.Fate {
	case host.Alive:
		log.warn("%s, is left alone: the process runs", what)
		return nil
	case host.Unknown:
		log.warn("%s of another host, is left alone; if that has ended, remove it: zfs destroy %s", what, l.Name)
		return nil
	}
	remove, err := false, error(nil)
	if p.spec.RemoveStale != nil {
		remove, err = p.spec.RemoveStale(l)
	}
	if err != nil {
		return err
	}
	if !remove {
		log.warn("%s, was left behind; %s destroys it", what, p.spec.called("RemoveStale"))
		return nil
	}
	if err := l.Destroy(ctx); err != nil {
		return err
	}
	if p.spec.Read.Host == nil || p.spec.Read.Host.DryRun == nil {
		log.note("%s, was left behind and is destroyed", what)
	}
	return nil
}

// Commands has the host, which is to write commands down instead of running them, do what [Plan.Run]
// does to datasets.
func (p *Plan) Commands(ctx context.Context) error {
	s, ok := p.part.(*sent)
	if !ok {
		return nil
	}
	if err := s.clean(ctx, p); err != nil {
		return err
	}
	stream, err := s.Dataset.Send(ctx, p.out.Now, s.from)
	if err != nil {
		return err
	}
	return stream.Close()
}

func (s *sent) write(ctx context.Context, p *Plan) (*image.Result, error) {
	l := &p.spec.Log
	if err := s.clean(ctx, p); err != nil {
		return nil, err
	}
	res, err := image.CreateFromStream(ctx, func(ctx context.Context) (io.ReadCloser, error) {
		in, err := s.Dataset.Send(ctx, p.out.Now, s.from)
		if err != nil {
			return nil, err
		}
		return &sending{in, l, 0}, nil
	}, *p.out)
	l.finish()
	if left, ok := errors.AsType[*host.LeftError](err); ok {
		err = fault.With(errors.New(err.Error()), WayDestroy, left.Snapshot) // not "interrupted; nothing was left"
	}
	return res, err
}

// judge warns of what was found while the stream was sent.
func (s *sent) judge(p *Plan, res *image.Result) {
	if res == nil {
		return
	}
	l := &p.spec.Log
	if more := res.Features &^ stream.FeatureSASpill; more != 0 {
		l.warn("the stream uses %v: hosts whose ZFS does not know that refuse the image", more)
	}
	p.warnOfFindings(res.Findings.Zone, res.Findings.Leaks)
	if err := res.Findings.Unchecked; err != nil && res.Manifest.Origin == "" {
		l.warn("the files in the stream were not checked: %v", err)
	}
}

// sending is a stream that shows how far it came.
type sending struct {
	io.ReadCloser
	log *Log
	n   int64
}

func (s *sending) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	s.n += int64(n)
	s.log.progress("sending", s.n, -1)
	return n, err
}
