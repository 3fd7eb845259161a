// Package customize makes the root file system of a seed that of a base image, as far as files
// do it: settings of sshd, cron, su, syslog and postfix, what the image calls itself, skeletons,
// users.
//
//	packages, err := customize.Installed(root, img)
//	err = customize.Run(ctx, root, img, customize.Options{Packages: packages}, func(s customize.Step, c []customize.Change) {
//		...
//	})
//
// It works on a zone that runs or is halted, on a directory and on a tree in memory alike. Every
// step may be run again: it finds nothing to change then.
//
// A file that a step edits has to be there: that of a package which is installed, or one that
// every seed has. A setting that it edits need not.
//
// The steps and their values are those of the classic customise script.
package customize

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"imagetools/base"
	"imagetools/rootfs"
	"imagetools/rootfs/edit"
)

// Options say what is known of a root.
type Options struct {
	// Zone says that the root belongs to a zone in which the scripts of package base are run
	// too. Users, /usr/local and the last cleaning are theirs.
	Zone bool
	// Packages are the names of those that are installed, see [Installed].
	Packages []string
}

// Change is what a step did to one path.
type Change = edit.Change

// Step is a part of the work with a name of its own.
type Step struct {
	Name string
	when func(*job) bool // nil: always
	run  func(*job)
}

// Steps are all steps in their order, whether or not an image needs them.
func Steps() []Step {
	return []Step{
		{"sshd", nil, (*job).sshd},
		{"locale", nil, (*job).locale},
		{"product", nil, (*job).product},
		{"missing-files", nil, (*job).missingFiles},
		{"hosts", nil, (*job).hosts},
		{"crontab", nil, (*job).crontab},
		{"syslog", nil, (*job).syslog},
		{"logadm", nil, (*job).logadm},
		{"skeleton", nil, (*job).skeleton},
		{"paths", nil, (*job).paths},
		{"local-directories", (*job).noZone, (*job).localDirectories},
		{"postfix", func(j *job) bool { return j.installed("postfix") }, (*job).postfix},
		{"exec-attr", nil, (*job).execAttr},
		{"users", (*job).noZone, (*job).users},
		{"sudoers", nil, (*job).sudoers},
		{"leftovers", (*job).noZone, (*job).leftovers},
	}
}

// Applies tells whether an image needs the step.
func (s Step) Applies(img *base.Image, opts Options) bool {
	return s.when == nil || s.when(newJob(nil, img, opts))
}

// Run does the step and returns what it changed, in the order in which it did. If it fails,
// what it changed until then is returned too.
func (s Step) Run(root *rootfs.FS, img *base.Image, opts Options) ([]Change, error) {
	j := newJob(root, img, opts)
	s.run(j)
	if j.Err != nil {
		return j.Changes, fmt.Errorf("step %s: %w", s.Name, j.Err)
	}
	return j.Changes, nil
}

// Run does all steps that apply, and tells report what each of them changed. A step that fails
// does not keep the others from what they do; all faults come at once.
func Run(ctx context.Context, root *rootfs.FS, img *base.Image, opts Options, report func(Step, []Change)) error {
	var faults []error
	for _, s := range Steps() {
		if err := ctx.Err(); err != nil {
			return errors.Join(append(faults, err)...)
		}
		if !s.Applies(img, opts) {
			continue
		}
		changes, err := s.Run(root, img, opts)
		report(s, changes)
		if err != nil {
			faults = append(faults, err)
		}
	}
	return errors.Join(faults...)
}

// Installed lists the packages of pkgsrc in a root: the directories of its data base. Where
// there is none, there are no packages.
func Installed(root *rootfs.FS, img *base.Image) ([]string, error) {
	j := newJob(root, img, Options{})
	for _, db := range []string{j.prefix() + "/pkg", "/var/db/pkg"} {
		list, err := root.ReadDir(db)
		if edit.Missing(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		var names []string
		for _, dir := range list {
			name, _, versioned := cutLast(dir.Name, "-")
			if !versioned {
				continue
			}
			if _, err := root.Lstat(db + "/" + dir.Name + "/+CONTENTS"); err == nil {
				names = append(names, name)
			} else if !edit.Missing(err) {
				return nil, err
			}
		}
		return names, nil
	}
	return nil, nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}
