package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"

	"imagetools/fault"

	"imagetools/tree"
	"imagetools/tree/todir"
)

// PoolHome is a ZFS pool.
type PoolHome struct {
	Pool string
	zfs  *ZFS
}

// exists looks whether this ZFS has the pool; if not, the error is fs.ErrNotExist.
func (p *PoolHome) exists(ctx context.Context) error {
	if strings.Contains(p.Pool, "/") {
		return fmt.Errorf("%q is not the name of a pool", p.Pool)
	}
	_, err := p.zfs.Lookup(ctx, p.Pool)
	return err
}

// String implements [Home].
func (p *PoolHome) String() string { return fmt.Sprintf("the ZFS pool %q", p.Pool) }

// Lookup implements [Home]. The dataset can be at any depth; a name with a slash begins with the
// pool.
func (p *PoolHome) Lookup(ctx context.Context, name string) (Dataset, error) {
	if !strings.Contains(name, "/") {
		name = p.Pool + "/" + name
	}
	if !strings.HasPrefix(name, p.Pool+"/") {
		return nil, &absentError{"dataset", name, "in " + p.String()}
	}
	d, err := p.zfs.Lookup(ctx, name)
	if err != nil {
		return nil, err
	}
	return d, nil
}

// Check implements [Home].
func (p *PoolHome) Check(ctx context.Context, name string, replace bool) error {
	short, err := newName(p.Pool, name)
	if err != nil {
		return err
	}
	_, err = p.older(ctx, short, replace)
	return err
}

// older returns the dataset that is to be replaced; nil if there is none.
func (p *PoolHome) older(ctx context.Context, short string, replace bool) (*PoolDataset, error) {
	d, err := p.zfs.Lookup(ctx, p.Pool+"/"+short)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case !replace:
		return nil, fmt.Errorf("dataset %q: %w", d.Name, ErrExists)
	case d.Volume:
		return nil, fmt.Errorf("dataset %q is a volume, and is not replaced by a file system", d.Name)
	}
	if err := d.CheckZones(ctx); err != nil {
		return nil, err
	}
	snapshots, children, err := d.below(ctx)
	if err != nil {
		return nil, err
	}
	var kept []string
	for _, s := range snapshots {
		kept = append(kept, d.Name+"@"+s)
	}
	if kept = append(kept, children...); len(kept) > 0 {
		return nil, fault.WithHint(fmt.Errorf("dataset %q is not replaced: there is more to it: %s", d.Name, strings.Join(kept, ", ")),
			"destroy snapshots and datasets below it first, or choose another name")
	}
	return d, nil
}

// oldSuffix marks an older dataset that was moved aside.
const oldSuffix = ".old"

// Create implements [Home]: a file system with owners, set-id bits and devices, for which the
// caller must be root. It is made as NAME.imagetools-… and renamed. An older one with snapshots
// or datasets below is not replaced.
func (p *PoolHome) Create(ctx context.Context, name string, t *tree.Tree, opts CreateOptions) (_ *Created, err error) {
	short, err := newName(p.Pool, name)
	if err != nil {
		return nil, err
	}
	me, err := self(opts.Now)
	if err != nil {
		return nil, err
	}
	c := &Created{Name: p.Pool + "/" + short}
	show := p.zfs.host.DryRun
	if show != nil {
		opts.Note = nil // nothing is put right
	}
	if err := p.clean(ctx, short, me, &opts); err != nil {
		return nil, err
	}
	if _, err := p.older(ctx, short, opts.Replace); err != nil {
		return nil, err
	}
	temp := c.Name + "." + me.String()
	defer func() {
		if err == nil {
			return
		}
		if e := p.zfs.destroy(ctx, temp); e != nil { // not to be taken for an interrupt that left nothing
			err = fault.WithHint(fmt.Errorf("%v; and the dataset %q is left: %v", err, temp, e), "zfs destroy "+temp)
		}
	}()
	if err := p.run(ctx, "create", temp); err != nil {
		return nil, err
	}
	if show != nil {
		if _, err := fmt.Fprintf(show, "# written would be %d names below where that is mounted\n", t.Len()); err != nil {
			return nil, err
		}
		c.Replaced, _, err = p.commit(ctx, short, temp, opts.Replace)
		return c, err
	}
	mountpoint, err := p.mountpoint(ctx, temp)
	if err != nil {
		return nil, err
	}
	c.Report, err = todir.Extract(ctx, t, mountpoint, todir.Options{
		SameOwner: true, Devices: true, NoMetalog: true, Sync: true, Progress: opts.Progress,
	})
	if err != nil {
		return nil, fmt.Errorf("dataset %q: %w", c.Name, err)
	}
	c.Replaced, c.Path, err = p.commit(ctx, short, temp, opts.Replace)
	if err != nil {
		return c, err
	}
	if err := opts.placed(c); err != nil {
		return c, fmt.Errorf("dataset %q is complete, but: %w", c.Name, err)
	}
	return c, nil
}

// run runs a zfs command that changes something. It does not end with ctx, or nobody would know
// how far it came.
func (p *PoolHome) run(ctx context.Context, args ...string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), poolTimeout)
	defer cancel()
	return p.zfs.change(ctx, args...)
}

// patiently is run for what may have to wait until the dataset is closed, as with snapshots:
// zfs-fuse closes one after unmount has ended.
func (p *PoolHome) patiently(ctx context.Context, args ...string) error {
	for _, delay := range busyDelays {
		err := p.run(ctx, args...)
		if !isBusy(err) {
			return err
		}
		time.Sleep(delay)
	}
	return p.run(ctx, args...)
}

func isBusy(err error) bool {
	failed, ok := errors.AsType[*CommandError](err)
	return ok && strings.Contains(failed.Stderr, "busy")
}

// rename renames a dataset, which is not mounted afterwards. It is unmounted first, since zfs-fuse
// cannot rename what is mounted; if that is not possible, for another reason than that it is in
// use, zfs rename knows better.
func (p *PoolHome) rename(ctx context.Context, from, to string) error {
	if err := p.patiently(ctx, "unmount", from); isBusy(err) {
		return err
	}
	err := p.patiently(ctx, "rename", from, to)
	if err != nil {
		p.run(ctx, "mount", from) // as it was; err says more than what this might
	}
	return err
}

// putBack renames a dataset that was moved aside.
func (p *PoolHome) putBack(ctx context.Context, from, to string) error {
	if err := p.rename(ctx, from, to); err != nil {
		return err
	}
	_, err := p.mountpoint(ctx, to)
	return err
}

// mountpoint is where a file system is mounted; it is mounted if it is not, as after a
// rename.
func (p *PoolHome) mountpoint(ctx context.Context, name string) (string, error) {
	if p.zfs.host.DryRun != nil { // it would not be
		return "", p.run(ctx, "mount", name)
	}
	for attempt := 0; ; attempt++ {
		at, mounted, err := p.zfs.mounted(ctx, name)
		switch {
		case err != nil:
			return "", err
		case !path.IsAbs(at) || !mounted && attempt > 0:
			return "", fault.WithHint(fmt.Errorf("dataset %q is not mounted (its mountpoint is %q)", name, at),
				fmt.Sprintf("zfs set mountpoint=/%s %[1]s, or use the directory store", p.Pool))
		case mounted:
			return at, nil
		}
		if err := p.patiently(ctx, "mount", name); err != nil {
			return "", err
		}
	}
}

// commit gives the new dataset its name, and returns where it is mounted. Once begun it does not
// end with ctx.
func (p *PoolHome) commit(ctx context.Context, short, temp string, replace bool) (replaced bool, at string, err error) {
	old, err := p.older(ctx, short, replace)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return false, "", err // one appeared meanwhile, or that
	}
	ctx = context.WithoutCancel(ctx)
	final := p.Pool + "/" + short
	if old == nil {
		if err := p.rename(ctx, temp, final); err != nil {
			return false, "", err
		}
		at, err = p.mountpoint(ctx, final)
		return false, at, err
	}
	if err := p.rename(ctx, final, temp+oldSuffix); err != nil {
		return false, "", err
	}
	if err := p.rename(ctx, temp, final); err != nil {
		if e := p.putBack(ctx, temp+oldSuffix, final); e != nil {
			return false, "", fmt.Errorf("%w; and the older dataset is left as %q: %w", err, temp+oldSuffix, e)
		}
		return false, "", err
	}
	// The older one goes last: as long as it is left, the next run looks whether this is mounted.
	at, err = p.mountpoint(ctx, final)
	if e := p.zfs.destroy(ctx, temp+oldSuffix); e != nil {
		return true, at, fault.WithHint(fmt.Errorf("dataset %q is new, but the older one is left as %q: %v", final, temp+oldSuffix, e),
			"zfs destroy "+temp+oldSuffix)
	}
	return true, at, err
}

// clean deals with what killed runs left of a dataset.
func (p *PoolHome) clean(ctx context.Context, short string, me taker, opts *CreateOptions) error {
	_, names, err := (&PoolDataset{Name: p.Pool, zfs: p.zfs}).below(ctx)
	if err != nil {
		return err
	}
	final, found := p.Pool+"/"+short, false
	for _, name := range names {
		rest, ok := strings.CutPrefix(name, final+".")
		rest, isOld := strings.CutSuffix(rest, oldSuffix)
		t, isTaker := parseTaker(rest)
		if !ok || !isTaker || t.fate(me) != Ended {
			continue
		}
		if _, err := p.zfs.Lookup(ctx, final); isOld && errors.Is(err, fs.ErrNotExist) {
			if err := p.putBack(ctx, name, final); err != nil {
				return err
			}
			opts.note("a run that was killed had moved %q to %q: put back", final, name)
			continue
		}
		if err := p.zfs.destroy(ctx, name); err != nil {
			return err
		}
		opts.note("a run that was killed left %q: destroyed", name)
		found = true
	}
	if found {
		p.mountpoint(ctx, final) // the run may have unmounted it; what has no mount point was no business of it
	}
	return nil
}
