// Package edits turns the files of a seed into those of a base image: the settings of sshd, cron, su,
// syslog and postfix, the name of the image, skeletons and users.
//
//	report, err := edit.Run(ctx, root, edit.Watch{}, &edits.Step{Which: base.Which{Config: "2024Q4-x86_64"}})
//
// It works on a running or halted zone, on a directory and on a tree in memory. Each part can be
// repeated; it then finds nothing to change.
//
// A file that a part edits must exist: every seed has it, or an installed package provides it. A setting
// in it may be missing.
//
// The parts and their values are those of the classic customise script.
package edits

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"imagetools/base"
	"imagetools/rootfs"
	"imagetools/rootfs/edit"
)

// Step is the [edit.Step] that edits the files of a root.
type Step struct {
	base.Which          // the root's image
	Parts      []string // names of those that are done, in their own order; empty: all that apply
	Options
}

// Options say what is known of a root.
type Options struct {
	// Zone says that the root belongs to a zone in which the scripts of package base are run
	// too. Users, /usr/local and the last cleaning are theirs.
	Zone bool
	// Packages are the names of those that are installed; nil: see [Installed].
	Packages []string
}

// Part is an edit with a name of its own.
type Part struct {
	Name string
	What string          // it does, in a line
	when func(*job) bool // nil: always
	run  func(*job)
}

// Parts are all parts in their order, whether or not an image needs them.
func Parts() []Part {
	return []Part{
		{"sshd", "logins by key alone, and what the platform has for them", nil, (*job).sshd},
		{"locale", "LANG=C", nil, (*job).locale},
		{"product", "what the image is: /etc/product, /etc/pkgsrc_version, /etc/release", nil, (*job).product},
		{"missing-files", "files that old platforms did not have", nil, (*job).missingFiles},
		{"hosts", "localhost.local; no /etc/issue", nil, (*job).hosts},
		{"crontab", "root looks for vulnerabilities of packages, and rotates logs every hour", nil, (*job).crontab},
		{"syslog", "names of logs, and nothing read from outside the image", nil, (*job).syslog},
		{"logadm", "rotation of authlog and maillog, none of a global zone's logs", nil, (*job).logadm},
		{"skeleton", "root has the files of /etc/skel", nil, (*job).skeleton},
		{"paths", "PATH of cron and su", nil, (*job).paths},
		{"local-directories", "the directories of /usr/local", (*job).noZone, (*job).localDirectories},
		{"postfix", "mail of the host alone (if the package is there)", func(j *job) bool { return j.installed("postfix") }, (*job).postfix},
		{"exec-attr", "software installers may use the tools of pkgsrc", nil, (*job).execAttr},
		{"users", "the users admin and _pkgsrc, of pkgbuild pbulk", (*job).noZone, (*job).users},
		{"sudoers", "admin may become root", nil, (*job).sudoers},
		{"leftovers", "what only the build of the image needed goes", (*job).noZone, (*job).leftovers},
	}
}

// IsPart tells whether there is a part of that name.
func IsPart(name string) bool {
	return slices.ContainsFunc(Parts(), func(p Part) bool { return p.Name == name })
}

// Applies tells whether an image needs the part.
func (p Part) Applies(img *base.Image, opts Options) bool {
	return p.when == nil || p.when(newJob(nil, nil, img, opts))
}

// Name is "edit".
func (*Step) Name() string { return "edit" }

// Check returns the faults in options.
func (s *Step) Check() error {
	faults := []error{s.Which.Check()}
	for _, name := range s.Parts {
		if !IsPart(name) {
			faults = append(faults, fmt.Errorf("edit %q: not found", name))
		}
	}
	return errors.Join(faults...)
}

// Do runs the parts. One that fails does not keep the others from what they do; all faults are
// joined.
func (s *Step) Do(ctx context.Context, root *edit.Root, log *edit.Log) error {
	img, err := s.Of(root)
	if err != nil {
		return fmt.Errorf("edit: %w", err)
	}
	opts := s.Options
	if opts.Packages == nil {
		if opts.Packages, err = Installed(root.FS, img); err != nil {
			return fmt.Errorf("edit: %w", err)
		}
	}
	var faults []error
	for _, p := range Parts() {
		if err := ctx.Err(); err != nil {
			return errors.Join(append(faults, err)...)
		}
		if s.has(p, img, opts) {
			faults = append(faults, log.Part(p.Name, func(log *edit.Log) error {
				j := newJob(root.FS, log, img, opts)
				p.run(j)
				return j.Err
			}))
		}
	}
	return errors.Join(faults...)
}

// has tells whether a part is done. One that is named is, even if an image does not need it.
func (s *Step) has(p Part, img *base.Image, opts Options) bool {
	if len(s.Parts) > 0 {
		return slices.Contains(s.Parts, p.Name)
	}
	return p.Applies(img, opts)
}

// Installed lists the packages of pkgsrc in a root: the directories of its data base. Where
// there is none, there are no packages.
func Installed(root *rootfs.FS, img *base.Image) ([]string, error) {
	j := newJob(root, nil, img, Options{})
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
