package smf

import (
	"cmp"
	"maps"
	"slices"
)

// valueList is the rows of value_tbl with one number.
type valueList struct {
	first  rowPlace
	typ    string
	values []orderedValue
	size   int
	used   bool
}

type orderedValue struct {
	order uint32
	text  string
	row   rowPlace
}

func (d *decoder) values() {
	for r := range d.each("value_tbl") {
		id := d.took("VAL", r.id(0))
		l := d.valueLists[id]
		if l == nil {
			l = &valueList{first: r.rowPlace, typ: r.text(1)}
			d.valueLists[id] = l
		}
		if r.text(1) != l.typ {
			r.fault("value_type %q, that of row %d is %q", r.text(1), l.first.no, l.typ)
		}
		order := uint32(0)
		if !r.null(3) {
			order = r.number(3)
		}
		l.values = append(l.values, orderedValue{order, r.text(2), r.rowPlace})
		l.size += 16 + len(r.text(2))
	}
	for _, id := range slices.Sorted(maps.Keys(d.valueLists)) {
		l := d.valueLists[id]
		slices.SortStableFunc(l.values, func(a, b orderedValue) int { return cmp.Compare(a.order, b.order) })
		if len(l.values) > 1 && l.values[len(l.values)-1].order == 0 {
			continue // from before there was an order
		}
		for i, v := range l.values {
			if v.order != uint32(i) {
				v.row.fault("value_order %d, want %d", v.order, i)
			}
		}
	}
}

// setKey names a set of properties: what a group was at some moment.
type setKey struct{ group, generation uint32 }

type propertySet struct {
	first rowPlace
	list  []*Property
	size  int
	used  bool
}

func (d *decoder) properties() {
	for r := range d.each("prop_lnk_tbl") {
		key := setKey{d.took("PG", r.id(1)), d.took("GEN", r.id(2))}
		d.ofGroup(r, key)
		p := &Property{Name: r.text(3), Type: Type(r.text(4))}
		r.check(checkName(p.Name))
		if err := p.Type.check(); err != nil {
			r.check(err)
			continue
		}
		set := d.sets[key]
		if set == nil {
			set = &propertySet{first: r.rowPlace}
			d.sets[key] = set
		}
		set.size += 80 + len(p.Name)
		if !r.null(5) {
			p.Values = d.valuesOf(r, p.Type, set)
		}
		set.list = append(set.list, p)
	}
}

// ofGroup checks that a generation belongs to one group.
func (d *decoder) ofGroup(r row, key setKey) {
	if key.generation == 0 {
		return
	}
	if group, ok := d.generation[key.generation]; ok && group != key.group {
		r.fault("generation %d of group %d is one of group %d", key.generation, key.group, group)
	}
	d.generation[key.generation] = key.group
	d.newest[key.group] = max(d.newest[key.group], key.generation)
}

func (d *decoder) valuesOf(r row, t Type, set *propertySet) []string {
	id := r.id(5)
	l := d.valueLists[id]
	if l == nil {
		r.fault("no value %d", id)
		return nil
	}
	if l.typ != string(t[:1]) {
		r.fault("type %q, but that of value %d is %q", t, id, l.typ)
	}
	set.size += l.size
	if !d.spend(l.size) {
		return nil
	}
	var values []string
	for _, v := range l.values {
		if !l.used {
			v.row.check(t.checkValue(v.text))
		}
		values = append(values, v.text)
	}
	l.used = true
	return values
}

// entity is a service or an instance.
type entity struct {
	service  *Service
	instance *Instance // nil for a service
}

func (e *entity) groups() *[]*Group {
	if e.instance != nil {
		return &e.instance.Groups
	}
	return &e.service.Groups
}

func (d *decoder) services() {
	add := func(r row, e *entity) {
		id := d.took("SI", r.rowid())
		if d.entities[id] != nil {
			r.fault("a service has the same number")
		}
		d.entities[id] = e
	}
	for r := range d.each("service_tbl") {
		s := &Service{Name: r.text(1)}
		r.check(checkServiceName(s.Name))
		add(r, &entity{service: s})
		d.repo.Services = append(d.repo.Services, s)
	}
	for r := range d.each("instance_tbl") {
		i, service := &Instance{Name: r.text(1)}, r.id(2)
		r.check(checkName(i.Name))
		of := d.entities[service]
		if of == nil || of.instance != nil {
			r.fault("no service %d", service)
			continue
		}
		add(r, &entity{of.service, i})
		of.service.Instances = append(of.service.Instances, i)
	}
}

// groupOwner is what the rows that name a group agree on.
type groupOwner struct{ name, typ string }

// liveGroup is a group that is not only in snapshots, and its generation.
type liveGroup struct {
	row rowPlace
	key setKey
}

// group makes a group of name, type, flags and generation, in columns from one on.
func (d *decoder) group(r row, id uint32, column int) *Group {
	d.took("PG", id)
	g := &Group{Name: r.text(column), Type: r.text(column + 1), Flags: r.number(column + 2)}
	r.check(checkName(g.Name))
	r.check(checkGroup(g.Type, g.Flags))
	same := groupOwner{g.Name, g.Type}
	if o := d.owners[id]; o != nil && *o != same {
		r.fault("group %d is %q of type %q, elsewhere %q of type %q", id, g.Name, g.Type, o.name, o.typ)
	}
	d.owners[id] = &same
	key := setKey{id, d.took("GEN", r.number(column+3))}
	d.ofGroup(r, key)
	if set := d.sets[key]; set != nil {
		set.used = true
		if d.spend(set.size) {
			g.Properties = cloneProperties(set.list)
		}
	}
	return g
}

// cloneProperties copies properties, so that no two groups share any.
func cloneProperties(list []*Property) []*Property {
	var out []*Property
	for _, p := range list {
		out = append(out, &Property{p.Name, p.Type, slices.Clone(p.Values)})
	}
	return out
}

func (d *decoder) groups() {
	for r := range d.each("pg_tbl") {
		number, id := r.rowid(), r.id(1)
		g := d.group(r, number, 2)
		d.live = append(d.live, liveGroup{r.rowPlace, setKey{number, r.number(5)}})
		parent := d.entities[id]
		if parent == nil {
			r.fault("no service or instance %d", id)
			continue
		}
		*parent.groups() = append(*parent.groups(), g)
	}
}

// levelRow is a row of snaplevel_tbl.
type levelRow struct {
	row   rowPlace
	level Level
	size  int
}

// shot is a snapshot by its number, which several names may have.
type shot struct {
	levels []*levelRow
	used   bool
}

func (d *decoder) levels() {
	for r := range d.each("snaplevel_tbl") {
		id := d.took("SLVL", r.id(2))
		l := &levelRow{row: r.rowPlace, level: Level{Number: int(r.number(1)), Service: r.text(4)}}
		d.took("SI", r.id(3))
		if instance := r.number(5); l.level.Number == 2 {
			if instance != 0 || !r.null(6) {
				r.fault("level 2 of an instance")
			}
		} else {
			d.took("SI", instance)
			l.level.Instance = r.text(6)
			if instance == 0 || r.null(6) {
				r.fault("level %d of no instance", l.level.Number)
			}
		}
		if d.levelData[id] != nil {
			r.fault("level %d is there twice", id)
		}
		d.levelData[id] = l
		n := d.took("SHOT", r.id(0))
		if d.shots[n] == nil {
			d.shots[n] = &shot{}
		}
		d.shots[n].levels = append(d.shots[n].levels, l)
	}
	for r := range d.each("snaplevel_lnk_tbl") {
		before := d.content
		g, id := d.group(r, r.id(1), 2), r.id(0)
		l := d.levelData[id]
		if l == nil {
			r.fault("no level %d", id)
			continue
		}
		l.size += 80 + d.content - before
		l.level.Groups = append(l.level.Groups, g)
	}
}

func (d *decoder) snapshots() {
	for r := range d.each("snapshot_lnk_tbl") {
		d.took("SNAME", r.rowid())
		s := &Snapshot{Name: r.text(2)}
		r.check(checkName(s.Name))
		instance, number := r.id(1), r.id(3)
		of, shot := d.entities[instance], d.shots[number]
		if of == nil || of.instance == nil {
			r.fault("no instance %d", instance)
		}
		if shot == nil {
			r.fault("no snapshot %d", number)
		}
		if shot == nil || of == nil || of.instance == nil {
			continue
		}
		for _, l := range shot.levels {
			level, size := l.level, 80
			if shot.used {
				size += l.size
			}
			if !d.spend(size) {
				return
			}
			if shot.used {
				level.Groups = cloneGroups(level.Groups)
			}
			l.row.check(checkLevel(level, of.service, of.instance))
			s.Levels = append(s.Levels, level)
		}
		s.Levels = sortedLevels(s.Levels)
		shot.used = true
		of.instance.Snapshots = append(of.instance.Snapshots, s)
	}
}

func cloneGroups(groups []*Group) []*Group {
	var out []*Group
	for _, g := range groups {
		out = append(out, &Group{g.Name, g.Type, g.Flags, cloneProperties(g.Properties)})
	}
	return out
}
