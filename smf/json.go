package smf

import "encoding/json"

// MarshalJSON writes the repository sorted as [Repository.WriteText] sorts it. In values,
// bytes that are no UTF-8 become U+FFFD.
func (r *Repository) MarshalJSON() ([]byte, error) {
	type plain Repository // without this method
	return json.Marshal((*plain)(r.sorted()))
}

// sorted is a copy with its lists sorted, none of them nil.
func (r *Repository) sorted() *Repository {
	out := &Repository{Services: []*Service{}}
	for _, s := range sortedBy(r.Services, func(s *Service) string { return s.Name }) {
		service := &Service{s.Name, sortedGroups(s.Groups), []*Instance{}}
		for _, i := range sortedBy(s.Instances, func(i *Instance) string { return i.Name }) {
			instance := &Instance{i.Name, sortedGroups(i.Groups), []*Snapshot{}}
			for _, snap := range sortedBy(i.Snapshots, func(s *Snapshot) string { return s.Name }) {
				snapshot := &Snapshot{snap.Name, []Level{}}
				for _, l := range sortedLevels(snap.Levels) {
					l.Groups = sortedGroups(l.Groups)
					snapshot.Levels = append(snapshot.Levels, l)
				}
				instance.Snapshots = append(instance.Snapshots, snapshot)
			}
			service.Instances = append(service.Instances, instance)
		}
		out.Services = append(out.Services, service)
	}
	return out
}

func sortedGroups(groups []*Group) []*Group {
	out := []*Group{}
	for _, g := range sortedBy(groups, func(g *Group) string { return g.Name }) {
		group := &Group{g.Name, g.Type, g.Flags, []*Property{}}
		for _, p := range sortedBy(g.Properties, func(p *Property) string { return p.Name }) {
			group.Properties = append(group.Properties, &Property{p.Name, p.Type, append([]string{}, p.Values...)})
		}
		out = append(out, group)
	}
	return out
}
