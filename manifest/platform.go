// SPDX-License-Identifier: MIT

package manifest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// hostVersions are what hosts call themselves (sysinfo "SDC Version"): those of SmartDataCenter 6.5,
// or so old that they have no version; and all later ones, plain SmartOS too.
var hostVersions = []string{"6.5", "7.0"}

// brands are those that hosts know.
var brands = []string{"joyent", "joyent-minimal", "builder", "lx", "kvm", "bhyve", "sngl"}

// timeNow is when no host can have a later platform.
var timeNow = time.Now

// stampOf is a platform stamp.
func stampOf(t time.Time) string { return t.UTC().Format("20060102T150405Z") }

// lowest returns the oldest platform stamp that min_platform allows on hosts of a version; ok is false
// if it allows none. Hosts compare versions and stamps as text, and a stamp of their own version alone.
func lowest(stamps map[string]string, version string) (stamp string, ok bool) {
	if stamp, ok := stamps[version]; ok || len(stamps) == 0 {
		return stamp, true
	}
	return "", version >= slices.Min(slices.Collect(maps.Keys(stamps)))
}

// highest is the same for the newest stamp of max_platform; "" is any.
func highest(stamps map[string]string, version string) (stamp string, ok bool) {
	if stamp, ok := stamps[version]; ok || len(stamps) == 0 {
		return stamp, true
	}
	return "", version <= slices.Max(slices.Collect(maps.Keys(stamps)))
}

// hosts tells whether there are hosts that meet both requirements, by the rule of imgadm.
func hosts(min, max map[string]string, now string) bool {
	return slices.ContainsFunc(hostVersions, func(version string) bool {
		low, fromOK := lowest(min, version)
		high, toOK := highest(max, version)
		return fromOK && toOK && low <= now && (high == "" || low <= high)
	})
}

// stamps is a requirement as hosts read it; nil for none, and for one that validators refuse.
func (w *warner) stamps(key string) map[string]string {
	requirements, _ := w.raw["requirements"].(map[string]any)
	raw, _ := requirements[key].(map[string]any)
	out := map[string]string{}
	for version, v := range raw {
		s, ok := v.(string)
		if !ok || !isStamp(s) {
			return nil
		}
		out[version] = s
	}
	return out
}

// platforms warns of platforms that no host has, and of those that hosts do not look at.
func (w *warner) platforms() {
	w.platform("min_platform")
	w.platform("max_platform")
	min, max := w.stamps("min_platform"), w.stamps("max_platform")
	now := stampOf(timeNow().AddDate(0, 0, 1))
	how := fmt.Sprintf("hosts call themselves %s, and compare versions and stamps as text", strings.Join(hostVersions, " or "))
	switch {
	case !hosts(min, nil, now):
		w.addf("requirements.min_platform", "no host meets it: %s", how)
	case !hosts(nil, max, now):
		w.addf("requirements.max_platform", "no host meets it: %s", how)
	case !hosts(min, max, now):
		w.addf("requirements.max_platform", "no host meets both it and min_platform: %s", how)
	default:
		w.unread("min_platform", min)
		w.unread("max_platform", max)
	}
}

// unread warns of versions that no host has, whose stamps are compared with nothing.
func (w *warner) unread(key string, stamps map[string]string) {
	for _, version := range slices.Sorted(maps.Keys(stamps)) {
		if !slices.Contains(hostVersions, version) {
			w.addf("requirements."+key, "no host is of version %s, so its stamp is not compared; use 7.0", quoted(version))
		}
	}
}

// brand warns of a brand that no host has.
func (w *warner) brand() {
	requirements, _ := w.raw["requirements"].(map[string]any)
	if brand, ok := requirements["brand"].(string); ok && brand != "" && !slices.Contains(brands, brand) {
		w.addf("requirements.brand", "no host has the brand %s (valid: %s)", quoted(brand), strings.Join(brands, ", "))
	}
}

// quoted is a string in a message.
func quoted(s string) string {
	if len(s) > maxQuoted {
		s = strings.ToValidUTF8(s[:maxQuoted], "") + "…"
	}
	return fmt.Sprintf("%q", s)
}
