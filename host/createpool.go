package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"imagetools/tree"
	"imagetools/tree/source"
	"imagetools/tree/todir"
)

// PoolHome is a ZFS pool as a place where datasets can be made.
type PoolHome struct {
	Pool string
	zfs  *ZFS
}

// Home returns the pool of a name, or fs.ErrNotExist if this ZFS has none.
func (z *ZFS) Home(ctx context.Context, pool string) (*PoolHome, error) {
	if strings.Contains(pool, "/") {
		return nil, fmt.Errorf("%q is not the name of a pool", pool)
	}
	if _, err := z.Lookup(ctx, pool); err != nil {
		return nil, err
	}
	return &PoolHome{Pool: pool, zfs: z}, nil
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
		return nil, source.WithHint(fmt.Errorf("dataset %q is not replaced: there is more to it: %s", d.Name, strings.Join(kept, ", ")),
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
	if c.Cleaned, err = p.clean(ctx, short, me); err != nil {
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
			err = source.WithHint(fmt.Errorf("%v; and the dataset %q is left: %v", err, temp, e), "zfs destroy "+temp)
		}
	}()
	if err := p.run(ctx, "create", temp); err != nil {
		return nil, err
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
	if c.Replaced, err = p.commit(ctx, short, temp, opts.Replace); err != nil {
		return nil, err
	}
	c.Path, err = p.mountpoint(ctx, c.Name)
	return c, err
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

// mountpoint is where a file system is mounted.
func (p *PoolHome) mountpoint(ctx context.Context, name string) (string, error) {
	out, err := p.zfs.query(ctx, "get", "-H", "-o", "property,value", "mountpoint,mounted", name)
	if err != nil {
		return "", err
	}
	values := make(map[string]string)
	for line := range strings.Lines(out) {
		property, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		values[property] = value
	}
	if values["mounted"] != "yes" || !strings.HasPrefix(values["mountpoint"], "/") {
		return "", source.WithHint(fmt.Errorf("dataset %q is not mounted (its mountpoint is %q)", name, values["mountpoint"]),
			fmt.Sprintf("zfs set mountpoint=/%s %[1]s, or use the directory store", p.Pool))
	}
	return values["mountpoint"], nil
}

// commit gives the new dataset its name.
func (p *PoolHome) commit(ctx context.Context, short, temp string, replace bool) (replaced bool, err error) {
	old, err := p.older(ctx, short, replace)
	if err != nil {
		return false, err // it appeared meanwhile
	}
	final := p.Pool + "/" + short
	if old == nil {
		return false, p.run(ctx, "rename", temp, final)
	}
	if err := p.run(ctx, "rename", final, temp+oldSuffix); err != nil {
		return false, err
	}
	ctx = context.WithoutCancel(ctx) // there is no way back but to the end
	if err := p.run(ctx, "rename", temp, final); err != nil {
		if e := p.run(ctx, "rename", temp+oldSuffix, final); e != nil {
			return false, fmt.Errorf("%w; and the older dataset is left as %q: %w", err, temp+oldSuffix, e)
		}
		return false, err
	}
	if err := p.zfs.destroy(ctx, temp+oldSuffix); err != nil {
		return true, source.WithHint(fmt.Errorf("dataset %q is new, but the older one is left as %q: %v", final, temp+oldSuffix, err),
			"zfs destroy "+temp+oldSuffix)
	}
	return true, nil
}

// clean deals with what killed runs left of a dataset, and says what it did.
func (p *PoolHome) clean(ctx context.Context, short string, me taker) (cleaned []string, err error) {
	pool := &PoolDataset{Name: p.Pool, zfs: p.zfs}
	_, names, err := pool.below(ctx)
	if err != nil {
		return nil, err
	}
	final := p.Pool + "/" + short
	for _, name := range names {
		rest, ok := strings.CutPrefix(name, final+".")
		rest, isOld := strings.CutSuffix(rest, oldSuffix)
		t, isTaker := parseTaker(rest)
		if !ok || !isTaker || t.fate(me) != Ended {
			continue
		}
		text := fmt.Sprintf("a run that was killed left %q: destroyed", name)
		_, lookupErr := p.zfs.Lookup(ctx, final)
		if isOld && errors.Is(lookupErr, fs.ErrNotExist) {
			err = p.run(ctx, "rename", name, final)
			text = fmt.Sprintf("a run that was killed had moved %q to %q: put back", final, name)
		} else {
			err = p.zfs.destroy(ctx, name)
		}
		if err != nil {
			return cleaned, err
		}
		cleaned = append(cleaned, text)
	}
	return cleaned, nil
}
