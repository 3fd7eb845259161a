// SPDX-License-Identifier: MIT

package manifest

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
)

// The limits, in UTF-16 code units.
const (
	maxName        = 1024
	maxVersion     = 512
	maxDescription = 10 * 1024
	maxURL         = 1024
	maxBillingTag  = 128
	maxTags        = 100 * 1024 // as JSON without blanks
)

var (
	namePattern    = regexp.MustCompile(`^[A-Za-z0-9._/ -]+$`)
	versionPattern = regexp.MustCompile(`^[A-Za-z0-9._/+-]+$`)
	datePattern    = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{3})?Z$`)

	types        = []string{TypeZone, TypeLX, TypeZvol, TypeDocker, TypeLXD, TypeOther}
	systems      = []string{"smartos", "linux", "windows", "bsd", "illumos", "other"}
	states       = []string{"active", "unactivated", "disabled", "creating", "failed"}
	compressions = []string{"none", "gzip", "bzip2", "xz"}
)

// checker collects the faults of one manifest.
type checker struct {
	raw      map[string]any
	reader   For
	imported bool // raw is completed as a server does it at import
	faults   []Fault
}

func (c *checker) missing(field, why string) {
	c.faults = append(c.faults, Fault{field, MissingParameter, why})
}

func (c *checker) invalidf(field, format string, args ...any) {
	c.faults = append(c.faults, Fault{field, Invalid, fmt.Sprintf(format, args...)})
}

func (c *checker) v(field string, v any) {
	if f, err := toNumber(v); err != nil || !(f >= 0) {
		c.invalidf(field, "must be a number that is not negative")
	}
}

func (c *checker) uuid(field string, v any) {
	if !isUUID(v) {
		c.invalidf(field, "must be a UUID in lower case")
	}
}

func isUUID(v any) bool {
	s, err := toString(v)
	return err == nil && uuidPattern.MatchString(s)
}

func (c *checker) name(field string, v any) {
	c.word(field, v, maxName, namePattern, "letters, digits, blanks and . _ / -")
}

func (c *checker) version(field string, v any) {
	c.word(field, v, maxVersion, versionPattern, "letters, digits and . _ / + -")
}

func (c *checker) word(field string, v any, limit int, alphabet *regexp.Regexp, allowed string) {
	long, err := longerThan(v, limit)
	if err != nil {
		c.invalidf(field, "must be a string, not %s", kind(v))
		return
	}
	if long {
		c.invalidf(field, "must not be longer than %d characters", limit)
		return
	}
	if s, err := toString(v); err != nil || !alphabet.MatchString(s) {
		c.invalidf(field, "must consist of %s", allowed)
	}
}

func (c *checker) description(field string, v any) {
	long, err := longerThan(v, maxDescription)
	if err != nil {
		c.invalidf(field, "must be a string, not %s", kind(v))
	} else if long {
		c.invalidf(field, "must not be longer than %d characters", maxDescription)
	}
}

func (c *checker) url(field string, v any) {
	s, ok := v.(string)
	if !ok {
		c.invalidf(field, "must be a string, not %s", kind(v))
		return
	}
	scheme, err := urlScheme(s)
	switch {
	case err != nil:
		c.invalidf(field, "must be a URL with a sound user and host")
	case scheme != "http:" && scheme != "https:":
		c.invalidf(field, "must be an http or https URL")
	case units(s) > maxURL:
		c.invalidf(field, "must not be longer than %d characters", maxURL)
	}
}

func (c *checker) urn(field string, v any) {
	if _, ok := v.(string); !ok {
		c.invalidf(field, "must be a string, not %s", kind(v))
	}
}

func (c *checker) boolean(field string, v any) {
	if _, ok := toBool(v); !ok {
		c.invalidf(field, "must be true or false, not %s", kind(v))
	}
}

func (c *checker) icon(field string, v any) {
	if on, ok := toBool(v); ok && on && c.imported {
		c.invalidf(field, "must be absent: servers refuse to import a manifest with an icon")
		return
	}
	c.boolean(field, v)
}

func (c *checker) public(field string, v any) {
	public, ok := toBool(v)
	switch {
	case !ok:
		c.boolean(field, v)
	case c.reader == Public && !public:
		c.invalidf(field, "must be true on a server of mode public")
	case c.reader == Private && public:
		c.invalidf(field, "must be false on a server of mode private")
	}
}

func (c *checker) publishedAt(field string, v any) {
	if !truthy(v) {
		return
	}
	if s, err := toString(v); err != nil || !datePattern.MatchString(s) {
		c.invalidf(field, "must be YYYY-MM-DDTHH:MM:SSZ, or with exactly three decimals of a second")
	}
}

func (c *checker) state(field string, v any) {
	if s, ok := v.(string); !ok || !slices.Contains(states, s) {
		c.invalidf(field, "must be one of %q", states)
	}
}

func (c *checker) imageType(field string, v any) { c.choice(field, v, types) }

func (c *checker) system(field string, v any) { c.choice(field, v, systems) }

// choice allows "null" while there is no image yet that would have a type.
func (c *checker) choice(field string, v any, choices []string) {
	if v == "null" {
		if c.raw["state"] != "creating" && c.raw["state"] != "failed" {
			c.invalidf(field, `must not be "null" unless state is creating or failed`)
		}
		return
	}
	s, err := toString(v)
	if err != nil || !slices.Contains(choices, s) && !isObjectMember(s) {
		c.invalidf(field, "must be one of %q", choices)
	}
}

func (c *checker) imageError(field string, v any) {
	if !isObject(v) {
		c.invalidf(field, "must be an object, not %s", kind(v))
	}
}

func (c *checker) files(field string, v any) {
	list, ok := v.([]any)
	if !ok {
		c.invalidf(field, "must be an array, not %s", kind(v))
		return
	}
	limit := 1
	if c.raw["type"] == TypeLXD {
		limit = 2
	}
	if len(list) > limit {
		c.invalidf(field, "must not hold more than %d for type %s", limit, kind(c.raw["type"]))
		return
	}
	for i, e := range list {
		if e == nil {
			c.invalidf(field, "entry %d must be an object, not null", i)
			continue
		}
		file, _ := e.(map[string]any)
		for _, key := range []string{"sha1", "size", "compression"} {
			if !truthy(file[key]) {
				c.invalidf(field, "entry %d must have %s", i, key)
			}
		}
		method := file["compression"]
		if s, ok := method.(string); truthy(method) && !(ok && slices.Contains(compressions, s)) {
			c.invalidf(field, "entry %d: compression must be one of %q", i, compressions)
		}
	}
}

func (c *checker) acl(field string, v any) {
	list, ok := v.([]any)
	if !ok {
		c.invalidf(field, "must be an array, not %s", kind(v))
		return
	}
	for i, e := range list {
		if !isUUID(e) {
			c.invalidf(field, "entry %d must be a UUID in lower case", i)
			return // one fault for the list
		}
	}
}

func (c *checker) users(field string, v any) {
	list, ok := v.([]any)
	if !ok {
		c.invalidf(field, "must be an array, not %s", kind(v))
		return
	}
	for i, e := range list {
		user, _ := e.(map[string]any)
		if _, ok := user["name"]; !ok || len(user) != 1 {
			c.invalidf(field, "entry %d must be an object with a name and nothing else", i)
		}
	}
}

func (c *checker) billingTags(field string, v any) {
	list, ok := v.([]any)
	if !ok {
		c.invalidf(field, "must be an array, not %s", kind(v))
		return
	}
	for i, e := range list {
		if s, ok := e.(string); !ok || units(s) > maxBillingTag {
			c.invalidf(field, "entry %d must be a string of at most %d characters", i, maxBillingTag)
		}
	}
}

func (c *checker) traits(field string, v any) {
	var values []any
	switch v := v.(type) {
	case []any:
		values = v
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			values = append(values, v[key])
		}
	default:
		c.invalidf(field, "must be an object, not %s", kind(v))
	}
	for _, value := range values {
		switch value.(type) {
		case string, bool, []any:
		default:
			c.invalidf(field, "values must be strings, booleans or arrays, not %s", kind(value))
		}
	}
}

func (c *checker) tags(field string, v any) {
	tags, ok := v.(map[string]any)
	if !ok {
		c.invalidf(field, "must be an object, not %s", kind(v))
		return
	}
	if n := stringifiedLen(tags); n > maxTags {
		c.invalidf(field, "must not be longer than %d characters as JSON, but is %d", maxTags, n)
	}
}

func (c *checker) inheritedDirectories(field string, v any) {
	list, ok := v.([]any)
	switch {
	case c.raw["type"] != TypeZone:
		c.invalidf(field, "must be absent unless type is %s", TypeZone)
		return
	case !ok:
		c.invalidf(field, "must be an array, not %s", kind(v))
		return
	}
	for i, e := range list {
		if _, ok := e.(string); !ok {
			c.invalidf(field, "entry %d must be a string, not %s", i, kind(e))
		}
	}
}

func (c *checker) driver(field string, v any) {
	if truthy(v) && c.raw["type"] != TypeZvol {
		c.invalidf(field, "must be absent unless type is %s", TypeZvol)
	} else if _, ok := v.(string); !ok {
		c.invalidf(field, "must be a string, not %s", kind(v))
	}
}

func (c *checker) imageSize(field string, v any) {
	if truthy(v) && c.raw["type"] != TypeZvol {
		c.invalidf(field, "must be absent unless type is %s", TypeZvol)
	} else if f, err := toNumber(v); err != nil || !isWhole(f) {
		c.invalidf(field, "must be a whole number of MiB")
	}
}

func (c *checker) channels(field string, _ any) {
	c.invalidf(field, "must be absent unless the server is configured for channels")
}
