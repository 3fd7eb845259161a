// SPDX-License-Identifier: MIT

package manifest_test

import (
	"encoding/json"
	"reflect"
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

// Every field of a manifest is either taken over or not, and one that is new must be thought of.
func TestDerive(t *testing.T) {
	yes := true
	from := &manifest.Manifest{
		V: 2, UUID: "u", Owner: "o", Name: "n", Version: "1", Description: "d", Homepage: "h", EULA: "e", URN: "urn",
		Disabled: &yes, Activated: &yes, State: "active", PublishedAt: "p", Public: &yes,
		Type: manifest.TypeZvol, OS: "os", Origin: "origin", Error: &manifest.ImageError{}, Files: []manifest.File{{}}, Icon: &yes, ACL: []string{"a"},
		Requirements: &manifest.Requirements{Brand: "kvm"}, Users: []manifest.User{{Name: "root"}}, BillingTags: []string{"b"},
		Traits: map[string]any{"t": true}, Tags: map[string]any{"g": 1}, GeneratePasswords: &yes, InheritedDirectories: []string{"/usr"},
		NICDriver: "nic", DiskDriver: "disk", CPUType: "cpu", ImageSize: 7, Channels: []string{"c"},
	}
	all := reflect.ValueOf(*from)
	for i := range all.NumField() {
		if all.Field(i).IsZero() {
			t.Errorf("the test has no %s", all.Type().Field(i).Name)
		}
	}
	want := &manifest.Manifest{
		Owner: "o", Description: "d", Homepage: "h", EULA: "e", Public: &yes, Type: manifest.TypeZvol, OS: "os", ACL: []string{"a"},
		Requirements: from.Requirements, Users: from.Users, BillingTags: from.BillingTags, Traits: from.Traits, Tags: from.Tags,
		GeneratePasswords: &yes, InheritedDirectories: from.InheritedDirectories, NICDriver: "nic", DiskDriver: "disk", CPUType: "cpu",
	}
	if diff := cmp.Diff(want, manifest.Derive(nil, from)); diff != "" {
		t.Errorf("from nothing (-want +got):\n%s", diff)
	}
	no := false
	base := &manifest.Manifest{UUID: "mine", Type: manifest.TypeLX, Public: &no, Tags: map[string]any{}, Requirements: &manifest.Requirements{}}
	got := manifest.Derive(base, from)
	if got.UUID != "mine" || got.Type != manifest.TypeLX || *got.Public || len(got.Tags) != 0 || got.Requirements.Brand != "" || got.Description != "d" {
		t.Errorf("on a base: %+v", got)
	}
	if base.Description != "" {
		t.Error("the base was changed")
	}
}

// A manifest to start from hands on nothing that belongs to another image.
func TestTemplateOfImage(t *testing.T) {
	yes := true
	m := &manifest.Manifest{
		V: 2, UUID: "u", Owner: "o", Name: "n", Version: "1", Description: "d", URN: "urn", State: "active", PublishedAt: "p", Public: &yes,
		Type: manifest.TypeZvol, OS: "os", Origin: "origin", Requirements: &manifest.Requirements{Brand: "kvm"}, Tags: map[string]any{"g": 1}, ImageSize: 7,
	}
	got, left := manifest.Template(m)
	if got != m || left != nil {
		t.Errorf("a manifest without files: %+v, without %q", got, left)
	}
	m.Files = []manifest.File{{}}
	got, left = manifest.Template(m)
	want := &manifest.Manifest{
		Owner: "o", Name: "n", Version: "1", Description: "d", Public: &yes, Type: manifest.TypeZvol, OS: "os", Requirements: m.Requirements, Tags: m.Tags,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"uuid", "urn", "state", "published_at", "origin", "image_size"}, left); diff != "" {
		t.Errorf("left out (-want +got):\n%s", diff)
	}
}
