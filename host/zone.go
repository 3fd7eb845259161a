package host

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Zone is a zone of this host as zoneadm lists it.
type Zone struct {
	Name  string
	ID    string // empty for one that has neither processes nor mounts
	State string // configured, installed, running, …
	Path  string // zonepath: its root file system is the folder root in it
	UUID  string // on SmartOS that of the virtual machine
	Brand string
}

// The states of zones (zoneadm(8)), with the ones on the way between them.
var zoneStates = []string{"configured", "incomplete", "unavailable", "installed", "ready", "mounted", "running", "shutting_down", "down"}

// Halted tells whether nothing runs in the zone and nothing is mounted for it.
func (z Zone) Halted() bool { return z.ID == "" }

// Root is the folder with the root file system of the zone.
func (z Zone) Root() string { return path.Join(z.Path, "root") }

// IsZoneName tells whether a zone may have that name (zonecfg(8)).
func IsZoneName(name string) bool { return zoneName.MatchString(name) && name != "global" }

var zoneName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$`)

// Zones returns the zones of this host but the global one, by name. A host without zoneadm
// has none.
func (h *Host) Zones(ctx context.Context) ([]Zone, error) {
	if !h.Has("zoneadm") {
		return nil, nil
	}
	out, err := h.Query(ctx, "zoneadm", "list", "-pc")
	if err != nil {
		return nil, err
	}
	return parseZones(out)
}

// Zone returns the zone of a name, or with that UUID. One that does not exist gives fs.ErrNotExist.
func (h *Host) Zone(ctx context.Context, name string) (*Zone, error) {
	zones, err := h.Zones(ctx)
	if err != nil {
		return nil, err
	}
	for _, isIt := range []func(Zone) bool{
		func(z Zone) bool { return z.Name == name },
		func(z Zone) bool { return z.UUID == name && name != "" },
	} {
		if i := slices.IndexFunc(zones, isIt); i >= 0 {
			return &zones[i], nil
		}
	}
	return nil, &absentError{"zone", name, "on this host"}
}

// HaltZone halts a zone at once: its processes are killed. To halt a virtual machine in good
// order there is [Host.StopVM].
func (h *Host) HaltZone(ctx context.Context, name string) error {
	if !IsZoneName(name) {
		return fmt.Errorf("zone %q: no such name is possible", name)
	}
	return h.Change(ctx, "zoneadm", "-z", name, "halt")
}

// pollZones is the time between looks at a zone that is to come down. A shutdown takes
// seconds.
const pollZones = 500 * time.Millisecond

// WaitHalted waits until a zone is halted, such as by a shutdown in it, or until ctx ends.
func (h *Host) WaitHalted(ctx context.Context, name string) error {
	for {
		z, err := h.Zone(ctx, name)
		if err != nil || z.Halted() {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("zone %q, which is %s: wait for its halt: %w", name, z.State, ctx.Err())
		case <-time.After(pollZones):
		}
	}
}

// RunningZoneError is a dataset that a running zone writes to.
type RunningZoneError struct{ Dataset, Zone, State string }

func (e *RunningZoneError) Error() string {
	return fmt.Sprintf("dataset %q belongs to the zone %q, which is %s", e.Dataset, e.Zone, e.State)
}

// CheckZones returns a [*RunningZoneError] if the dataset belongs to a zone that has not been
// halted: as its zonepath, below that, or as the disk of a virtual machine. Hosts without
// zones have none that run.
func (d *PoolDataset) CheckZones(ctx context.Context) error {
	zones, err := d.zfs.host.Zones(ctx)
	if err != nil {
		return err
	}
	running := slices.DeleteFunc(zones, Zone.Halted)
	if len(running) == 0 {
		return nil
	}
	above, err := d.mountpointsAbove(ctx)
	if err != nil {
		return err
	}
	for _, z := range running {
		// The disks of KVM zones are not below the zonepath, but are called ZONE-diskN.
		if above[z.Path] || d.Volume && strings.HasPrefix(path.Base(d.Name), z.Name+"-disk") {
			return &RunningZoneError{Dataset: d.Name, Zone: z.Name, State: z.State}
		}
	}
	return nil
}

// mountpointsAbove is the set of the mount points of the dataset and of those it is in.
func (d *PoolDataset) mountpointsAbove(ctx context.Context) (map[string]bool, error) {
	args := []string{"get", "-H", "-o", "value", "mountpoint"}
	for name := d.Name; name != "."; name = path.Dir(name) {
		args = append(args, name)
	}
	out, err := d.zfs.query(ctx, args...)
	if err != nil {
		return nil, err
	}
	set := map[string]bool{}
	for line := range strings.Lines(out) {
		set[strings.TrimSuffix(line, "\n")] = true
	}
	return set, nil
}

// parseZones reads the output of `zoneadm list -pc` (zoneadm(8)), lines of
// ID:NAME:STATE:ZONEPATH:UUID:BRAND:IP-TYPE and perhaps more. The global zone is left out: all
// that is not in another one is in it.
func parseZones(text string) ([]Zone, error) {
	var zones []Zone
	for line := range strings.Lines(text) {
		f := splitColons(strings.TrimSuffix(line, "\n"))
		if len(f) < 7 {
			return nil, fmt.Errorf("zoneadm list -pc: line %q has %d fields, not 7 or more", line, len(f))
		}
		z := Zone{ID: f[0], Name: f[1], State: f[2], Path: f[3], UUID: f[4], Brand: f[5]}
		if z.Name == "global" {
			continue
		}
		if !IsZoneName(z.Name) || !slices.Contains(zoneStates, z.State) || !path.IsAbs(z.Path) {
			return nil, fmt.Errorf("zoneadm list -pc: line %q has a name, state or zonepath that no zone has", line)
		}
		if z.ID == "-" {
			z.ID = ""
		}
		zones = append(zones, z)
	}
	slices.SortStableFunc(zones, func(a, b Zone) int { return strings.Compare(a.Name, b.Name) })
	return zones, nil
}

// absentError is something that does not exist.
type absentError struct{ kind, name, where string }

func (e *absentError) Error() string {
	return fmt.Sprintf("%s %q does not exist %s", e.kind, e.name, e.where)
}
func (e *absentError) Is(target error) bool { return target == fs.ErrNotExist }

// splitColons splits at colons, but for those behind a backslash, which belong to a field.
func splitColons(s string) []string {
	fields := []string{""}
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			fields[len(fields)-1] += s[i : i+1]
		case s[i] == ':':
			fields = append(fields, "")
		default:
			fields[len(fields)-1] += s[i : i+1]
		}
	}
	return fields
}
