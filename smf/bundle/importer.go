package bundle

import (
	"errors"
	"fmt"
	"slices"

	"imagetools/fault"

	"imagetools/smf"
)

// Importer puts bundles into a repository, in time that grows with them and not with it.
//
// The property groups of services, instances and snapshots are shared, between each other and
// with the bundles. They must not be changed.
type Importer struct {
	repo     *smf.Repository
	services map[string]*service
}

// service is a service of the repository. Its groups are only appended to, or replaced in a
// copy, so that snapshots can have them as they were.
type service struct {
	*smf.Service
	groups    map[string]int
	instances map[string]*instance
}

type instance struct {
	*smf.Instance
	of     *service
	groups map[string]int
}

// NewImporter returns an importer into repo, which is empty or was filled by one.
func NewImporter(repo *smf.Repository) *Importer {
	m := &Importer{repo: repo, services: make(map[string]*service, len(repo.Services))}
	for _, s := range repo.Services {
		s.Groups = slices.Clip(s.Groups) // what is appended must not run into another slice
		out := &service{Service: s, groups: index(s.Groups), instances: make(map[string]*instance)}
		for _, i := range s.Instances {
			i.Groups = slices.Clip(i.Groups)
			out.instances[i.Name] = &instance{i, out, index(i.Groups)}
		}
		m.services[s.Name] = out
	}
	return m
}

func index(groups []*smf.Group) map[string]int {
	out := make(map[string]int, len(groups))
	for k, g := range groups {
		out[g.Name] = k
	}
	return out
}

// Import imports a bundle. After an error the repository is no more of use.
func (m *Importer) Import(b *Bundle) error {
	for _, s := range b.Services {
		if err := m.service(s); err != nil {
			return fmt.Errorf("import %q: service %q: %w", b.File, s.Name, err)
		}
	}
	m.refresh(b)
	return nil
}

// service imports a service. Where there is one already, its instances get a snapshot first.
func (m *Importer) service(s *Service) error {
	shared := s.said()
	to, known := m.services[s.Name]
	if !known {
		to = m.addService(s.Name)
	} else {
		for _, i := range slices.Backward(s.Instances) {
			if to.instances[i.Name] == nil {
				to.addInstance(i.Name)
			}
		}
		for _, i := range to.Instances {
			to.instances[i.Name].take("previous")
		}
		if again, err := to.imported(s, shared); again || err != nil {
			return err
		}
	}
	to.Groups = put(to.Groups, to.groups, s.Groups)
	if err := m.dependents(s.Dependents); err != nil {
		return err
	}
	for _, i := range slices.Backward(s.Instances) {
		in := to.instances[i.Name]
		switch {
		case in == nil:
			in = to.addInstance(i.Name)
		case !known:
			return fmt.Errorf("instance %q: a dependent of this manifest aims at it before it is imported", i.Name)
		}
		in.Groups = put(in.Groups, in.groups, i.Groups)
		if err := m.dependents(i.Dependents); err != nil {
			return fmt.Errorf("instance %q: %w", i.Name, err)
		}
		in.take("initial")
		in.set("last-import", lastImport(s.Name, i, shared))
	}
	return nil
}

// imported tells whether this manifest of a service was imported before. One that is another
// than before is an error.
func (to *service) imported(s *Service, shared []*smf.Group) (bool, error) {
	wanted := make(map[string]*Instance, len(s.Instances))
	for _, i := range s.Instances {
		wanted[i.Name] = i
	}
	before, same, stray := 0, true, ""
	for _, i := range to.Instances {
		in, want := to.instances[i.Name], wanted[i.Name]
		if k := in.find("last-import"); k >= 0 {
			before++
			same = same && want != nil && equalLevels(in.Snapshots[k].Levels, lastImport(s.Name, want, shared))
			continue
		}
		same = same && want == nil // it is new, or was made for a dependent
		if enabled(i) {
			stray = i.Name
		}
	}
	switch {
	case before > 0 && !same:
		return false, fault.WithHint(errors.New("another manifest of it was imported before, and upgrades are not supported"),
			"import each service from one manifest")
	case before == 0 && stray != "":
		return false, fmt.Errorf("instance %q has general/enabled, but no manifest of it was imported", stray)
	}
	return before > 0, nil
}

func enabled(i *smf.Instance) bool {
	return slices.ContainsFunc(i.Groups, func(g *smf.Group) bool {
		return g.Name == "general" && slices.ContainsFunc(g.Properties, isEnabled)
	})
}

func isEnabled(p *smf.Property) bool { return p.Name == "enabled" }

// dependents puts dependencies into other entities, and makes those where there are none.
func (m *Importer) dependents(list []*Dependent) error {
	for _, d := range list {
		groups, index := m.target(d)
		if d.Delete {
			continue
		}
		if _, ok := index[d.Group.Name]; ok {
			return fmt.Errorf("dependent %q: %q has a property group of that name already", d.Group.Name, d.fmri())
		}
		*groups = put(*groups, index, []*smf.Group{d.Group})
	}
	return nil
}

func (d *Dependent) fmri() string {
	if d.Instance == "" {
		return "svc:/" + d.Service
	}
	return "svc:/" + d.Service + ":" + d.Instance
}

// target is the property groups of the entity that a dependent aims at.
func (m *Importer) target(d *Dependent) (*[]*smf.Group, map[string]int) {
	s := m.services[d.Service]
	if s == nil {
		s = m.addService(d.Service)
	}
	if d.Instance == "" {
		return &s.Groups, s.groups
	}
	i := s.instances[d.Instance]
	if i == nil {
		i = s.addInstance(d.Instance)
	}
	return &i.Groups, i.groups
}

func (m *Importer) addService(name string) *service {
	s := &service{Service: &smf.Service{Name: name}, groups: make(map[string]int), instances: make(map[string]*instance)}
	m.services[name] = s
	m.repo.Services = append(m.repo.Services, s.Service)
	return s
}

func (to *service) addInstance(name string) *instance {
	i := &instance{&smf.Instance{Name: name}, to, make(map[string]int)}
	to.instances[name] = i
	to.Instances = append(to.Instances, i.Instance)
	return i
}

// put adds groups, or replaces those of the same name in a copy.
func put(have []*smf.Group, index map[string]int, groups []*smf.Group) []*smf.Group {
	copied := false
	for _, g := range groups {
		k, ok := index[g.Name]
		if !ok {
			index[g.Name] = len(have)
			have = append(have, g)
			continue
		}
		if !copied {
			have, copied = slices.Clone(have), true
		}
		have[k] = g
	}
	return have
}

// refresh takes the snapshot "running" of all instances of the bundle, and of those that its
// dependents aim at.
func (m *Importer) refresh(b *Bundle) {
	done := make(map[*instance]bool)
	take := func(i *instance) {
		if !done[i] {
			done[i] = true
			i.take("running")
		}
	}
	whole := make(map[*service]bool)
	targets := func(list []*Dependent) {
		for _, d := range list {
			s := m.services[d.Service]
			switch {
			case d.Instance != "":
				take(s.instances[d.Instance])
			case !whole[s]:
				whole[s] = true
				for _, i := range s.Instances {
					take(s.instances[i.Name])
				}
			}
		}
	}
	for _, s := range b.Services {
		for _, i := range s.Instances {
			take(m.services[s.Name].instances[i.Name])
			targets(i.Dependents)
		}
		targets(s.Dependents)
	}
}
