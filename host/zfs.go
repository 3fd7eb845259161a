package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strconv"
	"strings"

	"imagetools/fault"
	"imagetools/internal/shell"
)

// ZFS is the zfs(8) of this host. It is used with what illumos, OpenZFS and zfs-fuse have in
// common, so `zfs get -p` rather than `zfs list -p`.
type ZFS struct{ host *Host }

// WayMount is to mount a dataset, and to name the directory as one.
var WayMount = fault.NewWay("host.mount")

// ZFS returns the host's ZFS, or nil if it has none.
func (h *Host) ZFS() *ZFS {
	if !h.Has("zfs") {
		return nil
	}
	return &ZFS{h}
}

func (z *ZFS) query(ctx context.Context, args ...string) (string, error) {
	return z.host.Query(ctx, "zfs", args...)
}

func (z *ZFS) change(ctx context.Context, args ...string) error {
	return z.host.Change(ctx, "zfs", args...)
}

// PoolDataset is a file system or a volume in a ZFS pool.
type PoolDataset struct {
	Name       string // POOL/NAME
	Volume     bool
	Mountpoint string // as the property is: a path, "none", "legacy", or "-" for a volume

	zfs *ZFS
}

// String implements [Dataset].
func (d *PoolDataset) String() string { return fmt.Sprintf("the ZFS dataset %q", d.Name) }

// Folder implements [Dataset]: where a file system is mounted that belongs to no zone that runs.
func (d *PoolDataset) Folder(ctx context.Context) (*Folder, error) {
	if d.Volume {
		return nil, fmt.Errorf("dataset %q is a volume: the files in a disk cannot be reached", d.Name)
	}
	if err := d.CheckZones(ctx); err != nil {
		return nil, err
	}
	at, mounted, err := d.zfs.mounted(ctx, d.Name)
	switch {
	case err != nil:
		return nil, err
	case !path.IsAbs(at):
		return nil, fault.With(fmt.Errorf("dataset %q: its mountpoint is %q", d.Name, at), WayMount)
	case !mounted:
		return nil, fault.WithHint(fmt.Errorf("dataset %q is not mounted", d.Name), "zfs mount "+shell.Quote(d.Name))
	}
	return &Folder{Path: at}, nil
}

// mounted returns the mount point of a file system, as the property is, and whether it is mounted.
func (z *ZFS) mounted(ctx context.Context, name string) (at string, mounted bool, err error) {
	out, err := z.query(ctx, "get", "-H", "-o", "property,value", "mountpoint,mounted", name)
	for line := range strings.Lines(out) {
		switch property, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t"); property {
		case "mountpoint":
			at = value
		case "mounted":
			mounted = value == "yes"
		}
	}
	return at, mounted, err
}

// maxName is the longest name of a dataset or snapshot in bytes (ZFS_MAX_DATASET_NAME_LEN).
const maxName = 255

var datasetName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.: -]*(/[A-Za-z0-9_.: -]+)*$`)

// IsDatasetName tells whether ZFS could have a dataset of that name: a pool, and perhaps more
// behind slashes.
func IsDatasetName(name string) bool {
	return len(name) <= maxName && datasetName.MatchString(name) && path.Clean(name) == name
}

// Lookup returns the dataset of a name with its pool. One that does not exist gives
// fs.ErrNotExist.
func (z *ZFS) Lookup(ctx context.Context, name string) (*PoolDataset, error) {
	if !IsDatasetName(name) {
		return nil, fmt.Errorf("%q cannot be the name of a dataset: %w", name, fs.ErrNotExist)
	}
	out, err := z.query(ctx, "get", "-H", "-p", "-o", "property,value", "type,mountpoint", name)
	if absent(err) {
		return nil, &absentError{"dataset", name, "in ZFS"}
	}
	if err != nil {
		return nil, err
	}
	d := &PoolDataset{Name: name, zfs: z}
	kind := ""
	for line := range strings.Lines(out) {
		property, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		switch property {
		case "type":
			kind = value
		case "mountpoint":
			d.Mountpoint = value
		}
	}
	switch kind {
	case "filesystem":
	case "volume":
		d.Volume = true
	default:
		return nil, fmt.Errorf("dataset %q: zfs calls it a %q", name, kind)
	}
	return d, nil
}

// absent tells whether zfs failed because there is no such dataset or pool.
func absent(err error) bool {
	failed, ok := errors.AsType[*CommandError](err)
	return ok && (strings.Contains(failed.Stderr, "does not exist") || strings.Contains(failed.Stderr, "no such pool"))
}

// below returns the names of the snapshots of the dataset, without the dataset, and of the
// datasets directly below it.
func (d *PoolDataset) below(ctx context.Context) (snapshots, children []string, err error) {
	// Sorted by name and asked for no more, zfs need not open every snapshot.
	out, err := d.zfs.query(ctx, "list", "-H", "-r", "-d", "1", "-t", "filesystem,volume,snapshot",
		"-o", "name", "-s", "name", d.Name)
	if err != nil {
		return nil, nil, err
	}
	for line := range strings.Lines(out) {
		name := strings.TrimSuffix(line, "\n")
		if snapshot, ok := strings.CutPrefix(name, d.Name+"@"); ok {
			snapshots = append(snapshots, snapshot)
		} else if name != d.Name && !strings.Contains(name, "@") {
			children = append(children, name)
		}
	}
	return snapshots, children, nil
}

// Children returns the names of the datasets directly below, which its stream does not hold.
func (d *PoolDataset) Children(ctx context.Context) ([]string, error) {
	_, children, err := d.below(ctx)
	return children, err
}

// SnapshotGUID returns the guid of a snapshot, by which streams know it. One that does not
// exist gives fs.ErrNotExist.
func (z *ZFS) SnapshotGUID(ctx context.Context, dataset, snapshot string) (uint64, error) {
	name := dataset + "@" + snapshot
	if !IsDatasetName(dataset) || !IsDatasetName(snapshot) || len(name) > maxName {
		return 0, fmt.Errorf("%q cannot be the name of a snapshot: %w", name, fs.ErrNotExist)
	}
	guid, err := z.number(ctx, "guid", name)
	if absent(err) {
		return 0, &absentError{"snapshot", name, "in ZFS"}
	}
	return guid, err
}

// VolumeSize returns the size of a volume in bytes.
func (d *PoolDataset) VolumeSize(ctx context.Context) (uint64, error) {
	return d.zfs.number(ctx, "volsize", d.Name)
}

// number returns a property that is a number.
func (z *ZFS) number(ctx context.Context, property, name string) (uint64, error) {
	out, err := z.query(ctx, "get", "-H", "-p", "-o", "value", property, name)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(strings.TrimSuffix(out, "\n"), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("zfs get %s %s: %q is no number", property, name, excerpt(out))
	}
	return n, nil
}
