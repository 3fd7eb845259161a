package todir

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"imagetools/tree"
	"imagetools/tree/source"
)

// finishDirs gives directories their own times, owners and modes, those below first, and
// puts everything in its place.
func (x *extractor) finishDirs(ctx context.Context) error {
	var last []*dir // finished in their place
	for _, d := range slices.Backward(x.plan.dirs) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if x.place.name == "" && (d.parent == nil || d.parent.parent == nil) {
			last = append(last, d) // a directory that nobody may write to would not move
			continue
		}
		if err := x.finish(d); err != nil {
			return err
		}
	}
	if x.opts.Sync {
		if err := syncAll(x.place.root); err != nil {
			return fmt.Errorf("%q: sync: %w", x.place.dir, cause(err))
		}
	}
	if err := x.place.commitLog(); err != nil {
		return err
	}
	if x.place.name != "" {
		return x.place.rename()
	}
	names, err := x.place.names()
	if err != nil {
		return err
	}
	if err := x.place.moveUp(names); err != nil {
		return err
	}
	if err := x.dirs.rebase(x.place.above); err != nil {
		return err
	}
	for _, d := range last {
		if d.parent == nil { // the last one; removing the folder sets its time
			if err := x.place.rename(); err != nil {
				return err
			}
		}
		if err := x.finish(d); err != nil {
			return err
		}
	}
	return nil
}

// finish gives a directory what it is to have. Its mode comes last: it may lock everyone out.
func (x *extractor) finish(d *dir) error {
	o, err := x.dirs.get(d)
	if err != nil {
		return err
	}
	defer x.dirs.put(o)
	n := d.node
	if err := setTimes(o.fd, ".", n.ModTime); err != nil {
		return fail("set time of", d.path(), err)
	}
	if x.opts.SameOwner {
		if err := unix.Fchown(o.fd, int(n.UID), int(n.GID)); err != nil {
			return failOwner(d.path(), n, err)
		}
	}
	left := x.setXattrs(n, func(name string, value []byte) error { return setXattr(o.fd, name, value) })
	x.report.Xattrs += left
	d.finished = true
	if err := unix.Fchmod(o.fd, x.mode(n)); err != nil {
		return fail("set mode of", d.path(), err)
	}
	return nil
}

// setTimes sets the modification time of a name, a link's own. A time that the host cannot
// hold is in the METALOG.
func setTimes(fd int, name string, t tree.Time) error {
	ts := unix.Timespec{Sec: t.Sec, Nsec: int64(t.Nsec)}
	for {
		err := unix.UtimesNanoAt(fd, name, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW)
		switch err {
		case unix.EINTR:
			continue
		case unix.EOVERFLOW, unix.ERANGE, unix.EINVAL:
			return nil
		}
		return err
	}
}

// fail is the error of a system call about a path of the tree.
func fail(op, path string, err error) error {
	return fmt.Errorf("%s %q: %w", op, path, explain(cause(err)))
}

// cause is the error of the system call itself, without the name that os gives it, which
// is relative to some directory.
func cause(err error) error {
	if errno, ok := errors.AsType[unix.Errno](err); ok {
		return errno
	}
	return err
}

// explain adds what an error means for a name that was to be new.
func explain(err error) error {
	switch {
	case errors.Is(err, unix.EEXIST):
		return source.WithHint(fmt.Errorf("%w: this file system takes two names of the tree for the same", err),
			"extract to a file system that tells apart upper and lower case and does not change names")
	case errors.Is(err, unix.ENAMETOOLONG):
		return source.WithHint(fmt.Errorf("%w for this file system", err), "extract to a file system that takes names of 255 and links of 4095 bytes")
	case errors.Is(err, unix.EILSEQ):
		return source.WithHint(fmt.Errorf("%w: this file system refuses the name", err), "extract to a file system that takes any bytes as a name")
	}
	return err
}

func failOwner(path string, n *tree.Node, err error) error {
	err = cause(err)
	if errors.Is(err, unix.EPERM) {
		err = source.WithHint(err, "owners are set by root only; without SameOwner they are kept in the METALOG")
	}
	return fmt.Errorf("set owner %d:%d of %q: %w", n.UID, n.GID, path, err)
}

// names are those in the folder.
func (p *place) names() ([]string, error) {
	f, err := p.root.Open(".")
	if err != nil {
		return nil, err
	}
	names, err := f.Readdirnames(-1)
	slices.Sort(names)
	return names, cmp.Or(err, f.Close())
}
