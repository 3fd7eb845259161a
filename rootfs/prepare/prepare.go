// Package prepare takes out of a root file system what must not become part of an image: keys,
// histories, logs, leases, mail, marks and names of the machine that it was.
//
//	plan, err := prepare.Find(ctx, prepare.Target{Root: root}, prepare.Options{})
//	for _, c := range plan.Changes {
//		fmt.Println(c.Action, c.Path, c.What)
//	}
//	err = plan.Apply(ctx, func(c prepare.Change) { ... })
//
// Find changes nothing, so a plan without changes says that a root is prepared; one that was
// applied leaves none. It works on the root of a halted zone, on any folder and on a tree in
// memory alike, and knows SmartOS zones and Linux, which may be that of an lx zone.
//
// What the files of an image may hold is judged by the same table, see [Leak].
//
// # What goes
//
// In SmartOS zones it is what the program sm-prepare-image of smtools does to files, and in Linux
// what the preparation script of IMGAPI does; and in both what vmadm and guest tools leave,
// private keys, mail, and temporary files. Addresses of a SmartOS zone below /etc and
// /opt/local/etc become @PRIVATE_IP@ and @PUBLIC_IP@, which zoneinit fills in.
//
// # Limits
//
// Services cannot be enabled or disabled from outside of a zone: Plan.Notes says what is left to
// do there. Where a file that should go is a symbolic link, it stays, with what it leads to. Files
// that hold addresses and are binary, or larger than 8 MiB, stay as they are, with a note.
package prepare

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"

	"imagetools/rootfs"
	"imagetools/tree"
)

// Target is what is prepared.
type Target struct {
	Root    *rootfs.FS
	Dataset *rootfs.FS // whose Sub("root") Root is; nil if it is in none
}

// Options say what is known of a target. The zero value finds everything by itself.
type Options struct {
	OS OS // Unknown: the files tell

	// Addresses are those of a SmartOS zone, beside the ones that its files tell. Such as no
	// zone has as its own are left out.
	Addresses []netip.Addr
}

// Action is what is done to a path.
type Action string

// Actions.
const (
	Remove  Action = "remove"
	Empty   Action = "empty"
	Create  Action = "create"
	Rewrite Action = "rewrite"
)

// Change is something to do.
type Change struct {
	Path   string // in the root, such as "/etc/hosts"; in the dataset it does not begin with a slash
	Action Action
	What   string // the path is, in words

	fs *rootfs.FS
	do func(*rootfs.FS, string) (bool, error) // tells whether anything was still to be done
}

// Plan is what is to be done to a target.
type Plan struct {
	OS      OS
	Changes []Change
	Notes   []string // what is not, and somebody may want to do
}

// ErrUnknownOS says that a root is neither that of a SmartOS zone nor of a Linux.
var ErrUnknownOS = errors.New("the files do not tell whether this is SmartOS or Linux")

// Find makes the plan for a target. If something cannot be looked at, there is a plan for the
// rest beside the error, in which all faults are joined. When ctx ends, there is none.
func Find(ctx context.Context, t Target, opts Options) (*Plan, error) {
	f := &finder{ctx: ctx, root: t.Root, opts: opts, claimed: map[string]bool{}}
	f.plan.OS = opts.OS
	if opts.OS == Unknown {
		var err error
		if f.plan.OS, err = Detect(t.Root); err != nil {
			return nil, err
		}
	}
	if t.Dataset != nil {
		f.fs = t.Dataset
		f.rules(datasetRules)
	}
	f.fs = t.Root
	f.homes = f.findHomes()
	f.rules(everywhere)
	if f.plan.OS == SmartOS {
		f.smartOS()
	} else {
		f.linux()
	}
	f.noteKeys()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return &f.plan, f.faults.Err()
}

// Apply does what is planned, and tells report, which may be nil, of each change that was still to be done.
// One that fails does not keep the others from being done: all faults are joined. When ctx ends, its
// error comes with them; then, and after faults, another plan finds what is left.
func (p *Plan) Apply(ctx context.Context, report func(Change)) error {
	var faults []error
	for _, c := range p.Changes {
		if err := ctx.Err(); err != nil {
			return errors.Join(append(faults, err)...)
		}
		done, err := c.do(c.fs, c.Path)
		if err != nil {
			faults = append(faults, err)
		} else if done && report != nil {
			report(c)
		}
	}
	return errors.Join(faults...)
}

// missing tells whether err says that a path does not exist.
func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, tree.ErrNotDir) || errors.Is(err, rootfs.ErrLoop)
}

// gone is the outcome of a removal: a path that another name of it has taken away is no fault.
func gone(err error) (bool, error) {
	if missing(err) {
		return false, nil
	}
	return err == nil, err
}

func remove(root *rootfs.FS, path string) (bool, error) { return gone(root.Remove(path)) }

func removeAll(root *rootfs.FS, path string) (bool, error) {
	if _, err := root.Lstat(path); err != nil {
		return gone(err)
	}
	return gone(root.RemoveAll(path))
}

func empty(root *rootfs.FS, path string) (bool, error) {
	info, err := root.Lstat(path)
	if err == nil && info.Size == 0 {
		return false, nil
	}
	if err == nil {
		err = root.WriteFile(path, nil, nil)
	}
	return gone(err)
}

// makeFile creates an empty file where there is nothing. It is root's if this user cannot give
// it away.
func makeFile(attr rootfs.Attr) func(*rootfs.FS, string) (bool, error) {
	return func(root *rootfs.FS, path string) (bool, error) {
		if _, err := root.Lstat(path); !missing(err) {
			return false, err
		}
		err := root.WriteFile(path, nil, &attr)
		if errors.Is(err, fs.ErrPermission) {
			err = root.WriteFile(path, nil, &rootfs.Attr{Mode: attr.Mode})
		}
		return err == nil, err
	}
}

func makeDir(root *rootfs.FS, path string) (bool, error) {
	if _, err := root.Lstat(path); !missing(err) {
		return false, err
	}
	err := root.MkdirAll(path, nil)
	return err == nil, err
}

// maxFile bounds the files that are read.
const maxFile = 8 << 20

// rewrite gives a file the content that edit makes of the present one.
func rewrite(edit func([]byte) []byte) func(*rootfs.FS, string) (bool, error) {
	return func(root *rootfs.FS, path string) (bool, error) {
		old, err := root.ReadFile(path, maxFile)
		if err != nil {
			return false, fmt.Errorf("rewrite: %w", err)
		}
		content := edit(old)
		if bytes.Equal(old, content) {
			return false, nil
		}
		err = root.WriteFile(path, content, nil)
		return err == nil, err
	}
}
