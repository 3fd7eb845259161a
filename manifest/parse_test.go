// SPDX-License-Identifier: MIT

package manifest_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"imagetools/manifest"
)

func testdata(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestMarshalCanonical(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ in, want string }{
		{"full.json", "full.json"},
		{"v1.json", "v1-upgraded.json"},
	} {
		m, err := manifest.Parse(testdata(t, test.in))
		if err != nil {
			t.Errorf("%s: %v", test.in, err)
			continue
		}
		got, err := manifest.Marshal(m)
		if err != nil {
			t.Errorf("%s: %v", test.in, err)
		}
		if diff := cmp.Diff(string(testdata(t, test.want)), string(got)); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", test.in, diff)
		}
	}
}

// minimal is what imgadm asks for, without the closing brace.
const minimal = `{"v":2,"uuid":"01b2c898-945f-11e1-a523-af1afbe22822","name":"n","version":"1","type":"other","os":"other"`

func TestParseCoerces(t *testing.T) {
	t.Parallel()
	m, err := manifest.Parse([]byte(`{"v":"2","uuid":"u","name":5,"version":1.50,"description":1e21,"type":"zvol","os":"linux",
		"public":"true","disabled":"false","owner":null,"image_size":"10240",
		"files":[{"sha1":"s","size":"20","compression":"none","dataset_guid":18446744073709551615,"mtime":"x"}],
		"requirements":{"brand":null,"networks":[{"name":"net0","description":null}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := &manifest.Manifest{
		V: 2, UUID: "u", Name: "5", Version: "1.5", Description: "1e+21", Type: "zvol", OS: "linux",
		Public: new(true), Disabled: new(false), ImageSize: 10240,
		Files:        []manifest.File{{SHA1: "s", Size: 20, Compression: "none", DatasetGUID: "18446744073709551615"}},
		Requirements: &manifest.Requirements{Networks: []manifest.Network{{Name: "net0"}}},
	}
	if diff := cmp.Diff(want, m); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, in, want string }{
		{"empty", "", "1:1: unexpected end of JSON input"},
		{"blank", " \n ", "2:2: unexpected end of JSON input"},
		{"cut", "{\n\"v\": 2", "2:7: unexpected end of JSON input"},
		{"comma", "{\"v\": 2,\n}", "2:1: invalid character '}' looking for beginning of object key string"},
		{"trailing", "{\"v\":2}\n  {}", "2:3: invalid character '{' after top-level value"},
		{"byte order mark", "\ufeff{}", "1:1: invalid character 'ï' looking for beginning of value"},
		{"not UTF-8", "{\n \"é\": \"\xff\"}", "2:8: invalid UTF-8"},
		{"half a pair", `{"name": "a\\\ud83d\ude42\ud83d"}`, `1:10: name: half a surrogate pair, \ud83d`},
		{"half a pair in a key", `{"\udc00": 1}`, "1:2: \ufffd: half a surrogate pair, \\udc00"},
		{"repeated keys", "{\"v\":2,\n\"v\":3,\"tags\":{\"a\":[{\"b\":1,\"b\":2}]}}", "2:1: v: key appears twice\nmanifest: 2:27: tags.a[0].b: key appears twice"},
		{"deep", `{"tags":` + strings.Repeat("[", 300) + strings.Repeat("]", 300) + "}", "1:264: nested deeper than 256 levels"},
		{"array", "[]", "1:1: not an object"},
		{"types", minimal + `,"owner":5,"public":"yes","files":{},"acl":[null,1],"image_size":1.5,"icon":[],` + "\n" + `"users":["root"],"tags":[],"requirements":{"min_platform":{"7.0":null},"x":1,"networks":[null,{"z":1}]},"extra":1}`,
			strings.Join([]string{
				`1:107: owner: must be a string, not a number`,
				`manifest: 1:117: public: must be true or false, not "yes"`,
				`manifest: 1:132: files: must be an array, not an object`,
				`manifest: 1:150: acl[0]: must be a string, not null`,
				`manifest: 1:155: acl[1]: must be a string, not a number`,
				`manifest: 1:158: image_size: must be a whole number`,
				`manifest: 1:175: icon: must be true or false, not an array`,
				`manifest: 2:10: users[0]: must be an object, not "root"`,
				`manifest: 2:18: tags: must be an object, not an array`,
				`manifest: 2:60: requirements.min_platform.7.0: must be a string, not null`,
				`manifest: 2:72: requirements.x: unknown field`,
				`manifest: 2:90: requirements.networks[0]: must be an object, not null`,
				`manifest: 2:96: requirements.networks[1].z: unknown field`,
				`manifest: 2:105: extra: unknown field`,
			}, "\n")},
	} {
		m, err := manifest.Parse([]byte(test.in))
		if err == nil || m != nil {
			t.Errorf("%s: Parse = %v, %v", test.name, m, err)
			continue
		}
		if diff := cmp.Diff("manifest: "+test.want, err.Error()); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", test.name, diff)
		}
		if _, ok := errors.AsType[*manifest.Error](err); !ok {
			t.Errorf("%s: error is a %T", test.name, err)
		}
	}
}

func TestUpgradeErrors(t *testing.T) {
	t.Parallel()
	const id = `"uuid":"01b2c898-945f-11e1-a523-af1afbe22822","creator_uuid":"x"`
	for _, test := range []struct{ in, want string }{
		{`{}`, manifest.ErrNoVersion.Error()},
		{`{"v":1}`, "manifest: creator_uuid: missing in a manifest of version 1"},
		{`{"v":"two"}`, "manifest: v: not a number"},
		{`{"creator_uuid":"x"}`, "manifest: uuid: not a lower-case UUID"},
		{`{` + id + `,"owner":"x"}`, "manifest: owner: beside creator_uuid, which means the same"},
		{`{` + id + `,"public":true,"restricted_to_uuid":"x"}`, "manifest: public: beside restricted_to_uuid, which decides it"},
		{`{` + id + `,"files":5}`, "manifest: files: not an array"},
		{`{` + id + `,"files":[null]}`, "manifest: files[0]: not an object"},
		{`{` + id + `,"files":[{}]}`, "manifest: files[0]: neither compression, path nor url"},
	} {
		if _, err := manifest.Parse([]byte(test.in)); err == nil || err.Error() != test.want {
			t.Errorf("Parse(%s) = %v, want %s", test.in, err, test.want)
		}
	}
}

func TestParsePartial(t *testing.T) {
	t.Parallel()
	m, err := manifest.ParsePartial([]byte(`{"description":"d","tags":{"a":1}}`))
	if err != nil {
		t.Fatal(err)
	}
	if m.V != 2 || m.Description != "d" {
		t.Errorf("ParsePartial = %+v", m)
	}
	if _, err := manifest.ParsePartial([]byte(`{"descripton":"d"}`)); err == nil {
		t.Error("an unknown field passes")
	}
}

func TestPosition(t *testing.T) {
	t.Parallel()
	d, err := manifest.Decode([]byte("{\n  \"requirements\": {\"min_platform\": {}, \"x\": 1},\n\"files\": [{\"size\": 0}]}"))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		field        string
		line, column int
	}{
		{"requirements", 2, 3}, {"requirements.min_platform", 2, 20}, {"x", 2, 40}, {"files[0].size", 3, 12}, {"uuid", 0, 0},
	} {
		if line, column := d.Position(test.field); line != test.line || column != test.column {
			t.Errorf("Position(%q) = %d:%d, want %d:%d", test.field, line, column, test.line, test.column)
		}
	}
}

// TestFieldOrder holds the rules and the type together: same fields, same order.
func TestFieldOrder(t *testing.T) {
	t.Parallel()
	var want []string
	for f := range reflect.TypeFor[manifest.Manifest]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		want = append(want, name)
	}
	if diff := cmp.Diff(want, manifest.FieldNames); diff != "" {
		t.Errorf("(-type +rules)\n%s", diff)
	}
}
