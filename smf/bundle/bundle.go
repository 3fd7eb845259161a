// Package bundle reads service manifests (XML of type "service_bundle") and imports them into
// an SMF repository, as svccfg import does on a SmartOS machine.
//
//	repo := new(smf.Repository)
//	importer := bundle.NewImporter(repo)
//	b, err := bundle.Parse("network/ssh.xml", text)
//	if err == nil {
//		err = importer.Import(b)
//	}
//
// A manifest is held to the DTD service_bundle.dtd.1 and to what svccfg and the repository
// demand beyond it: types of values, FMRIs, names, lengths, nothing defined twice. All faults
// of a manifest come at once, each with its line.
//
// # Limits
//
// Profiles and archives are refused. So is what would read files beside the manifest: entities,
// an internal subset of the DTD, XInclude. Where svccfg cuts a value of more than 4095 bytes
// without a word, the manifest is refused. Templates are imported, but nothing is checked
// against them (svccfg only warns). No "manifestfiles" are written: whether svccfg writes any
// depends on the machine it runs on.
//
// A second, different manifest of a service that has instances is an upgrade, with rules of
// its own; [Importer.Import] refuses it.
//
// What elements mean is from svccfg (svccfg_xml.c, svccfg_internal.c, svccfg_libscf.c) and
// libscf (lowlevel.c, scf_type.c) of illumos, and from repositories that they made.
package bundle

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"imagetools/fault"

	"imagetools/smf"
)

// Bundle is what a manifest says.
type Bundle struct {
	File     string // the name given to Parse, for messages
	Services []*Service
}

// Service is a service of a manifest.
type Service struct {
	Entity
	Instances []*Instance // the real import starts with the last
}

// Instance is an instance of a service.
type Instance struct{ Entity }

// Entity is what services and instances have in common.
type Entity struct {
	Name       string
	Groups     []*smf.Group // the properties of each sorted by name
	Dependents []*Dependent
}

// Dependent is a dependency that an entity puts into another one.
type Dependent struct {
	Service  string
	Instance string // empty: into the service
	Group    *smf.Group
	Delete   bool // the other one is to exist, but the group is not put into it
}

// Limits against manifests that are no manifests. The largest known has 30 KiB, some 600
// elements and 8 instances.
const (
	maxSize     = 4 << 20
	maxElements = 100_000
	maxDepth    = 256     // as libxml has it
	maxRows     = 1 << 16 // a snapshot of each instance names that many property groups
	maxFaults   = 100     // told one by one
)

// Parse reads a manifest. name stands in messages, as in "NAME:LINE: ...". The error joins all
// faults, in the order of their lines.
func Parse(name string, xml []byte) (*Bundle, error) {
	p := &parser{name: name}
	p.faults.Limit = maxFaults
	root := p.readXML(xml)
	if root != nil && root.name != "service_bundle" {
		p.fault(root.line, "the root element is <%s>: <service_bundle> is expected", root.name)
		root = nil
	}
	if root == nil {
		return nil, p.faults.Err()
	}
	p.validate(root)
	b := &Bundle{File: name}
	p.bundle(b, root, make(map[string]int))
	if err := p.faults.Err(); err != nil {
		return nil, err
	}
	return b, nil
}

type parser struct {
	name   string
	faults fault.Faults
	rows   int // see maxRows
}

// fault notes what is wrong in a line.
func (p *parser) fault(line int, format string, args ...any) {
	p.faultHint(line, "", format, args...)
}

func (p *parser) faultHint(line int, hint, format string, args ...any) {
	for k, a := range args {
		if s, ok := a.(string); ok {
			args[k] = clip(s)
		}
	}
	err := fmt.Errorf("%s:%d: %s", p.name, line, fmt.Sprintf(format, args...))
	if hint != "" {
		err = fault.WithHint(err, hint)
	}
	p.faults.Add(fmt.Sprintf("%08d", line), err)
}

// bundle reads a service_bundle, which may be made of others. seen has the line of each
// service met.
func (p *parser) bundle(b *Bundle, n *node, seen map[string]int) {
	if !n.bad {
		switch typ := n.attr("type"); typ {
		case "manifest":
		case "profile", "archive":
			p.fault(n.line, "service_bundle %q is of type %q: only manifests can be imported", n.attr("name"), typ)
			return
		default:
			p.fault(n.line, "service_bundle %q is of type %q: \"manifest\" is expected", n.attr("name"), typ)
			return
		}
		if n.attr("name") == "" {
			p.fault(n.line, "service_bundle has an empty name")
		}
	}
	for _, c := range n.children {
		switch c.name {
		case "service_bundle":
			p.bundle(b, c, seen)
		case "service":
			s := p.service(c)
			if s == nil {
				continue
			}
			if line, ok := seen[s.Name]; ok {
				p.fault(c.line, "service %q is defined twice, first in line %d", s.Name, line)
				continue
			}
			seen[s.Name] = c.line
			for _, i := range s.Instances {
				p.rows += len(s.Groups) + len(s.Dependents) + len(i.Groups) + len(i.Dependents)
			}
			if p.rows > maxRows {
				p.fault(c.line, "%d property groups in all instances, those of their services included: the limit is %d", p.rows, maxRows)
			}
			b.Services = append(b.Services, s)
		}
	}
}

// entity is a service or an instance while it is read.
type entity struct {
	p          *parser
	what       string // `service "x"`, for messages
	name, fmri string
	service    bool
	delegates  bool // it belongs to a service of type restarter
	groups     map[string]*group
	order      []*group
	dependents []*Dependent
	lines      map[string]int // of dependents, by name
}

// group is a property group while it is read.
type group struct {
	*smf.Group
	e      *entity
	delete bool
	lines  map[string]int // of properties, by name
}

// service reads a service. It is nil if the element has no valid name.
func (p *parser) service(n *node) *Service {
	name := n.attr("name")
	valid := !n.bad && p.serviceName(n.line, name) // if not, go on for more faults
	e := &entity{
		p: p, what: fmt.Sprintf("service %q", clip(name)), name: name, fmri: "svc:/" + name, service: true,
		delegates: n.attr("type") == "restarter",
	}
	s := &Service{}
	lines := make(map[string]int)
	for _, c := range n.valid("") {
		var i *entity
		switch c.name {
		case "create_default_instance":
			i = e.instance("default", c)
		case "instance":
			i = e.instance(c.attr("name"), c)
		case "single_instance":
			e.group(c.line, "general", "framework").add(c.line, "single_instance", smf.Boolean, "1")
			continue
		case "stability":
			e.group(c.line, "general", "framework").add(c.line, "entity_stability", smf.AString, c.attr("value"))
			continue
		default:
			e.child(c)
			continue
		}
		if line, ok := lines[i.name]; ok {
			p.fault(c.line, "%s is defined twice, first in line %d", i.what, line)
		}
		lines[i.name] = c.line
		s.Instances = append(s.Instances, &Instance{i.finish()})
	}
	if s.Entity = e.finish(); !valid {
		return nil
	}
	return s
}

func (e *entity) instance(name string, n *node) *entity {
	i := &entity{
		p: e.p, what: fmt.Sprintf("instance %q", clip(e.name+":"+name)), name: name, fmri: e.fmri + ":" + name,
		delegates: e.delegates,
	}
	if err := checkName(name); err != nil {
		e.p.fault(n.line, "%s: instance %q: %v", e.what, name, err)
	}
	i.group(n.line, "general", "framework").add(n.line, "enabled", smf.Boolean, bit(n.attr("enabled")))
	for _, c := range n.valid("") {
		i.child(c)
	}
	return i
}

// child reads an element that services and instances have in common.
func (e *entity) child(n *node) {
	switch n.name {
	case "restarter":
		e.restarter(n)
	case "dependency":
		e.dependency(n)
	case "dependent":
		e.dependent(n)
	case "method_context":
		e.group(n.line, "method_context", "framework").context(n)
	case "exec_method":
		e.method(n)
	case "notification_parameters":
		e.notification(n)
	case "property_group":
		g := e.group(n.line, n.attr("name"), n.attr("type"))
		g.properties(n)
		g.delete = n.attr("delete") == "true"
	case "template":
		e.template(n)
	}
}

// group is the property group of that name, made if there is none.
func (e *entity) group(line int, name, typ string) *group {
	if g, ok := e.groups[name]; ok {
		if g.Type == typ {
			return g
		}
		e.p.fault(line, "%s: property group %q is of type %q, and of type %q before", e.what, name, typ, g.Type)
	} else {
		if err := checkName(name); err != nil {
			e.p.fault(line, "%s: property group %q: %v", e.what, name, err)
		} else if err := checkName(typ); err != nil {
			e.p.fault(line, "%s: property group %q: type %q: %v", e.what, name, typ, err)
		}
	}
	g := &group{Group: &smf.Group{Name: name, Type: typ}, e: e, lines: make(map[string]int)}
	if e.groups == nil {
		e.groups = make(map[string]*group)
	}
	e.groups[name] = g
	e.order = append(e.order, g)
	return g
}

// newGroup is group, where a second of the name is a fault.
func (e *entity) newGroup(line int, name, typ string) *group {
	if _, ok := e.groups[name]; ok {
		e.p.fault(line, "%s: property group %q is defined twice", e.what, name)
		return &group{Group: &smf.Group{Name: name, Type: typ}, e: e, lines: make(map[string]int)}
	}
	return e.group(line, name, typ)
}

// add adds a property with values in the form of the database.
func (g *group) add(line int, name string, typ smf.Type, values ...string) {
	p := g.e.p
	if first, ok := g.lines[name]; ok {
		p.fault(line, "%s: property %q is defined twice, first in line %d", g.e.what, g.Name+"/"+name, first)
		return
	}
	g.lines[name] = line
	if err := checkName(name); err != nil {
		p.fault(line, "%s: property %q: %v", g.e.what, g.Name+"/"+name, err)
	}
	for _, v := range values {
		if limit := typ.MaxLen(); len(v) > limit {
			p.fault(line, "%s: property %q: a value of %d bytes: the limit is %d", g.e.what, g.Name+"/"+name, len(v), limit)
		}
	}
	g.Properties = append(g.Properties, &smf.Property{Name: name, Type: typ, Values: values})
}

// addAttrs adds the attributes that are there as strings under their own names.
func (g *group) addAttrs(n *node, names ...string) {
	for _, name := range names {
		if v, ok := n.lookup(name); ok {
			g.add(n.line, name, smf.AString, v)
		}
	}
}

// finish is the entity without what is marked as deleted.
func (e *entity) finish() Entity {
	for _, name := range slices.Sorted(maps.Keys(e.lines)) {
		if e.groups[name] != nil {
			e.p.fault(e.lines[name], "%s: dependent %q: there is a property group of that name", e.what, name)
		}
	}
	out := Entity{Name: e.name, Dependents: e.dependents}
	for _, g := range e.order {
		if !g.delete {
			out.Groups = append(out.Groups, g.sorted())
		}
	}
	return out
}

func (g *group) sorted() *smf.Group {
	slices.SortFunc(g.Properties, func(a, b *smf.Property) int { return strings.Compare(a.Name, b.Name) })
	return g.Group
}

// bit is a boolean of the DTD in the form of the database.
func bit(s string) string {
	if s == "true" {
		return "1"
	}
	return "0"
}
