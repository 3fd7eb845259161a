// SPDX-License-Identifier: MIT

package imgmanifest_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"imagetools/manifest"
	"imagetools/test/imgmanifest"
)

// imported is what a server makes of a manifest before it has imgmanifest judge it, as
// AdminImportImage of IMGAPI does.
func imported(t *testing.T, text []byte, reader manifest.For) (stored []byte, given map[string]any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&given); err != nil {
		return nil, nil // not an object
	}
	form := map[string]any{"public": false, "disabled": false}
	for field, value := range given {
		form[field] = value
	}
	delete(form, "files")
	delete(form, "channels")
	form["state"], form["activated"] = "unactivated", false
	if reader != manifest.DC {
		form["owner"] = manifest.NoOwner
	}
	stored, err := json.Marshal(form)
	if err != nil {
		t.Fatal(err)
	}
	return stored, given
}

// TestImport compares what lint says of an import with what imgmanifest says of what the server
// makes of the manifest; that servers refuse activated and icon is no rule of imgmanifest.
func TestImport(t *testing.T) {
	t.Parallel()
	v := imgmanifest.Require(t)
	accepted := 0
	for _, c := range cases() {
		for _, reader := range []manifest.For{manifest.Public, manifest.Private, manifest.DC} {
			stored, given := imported(t, c.text, reader)
			if given == nil || given["creator_uuid"] != nil && given["v"] == nil {
				continue
			}
			d, err := manifest.Decode(c.text)
			if err != nil {
				t.Fatal(err)
			}
			got, _, err := d.Lint(reader)
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
				continue
			}
			refused := slices.ContainsFunc(got, func(f manifest.Fault) bool {
				return strings.HasPrefix(f.Message, "must be absent: servers")
			})
			_, activated := given["activated"]
			if icon := given["icon"]; refused != (activated || icon == true || icon == "true") {
				t.Errorf("%s for %s: activated or icon refused: %v\n%s", c.name, reader, refused, c.text)
			}
			got = slices.DeleteFunc(got, func(f manifest.Fault) bool { return strings.HasPrefix(f.Message, "must be absent: servers") })
			want := v.Validate(t, string(reader), stored)
			if want == nil && !refused {
				accepted++
			}
			compare(t, c, reader, got, want)
		}
	}
	if accepted < 100 {
		t.Errorf("only %d manifests are accepted", accepted)
	}
}
