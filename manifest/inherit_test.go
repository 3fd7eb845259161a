// SPDX-License-Identifier: MIT

package manifest_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"imagetools/manifest"
)

const originManifest = `{"uuid": "x", "name": 7, "unknown": {}, "os": "linux", "type": "docker", "image_size": 10, "tags": {"a": 1}, "description": "origin",
 "requirements": {"networks": [], "min_platform": {"7.0": "20141030T081701Z"}}, "users": [{"name": "root"}], "billing_tags": [],
 "traits": {"a": true}, "generate_passwords": false, "inherited_directories": ["/usr"], "nic_driver": "virtio", "disk_driver": "ide", "cpu_type": "host"}`

func TestInherit(t *testing.T) {
	var origin map[string]json.RawMessage
	if err := json.Unmarshal([]byte(originManifest), &origin); err != nil {
		t.Fatal(err)
	}
	no := false
	common := func(edit func(*manifest.Manifest)) *manifest.Manifest {
		m := &manifest.Manifest{
			OS: "linux", Requirements: &manifest.Requirements{Networks: []manifest.Network{}, MinPlatform: map[string]string{"7.0": "20141030T081701Z"}},
			Users: []manifest.User{{Name: "root"}}, Traits: map[string]any{"a": true}, GeneratePasswords: &no,
		}
		edit(m)
		return m
	}
	base := &manifest.Manifest{OS: "bsd", Requirements: &manifest.Requirements{}, Users: []manifest.User{}, Traits: map[string]any{}, NICDriver: "mine", BillingTags: []string{"b"}, Description: "mine"}
	for _, test := range []struct {
		base      *manifest.Manifest
		imageType string
		want      *manifest.Manifest
	}{
		{nil, manifest.TypeLX, common(func(*manifest.Manifest) {})},
		{nil, manifest.TypeZone, common(func(m *manifest.Manifest) { m.InheritedDirectories = []string{"/usr"} })},
		{nil, manifest.TypeZvol, common(func(m *manifest.Manifest) { m.NICDriver, m.DiskDriver, m.CPUType = "virtio", "ide", "host" })},
		{base, manifest.TypeZvol, &manifest.Manifest{
			OS: "bsd", Requirements: &manifest.Requirements{}, Users: []manifest.User{}, Traits: map[string]any{}, NICDriver: "mine", BillingTags: []string{"b"},
			Description: "mine", DiskDriver: "ide", CPUType: "host", GeneratePasswords: &no,
		}},
	} {
		got, err := manifest.Inherit(test.base, origin, test.imageType)
		if diff := cmp.Diff(test.want, got); diff != "" || err != nil {
			t.Errorf("%s on %+v: %v (-want +got):\n%s", test.imageType, test.base, err, diff)
		}
	}
	if base.CPUType != "" {
		t.Error("the base was changed")
	}
	if got, err := manifest.Inherit(nil, nil, manifest.TypeZone); err != nil || !cmp.Equal(got, &manifest.Manifest{}) {
		t.Errorf("from nothing: %+v, %v", got, err)
	}
	origin["users"] = json.RawMessage(`"root"`)
	if _, err := manifest.Inherit(nil, origin, manifest.TypeZone); err == nil || !strings.Contains(err.Error(), "manifest of the origin: ") || !strings.Contains(err.Error(), "users") {
		t.Errorf("broken users: %v", err)
	}
}
