// SPDX-License-Identifier: MIT

package manifest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"imagetools/manifest"
)

// The rules themselves are compared with their model in test/imgmanifest. Here stand the order, the
// words, and one case of each kind.

func TestValidate(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		in     string
		reader manifest.For
		want   string
	}{
		{"minimal", minimal + `}`, manifest.IMGADM, ""},
		{"all readers, all fields", string(testdata(t, "full.json")), manifest.Public, ""},
		{"nothing", `{}`, manifest.IMGADM, `
			v MissingParameter must be present
			uuid MissingParameter must be present
			name MissingParameter must be present
			version MissingParameter must be present
			type MissingParameter must be present
			os MissingParameter must be present`},
		{"server", minimal + `,"activated":"true"}`, manifest.DC, `
			owner MissingParameter must be present on a server
			disabled MissingParameter must be present on a server
			state MissingParameter must be present on a server
			published_at MissingParameter must be present once the image is activated
			public MissingParameter must be present on a server
			files MissingParameter must be present once the image is activated`},
		{"zvol on a server", strings.ReplaceAll(string(testdata(t, "full.json")), "zone-dataset", "zvol"), manifest.Private, `
			public Invalid must be false on a server of mode private
			inherited_directories Invalid must be absent unless type is zone-dataset
			nic_driver MissingParameter must be present for type zvol on a server
			disk_driver MissingParameter must be present for type zvol on a server
			cpu_type MissingParameter must be present for type zvol on a server
			image_size MissingParameter must be present for type zvol on a server`},
		{"all at once, in order", `{"zebra":1,"apple":1,"v":-1,"uuid":"U","name":"a:b","version":"1 2","description":null,"homepage":"ftp://x","urn":1,
			"disabled":null,"state":"x","published_at":"2020","public":0,"type":"hvm","os":"","error":1,"icon":1,"acl":["x","y"],
			"files":[{"compression":"zstd"}],"requirements":{"x":1,"min_ram":2,"max_ram":1,"bootrom":"uefi","max_platform":{"7.0":"x"}},"users":["root"],
			"billing_tags":[1],"traits":{"a":1},"tags":[],"generate_passwords":2,"inherited_directories":[],"image_size":5,"channels":[]}`, manifest.IMGADM, `
			v Invalid must be a number that is not negative
			uuid Invalid must be a UUID in lower case
			name Invalid must consist of letters, digits, blanks and . _ / -
			version Invalid must consist of letters, digits and . _ / + -
			description Invalid must be a string, not null
			homepage Invalid must be an http or https URL
			urn Invalid must be a string, not a number
			disabled Invalid must be true or false, not null
			state Invalid must be one of ["active" "unactivated" "disabled" "creating" "failed"]
			published_at Invalid must be YYYY-MM-DDTHH:MM:SSZ, or with exactly three decimals of a second
			public Invalid must be true or false, not a number
			type Invalid must be one of ["zone-dataset" "lx-dataset" "zvol" "docker" "lxd" "other"]
			os Invalid must be one of ["smartos" "linux" "windows" "bsd" "illumos" "other"]
			error Invalid must be an object, not a number
			files Invalid entry 0 must have sha1
			files Invalid entry 0 must have size
			files Invalid entry 0: compression must be one of ["none" "gzip" "bzip2" "xz"]
			icon Invalid must be true or false, not a number
			acl Invalid entry 0 must be a UUID in lower case
			requirements.max_ram Invalid must not be less than min_ram
			requirements.max_platform Invalid value of "7.0" must be a platform stamp, YYYYMMDDTHHMMSSZ
			requirements.bootrom MissingParameter requirements.brand must be present, and bhyve
			x Invalid unknown requirement
			users Invalid entry 0 must be an object with a name and nothing else
			billing_tags Invalid entry 0 must be a string of at most 128 characters
			traits Invalid values must be strings, booleans or arrays, not a number
			tags Invalid must be an object, not an array
			generate_passwords Invalid must be true or false, not a number
			inherited_directories Invalid must be absent unless type is zone-dataset
			image_size Invalid must be absent unless type is zvol
			channels Invalid must be absent unless the server is configured for channels
			apple Invalid unknown field; additions belong in tags
			zebra Invalid unknown field; additions belong in tags`},
		{"habits", `{"v":" 0x2\n","uuid":["01b2c898-945f-11e1-a523-af1afbe22822"],"name":5,"version":true,"type":["zvol"],"os":"toString","requirements":7}`, manifest.IMGADM, ""},
		{"too many files", minimal + `,"files":[{},{}]}`, manifest.IMGADM, "files Invalid must not hold more than 1 for type \"other\""},
		{"no object", `null`, manifest.IMGADM, " Invalid the manifest must be an object, not null"},
	} {
		faults, err := manifest.Validate([]byte(test.in), test.reader)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		var got, want []string
		for _, f := range faults {
			got = append(got, f.Field+" "+f.Code+" "+f.Message)
		}
		for line := range strings.Lines(test.want) {
			if line = strings.Trim(line, "\t\n"); line != "" {
				want = append(want, line)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", test.name, diff)
		}
	}
}

func TestValidateValues(t *testing.T) {
	t.Parallel()
	m := &manifest.Manifest{V: 2, UUID: "01b2c898-945f-11e1-a523-af1afbe22822", Name: "n", Version: "1", Type: "other", OS: "other"}
	if faults, err := m.Validate(manifest.IMGADM); faults != nil || err != nil {
		t.Errorf("Validate = %v, %v", faults, err)
	}
	if faults, err := manifest.Validate(map[string]any{"v": 2, "acl": []string{"x"}}, manifest.IMGADM); len(faults) != 6 || err != nil {
		t.Errorf("Validate of a map = %v, %v", faults, err)
	}
	if _, err := m.Validate("everyone"); err == nil || !strings.Contains(err.Error(), "everyone") {
		t.Errorf("unknown reader: %v", err)
	}
	m.Tags = map[string]any{"f": func() {}}
	if _, err := m.Validate(manifest.IMGADM); err == nil {
		t.Error("a function passes")
	}
	if _, err := manifest.Validate([]byte(`{`), manifest.IMGADM); err == nil {
		t.Error("half a manifest passes")
	}
}

func TestLint(t *testing.T) {
	t.Parallel()
	const file = `,"files":[{"sha1":"da39a3ee5e6b4b0d3255bfef95601890afd80709","size":20,"compression":"gzip"}]`
	for _, test := range []struct{ name, in, want string }{
		{"sound", minimal + file + `}`, ""},
		{"version 1", string(testdata(t, "v1.json")), ""},
		{"no file", minimal + `}`, "files: imgadm crashes on a manifest without a file"},
		{"empty files", minimal + `,"files":[]}`, "files: imgadm crashes on a manifest without a file"},
		{"file", minimal + `,"files":[{"sha1":"DA39","size":"x","compression":"gzip"}]}`, `
			files[0].sha1: not a SHA-1 in lower-case hex, so no file will match it
			files[0].size: is "x" and not a number: imgadm import crashes on it
			files[0].size: not a number of bytes, so no file will match it`},
		{"large file", minimal + strings.Replace(file, "20", "21474836481", 1) + `}`, "files[0].size: more than the 20 GiB that a server takes"},
		{"old", strings.Replace(minimal, "2", `1.5`, 1) + file + `}`, "v: below 2: imgadm takes this for an old manifest and fails to upgrade it"},
		{"text", strings.Replace(minimal, `"n"`, "5", 1) + file + `}`, "name: is a number and not a string; it will be shown as imgadm converts it"},
		{"plus", strings.Replace(minimal, `"1"`, `"1+2"`, 1) + file + `}`, `version: "+" is refused by platforms before 20161118T231131Z`},
		{"date", minimal + file + `,"published_at":"2021-02-29T00:00:00Z"}`, "published_at: no such date or time"},
		{"by accident", strings.Replace(minimal, `"os":"other"`, `"os":["linux"]`, 1) + file + `}`, `os: passes by accident and means nothing; must be one of ["smartos" "linux" "windows" "bsd" "illumos" "other"]`},
		{"lxd", strings.Replace(minimal, `"other"`, `"lxd"`, 1) + file + `}`, "type: imgadm does not know lxd and refuses it"},
		{"icon", minimal + file + `,"icon":"true"}`, "icon: a server refuses to import a manifest with an icon"},
		{"stamp", minimal + file + `,"requirements":{"max_platform":{"7.0":"abcdefghTijklmnZ"}}}`, "requirements.max_platform: a stamp holds other characters than digits, and hosts compare it as text"},
		{"zvol", strings.Replace(minimal, `"other"`, `"zvol"`, 1) + file + `,"nic_driver":"virtio","disk_driver":"virtio","cpu_type":"host","image_size":-5}`, "image_size: is negative"},
		{"bare zvol", strings.Replace(minimal, `"other"`, `"zvol"`, 1) + file + `,"disk_driver":"virtio","cpu_type":"host","image_size":5}`,
			"nic_driver: has no value: a zvol image installs without, but no server takes it, and vmadm has no default from it"},
	} {
		d, err := manifest.Decode([]byte(test.in))
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		faults, warnings, err := d.Lint(manifest.IMGADM)
		if len(faults) > 0 || err != nil {
			t.Errorf("%s: faults %v, %v", test.name, faults, err)
		}
		var want []string
		for line := range strings.Lines(test.want) {
			if line = strings.Trim(line, "\t\n"); line != "" {
				want = append(want, line)
			}
		}
		var got []string
		for _, w := range warnings {
			got = append(got, fmt.Sprint(w))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", test.name, diff)
		}
	}
}
