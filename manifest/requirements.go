// SPDX-License-Identifier: MIT

package manifest

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"unicode/utf16"
)

var requirementNames = []string{
	"networks", "brand", "ssh_key", "min_ram", "max_ram", "min_platform", "max_platform", "bootrom",
}

// requirements judges each one that has a value; null, false, zero and "" are no value.
func (c *checker) requirements(field string, v any) {
	own := map[string]any{} // a scalar has no keys, so it passes
	switch v := v.(type) {
	case nil:
		c.invalidf(field, "must be an object, not null")
		return
	case map[string]any:
		own = v
	case []any:
		for i, e := range v {
			own[strconv.Itoa(i)] = e
		}
	case string:
		for i := range units(v) {
			own[strconv.Itoa(i)] = nil
		}
	}
	r := copied(own)
	if networks := r["networks"]; truthy(networks) {
		c.networks("requirements.networks", networks)
	}
	if brand := r["brand"]; truthy(brand) {
		c.urn("requirements.brand", brand)
	}
	if key := r["ssh_key"]; truthy(key) && key != true {
		c.invalidf("requirements.ssh_key", "must be true or false, not %s", kind(key))
	}
	c.ram(r["min_ram"], r["max_ram"])
	c.platform("requirements.min_platform", r["min_platform"])
	c.platform("requirements.max_platform", r["max_platform"])
	c.bootrom("requirements.bootrom", r["bootrom"], own["brand"])
	for _, key := range slices.Sorted(maps.Keys(own)) {
		if !slices.Contains(requirementNames, key) && key != "__proto__" {
			c.invalidf(key, "unknown requirement")
		}
	}
}

// copied is requirements as imgmanifest sees them. It assigns key by key to a fresh object, where
// a key "__proto__" sets what the others fall back to instead of becoming one more.
func copied(own map[string]any) map[string]any {
	fallback, ok := own["__proto__"].(map[string]any)
	if !ok {
		return own
	}
	r := maps.Clone(fallback)
	maps.Copy(r, own)
	return r
}

func (c *checker) networks(field string, v any) {
	list, ok := v.([]any)
	if !ok {
		c.invalidf(field, "must be an array, not %s", kind(v))
		return
	}
	for i, e := range list {
		network, _ := e.(map[string]any)
		_, hasName := network["name"]
		_, hasDescription := network["description"]
		if !hasName || !hasDescription || len(network) != 2 {
			c.invalidf(field, "entry %d must be an object with name, description and nothing else", i)
		}
	}
}

func (c *checker) ram(least, most any) {
	isRAM := func(field string, v any) bool {
		n, ok := v.(json.Number)
		if truthy(v) && !(ok && isWhole(number(n))) {
			c.invalidf(field, "must be a whole number of MiB")
			return false
		}
		return truthy(v)
	}
	hasLeast := isRAM("requirements.min_ram", least)
	hasMost := isRAM("requirements.max_ram", most)
	if hasLeast && hasMost && number(least.(json.Number)) > number(most.(json.Number)) {
		c.invalidf("requirements.max_ram", "must not be less than min_ram")
	}
}

func (c *checker) platform(field string, v any) {
	if !truthy(v) {
		return
	}
	stamps := map[string]any{}
	switch v := v.(type) {
	case map[string]any:
		stamps = v
	case []any:
		for i, e := range v {
			stamps[strconv.Itoa(i)] = e
		}
	}
	if len(stamps) == 0 {
		c.invalidf(field, "must be an object that maps an SDC version to a platform stamp")
		return
	}
	for _, key := range slices.Sorted(maps.Keys(stamps)) {
		if s, ok := stamps[key].(string); !ok || !isStamp(s) {
			c.invalidf(field, "value of %q must be a platform stamp, YYYYMMDDTHHMMSSZ", key)
		}
	}
}

// isStamp judges as imgmanifest does: by the number each part stands for, so that what is no
// number is neither too small nor too large.
func isStamp(s string) bool {
	u := utf16.Encode([]rune(s))
	if len(u) != len("YYYYMMDDTHHMMSSZ") || u[8] != 'T' || u[15] != 'Z' {
		return false
	}
	part := func(from, to int) float64 { return stringToNumber(string(utf16.Decode(u[from:to]))) }
	year, month, day := part(0, 4), part(4, 6), part(6, 8)
	hour, minute, second := part(9, 11), part(11, 13), part(13, 15)
	return !(year < 2012 || month > 12 || month == 0 || day > 31 || day == 0 ||
		hour > 23 || minute > 59 || second > 59)
}

func (c *checker) bootrom(field string, bootrom, brand any) {
	switch {
	case !truthy(bootrom):
	case !truthy(brand):
		c.missing(field, "requirements.brand must be present, and bhyve")
	case brand != "bhyve":
		c.invalidf(field, "must be absent unless requirements.brand is bhyve")
	case bootrom != "bios" && bootrom != "uefi":
		c.invalidf(field, "must be bios or uefi")
	}
}
