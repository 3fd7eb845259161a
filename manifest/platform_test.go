// SPDX-License-Identifier: MIT

package manifest_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"imagetools/manifest"
)

// meets is what imgadm does on a host, written anew: the oracle for what we say of all hosts.
func meets(version, image string, min, max map[string]string) bool {
	if len(min) > 0 {
		if stamp, ok := min[version]; ok {
			if image < stamp {
				return false
			}
		} else {
			versions := slices.Sorted(maps.Keys(min))
			if version < versions[0] {
				return false
			}
		}
	}
	if len(max) > 0 {
		if stamp, ok := max[version]; ok {
			return image <= stamp
		}
		versions := slices.Sorted(maps.Keys(max))
		return version <= versions[len(versions)-1]
	}
	return true
}

// Requirements of which we say that no host meets them are those that none of many hosts meets.
func TestPlatformsThatNoHostHas(t *testing.T) {
	defer manifest.SetNow(time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC))()
	stamps := []string{"20120101T000000Z", "20150226T162528Z", "20260101T000000Z", "20280101T000000Z"}
	images := stamps[:3]
	var sets []map[string]string
	sets = append(sets, nil)
	for _, v := range []string{"undefined", "v7", "7", "7.0", "6.5", "10.0", ""} {
		for _, s := range stamps {
			sets = append(sets, map[string]string{v: s}, map[string]string{v: s, "7.0": stamps[1]}, map[string]string{v: s, "6.5": stamps[3]})
		}
	}
	none := 0
	for _, min := range sets {
		for _, max := range sets {
			m := &manifest.Manifest{V: 2, Type: "zvol", Requirements: &manifest.Requirements{MinPlatform: min, MaxPlatform: max}}
			said := false
			for _, w := range m.Warnings() {
				said = said || strings.Contains(w.Message, "no host meets")
			}
			met := false
			for _, version := range []string{"6.5", "7.0"} {
				for _, image := range images {
					met = met || meets(version, image, min, max)
				}
			}
			if said == met {
				t.Errorf("min %v, max %v: met %v, and the warnings are %v", min, max, met, m.Warnings())
			}
			if said {
				none++
			}
		}
	}
	t.Logf("%d pairs, %d met by no host", len(sets)*len(sets), none)
}

// What no host looks at, and a brand that none has, is told, too; what is usual is not.
func TestRequirementsOfHosts(t *testing.T) {
	defer manifest.SetNow(time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC))()
	for _, test := range []struct{ requirements, want string }{
		{`{"min_platform": {"7.0": "20141030T081701Z"}}`, ""},
		{`{"min_platform": {"6.5": "20121210T203034Z", "7.0": "20130308T102805Z"}, "brand": "bhyve", "bootrom": "uefi"}`, ""},
		{`{"min_platform": {"undefined": "20150226T162528Z"}}`, "requirements.min_platform: no host meets it: hosts call themselves 6.5 or 7.0"},
		{`{"min_platform": {"v7": "20220101T000000Z"}}`, "no host meets it"},
		{`{"min_platform": {"7.0": "20990101T000000Z"}}`, "no host meets it"},
		{`{"min_platform": {"7": "20220101T000000Z"}}`, `no host is of version "7", so its stamp is not compared; use 7.0`},
		{`{"max_platform": {"6": "20220101T000000Z"}}`, "requirements.max_platform: no host meets it"},
		{`{"min_platform": {"7.0": "20220101T000000Z"}, "max_platform": {"7.0": "20210101T000000Z"}}`, "no host meets both"},
		{`{"brand": "joyent"}`, ""},
		{`{"brand": "smartos"}`, `requirements.brand: no host has the brand "smartos" (valid: joyent, `},
		{fmt.Sprintf(`{"brand": %q}`, strings.Repeat("x", 1<<20)), "no host has the brand"},
		{`{"min_platform": "x", "max_platform": {"7.0": 5}, "brand": 7}`, ""},
	} {
		d, err := manifest.Decode([]byte(minimal + `,"files":[{"sha1":"da39a3ee5e6b4b0d3255bfef95601890afd80709","size":1,"compression":"gzip"}],"requirements":` + test.requirements + "}"))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, w := range d.Warnings() {
			got = append(got, w.String())
		}
		text := strings.Join(got, "\n")
		if !strings.Contains(text, test.want) || (text == "") != (test.want == "") || len(text) > 400 {
			t.Errorf("%.100s: %q, want %q", test.requirements, text, test.want)
		}
	}
}
