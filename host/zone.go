package host

import (
	"context"
	"fmt"
	"path"
	"strings"
)

// RunningZoneError is a dataset that a running zone writes to.
type RunningZoneError struct{ Dataset, Zone, State string }

func (e *RunningZoneError) Error() string {
	return fmt.Sprintf("dataset %q belongs to the zone %q, which is %s", e.Dataset, e.Zone, e.State)
}

// CheckZones returns a [*RunningZoneError] if the dataset belongs to a zone that has not been
// halted: as its zonepath, below that, or as the disk of a virtual machine. Hosts without
// zones have none that run.
func (d *PoolDataset) CheckZones(ctx context.Context) error {
	zoneadm := find("zoneadm")
	if zoneadm == "" {
		return nil
	}
	out, err := newCommand(ctx, zoneadm, "list", "-pc").output()
	if err != nil {
		return err
	}
	running, err := parseZones(out)
	if err != nil || len(running) == 0 {
		return err
	}
	above, err := d.mountpointsAbove(ctx)
	if err != nil {
		return err
	}
	for _, z := range running {
		// The disks of KVM zones are not below the zonepath, but are called ZONE-diskN.
		if above[z.path] || d.Volume && strings.HasPrefix(path.Base(d.Name), z.name+"-disk") {
			return &RunningZoneError{Dataset: d.Name, Zone: z.name, State: z.state}
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
	out, err := newCommand(ctx, d.zfs.path, args...).output()
	if err != nil {
		return nil, err
	}
	set := map[string]bool{}
	for line := range strings.Lines(out) {
		set[strings.TrimSuffix(line, "\n")] = true
	}
	return set, nil
}

type zone struct{ name, state, path string }

// parseZones reads the output of `zoneadm list -pc` (zoneadm(8)), lines of
// ID:NAME:STATE:ZONEPATH:UUID:BRAND:IP-TYPE and perhaps more, and returns the zones that have
// an ID, and so processes or mounts. The global zone is left out: all that is not in
// another one is in it.
func parseZones(text string) ([]zone, error) {
	var running []zone
	for line := range strings.Lines(text) {
		fields := splitColons(strings.TrimSuffix(line, "\n"))
		if len(fields) < 4 {
			return nil, fmt.Errorf("zoneadm list -pc: line %q has no zonepath", line)
		}
		z := zone{name: fields[1], state: fields[2], path: fields[3]}
		if id := fields[0]; id != "-" && z.name != "global" {
			running = append(running, z)
		}
	}
	return running, nil
}

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
