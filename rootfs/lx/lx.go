// Package lx adapts the root file system of a Linux to zones of the brand lx: it makes what the
// brand expects, and turns off what cannot work without a Linux kernel.
//
//	step := &lx.Step{}
//	report, err := edit.Run(ctx, root, edit.Watch{}, step)
//	step.Found.KernelVersion() // for the tag kernel_version of the manifest
//
// It works on the root of a zone, on a directory and on a tree in memory alike. Every part may
// be run again: it finds nothing to change then. What a part edits need not be there.
//
// The parts are what the public builders of lx images do (those of Triton and OmniOS, with the
// guest tools), in our own words, and what the boot script of the brand asks of a root. A zone
// sets itself up by a script of ours, /lib/smartdc/lx-zone, unless the guest tools of Triton are
// in the root.
//
// # Limits
//
// Debian's parts were tried on roots of three releases, not in a zone; those of the other
// distributions on trees written after the file lists of the builders. No package is installed:
// what has no init does not boot, which package check tells of.
package lx

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"imagetools/rootfs/edit"
	"imagetools/rootfs/prepare"
)

// Auto has the root tell its profile.
const Auto Profile = ""

// Step is the [edit.Step] that adapts a root.
type Step struct {
	Profile Profile
	Skip    []string // names of parts that are left out

	// Found is what the root says of itself, with the profile that was used. Do sets it.
	Found Distribution
}

// Part is an edit with a name of its own.
type Part struct {
	Name, What string
	Profiles   []Profile // that have it; nil: all
	run        func(*job)
}

// Parts are all parts in their order.
func Parts() []Part {
	return []Part{
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

// Has tells whether the roots of a profile need the part.
func (p Part) Has(profile Profile) bool {
	return profile != None && (p.Profiles == nil || slices.Contains(p.Profiles, profile))
}

// CheckParts reports names that no part has.
func CheckParts(names []string) error {
	var known, faults []string
	for _, p := range Parts() {
		known = append(known, p.Name)
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

// Name is "lx".
func (*Step) Name() string { return "lx" }

// Check returns the faults in options.
func (s *Step) Check() error {
	var err error
	if s.Profile != Auto {
		_, err = ParseProfile(string(s.Profile))
	}
	return errors.Join(err, CheckParts(s.Skip))
}

// Do runs the parts of the profile. One that fails does not keep the others from what they do; all
// faults are joined.
func (s *Step) Do(ctx context.Context, root *edit.Root, log *edit.Log) error {
	d, err := Detect(root.FS)
	if err != nil {
		return fmt.Errorf("lx: %w", err)
	}
	if s.Profile != Auto {
		d.Profile = s.Profile
	}
	s.Found = d
	var faults []error
	for _, p := range Parts() {
		if err := ctx.Err(); err != nil {
			return errors.Join(append(faults, err)...)
		}
		if p.Has(d.Profile) && !slices.Contains(s.Skip, p.Name) {
			faults = append(faults, log.Part(p.Name, func(log *edit.Log) error {
				j := &job{Editor: edit.Editor{Root: root.FS, Log: log}, ctx: ctx, root: root, found: d}
				p.run(j)
				return j.Err
			}))
		}
	}
	return errors.Join(faults...)
}

// prepare removes machine-specific data.
func (j *job) prepare() {
	plan, err := prepare.Find(j.ctx, prepare.Target{Root: j.Root, Dataset: j.root.Dataset}, prepare.Options{OS: prepare.Linux})
	if err != nil {
		j.Err = err
		return
	}
	for _, n := range plan.Notes {
		j.Log.Note(n)
	}
	j.Err = plan.Apply(j.ctx, func(c prepare.Change) {
		path := c.Path
		if strings.HasPrefix(path, "/") { // in the root
			path = j.real(path)
		}
		j.Log.Change(path, string(c.Action)+": "+c.What)
	})
}
