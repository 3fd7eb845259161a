package todir

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"imagetools/fault"

	"golang.org/x/sys/unix"

	"imagetools/tree"
)

// finishDirs gives directories their own times, owners and modes, those below first, and
// puts everything in its place.
func (x *extractor) finishDirs(ctx context.Context) error {
	for _, d := range slices.Backward(x.plan.dirs) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if x.place.into != nil && (d.parent == nil || d.parent.parent == nil) {
			continue // a directory that nobody may write to would not move
		}
		if err := x.finish(d); err != nil {
			return err
		}
	}
	if err := x.sync.end(); err != nil {
		return fmt.Errorf("%q: sync: %w", x.place.dir, cause(err))
	}
	if x.place.into != nil {
		x.finishLate()
	}
	return x.place.set.Commit(x.placed)
}

// placed is called when everything has its name, and can still be undone.
func (x *extractor) placed() error {
	x.report.Replaced = x.place.made != nil && x.place.made.Replaced()
	if x.opts.Placed == nil {
		return nil
	}
	return x.opts.Placed(x.report)
}

// finishLate has the directories at the top finished when they have moved, by descriptors that
// were opened before: others may own the directory around them.
func (x *extractor) finishLate() {
	top := make(map[string]*dir)
	for _, d := range x.plan.dirs {
		if d.parent != nil && d.parent.parent == nil {
			top[d.name] = d
		}
	}
	x.place.into.Move = func(name string) (func() error, error) {
		d := top[name]
		if d == nil {
			return nil, nil
		}
		o, err := x.dirs.get(d)
		if err != nil {
			return nil, err
		}
		return func() error {
			defer x.dirs.put(o)
			return x.finishOpen(d, o.fd)
		}, nil
	}
	x.place.into.Moved = func(top *os.File) error { return x.finishOpen(x.plan.dirs[0], int(top.Fd())) }
}

func (x *extractor) finish(d *dir) error {
	o, err := x.dirs.get(d)
	if err != nil {
		return err
	}
	defer x.dirs.put(o)
	return x.finishOpen(d, o.fd)
}

// finishOpen gives an open directory what it is to have. Its mode comes last: it may lock
// everyone out.
func (x *extractor) finishOpen(d *dir, fd int) error {
	n := d.node
	if err := setTimes(fd, ".", n.ModTime); err != nil {
		return fail("set time of", d.path(), err)
	}
	if x.opts.SameOwner {
		if err := unix.Fchown(fd, int(n.UID), int(n.GID)); err != nil {
			return failOwner(d.path(), n, err)
		}
	}
	left := x.setXattrs(n, func(name string, value []byte) error { return setXattr(fd, name, value) })
	x.report.Xattrs += left
	if err := unix.Fchmod(fd, x.mode(n)); err != nil {
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
		return fault.WithHint(fmt.Errorf("%w: this file system takes two names of the tree for the same", err),
			"extract to a file system that tells apart upper and lower case and does not change names")
	case errors.Is(err, unix.ENAMETOOLONG):
		return fault.WithHint(fmt.Errorf("%w for this file system", err), "extract to a file system that takes names of 255 and links of 4095 bytes")
	case errors.Is(err, unix.EILSEQ):
		return fault.WithHint(fmt.Errorf("%w: this file system refuses the name", err), "extract to a file system that takes any bytes as a name")
	}
	return err
}

func failOwner(path string, n *tree.Node, err error) error {
	err = cause(err)
	if errors.Is(err, unix.EPERM) {
		err = fault.WithHint(err, "owners are set by root only; without SameOwner they are kept in the METALOG")
	}
	return fmt.Errorf("set owner %d:%d of %q: %w", n.UID, n.GID, path, err)
}
