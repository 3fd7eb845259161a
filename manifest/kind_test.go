// SPDX-License-Identifier: MIT

package manifest_test

import (
	"errors"
	"strings"
	"testing"

	"imagetools/manifest"
)

const oneImage = minimal + `}`

// Each kind of JSON that people have near a manifest is named, and the manifests in it are found, with
// their places.
func TestManifestsInOtherText(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, text string
		kind       manifest.Kind
		manifests  int // 0: it holds none
	}{
		{"manifest", oneImage, manifest.KindManifest, 1},
		{"version 1", string(testdata(t, "v1.json")), manifest.KindManifest, 1},
		{"all fields", string(testdata(t, "full.json")), manifest.KindManifest, 1},
		{"template", `{"description": "d", "tags": {"role": "os"}}`, manifest.KindManifest, 1},
		{"template for a brand", `{"requirements": {"brand": "lx"}, "nic_driver": "virtio"}`, manifest.KindManifest, 1},
		{"nothing", `{}`, manifest.KindManifest, 1},
		{"imgadm get", `{"manifest": ` + oneImage + `, "zpool": "zones", "source": "x"}`, manifest.KindInstalled, 1},
		{"GET /images", `[` + oneImage + `, ` + oneImage + `]`, manifest.KindList, 2},
		{"imgadm list -j", `[{"manifest": ` + oneImage + `, "zpool": "zones", "clones": 1}]`, manifest.KindList, 1},
		{"no images", `[]`, manifest.KindList, 0},
		{"vmadm create", `{"brand": "kvm", "disks": [{"boot": true}], "nics": [], "ram": "1024", "vcpus": "2"}`, manifest.KindVM, 0},
		{"vmadm get", `{"zonename": "x", "v": 1, "uuid": "x", "brand": "joyent", "image_uuid": "x", "nics": [], "quota": 10, "tags": {}}`, manifest.KindVM, 0},
		{"vmadm get in a list", `[{"alias": "x", "brand": "joyent", "image_uuid": "x"}]`, manifest.KindList, 0},
		{"a small payload", `{"alias": "x", "brand": "joyent"}`, manifest.KindVM, 0},
		{"CloudAPI", `{"id": "x", "name": "n", "version": "1", "os": "linux", "type": "zone-dataset"}`, manifest.KindCloudAPI, 0},
		{"an error", `{"code": "ResourceNotFound", "message": "image not found"}`, manifest.KindError, 0},
		{"imgadm.conf", `{"sources": [{"url": "x", "type": "imgapi"}]}`, manifest.KindConfig, 0},
	} {
		d, err := manifest.Decode([]byte(test.text))
		if err != nil {
			t.Fatal(err)
		}
		if k := d.Kind(); k != test.kind {
			t.Errorf("%s: kind %q, want %q", test.name, k, test.kind)
		}
		all, err := d.Manifests()
		if len(all) != test.manifests && err == nil || (err == nil) != (test.manifests > 0) {
			t.Errorf("%s: %d manifests, %v", test.name, len(all), err)
		}
		if err != nil {
			if other, ok := errors.AsType[*manifest.NotOneError](err); !ok || other.Hint() == "" || !strings.Contains(err.Error(), "not an image manifest, but a") {
				t.Errorf("%s: error %v", test.name, err)
			}
		}
		_, err = manifest.ParsePartial([]byte(test.text))
		if (err == nil) != (test.manifests == 1) {
			t.Errorf("%s: ParsePartial: %v", test.name, err)
		}
		for _, one := range all {
			if line, column := one.Position("uuid"); strings.Contains(test.text, `"uuid"`) && (line < 1 || column < 2) {
				t.Errorf("%s: uuid is at %d:%d", test.name, line, column)
			}
		}
	}
	d, err := manifest.Decode([]byte("[" + oneImage + ",\n{\"manifest\":" + strings.Replace(oneImage, `"name":"n"`, `"name":"a:b","requirements":{"max_ram":"x"}`, 1) + "}]"))
	if err != nil {
		t.Fatal(err)
	}
	all, err := d.Manifests()
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{"name", "requirements.max_ram"} {
		if line, _ := all[1].Position(field); line != 2 {
			t.Errorf("%s of the second is at line %d", field, line)
		}
	}
	if _, err := all[1].Manifest(); err == nil || !strings.Contains(err.Error(), "2:") {
		t.Errorf("Manifest of the second: %v", err)
	}
	d, _ = manifest.Decode([]byte("[" + oneImage + ",\n 5]"))
	if _, err := d.Manifests(); err == nil || !strings.Contains(err.Error(), "2:2: element 1 of the list is a number") {
		t.Errorf("a number in a list: %v", err)
	}
}

// A server is asked to import what lint lets pass: what it sets itself is not demanded.
func TestLintImport(t *testing.T) {
	t.Parallel()
	with := func(fields string) string { return minimal + fields + "}" }
	for _, test := range []struct {
		name, text string
		reader     manifest.For
		want       string // the first fault
	}{
		{"what imgadm create writes", with(""), manifest.Private, ""},
		{"public", with(`,"public":true`), manifest.Public, ""},
		{"not public", with(""), manifest.Public, "public: must be true"},
		{"private", with(`,"public":true`), manifest.Private, "public: must be false"},
		{"no owner", with(""), manifest.DC, "owner: must be present"},
		{"an owner", with(`,"owner":"00000000-0000-0000-0000-000000000000"`), manifest.DC, ""},
		{"ignored", with(`,"state":"odd","files":"odd","channels":["a"]`), manifest.Private, ""},
		{"activated", with(`,"activated":true`), manifest.Private, "activated: must be absent"},
		{"icon", with(`,"icon":true`), manifest.Private, "icon: must be absent"},
		{"no icon", with(`,"icon":false`), manifest.Private, ""},
		{"unknown", with(`,"_x":1`), manifest.Private, "_x: unknown field"},
		{"no type yet", strings.Replace(with(`,"state":"creating"`), `"type":"other"`, `"type":"null"`, 1), manifest.Private, `type: must not be "null"`},
		{"zvol", strings.Replace(with(""), `"other"`, `"zvol"`, 1), manifest.Private, "nic_driver: must be present"},
		{"version 1", string(testdata(t, "v1.json")), manifest.Public, "creator_uuid: servers import version 2 alone"},
		{"version 1 in a data center", string(testdata(t, "v1.json")), manifest.DC, ""},
	} {
		d, err := manifest.Decode([]byte(test.text))
		if err != nil {
			t.Fatal(err)
		}
		faults, _, err := d.Lint(test.reader)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		got := ""
		if len(faults) > 0 {
			got = faults[0].Error()
		}
		if !strings.HasPrefix(got, test.want) || (got == "") != (test.want == "") {
			t.Errorf("%s: %v, want %q", test.name, faults, test.want)
		}
		if stored, _, err := d.LintStored(test.reader); err != nil || len(stored) == 0 {
			t.Errorf("%s: stored as it is, it has %v, %v", test.name, stored, err)
		}
	}
}
