package bundle

import (
	"slices"
	"strings"

	"imagetools/smf"
)

// states are those of instances, in the order that svccfg goes through them.
var states = []string{"uninitialized", "maintenance", "offline", "disabled", "online", "degraded"}

// faultEvents are the events of fault management that have names (notify_params.c).
var faultEvents = map[string]string{
	"problem-diagnosed": "list.suspect",
	"problem-updated":   "list.updated",
	"problem-repaired":  "list.repaired",
	"problem-resolved":  "list.resolved",
}

// maxEvents bounds the events of one list, each of which gets all parameters.
const maxEvents = 64

// notification makes a property group for each event, with the parameters of all types.
func (e *entity) notification(n *node) {
	var names []string
	for _, c := range n.valid("event") {
		names = e.events(c)
	}
	for _, name := range names {
		g := e.group(n.line, name, "notify_params")
		for _, c := range n.valid("type") {
			g.notificationType(c)
		}
	}
}

// events are the names of the property groups for a list of events.
func (e *entity) events(n *node) (names []string) {
	list := strings.FieldsFunc(n.attr("value"), func(r rune) bool { return r == ',' })
	if len(list) == 0 || len(list) > maxEvents {
		e.p.fault(n.line, "%s: %d events: 1 to %d are expected", e.what, len(list), maxEvents)
		return nil
	}
	var ofStates, ofFaults bool
	for _, event := range list {
		switch class := faultEvents[event]; {
		case class != "":
			ofFaults = true
			names = append(names, class+",fmnotify")
		case strings.HasPrefix(event, "list.") || strings.HasPrefix(event, "ireport."):
			ofFaults = true
			names = append(names, event+",fmnotify")
		default:
			ofStates = true
			groups := stateEvents(event)
			if groups == nil {
				e.p.fault(n.line, "%s: unknown event %q", e.what, event)
			}
			for _, g := range groups {
				if !slices.Contains(names, g) {
					names = append(names, g)
				}
			}
		}
	}
	switch {
	case ofStates && ofFaults:
		e.p.fault(n.line, "%s: events of states and of faults in one list", e.what)
	case ofFaults && e.fmri != "svc:/system/fm/notify-params:default":
		e.p.fault(n.line, "%s: events of faults belong into \"svc:/system/fm/notify-params:default\"", e.what)
	case ofStates && e.fmri == globalService:
		e.p.fault(n.line, "%s: it can have no events of states", e.what)
	default:
		return names
	}
	return nil
}

// stateEvents are the changes that "to-STATE", "from-STATE" or "STATE", which is both, stand
// for. "all" is any state.
func stateEvents(event string) (names []string) {
	prefixes, state := []string{"to-", "from-"}, event
	for _, p := range prefixes {
		if rest, ok := strings.CutPrefix(event, p); ok {
			prefixes, state = []string{p}, rest
			break
		}
	}
	for _, s := range states {
		if state == s || state == "all" {
			for _, p := range prefixes {
				names = append(names, p+s)
			}
		}
	}
	return names
}

// notificationType takes the parameters of a way to notify, such as "smtp".
func (g *group) notificationType(n *node) {
	typ := n.attr("name")
	if typ == "" {
		g.e.p.fault(n.line, "%s: <type> has an empty name", g.e.what)
		return
	}
	for _, c := range n.valid("") {
		name := typ + "," + c.attr("name")
		switch c.name {
		case "paramval":
			if c.attr("value") == "" {
				g.e.p.fault(c.line, "%s: property %q: its value is empty", g.e.what, g.Name+"/"+name)
			}
			g.add(c.line, name, smf.AString, c.attr("value"))
		case "parameter":
			var values []string
			for _, v := range c.valid("") {
				values = append(values, v.attr("value"))
			}
			g.add(c.line, name, smf.AString, values...)
		}
	}
	g.add(n.line, typ+",active", smf.Boolean, bit(n.attr("active")))
}
