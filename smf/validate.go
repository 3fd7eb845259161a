package smf

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"imagetools/fault"
)

// What svc.configd takes at most, in bytes (REP_PROTOCOL_NAME_LEN and _VALUE_LEN, less a NUL).
const (
	MaxName  = 119
	MaxValue = 4095
)

// Validate tells all that svc.configd would not hold: names that are none or that are there
// twice, groups that do not persist, unknown types, values that are not in the form their
// type is stored in, snapshots of something else. Names and values have the limits of
// svc.configd, 119 and 4095 bytes, of which opaque ones are stored as two hex digits each.
func (r *Repository) Validate() error {
	v := &validator{}
	v.unique(nil, "service", len(r.Services), func(i int) string { return r.Services[i].Name })
	for _, s := range r.Services {
		at := &place{nil, "service", s.Name}
		v.check(at, checkServiceName(s.Name))
		v.groups(at, s.Groups)
		v.unique(at, "instance", len(s.Instances), func(i int) string { return s.Instances[i].Name })
		for _, i := range s.Instances {
			v.instance(&place{at, "instance", i.Name}, s, i)
		}
	}
	return v.Err()
}

// place is where something is in a repository.
type place struct {
	in         *place
	kind, name string
}

func (p *place) String() string {
	if p.in == nil {
		return fmt.Sprintf("%s %q", p.kind, shorten(p.name))
	}
	return fmt.Sprintf("%s: %s %q", p.in, p.kind, shorten(p.name))
}

type validator struct {
	fault.Faults
	names []string // of unique
}

// check adds an error about a place.
func (v *validator) check(at *place, err error) {
	if err != nil {
		v.Add("", fmt.Errorf("%s: %w", at, err))
	}
}

// unique checks that n things in a place have different names.
func (v *validator) unique(in *place, kind string, n int, name func(int) string) {
	v.names = v.names[:0]
	for i := range n {
		v.names = append(v.names, name(i))
	}
	slices.Sort(v.names)
	for i := 1; i < n; i++ {
		if v.names[i-1] == v.names[i] {
			v.check(&place{in, kind, v.names[i]}, errors.New("it is there twice"))
		}
	}
}

func (v *validator) instance(at *place, s *Service, i *Instance) {
	v.check(at, checkName(i.Name))
	v.groups(at, i.Groups)
	v.unique(at, "snapshot", len(i.Snapshots), func(k int) string { return i.Snapshots[k].Name })
	for _, snap := range i.Snapshots {
		at := &place{at, "snapshot", snap.Name}
		v.check(at, checkName(snap.Name))
		if len(snap.Levels) == 0 {
			v.check(at, errors.New("no level"))
		}
		number := func(k int) string { return strconv.Itoa(snap.Levels[k].Number) }
		v.unique(at, "level", len(snap.Levels), number)
		for k, l := range snap.Levels {
			at := &place{at, "level", number(k)}
			v.check(at, checkLevel(l, s, i))
			v.groups(at, l.Groups)
		}
	}
}

// checkLevel tells what is wrong with a level in a snapshot of an instance. svccfg makes
// snapshots of TEMP/NAME while it imports the service NAME.
func checkLevel(l Level, s *Service, i *Instance) error {
	switch {
	case l.Number != 1 && l.Number != 2:
		return errors.New("levels are 1 and 2")
	case l.Service != s.Name && "TEMP/"+l.Service != s.Name:
		return fmt.Errorf("it is of service %q", shorten(l.Service))
	case l.Number == 1 && l.Instance != i.Name || l.Number == 2 && l.Instance != "":
		return fmt.Errorf("it is of instance %q", shorten(l.Instance))
	}
	return nil
}

func (v *validator) groups(in *place, groups []*Group) {
	v.unique(in, "group", len(groups), func(i int) string { return groups[i].Name })
	for _, g := range groups {
		at := &place{in, "group", g.Name}
		v.check(at, checkName(g.Name))
		v.check(at, checkGroup(g.Type, g.Flags))
		v.unique(at, "property", len(g.Properties), func(i int) string { return g.Properties[i].Name })
		for _, p := range g.Properties {
			v.property(&place{at, "property", p.Name}, p)
		}
	}
}

func (v *validator) property(at *place, p *Property) {
	v.check(at, checkName(p.Name))
	if err := p.Type.check(); err != nil {
		v.check(at, err)
		return
	}
	for _, value := range p.Values {
		v.check(at, p.Type.checkValue(value))
	}
}

func checkGroup(typ string, flags uint32) error {
	if flags != 0 {
		return fmt.Errorf("flags %d, those of a group that does not persist", flags)
	}
	if err := checkName(typ); err != nil {
		return fmt.Errorf("type: %w", err)
	}
	return nil
}

// checkServiceName takes names joined by slashes.
func checkServiceName(name string) error {
	for part := range strings.SplitSeq(name, "/") {
		if err := checkName(part); err != nil {
			return err
		}
	}
	return checkLength(name)
}

func checkName(name string) error {
	if !IsName(name) {
		return fmt.Errorf("%q is no name", shorten(name))
	}
	return checkLength(name)
}

// IsName tells whether svc.configd takes a text as the name of an instance, a property group, its
// type or a property, but for its length (libuutil, uu_check_name): letters, digits, "-" and "_",
// first a letter; before it may stand the like, with dots, and a comma.
func IsName(s string) bool {
	prefix, rest, found := strings.Cut(s, ",")
	if !found {
		return identifier(s, false)
	}
	return identifier(prefix, true) && identifier(rest, false)
}

func checkLength(name string) error {
	if len(name) > MaxName {
		return fmt.Errorf("name %q has %d bytes, over %d", shorten(name), len(name), MaxName)
	}
	return nil
}

func identifier(s string, dots bool) bool {
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || (c < '0' || c > '9') && c != '-' && c != '_' && (c != '.' || !dots)) {
			return false
		}
	}
	return s != ""
}

// shorten cuts a text of the input for an error.
func shorten(s string) string {
	const most = 160
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}

func (t Type) check() error {
	switch t {
	case Boolean, Count, Integer, Timestamp, Opaque, AString, UString, URI, FMRI,
		Host, Hostname, NetAddress, NetAddressV4, NetAddressV6:
		return nil
	}
	return fmt.Errorf("unknown type %q", shorten(string(t)))
}

// checkValue tells whether a value has the form in which its type is stored. Strings are any
// bytes but NUL, the types derived of ustring are UTF-8.
func (t Type) checkValue(s string) error {
	ok := true
	switch t {
	case Boolean:
		ok = s == "0" || s == "1"
	case Count:
		n, err := strconv.ParseUint(s, 10, 64)
		ok = err == nil && strconv.FormatUint(n, 10) == s
	case Integer:
		ok = isInteger(s)
	case Timestamp:
		seconds, nanos, found := strings.Cut(s, ".")
		ok = isInteger(seconds)
		if found {
			ok = ok && len(nanos) == 9 && strings.Trim(nanos, "0123456789") == "" && nanos != "000000000"
		}
	case Opaque:
		ok = len(s)%2 == 0 && strings.Trim(s, "0123456789abcdef") == ""
	default:
		ok = strings.IndexByte(s, 0) < 0 && (t == AString || utf8.ValidString(s))
	}
	if !ok {
		return fmt.Errorf("%q is no value of type %q", shorten(s), string(t))
	}
	if limit := t.MaxLen(); len(s) > limit {
		return fmt.Errorf("a value of %d bytes, over %d: %q", len(s), limit, shorten(s))
	}
	return nil
}

// MaxLen is how long a value can be in the form in which its type is stored.
func (t Type) MaxLen() int {
	if t == Opaque {
		return 2 * MaxValue // hex
	}
	return MaxValue
}

func isInteger(s string) bool {
	n, err := strconv.ParseInt(s, 10, 64)
	return err == nil && strconv.FormatInt(n, 10) == s
}
