package bundle

import (
	"errors"
	"fmt"
	"strings"

	"imagetools/smf"
)

// properties takes the children that property groups, dependencies, dependents and methods
// have in common.
func (g *group) properties(n *node) {
	for _, c := range n.valid("") {
		switch c.name {
		case "stability":
			name := "stability"
			if n.name == "dependent" {
				name = "entity_stability"
			}
			g.add(c.line, name, smf.AString, c.attr("value"))
		case "propval":
			typ := types[c.attr("type")]
			g.add(c.line, c.attr("name"), typ, g.value(c, c.attr("name"), typ))
		case "property":
			g.property(c)
		}
	}
}

func (g *group) property(n *node) {
	name, typ := n.attr("name"), types[n.attr("type")]
	var values []string
	for _, list := range n.valid("") {
		if want := n.attr("type") + "_list"; list.name != want {
			g.e.p.fault(list.line, "%s: property %q: <%s> in it: <%s> is expected", g.e.what, g.Name+"/"+name, list.name, want)
			continue
		}
		for _, v := range list.valid("") {
			values = append(values, g.value(v, name, typ))
		}
	}
	g.add(n.line, name, typ, values...)
}

// value is the attribute "value" of n in the form of the database.
func (g *group) value(n *node, property string, typ smf.Type) string {
	v, err := value(typ, n.attr("value"))
	if err != nil {
		g.e.p.fault(n.line, "%s: property %q: %q: %v", g.e.what, g.Name+"/"+property, n.attr("value"), err)
	}
	return v
}

func (e *entity) restarter(n *node) {
	g := e.group(n.line, "general", "framework")
	for _, c := range n.valid("") {
		g.add(n.line, "restarter", smf.FMRI, g.value(c, "restarter", smf.FMRI))
	}
}

func (e *entity) dependency(n *node) {
	g := e.group(n.line, n.attr("name"), "dependency")
	g.addAttrs(n, "type", "restart_on", "grouping")
	var entities []string
	for _, c := range n.valid("service_fmri") {
		entities = append(entities, g.value(c, "entities", smf.FMRI))
	}
	g.add(n.line, "entities", smf.FMRI, entities...)
	g.properties(n)
	g.delete = n.attr("delete") == "true"
}

// dependent reads a dependency of another entity on this one. It is a property of the group
// "dependents" here and a property group there.
func (e *entity) dependent(n *node) {
	name := n.attr("name")
	if first, ok := e.lines[name]; ok {
		e.p.fault(n.line, "%s: dependent %q is defined twice, first in line %d", e.what, name, first)
		return
	}
	if e.lines == nil {
		e.lines = make(map[string]int)
	}
	e.lines[name] = n.line
	g := &group{Group: &smf.Group{Name: name, Type: "dependency"}, e: e, lines: make(map[string]int)}
	g.addAttrs(n, "restart_on", "grouping")
	g.add(n.line, "entities", smf.FMRI, e.fmri)
	g.add(n.line, "external", smf.Boolean, "1")
	g.properties(n)
	if g.lines["type"] == 0 {
		g.add(n.line, "type", smf.AString, "service")
	}
	for _, c := range n.valid("service_fmri") {
		target := c.attr("value")
		e.group(n.line, "dependents", "framework").add(n.line, name, smf.FMRI, target)
		f, err := parseFMRI(target)
		switch {
		case strings.HasPrefix(target, "file:"), err == nil && (f.service == "" || f.group):
			err = errors.New("a service or instance is expected")
		case err != nil:
		case f.scope != "localhost":
			err = fmt.Errorf("host %q: only \"localhost\" has services", clip(f.scope))
		case len(f.service) > smf.MaxName:
			err = fmt.Errorf("a name of %d bytes: the limit is %d", len(f.service), smf.MaxName)
		}
		if err != nil {
			e.p.fault(c.line, "%s: dependent %q: %q: %v", e.what, name, target, err)
		}
		d := &Dependent{Service: f.service, Instance: f.instance, Group: g.sorted(), Delete: n.attr("delete") == "true"}
		e.dependents = append(e.dependents, d)
	}
}

func (e *entity) method(n *node) {
	g := e.group(n.line, n.attr("name"), "method")
	g.addAttrs(n, "type", "exec")
	timeout, err := value(smf.Count, n.attr("timeout_seconds"))
	if err != nil {
		e.p.fault(n.line, "%s: method %q: timeout_seconds %q: %v", e.what, g.Name, n.attr("timeout_seconds"), err)
	}
	g.add(n.line, "timeout_seconds", smf.Count, timeout)
	for _, c := range n.valid("method_context") {
		g.context(c)
	}
	g.properties(n)
	g.delete = n.attr("delete") == "true"
}

// context takes a method_context, of a method or of an entity.
func (g *group) context(n *node) {
	g.addAttrs(n, "working_directory", "project", "resource_pool", "security_flags")
	for _, c := range n.valid("") {
		switch c.name {
		case "method_credential":
			g.add(c.line, "use_profile", smf.Boolean, "0")
			g.addAttrs(c, "user", "group", "supp_groups", "privileges", "limit_privileges")
		case "method_profile":
			g.add(c.line, "use_profile", smf.Boolean, "1")
			g.add(c.line, "profile", smf.AString, c.attr("name"))
		case "method_environment":
			g.environment(c)
		}
	}
}

func (g *group) environment(n *node) {
	var values []string
	for _, c := range n.valid("") {
		name := c.attr("name")
		switch {
		case name == "" || strings.Contains(name, "="):
			g.e.p.fault(c.line, "%s: environment variable %q: a name without = is expected", g.e.what, name)
		case strings.HasPrefix(name, "SMF_"):
			g.e.p.fault(c.line, "%s: environment variable %q: names in SMF_ are reserved", g.e.what, name)
		}
		values = append(values, name+"="+c.attr("value"))
	}
	g.add(n.line, "environment", smf.AString, values...)
}
