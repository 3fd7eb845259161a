package bundle

import (
	"encoding/base32"
	"fmt"
	"strings"

	"imagetools/smf"
)

const globalService = "svc:/system/svc/global"

const (
	templateType    = "template"
	pgPatternType   = "template_pg_pattern"
	propPatternType = "template_prop_pattern"
)

func (e *entity) template(n *node) {
	for _, c := range n.valid("") {
		switch c.name {
		case "common_name":
			e.group(c.line, "tm_common_name", templateType).texts(c, "")
		case "description":
			e.group(c.line, "tm_description", templateType).texts(c, "")
		case "documentation":
			for _, d := range c.valid("") {
				e.document(d)
			}
		case "pg_pattern":
			e.pgPattern(c)
		}
	}
}

// texts adds a property for each <loctext>, named by its language behind prefix.
func (g *group) texts(n *node, prefix string) {
	for _, c := range n.valid("") {
		lang := c.attr("xml:lang")
		if lang == "" {
			lang = "unknown"
		}
		if len(c.text) == 0 {
			g.e.p.fault(c.line, "%s: <loctext> of <%s> is empty", g.e.what, n.name)
			continue
		}
		// Only the text before the first comment counts.
		g.add(c.line, prefix+label(lang, "_"), smf.UString, strings.Trim(c.text[0].value, space))
	}
}

// label turns each byte that is no letter, no digit and not in keep into _.
func label(s, keep string) string {
	out := []byte(s)
	for i, c := range out {
		alnum := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !alnum && strings.IndexByte(keep, c) < 0 {
			out[i] = '_'
		}
	}
	return string(out)
}

// document takes a <manpage> or <doc_link>.
func (e *entity) document(n *node) {
	if n.name == "doc_link" {
		e.documentGroup(n, "tm_doc_"+n.attr("name")).addAttrs(n, "name", "uri")
		return
	}
	title := n.attr("title") + n.attr("section")
	title = title[:min(len(title), smf.MaxName)] // as svccfg cuts it
	e.documentGroup(n, "tm_man_"+title).addAttrs(n, "title", "section", "manpath")
}

// documentGroup is the group for a document. Of a long name the ends are kept.
func (e *entity) documentGroup(n *node, name string) *group {
	const half = (smf.MaxName - 2) / 2
	switch {
	case len(name) > 2*smf.MaxName:
		e.p.fault(n.line, "%s: <%s>: a name of %d bytes: the limit is %d", e.what, n.name, len(name), 2*smf.MaxName)
		name = name[:smf.MaxName]
	case len(name) > smf.MaxName:
		name = name[:half] + ".." + name[len(name)-half:]
	}
	return e.group(n.line, label(name, "_-"), templateType)
}

func (e *entity) pgPattern(n *node) {
	name, typ := n.attr("name"), n.attr("type")
	if name != "" {
		if err := checkName(name); err != nil {
			e.p.fault(n.line, "%s: pg_pattern %q: %v", e.what, name, err)
			return
		}
	}
	var unique string
	switch {
	case name != "" && typ != "":
		unique = "nt_" + name
	case name != "":
		unique = "n_" + name
	case typ != "":
		unique = "t_" + typ
	default:
		unique = "_"
	}
	g := e.newGroup(n.line, "tm_pgpat"+unique, pgPatternType)
	g.addAttrs(n, "name", "type", "target")
	g.add(n.line, "required", smf.Boolean, bit(n.attr("required")))
	if err := e.checkTarget(n.attr("target")); err != nil {
		e.p.fault(n.line, "%s: pg_pattern %q: target %q: %v", e.what, name, n.attr("target"), err)
	}
	for _, c := range n.valid("") {
		switch c.name {
		case "common_name", "description":
			g.texts(c, c.name+"_")
		case "prop_pattern":
			e.propPattern(c, g.Name, unique)
		}
	}
}

// checkTarget finds a pattern that is not for this entity to give.
func (e *entity) checkTarget(target string) error {
	switch {
	case target == "instance" && !e.service:
		return fmt.Errorf("only a service can have it")
	case target == "delegate" && !e.delegates:
		return fmt.Errorf("only a service of type restarter can have it")
	case target == "all" && e.fmri != globalService:
		return fmt.Errorf("only %q can have it", globalService)
	}
	return nil
}

func (e *entity) propPattern(n *node, pattern, unique string) {
	name := n.attr("name")
	if err := checkName(name); err != nil {
		e.p.fault(n.line, "%s: prop_pattern %q: %v", e.what, name, err)
		return
	}
	g := e.newGroup(n.line, "tm_proppat_"+unique+"_"+name, propPatternType)
	g.add(n.line, "pg_pattern", smf.AString, pattern)
	g.addAttrs(n, "name")
	g.add(n.line, "type", smf.AString, n.attr("type"))
	g.add(n.line, "required", smf.Boolean, bit(n.attr("required")))
	for _, c := range n.valid("") {
		switch c.name {
		case "common_name", "description", "units":
			g.texts(c, c.name+"_")
		case "visibility":
			g.add(c.line, "visibility", smf.AString, c.attr("value"))
		case "cardinality":
			g.cardinality(c)
		case "internal_separators":
			g.separators(c)
		case "values":
			g.choices(c, "values_name", "")
		case "constraints":
			g.choices(c, "constraint_name", "constraint_range")
		case "choices":
			g.choices(c, "choices_name", "choices_range")
		}
	}
}

func (g *group) cardinality(n *node) {
	var limits []uint64
	for _, name := range []string{"min", "max"} {
		s := n.attr(name)
		if s == "" {
			continue
		}
		v, err := unsigned(s, 10)
		if digits := strings.TrimLeft(s, space); err == nil && (digits[0] == '-' || digits[0] == '+') {
			err = fmt.Errorf("a number without a sign is expected")
		}
		if err != nil {
			g.e.p.fault(n.line, "%s: cardinality of %q: %s %q: %v", g.e.what, g.Name, name, s, err)
			continue
		}
		limits = append(limits, v)
		g.add(n.line, "cardinality_"+name, smf.Count, fmt.Sprint(v))
	}
	if len(limits) == 2 && limits[1] < limits[0] {
		g.e.p.fault(n.line, "%s: cardinality of %q: at least %d and at most %d", g.e.what, g.Name, limits[0], limits[1])
	}
}

// separators adds internal_separators, a value for each byte.
func (g *group) separators(n *node) {
	var values []string
	for _, t := range n.text {
		for i := range len(t.value) {
			values = append(values, t.value[i:i+1])
		}
	}
	if len(n.text) == 0 {
		g.e.p.fault(n.line, "%s: internal_separators of %q are empty", g.e.what, g.Name)
		return
	}
	g.add(n.line, "internal_separators", smf.AString, values...)
}

// choices takes <values>, <constraints> or <choices>.
func (g *group) choices(n *node, names, ranges string) {
	var values, spans, included []string
	for _, c := range n.valid("") {
		switch c.name {
		case "value":
			g.choice(c)
			values = append(values, c.attr("name"))
		case "range":
			if err := checkRange(c.attr("min"), c.attr("max")); err != nil {
				g.e.p.fault(c.line, "%s: range of %q: %v", g.e.what, g.Name, err)
			}
			spans = append(spans, c.attr("min")+","+c.attr("max"))
		case "include_values":
			included = append(included, c.attr("type"))
		}
	}
	for _, p := range []struct {
		name   string
		values []string
	}{{names, values}, {ranges, spans}, {"choices_include_values", included}} {
		if p.values != nil {
			g.add(n.line, p.name, smf.AString, p.values...)
		}
	}
}

var base32Padded = base32.StdEncoding.WithPadding('-')

// choice adds the texts of a <value>, whose name can hold what names of properties cannot.
func (g *group) choice(n *node) {
	name := base32Padded.EncodeToString([]byte(n.attr("name")))
	if limit := smf.MaxName - len("value__common_name_%s"); len(name) > limit {
		g.e.p.fault(n.line, "%s: value of %q: a name of %d bytes: the limit is %d", g.e.what, g.Name, len(n.attr("name")), limit/8*5)
		return
	}
	for _, c := range n.valid("") {
		g.texts(c, "value_"+name+"_"+c.name+"_")
	}
}

// checkRange reads both ends as C does numbers, with a sign if one of them has it.
func checkRange(least, most string) error {
	if strings.HasPrefix(strings.TrimLeft(least, space), "-") || strings.HasPrefix(strings.TrimLeft(most, space), "-") {
		return checkEnds(least, most, signed)
	}
	return checkEnds(least, most, unsigned)
}

func checkEnds[T int64 | uint64](least, most string, read func(string, int) (T, error)) error {
	a, err := read(least, 0)
	if err != nil {
		return fmt.Errorf("min %q: %w", clip(least), err)
	}
	b, err := read(most, 0)
	if err != nil {
		return fmt.Errorf("max %q: %w", clip(most), err)
	}
	if b < a {
		return fmt.Errorf("max %q is less than min %q", most, least)
	}
	return nil
}
