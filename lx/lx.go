// Package lx finishes the root file system of a Linux for zones of the brand lx: it makes what
// the brand expects, and turns off what cannot work without a Linux kernel.
//
//	d, err := lx.Detect(root)
//	err = lx.Run(ctx, root, lx.Options{Distribution: d}, func(r lx.Report) {
//		for _, c := range r.Changes {
//			fmt.Println(r.Step.Name, c)
//		}
//	})
//	d.KernelVersion() // for the tag kernel_version of the manifest
//
// It works on the root of a zone, on a directory and on a tree in memory alike. Every step may
// be run again: it finds nothing to change then. What a step edits need not be there.
//
// The steps are what the public builders of lx images do (those of Triton and OmniOS, with the
// guest tools), in our own words, and what the boot script of the brand asks of a root. A zone
// sets itself up by a script of ours, /lib/smartdc/lx-zone, unless the guest tools of Triton are
// in the root.
//
// # Limits
//
// Debian's steps were tried on roots of three releases, not in a zone; those of the other
// distributions on trees written after the file lists of the builders. No package is installed:
// what has no init does not boot, which package check tells of.
package lx

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"imagetools/prepare"
	"imagetools/rootfs"
	"imagetools/rootfs/edit"
)

// Options say what is known of a root.
type Options struct {
	Distribution Distribution
	Skip         []string // names of steps that are left out

	// Dataset is the one whose Sub("root") the root is; nil if it is in none.
	Dataset *rootfs.FS

	// What the image calls itself. Without a name, nothing is said of it in the root.
	Name, Version, Description, Homepage string
}

// Change is what a step did to one path, which has no links on the way.
type Change = edit.Change

// Report is what a step did.
type Report struct {
	Step    Step
	Changes []Change
	Notes   []string // what somebody should know, or do
}

// Step is a part of the work with a name of its own.
type Step struct {
	Name, What string
	Profiles   []Profile // that have it; nil: all
	run        func(*job)
}

// Steps are all steps in their order.
func Steps() []Step {
	return []Step{
		{"native", "directories in which the brand mounts its platform", nil, (*job).native},
		{"linker", "ld.config for programs of the platform, of both word sizes", nil, (*job).linker},
		{"fstab", "/etc/fstab of a zone", nil, (*job).fstab},
		{"guest-tools", "links to mdata-get and its like, and a script that sets the zone up at boot", nil, (*job).guestTools},
		{"boot", "files and directories that the boot script of the brand looks for", nil, (*job).boot},
		{"units", "units of systemd that hang or fail in a zone: masked, or with less protection", nil, (*job).units},
		{"openrc", "services of OpenRC that a zone needs, or cannot have", []Profile{Alpine}, (*job).openrc},
		{"runit", "services of runit that a zone needs, or cannot have", []Profile{Void}, (*job).runit},
		{"sshd", "no logins by password", nil, (*job).sshd},
		{"ping", "ping runs as root, since the brand knows no file capabilities", nil, (*job).ping},
		{"apt", "packages that cannot be upgraded in a zone", []Profile{Debian, Ubuntu}, (*job).apt},
		{"kernel", "a kernel, and what was found in /dev, /proc, /sys and /run", nil, (*job).kernel},
		{"product", "/etc/product: what the image is", nil, (*job).product},
		{"motd", "/etc/motd: what the image is", nil, (*job).motd},
		{"prepare", "keys, ids, logs, leases and caches of this machine", nil, (*job).prepare},
	}
}

// Has tells whether the roots of a profile need the step.
func (s Step) Has(p Profile) bool {
	return p != None && (s.Profiles == nil || slices.Contains(s.Profiles, p))
}

// CheckSteps reports names that no step has.
func CheckSteps(names []string) error {
	var known, faults []string
	for _, s := range Steps() {
		known = append(known, s.Name)
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			faults = append(faults, fmt.Sprintf("%q", name))
		}
	}
	if len(faults) == 0 {
		return nil
	}
	return fmt.Errorf("there is no step %s; the steps are %s", strings.Join(faults, ", "), strings.Join(known, ", "))
}

// Run does the step and returns what it did. If it fails, that is what it did until then.
func (s Step) Run(ctx context.Context, root *rootfs.FS, opts Options) (Report, error) {
	j := &job{Editor: edit.Editor{Root: root}, ctx: ctx, opts: opts}
	s.run(j)
	if j.Err != nil {
		j.Err = fmt.Errorf("lx step %s: %w", s.Name, j.Err)
	}
	return Report{s, j.Changes, j.notes}, j.Err
}

// Run does the steps that the profile of the distribution has, and tells report what each of
// them did. A step that fails does not keep the others from what they do; all faults come at
// once.
func Run(ctx context.Context, root *rootfs.FS, opts Options, report func(Report)) error {
	if err := CheckSteps(opts.Skip); err != nil {
		return err
	}
	var faults []error
	for _, s := range Steps() {
		if err := ctx.Err(); err != nil {
			return errors.Join(append(faults, err)...)
		}
		if !s.Has(opts.Distribution.Profile) || slices.Contains(opts.Skip, s.Name) {
			continue
		}
		r, err := s.Run(ctx, root, opts)
		report(r)
		if err != nil {
			faults = append(faults, err)
		}
	}
	return errors.Join(faults...)
}

// prepare takes out what must not become part of an image.
func (j *job) prepare() {
	plan, err := prepare.Find(prepare.Target{Root: j.Root, Dataset: j.opts.Dataset}, prepare.Options{OS: prepare.Linux})
	if err != nil {
		j.Err = err
		return
	}
	j.notes = append(j.notes, plan.Notes...)
	j.Err = plan.Apply(j.ctx, func(c prepare.Change) {
		path := c.Path
		if strings.HasPrefix(path, "/") { // in the root
			path = j.real(path)
		}
		j.Changes = append(j.Changes, Change{Path: path, Text: string(c.Action) + ": " + c.What})
	})
}
