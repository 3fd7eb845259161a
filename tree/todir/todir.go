// Package todir writes a tree into a directory of the host, and what the directory is not
// trusted with or cannot hold into a METALOG beside it.
//
//	report, err := todir.Extract(ctx, t, "rootfs", todir.Options{})
//
// The tree may be a stranger's. So unless the options say otherwise nothing on disk belongs
// to anyone but the caller, is a device, is set-id or can be written by others: owners, modes,
// device numbers, attributes and ACLs are in the METALOG, an mtree(5) specification (package
// mtree) with a complete line for each name. The directory and its METALOG together are the
// tree again:
//
//	t, _, err := fromdir.Read(ctx, "rootfs", fromdir.Options{Metalog: metalog})
//
// # What is on disk
//
// Always: directories, files with their holes, symbolic links, hard links, FIFOs where the
// host makes them in a directory, modification times, attributes of the namespace user.
// Permissions lose the bits that let group or others write, and have those that let the
// caller read. Devices and sockets are not made; one with several names is an empty file, so
// that its names stay together.
//
// With SameOwner: owners, all mode bits, all attributes and POSIX ACLs that the host takes.
// With Devices: device nodes and sockets. NFSv4 ACLs are in the METALOG only.
//
// # Safety
//
// All work happens in a new folder that only the caller can enter (mode 0700), and that is
// compared with what is then opened under its name: the directory around it may belong to
// another. It lies beside the directory and gets its name at the end, or, if an empty directory
// exists already, lies in it and its contents move up at the end (see package durable). Until then nobody can run a set-id file, and on any
// failure, or when the context is done, the folder is removed and nothing is left. Every
// directory is opened in the one above it, without following links, and files are made in the
// directory that is open, only where there was nothing: no link that the tree holds or that
// someone plants meanwhile leads out of it. A directory with anything in it is refused: there
// is no way to write over a tree.
package todir

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"

	"imagetools/internal/durable"
	"imagetools/tree"
	"imagetools/tree/source"
)

// Options say what is written and how. The zero value writes the whole tree, safely.
type Options struct {
	// Paths are the paths below the root to be written, with all that lies below them; the
	// directories above them come along. Links are not followed. None stands for everything.
	Paths []string

	Metalog   string // path of the METALOG; "" is that of the directory with ".mtree" added
	NoMetalog bool   // writes none: what the disk does not hold is lost

	SameOwner bool // owners, set-id and write bits, all extended attributes
	Devices   bool // device nodes and sockets

	// Order are files in the order in which their contents are best read, such as that of a
	// stream. Others come after them in walk order. The result is the same.
	Order []*tree.Node

	DryRun  bool // writes nothing, and looks whether something is in the way and what there is to be written
	Sync    bool // waits until everything is on the disk before it gets its name; an error of the disk is one of Extract
	Workers int  // files written at once; 0 stands for a number that suits the machine

	// Replace replaces the directory and the METALOG, whatever they hold, when the new ones are
	// complete. MakeDirs makes the directory above them if it does not exist.
	Replace, MakeDirs bool

	// Placed, if set, is called when everything has its name. If it fails, everything is removed
	// again.
	Placed func(*Report) error

	// Note, if set, is told what killed runs left beside the directory, and that it was removed.
	Note func(text string)

	// Progress, if set, is told now and then how many names were written. Calls do not overlap.
	Progress func(names int)
}

// Report says what was written.
type Report struct {
	Counts   source.Counts // names of the tree that were chosen, whether on disk or not
	Metalog  string        // its path; "" without one
	Replaced bool          // there was a directory before

	// What the disk does not have, and the METALOG alone tells:
	Owners  int // files and directories of others than 0:0, without SameOwner
	SetIDs  int // set-user-ID and set-group-ID files, without SameOwner
	Special int // devices, sockets and FIFOs that were not made
	Xattrs  int // extended attributes that were not set, or that the host refused
	ACLs    int // files and directories with NFSv4 ACLs
}

// Extract writes the sealed tree t to dir, which must not exist or be empty; its parent must
// exist. Errors name the path in the tree.
func Extract(ctx context.Context, t *tree.Tree, dir string, opts Options) (_ *Report, err error) {
	if err := t.CheckSealed(); err != nil {
		return nil, fmt.Errorf("extract to %q: %w", dir, err)
	}
	choice, err := choose(t, opts.Paths)
	if err != nil {
		return nil, err
	}
	x := &extractor{opts: opts, plan: newPlan(t, choice, opts), report: &Report{}}
	x.plan.count(x)
	if x.place, err = findPlace(dir, opts); err != nil {
		return nil, err
	}
	if opts.DryRun {
		if err := x.place.check(opts.Replace); err != nil {
			return nil, err
		}
		x.report.Metalog = x.place.log
		return x.report, nil
	}
	if err := x.place.open(opts); err != nil {
		return nil, errors.Join(err, x.place.set.Discard())
	}
	var log *durable.File
	if err = x.place.check(opts.Replace); err == nil {
		log, err = x.place.make()
	}
	if err == nil {
		x.dirs = newDirs(x.place.root)
		err = x.extract(ctx, t, choice, log)
		err = errors.Join(err, x.dirs.close()) // before the removal, which may need the descriptors
	}
	if e := x.place.set.Discard(); e != nil { // nothing after a commit
		err = fmt.Errorf("%w; %w", err, e)
	}
	if err != nil {
		return nil, err
	}
	return x.report, nil
}

// extractor is the state of one extraction.
type extractor struct {
	opts   Options
	plan   *plan
	place  *place
	dirs   *dirs
	sync   *syncer
	report *Report
	umask  uint32
	meter  meter
}

func (x *extractor) extract(ctx context.Context, t *tree.Tree, choice *choice, log *durable.File) (err error) {
	if x.umask, err = x.place.umask(); err != nil {
		return err
	}
	if x.sync, err = newSyncer(x.place.root, x.opts.Sync); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, x.sync.close()) }()
	if log != nil {
		if err := x.place.metalog(ctx, log, t, choice); err != nil {
			return err
		}
		x.report.Metalog = x.place.log
	}
	x.meter.progress = x.opts.Progress
	if err := x.makeDirs(ctx); err != nil {
		return err
	}
	if err := x.fill(ctx, cmp.Or(max(0, x.opts.Workers), max(2, runtime.GOMAXPROCS(0)))); err != nil {
		return err
	}
	if err := x.makeLinks(ctx); err != nil {
		return err
	}
	if err := x.finishDirs(ctx); err != nil {
		return err
	}
	x.meter.done()
	return nil
}
