package bundle

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// element is what the DTD says about an element.
type element struct {
	models []model // one of them
	text   bool    // characters and nothing else
	attrs  []attrDecl
}

// model is a sequence of child elements.
type model []item

// item is a place in a model, for one of some elements.
type item struct {
	names          []string
	optional, many bool
}

type attrDecl struct {
	name     string
	choices  []string // nil: any characters
	required bool
	def      *string
}

const (
	yesNo    = "=true|false"
	grouping = " grouping!=require_all|require_any|exclude_all|optional_all restart_on!=error|restart|refresh|none "
	anyType  = "=count|integer|opaque|host|hostname|net_address|net_address_v4|net_address_v6|time|astring|ustring|boolean|fmri|uri"
	values   = " stability? propval|property*"
)

// declarations is the DTD service_bundle.dtd.1 of illumos-joyent, for manifests: element,
// children, attributes. Children are a sequence of elements, of one or of several to choose
// from, each with ? * or + as in the DTD; " / " stands between whole sequences. An attribute
// with ! is required; its values follow = and its default a colon.
//
// method_context/security_flags is of 2016; illumos without Joyent has no net_address.
var declarations = [][3]string{
	{"service_bundle", "service_bundle* / service* / xi:include*", "type! name!"},
	{"service", "create_default_instance? single_instance? restarter? dependency* dependent* method_context? " +
		"exec_method* notification_parameters* property_group* instance* stability? template?",
		"name! version! type!=service|restarter|milestone"},
	{"instance", "restarter? dependency* dependent* method_context? exec_method* notification_parameters* " +
		"property_group* template?", "name! enabled!" + yesNo},
	{"create_default_instance", "", "enabled!" + yesNo},
	{"single_instance", "", ""},
	{"stability", "", "value!=Standard|Stable|Evolving|Unstable|External|Obsolete"},

	{"restarter", "service_fmri", ""},
	{"service_fmri", "", "value!"},
	{"dependency", "service_fmri*" + values, "name! type! delete" + yesNo + ":false" + grouping},
	{"dependent", "service_fmri" + values, "name! delete" + yesNo + ":false override" + yesNo + ":false" + grouping},

	{"exec_method", "method_context?" + values, "type!=method|monitor name! exec! timeout_seconds! delete" + yesNo + ":false"},
	{"method_context", "method_profile|method_credential? method_environment?",
		"working_directory project resource_pool security_flags"},
	{"method_profile", "", "name!"},
	{"method_credential", "", "user! group supp_groups privileges limit_privileges"},
	{"method_environment", "envvar+", ""},
	{"envvar", "", "name! value!"},

	{"property_group", values, "name! type! delete" + yesNo + ":false"},
	{"propval", "", "name! value! override" + yesNo + ":false type!" + anyType},
	{"property", "count_list|integer_list|opaque_list|host_list|hostname_list|net_address_list|net_address_v4_list|" +
		"net_address_v6_list|time_list|astring_list|ustring_list|boolean_list|fmri_list|uri_list?",
		"name! override" + yesNo + ":false type!" + anyType},
	{"count_list", "value_node+", ""},
	{"integer_list", "value_node+", ""},
	{"opaque_list", "value_node+", ""},
	{"host_list", "value_node+", ""},
	{"hostname_list", "value_node+", ""},
	{"net_address_list", "value_node+", ""},
	{"net_address_v4_list", "value_node+", ""},
	{"net_address_v6_list", "value_node+", ""},
	{"time_list", "value_node+", ""},
	{"astring_list", "value_node+", ""},
	{"ustring_list", "value_node+", ""},
	{"boolean_list", "value_node+", ""},
	{"fmri_list", "value_node+", ""},
	{"uri_list", "value_node+", ""},
	{"value_node", "", "value!"},

	{"notification_parameters", "event type+", ""},
	{"event", "", "value!"},
	{"type", "parameter|paramval*", "name! active" + yesNo + ":true"},
	{"parameter", "value_node*", "name!"},
	{"paramval", "", "name! value!"},

	{"template", "common_name description? documentation? pg_pattern*", ""},
	{"common_name", "loctext+", ""},
	{"description", "loctext+", ""},
	{"units", "loctext+", ""},
	{"loctext", "#PCDATA", "xml:lang!"},
	{"documentation", "doc_link|manpage*", ""},
	{"doc_link", "", "name! uri!"},
	{"manpage", "", "title! section! manpath=::default"},
	{"pg_pattern", "common_name? description? prop_pattern*",
		"name=: type=: required" + yesNo + ":false target=this|instance|delegate|all:this"},
	{"prop_pattern", "common_name? description? units? visibility? cardinality? internal_separators? values? " +
		"constraints? choices?", "name! required" + yesNo + ":false type" + anyType},
	{"visibility", "", "value!=hidden|readonly|readwrite"},
	{"cardinality", "", "min=:0 max=:18446744073709551615"},
	{"internal_separators", "#PCDATA", ""},
	{"values", "value+", ""},
	{"value", "common_name? description?", "name!"},
	{"constraints", "value* range*", ""},
	{"choices", "value* range* include_values*", ""},
	{"range", "", "min! max!"},
	{"include_values", "", "type!=constraints|values"},
}

var dtd = sync.OnceValue(func() map[string]*element {
	all := make(map[string]*element, len(declarations))
	for _, d := range declarations {
		e := &element{}
		switch d[1] {
		case "#PCDATA":
			e.text = true
		case "":
		default:
			for m := range strings.SplitSeq(d[1], " / ") {
				e.models = append(e.models, newModel(m))
			}
		}
		for a := range strings.FieldsSeq(d[2]) {
			e.attrs = append(e.attrs, newAttrDecl(a))
		}
		all[d[0]] = e
	}
	return all
})

func newModel(s string) model {
	var m model
	for f := range strings.FieldsSeq(s) {
		it := item{optional: strings.HasSuffix(f, "?") || strings.HasSuffix(f, "*")}
		it.many = strings.HasSuffix(f, "*") || strings.HasSuffix(f, "+")
		it.names = strings.Split(strings.TrimRight(f, "?*+"), "|")
		m = append(m, it)
	}
	return m
}

func newAttrDecl(s string) attrDecl {
	var a attrDecl
	name, rest, _ := strings.Cut(s, "=")
	a.name, a.required = strings.TrimSuffix(name, "!"), strings.HasSuffix(name, "!")
	choices, def, ok := strings.Cut(rest, ":")
	if choices != "" {
		a.choices = strings.Split(choices, "|")
	}
	if ok {
		a.def = &def
	}
	return a
}

// validate holds an element of the DTD and all below to it, and gives attributes their
// defaults.
func (p *parser) validate(n *node) {
	decl := dtd()[n.name]
	p.validateAttrs(n, decl)
	p.validateContent(n, decl)
	for _, c := range n.children {
		switch {
		case c.name == "xi:include":
			c.bad = true
			p.faultHint(c.line, "put its content into this manifest", "xi:include: other files are not read")
		case !c.bad: // it has a place in the model, so it is declared
			p.validate(c)
		}
	}
}

func (p *parser) validateAttrs(n *node, decl *element) {
	for i := range n.attrs {
		a := &n.attrs[i]
		k := slices.IndexFunc(decl.attrs, func(d attrDecl) bool { return d.name == a.name })
		if k < 0 {
			n.bad = true
			p.fault(a.line, "<%s> has no attribute %q", n.name, a.name)
			continue
		}
		d := decl.attrs[k]
		if d.choices == nil {
			continue
		}
		// Blanks around a value from a list do not count (XML 1.0, 3.3.3).
		a.value = strings.Join(strings.FieldsFunc(a.value, func(r rune) bool { return r == ' ' }), " ")
		if !slices.Contains(d.choices, a.value) {
			n.bad = true
			p.fault(a.line, "<%s>: attribute %q is %q: it can be %s", n.name, a.name, a.value, oneOf(d.choices))
		}
	}
	for _, d := range decl.attrs {
		if _, ok := n.lookup(d.name); ok {
			continue
		}
		switch {
		case d.def != nil:
			n.attrs = append(n.attrs, attr{d.name, *d.def, n.line})
		case d.required:
			n.bad = true
			p.fault(n.line, "<%s> lacks the attribute %q", n.name, d.name)
		}
	}
}

func oneOf(list []string) string {
	last := len(list) - 1
	return strings.Join(list[:last], ", ") + " or " + list[last]
}

func (p *parser) validateContent(n *node, decl *element) {
	if decl.text {
		for _, c := range n.children {
			c.bad = true
			p.fault(c.line, "<%s> in <%s>, which holds text alone", c.name, n.name)
		}
		return
	}
	for _, t := range n.text {
		if word := strings.Trim(t.value, blanks); word != "" {
			p.fault(t.first(), "text %q in <%s>, which holds elements", word, n.name)
		}
	}
	if len(decl.models) == 0 {
		if n.content {
			p.fault(n.line, "<%s> must be empty; not even blanks or a comment may be in it", n.name)
			for _, c := range n.children {
				c.bad = true
			}
		}
		return
	}
	m := decl.models[0]
	for _, other := range decl.models[1:] { // they begin with different elements
		if len(n.children) > 0 && other.find(n.children[0].name) >= 0 {
			m = other
		}
	}
	p.validateSequence(n, m)
}

// find is the place of an element in the model, or -1. Each has but one.
func (m model) find(name string) int {
	return slices.IndexFunc(m, func(it item) bool { return slices.Contains(it.names, name) })
}

// validateSequence compares the children with a model.
func (p *parser) validateSequence(n *node, m model) {
	at, last := 0, "" // the place reached, and the child there
	have := make([]bool, len(m))
	for _, c := range n.children {
		k := m.find(c.name)
		switch {
		case k < 0:
			c.bad = true
			if dtd()[c.name] == nil && c.name != "xi:include" {
				p.fault(c.line, "<%s> is no element of a manifest", c.name)
			} else {
				p.fault(c.line, "<%s> does not belong into <%s>%s", c.name, n.name, beside(last))
			}
			continue
		case k < at:
			p.fault(c.line, "<%s> must stand before <%s>", c.name, last)
		case have[k] && !m[k].many:
			if last == c.name {
				p.fault(c.line, "a second <%s> in <%s>", c.name, n.name)
			} else {
				p.fault(c.line, "<%s> beside <%s> in <%s>: one of them is allowed", c.name, last, n.name)
			}
		default:
			at, last = k, c.name
		}
		have[k] = true
	}
	for k, it := range m {
		if !it.optional && !have[k] {
			n.bad = true
			p.fault(n.line, "<%s> lacks a <%s>", n.name, it.names[0])
		}
	}
}

// beside tells of another child, where that may be the reason.
func beside(last string) string {
	if last == "" {
		return ""
	}
	return fmt.Sprintf(" with <%s>", last)
}
