// SPDX-License-Identifier: MIT

package manifest_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"imagetools/manifest"
)

func seeds(f *testing.F) {
	for _, name := range []string{"full.json", "v1.json", "v1-upgraded.json"} {
		f.Add(testdata(f, name))
	}
	for _, s := range []string{
		minimal + `}`, `{"v":"2","type":["zvol"],"image_size":"10"}`, `[1]`, `null`,
		minimal + `,"requirements":{"__proto__":{"networks":[null]},"bootrom":"uefi","min_platform":{"7.0":"0x7eabcdT      Z"}}}`,
		minimal + `,"homepage":"http://%c3%bc@[a]:80/","tags":{"\ud83d\ude00":1e400},"traits":{}}`,
	} {
		f.Add([]byte(s))
	}
}

// FuzzParse: what is read is written so that it reads the same, and nothing that imgadm accepts
// becomes something it refuses.
func FuzzParse(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := manifest.Parse(data)
		if err != nil {
			if m != nil || err.Error() == "" {
				t.Fatalf("Parse = %v, %q", m, err)
			}
			return
		}
		text, err := manifest.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		again, err := manifest.Parse(text)
		if err != nil {
			t.Fatalf("Parse of %s: %v", text, err)
		}
		if diff := cmp.Diff(m, again); diff != "" {
			t.Fatalf("(-first +second)\n%s", diff)
		}
		if second, err := manifest.Marshal(again); err != nil || !bytes.Equal(text, second) {
			t.Fatalf("Marshal = %s, then %s, %v", text, second, err)
		}
		d, err := manifest.Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		before, _, err := d.Lint(manifest.IMGADM)
		if err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(m.Files, func(f manifest.File) bool { return f.Size == 0 }) {
			return // the size "0" is a size, 0 is none
		}
		if after, err := m.Validate(manifest.IMGADM); err != nil || len(before) == 0 && len(after) > 0 {
			t.Fatalf("faults after parsing: %v, %v", after, err)
		}
	})
}

// FuzzValidate: any JSON gets a verdict, the same one each time, from each reader, and a server
// finds at least what imgadm finds.
func FuzzValidate(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := manifest.Decode(data)
		if err != nil {
			return
		}
		minimum, warnings, err := d.Lint(manifest.IMGADM)
		if err != nil {
			return
		}
		for _, w := range warnings {
			if w.Field == "" || w.Message == "" {
				t.Fatalf("warning %+v", w)
			}
		}
		if all, err := d.Manifests(); err == nil {
			for _, one := range all {
				if _, _, err := one.Lint(manifest.Public); err == nil {
					one.Position("uuid")
				}
			}
		}
		for _, reader := range manifest.Readers() {
			if reader != manifest.IMGADM {
				if _, _, err := d.Lint(reader); err != nil {
					t.Fatal(err)
				}
			}
			faults, _, err := d.LintStored(reader)
			if err != nil {
				t.Fatal(err)
			}
			again, _, _ := d.LintStored(reader)
			if diff := cmp.Diff(faults, again); diff != "" {
				t.Fatalf("%s: (-first +second)\n%s", reader, diff)
			}
			for _, f := range minimum {
				if !slices.Contains(faults, f) {
					t.Fatalf("%s does not find %v", reader, f)
				}
			}
		}
	})
}
