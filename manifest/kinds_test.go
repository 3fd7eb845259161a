// SPDX-License-Identifier: MIT

package manifest_test

import (
	"strings"
	"testing"

	"imagetools/manifest"
)

// Type, os and brand are one statement, whichever of them are made, and by whatever.
func TestKindOfImage(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		imageType, os, brand string
		implied, fault       string // fault is empty if they go together
	}{
		{"", "", "", "", ""},
		{"", "linux", "", "lx-dataset", ""},
		{"", "smartos", "", "zone-dataset", ""},
		{"", "illumos", "", "zone-dataset", ""},
		{"", "bsd", "", "", ""},
		{"", "", "lx", "lx-dataset", ""},
		{"", "", "joyent", "zone-dataset", ""},
		{"", "", "bhyve", "zvol", ""},
		{"", "linux", "kvm", "zvol", ""},
		{"", "", "own-brand", "", ""},
		{"zone-dataset", "other", "joyent-minimal", "zone-dataset", ""},
		{"lx-dataset", "other", "", "lx-dataset", ""},
		{"zvol", "smartos", "bhyve", "zvol", ""},
		{"zvol", "windows", "", "zvol", ""},
		{"zone-dataset", "linux", "", "zone-dataset", `type: "zone-dataset" contradicts os "linux"`},
		{"zone-dataset", "bsd", "", "zone-dataset", `type: "zone-dataset" contradicts os "bsd"`},
		{"lx-dataset", "smartos", "", "lx-dataset", `type: "lx-dataset" contradicts os "smartos"`},
		{"lx-dataset", "windows", "", "lx-dataset", `type: "lx-dataset" contradicts os "windows"`},
		{"zone-dataset", "", "lx", "zone-dataset", `type: "zone-dataset" contradicts brand "lx"`},
		{"zone-dataset", "", "bhyve", "zone-dataset", `type: "zone-dataset" contradicts brand "bhyve"`},
		{"lx-dataset", "", "joyent", "lx-dataset", `type: "lx-dataset" contradicts brand "joyent"`},
		{"zvol", "", "lx", "zvol", `type: "zvol" contradicts brand "lx"`},
		{"zvol", "", "builder", "zvol", `type: "zvol" contradicts brand "builder"`},
		{"", "smartos", "lx", "lx-dataset", `requirements.brand: "lx" contradicts os "smartos"`},
		{"", "linux", "joyent", "zone-dataset", `requirements.brand: "joyent" contradicts os "linux"`},
	} {
		byFlags := manifest.Options{Type: test.imageType, OS: test.os, Brand: test.brand}
		byBase := manifest.Options{Base: &manifest.Manifest{Type: test.imageType, OS: test.os, Requirements: &manifest.Requirements{Brand: test.brand}}}
		overBase := byFlags
		overBase.Base = &manifest.Manifest{Name: "x"}
		for _, o := range []manifest.Options{byFlags, byBase, overBase} {
			err := o.Contradiction()
			if (err == nil) != (test.fault == "") || err != nil && !strings.HasPrefix(err.Error(), test.fault) {
				t.Errorf("%q %q %q: %v, want %q", test.imageType, test.os, test.brand, err, test.fault)
			}
			if got := o.ImpliedType(); got != test.implied {
				t.Errorf("%q %q %q: implied type %q, want %q", test.imageType, test.os, test.brand, got, test.implied)
			}
		}
	}
	m := manifest.New(manifest.Options{Name: "x", Version: "1", OS: "linux"})
	if m.Type != manifest.TypeLX || m.Requirements.Brand != "lx" {
		t.Errorf("a manifest of os linux is a %s for brand %q", m.Type, m.Requirements.Brand)
	}
}
