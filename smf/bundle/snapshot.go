package bundle

import (
	"slices"
	"strings"

	"imagetools/smf"
)

// take makes a snapshot of the instance as it is, in place of one of that name.
func (i *instance) take(name string) {
	i.set(name, levels(i.of.Name, i.Name, slices.Clip(i.Groups), slices.Clip(i.of.Groups)))
}

func (i *instance) set(name string, levels []smf.Level) {
	s := &smf.Snapshot{Name: name, Levels: levels}
	if k := i.find(name); k >= 0 {
		i.Snapshots[k] = s
		return
	}
	i.Snapshots = append(i.Snapshots, s)
}

func (i *instance) find(name string) int {
	return slices.IndexFunc(i.Snapshots, func(s *smf.Snapshot) bool { return s.Name == name })
}

func levels(service, instance string, own, shared []*smf.Group) []smf.Level {
	return []smf.Level{
		{Number: 1, Service: service, Instance: instance, Groups: own},
		{Number: 2, Service: service, Groups: shared},
	}
}

// lastImport is the snapshot of what the manifest says, which a later import compares with
// the next manifest. Dependents are in it as if they were the entity's own dependencies; the
// instance is without any property "enabled", in whatever group. shared is what the manifest
// says of the service.
func lastImport(service string, i *Instance, shared []*smf.Group) []smf.Level {
	own := i.said()
	for k, g := range own {
		if slices.ContainsFunc(g.Properties, isEnabled) {
			rest := slices.DeleteFunc(slices.Clone(g.Properties), isEnabled)
			own[k] = &smf.Group{Name: g.Name, Type: g.Type, Flags: g.Flags, Properties: rest}
		}
	}
	return levels(service, i.Name, own, shared)
}

// said is all groups that the manifest has for an entity.
func (e *Entity) said() []*smf.Group {
	groups := slices.Clone(e.Groups)
	for _, d := range e.Dependents {
		if !d.Delete {
			groups = append(groups, d.Group)
		}
	}
	return groups
}

// equalLevels compares what two snapshots hold.
func equalLevels(a, b []smf.Level) bool {
	return slices.EqualFunc(a, b, func(x, y smf.Level) bool {
		return x.Number == y.Number && equalGroups(x.Groups, y.Groups)
	})
}

func equalGroups(a, b []*smf.Group) bool {
	byName := func(x, y *smf.Group) int { return strings.Compare(x.Name, y.Name) }
	return slices.EqualFunc(slices.SortedFunc(slices.Values(a), byName), slices.SortedFunc(slices.Values(b), byName), equalGroup)
}

func equalGroup(a, b *smf.Group) bool {
	byName := func(x, y *smf.Property) int { return strings.Compare(x.Name, y.Name) }
	same := func(x, y *smf.Property) bool {
		return x.Name == y.Name && x.Type == y.Type && slices.Equal(x.Values, y.Values)
	}
	return a == b || a.Name == b.Name && a.Type == b.Type && a.Flags == b.Flags && slices.EqualFunc(
		slices.SortedFunc(slices.Values(a.Properties), byName), slices.SortedFunc(slices.Values(b.Properties), byName), same)
}
