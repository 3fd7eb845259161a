package smf

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Kind is what happened to a thing from the first repository to the second.
type Kind string

// Kinds of a [Change].
const (
	Added   Kind = "added"
	Removed Kind = "removed"
	Changed Kind = "changed"
)

// Change is a service, instance, snapshot, level of one, property group or property that is
// not the same in both repositories. What is added or removed stands for all in it.
type Change struct {
	Kind     Kind    `json:"kind"`
	Service  string  `json:"service"`
	Instance string  `json:"instance,omitempty"`
	Snapshot string  `json:"snapshot,omitempty"`
	Level    int     `json:"level,omitempty"`
	Group    string  `json:"group,omitempty"`
	Property string  `json:"property,omitempty"`
	Fields   []Field `json:"fields,omitempty"` // what differs, of what changed
}

// Field is one thing that differs. Values may be any number, of others there is one.
//
//	type        of a group or property
//	flags       of a group
//	values      of a property, in order
//	service     of a level
//	instance    of a level
type Field struct {
	Name string   `json:"name"`
	Old  []string `json:"old"`
	New  []string `json:"new"`
}

func field(name, old, new string) Field { return Field{name, []string{old}, []string{new}} }

// String is "NAME OLD -> NEW", values in the form of WriteText.
func (f Field) String() string {
	show := func(list []string) string {
		if len(list) == 0 {
			return "none"
		}
		if f.Name != "values" {
			return list[0]
		}
		var quoted []string
		for _, v := range list {
			quoted = append(quoted, quote(v))
		}
		return strings.Join(quoted, " ")
	}
	return fmt.Sprintf("%s %s -> %s", f.Name, show(f.Old), show(f.New))
}

// Path is what the change is about: an FMRI, which has no word for snapshots.
//
//	svc:/system/cron:default
//	svc:/system/cron:default/:properties/general/enabled
//	svc:/system/cron:default@running
//	svc:/system/cron:default@running/2/:properties/start/exec
func (c Change) Path() string {
	var b strings.Builder
	b.WriteString("svc:/" + c.Service)
	for _, part := range []struct{ sign, name string }{
		{":", c.Instance}, {"@", c.Snapshot}, {"/", level(c.Level)}, {"/:properties/", c.Group}, {"/", c.Property},
	} {
		if part.name != "" {
			b.WriteString(part.sign + part.name)
		}
	}
	return b.String()
}

func level(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// String is the change on one line: "+", "-" or "~", the path, the fields.
func (c Change) String() string {
	var b strings.Builder
	b.WriteString(map[Kind]string{Added: "+ ", Removed: "- ", Changed: "~ "}[c.Kind] + c.Path())
	for i, f := range c.Fields {
		sep := ","
		if i == 0 {
			sep = ":"
		}
		fmt.Fprintf(&b, "%s %s", sep, f)
	}
	return b.String()
}

// Diff lists what changed from repository a to b, sorted as [Repository.WriteText] sorts,
// each thing before what is in it.
func Diff(a, b *Repository) []Change {
	d := &differ{}
	pairs(d, a.Services, b.Services, Change{},
		func(s *Service, c *Change) string { c.Service = s.Name; return s.Name },
		func(x, y *Service, at Change) {
			d.groups(x.Groups, y.Groups, at)
			pairs(d, x.Instances, y.Instances, at,
				func(i *Instance, c *Change) string { c.Instance = i.Name; return i.Name }, d.instance)
		})
	return d.changes
}

type differ struct{ changes []Change }

func (d *differ) add(kind Kind, at Change, fields ...Field) {
	at.Kind, at.Fields = kind, fields
	d.changes = append(d.changes, at)
}

// pairs goes through two lists in the order of names: what only one has is a change, and both
// is called for the rest. name names a thing, in a change too.
func pairs[T any](d *differ, a, b []T, at Change, name func(T, *Change) string, both func(x, y T, at Change)) {
	key := func(x T) string { return name(x, new(Change)) }
	a, b = sortedBy(a, key), sortedBy(b, key)
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(b) == 0 || len(a) > 0 && key(a[0]) < key(b[0]):
			name(a[0], &at)
			d.add(Removed, at)
			a = a[1:]
		case len(a) == 0 || key(b[0]) < key(a[0]):
			name(b[0], &at)
			d.add(Added, at)
			b = b[1:]
		default:
			name(a[0], &at)
			both(a[0], b[0], at)
			a, b = a[1:], b[1:]
		}
	}
}

func (d *differ) instance(x, y *Instance, at Change) {
	d.groups(x.Groups, y.Groups, at)
	pairs(d, x.Snapshots, y.Snapshots, at,
		func(s *Snapshot, c *Change) string { c.Snapshot = s.Name; return s.Name },
		func(x, y *Snapshot, at Change) {
			pairs(d, x.Levels, y.Levels, at,
				func(l Level, c *Change) string { c.Level = l.Number; return strconv.Itoa(l.Number) }, d.level)
		})
}

func (d *differ) level(x, y Level, at Change) {
	var fields []Field
	if x.Service != y.Service {
		fields = append(fields, field("service", x.Service, y.Service))
	}
	if x.Instance != y.Instance {
		fields = append(fields, field("instance", x.Instance, y.Instance))
	}
	if len(fields) > 0 {
		d.add(Changed, at, fields...)
	}
	d.groups(x.Groups, y.Groups, at)
}

func (d *differ) groups(a, b []*Group, at Change) {
	pairs(d, a, b, at, func(g *Group, c *Change) string { c.Group = g.Name; return g.Name }, d.group)
}

func (d *differ) group(x, y *Group, at Change) {
	var fields []Field
	if x.Type != y.Type {
		fields = append(fields, field("type", x.Type, y.Type))
	}
	if x.Flags != y.Flags {
		fields = append(fields, field("flags", fmt.Sprint(x.Flags), fmt.Sprint(y.Flags)))
	}
	if len(fields) > 0 {
		d.add(Changed, at, fields...)
	}
	pairs(d, x.Properties, y.Properties, at,
		func(p *Property, c *Change) string { c.Property = p.Name; return p.Name }, d.property)
}

func (d *differ) property(x, y *Property, at Change) {
	var fields []Field
	if x.Type != y.Type {
		fields = append(fields, field("type", string(x.Type), string(y.Type)))
	}
	if !slices.Equal(x.Values, y.Values) {
		fields = append(fields, Field{"values", append([]string{}, x.Values...), append([]string{}, y.Values...)})
	}
	if len(fields) > 0 {
		d.add(Changed, at, fields...)
	}
}
