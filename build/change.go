package build

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"imagetools/fault"
	"imagetools/manifest"
	"imagetools/rootfs/edit"
	"imagetools/rootfs/lx"
	"imagetools/source"
	"imagetools/tree"
)

// LX says how the root file system of a Linux is finished for the brand lx. The zero value is by
// what os-release tells, but for what is an image already, which is left as it is.
type LX struct {
	Profile string   // "": as os-release tells; "none" leaves the root as it is
	Auto    bool     // an image is finished, too
	Skip    []string // parts that are left out
	Kernel  string   // tags.kernel_version; "": by distribution
}

// Finished says how the root of an lx image was finished.
type Finished struct {
	Profile       lx.Profile
	Distribution  string
	KernelVersion string
}

// settleLX checks the options for a Linux against the type of the image.
func (p *Plan) settleLX() error {
	s, o := p.spec, &p.spec.LX
	if manifest.New(p.out.Manifest).Type != manifest.TypeLX {
		if fields := s.given(lxFields...); fields != "" {
			return fault.Askedf("%s: the image is no %s", fields, manifest.TypeLX)
		}
		return nil
	}
	if o.Profile != "" {
		if _, err := lx.ParseProfile(o.Profile); err != nil {
			return fault.With(fault.Askedf("%s: %w", s.called("LX.Profile"), err), WayProfiles)
		}
	}
	if err := lx.CheckParts(o.Skip); err != nil {
		return fault.Askedf("%s: %w", s.called("LX.Skip"), err)
	}
	if o.Kernel != "" {
		if err := lx.CheckKernelVersion(o.Kernel); err != nil {
			return fault.Askedf("%s: %w", s.called("LX.Kernel"), err)
		}
	}
	return nil
}

// lxStep finishes the root of an lx image, and is nil if it is to stay as it is. The kernel that was
// named holds in any case.
func (p *Plan) lxStep() *lx.Step {
	o := &p.spec.LX
	if manifest.New(p.out.Manifest).Type != manifest.TypeLX {
		return nil
	}
	if o.Kernel != "" {
		p.setKernel(o.Kernel)
	}
	_, isImage := p.Source.(*source.TreeImage)
	if o.Profile == string(lx.None) || isImage && o.Profile == "" && !o.Auto {
		return nil
	}
	return &lx.Step{Profile: lx.Profile(o.Profile), Skip: o.Skip}
}

// finished has the manifest say what a root needs that was finished.
func (p *Plan) finished(d *lx.Distribution) {
	m := &p.out.Manifest
	tag := ""
	if m.Base != nil {
		tag, _ = m.Base.Tags["kernel_version"].(string)
	}
	kernel := cmp.Or(p.spec.LX.Kernel, tag, d.KernelVersion())
	p.LX = &Finished{d.Profile, d.Name, kernel}
	p.setKernel(kernel)
	if m.MinPlatform == nil && (m.Base == nil || m.Base.Requirements == nil) {
		m.MinPlatform = map[string]string{"7.0": d.MinPlatform()}
	}
}

func (p *Plan) setKernel(version string) {
	tags := maps.Clone(p.out.Manifest.Tags)
	if tags == nil {
		tags = map[string]any{}
	}
	tags["kernel_version"] = version
	p.out.Manifest.Tags = tags
}

// change changes the root file system in a tree.
func (p *Plan) change(ctx context.Context, t *tree.Tree) error {
	steps := slices.Clone(p.spec.Changes)
	linux := p.lxStep()
	if linux != nil {
		steps = slices.Insert(steps, 0, edit.Step(linux))
	}
	if len(steps) == 0 {
		return nil
	}
	m, l := p.Manifest(), &p.spec.Log
	about := edit.Image{Name: m.Name, Version: m.Version, Description: m.Description, Homepage: m.Homepage, OS: p.out.Manifest.OS}
	report, err := edit.InTree(ctx, t, edit.Time(t, p.out.FileSystem.Created), about, edit.Watch{}, steps...)
	if report != nil {
		for _, w := range report.Warnings {
			l.warn("%s", w)
		}
	}
	if errors.Is(err, edit.ErrNoRoot) && linux != nil {
		err = fault.With(err, WayAsItIs)
	}
	if err != nil {
		return err
	}
	p.Edits = report
	if linux != nil {
		p.finished(&linux.Found)
		l.say("%s", p.LX)
	}
	for _, c := range report.Changes {
		l.say("%s", c)
	}
	for _, n := range report.Notes {
		l.note("%s", n)
	}
	l.say("changed on the way: %s", paths(len(report.Changes)))
	return nil
}

func paths(n int) string {
	if n == 1 {
		return "1 path"
	}
	return fmt.Sprintf("%d paths", n)
}

// String is a line for people.
func (f *Finished) String() string {
	tried := ""
	if !f.Profile.Tried() {
		tried = ", which was not tried on a real root"
	}
	return fmt.Sprintf("lx: %s: profile %s%s; kernel_version %s", f.Distribution, f.Profile, tried, f.KernelVersion)
}
