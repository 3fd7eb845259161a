// SPDX-License-Identifier: MIT

package manifest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"imagetools/manifest"
)

func TestNew(t *testing.T) {
	t.Parallel()
	file := manifest.File{SHA1: "da39a3ee5e6b4b0d3255bfef95601890afd80709", Size: 20, Compression: "gzip"}
	stored := file
	stored.DatasetGUID = "12345678901234567890"
	network := []manifest.Network{{Name: "net0", Description: "public"}}

	base64 := &manifest.Manifest{
		V: 2, Owner: manifest.NoOwner, Name: "base-64", Version: "20.4.0",
		URN: "sdc:sdc:base-64:20.4.0", PublishedAt: "2020-09-13T12:26:40Z", Public: new(true), Type: "zone-dataset", OS: "smartos",
		Requirements: &manifest.Requirements{Networks: network, MinPlatform: map[string]string{"7.0": "20141030T081701Z"}},
		Tags:         map[string]any{"role": "os", "group": "base-64"}, Files: []manifest.File{stored},
	}
	family, _ := manifest.LookupKnown("base-64")
	base64.Description, base64.Homepage = family.Description, family.Homepage
	base64.UUID = manifest.UUID("base-64", "20.4.0", 12345678901234567890)

	for _, test := range []struct {
		name    string
		options manifest.Options
		want    *manifest.Manifest
	}{
		{"known", manifest.Options{Name: "base-64", Version: "20.4.0", SnapshotGUID: 12345678901234567890, PublishedAt: time.Unix(1600000000, 0), File: &file}, base64},
		{"lx", manifest.Options{Name: "mine", Version: "1", UUID: "u", Type: "lx-dataset", Creator: "jo", Description: "d"}, &manifest.Manifest{
			V: 2, UUID: "u", Owner: manifest.NoOwner, Name: "mine", Version: "1", Description: "d",
			URN: "sdc:jo:mine:1", Public: new(false), Type: "lx-dataset", OS: "linux",
			Requirements: &manifest.Requirements{Networks: network, Brand: "lx"},
			Tags:         map[string]any{"role": "os", "group": "mine", "creator": "jo"},
		}},
		{"tags", manifest.Options{Name: "mine", Version: "1", UUID: "u", Type: "lx-dataset", Tags: map[string]any{"kernel_version": "6.1.0"},
			Base: &manifest.Manifest{Tags: map[string]any{"kernel_version": "5", "x": 1}}}, &manifest.Manifest{
			V: 2, UUID: "u", Owner: manifest.NoOwner, Name: "mine", Version: "1",
			URN: "sdc:sdc:mine:1", Public: new(false), Type: "lx-dataset", OS: "linux",
			Requirements: &manifest.Requirements{Networks: network, Brand: "lx"},
			Tags:         map[string]any{"kernel_version": "6.1.0", "x": 1},
		}},
		{"base manifest wins over defaults", manifest.Options{Name: "base-64", Version: "1", PublishedAt: time.Unix(0, 0), Base: &manifest.Manifest{
			V: 3, UUID: "u", Owner: "o", Name: "other", Version: "9", Description: "d", Homepage: "h", URN: "x", Public: new(false), PublishedAt: "p",
			Type: "zone-dataset", OS: "illumos", Requirements: &manifest.Requirements{MinRAM: 5}, Tags: map[string]any{}, Files: []manifest.File{file},
		}}, &manifest.Manifest{
			V: 2, UUID: "u", Owner: "o", Name: "base-64", Version: "1", Description: "d", Homepage: "h", URN: "x", Public: new(false), PublishedAt: "p",
			Type: "zone-dataset", OS: "illumos", Requirements: &manifest.Requirements{MinRAM: 5}, Tags: map[string]any{}, Files: []manifest.File{file},
		}},
		{"options win over the base manifest", manifest.Options{
			Name: "n", Version: "1", UUID: "U", Type: "zvol", OS: "bsd", Owner: "O", Creator: "jo", Description: "D", Homepage: "H", Public: new(true),
			MinPlatform: map[string]string{}, SnapshotGUID: 12345678901234567890, File: &file,
			Base: &manifest.Manifest{
				UUID: "u", Owner: "o", Description: "d", Homepage: "h", Public: new(false), Type: "other", OS: "other", CPUType: "host",
				Requirements: &manifest.Requirements{MinRAM: 5, MinPlatform: map[string]string{"7.0": "x"}}, Tags: map[string]any{"creator": "me", "a": 1},
			},
		}, &manifest.Manifest{
			V: 2, UUID: "U", Owner: "O", Name: "n", Version: "1", Description: "D", Homepage: "H", URN: "sdc:jo:n:1", Public: new(true),
			Type: "zvol", OS: "bsd", CPUType: "host", Requirements: &manifest.Requirements{MinRAM: 5}, Tags: map[string]any{"creator": "jo", "a": 1},
			Files: []manifest.File{stored},
		}},
	} {
		before := copyOf(t, test.options.Base)
		if diff := cmp.Diff(test.want, manifest.New(test.options)); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", test.name, diff)
		}
		if diff := cmp.Diff(before, copyOf(t, test.options.Base)); diff != "" {
			t.Errorf("%s changes the base manifest: %s", test.name, diff)
		}
	}
}

func copyOf(t *testing.T, m *manifest.Manifest) string {
	if m == nil {
		return ""
	}
	text, err := manifest.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestUUID pins the derivation: another value would give every image a new UUID.
func TestUUID(t *testing.T) {
	t.Parallel()
	if got, want := manifest.UUID("base-64", "20.4.0", 1<<63), "d6e85c46-0944-5547-adfd-2751fb9c2293"; got != want {
		t.Errorf("UUID = %s, want %s", got, want)
	}
	seen := map[string]bool{}
	for _, u := range []string{manifest.UUID("a", "bc", 1), manifest.UUID("ab", "c", 1), manifest.UUID("a", "bc", 2), manifest.UUID("a", "bc1", 0)} {
		if seen[u] || u[14] != '5' {
			t.Errorf("UUID %s", u)
		}
		seen[u] = true
	}
}

func TestSplitNameVersion(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ in, name, version, err string }{
		{"base-64-20.4.0", "base-64", "20.4.0", ""},
		{"a-1", "a", "1", ""},
		{"my image--1+2", "my image-", "1+2", ""},
		{"base", "", "", `manifest: image "base": must be NAME-VERSION, but has no hyphen`},
		{"", "", "", `manifest: image "": must be NAME-VERSION, but has no hyphen`},
		{"base-", "", "", `manifest: image "base-": no version after the last hyphen`},
		{"-1.0", "", "", `manifest: image "-1.0": no name before the last hyphen`},
		{"a:b-1 0", "", "", "manifest: image \"a:b-1 0\": name: must consist of letters, digits, blanks and . _ / -\nversion: must consist of letters, digits and . _ / + -"},
		{"a-" + strings.Repeat("1", 513), "", "", `manifest: image "a-` + strings.Repeat("1", 513) + `": version: must not be longer than 512 characters`},
	} {
		name, version, err := manifest.SplitNameVersion(test.in)
		if name != test.name || version != test.version || (err != nil) != (test.err != "") || err != nil && err.Error() != test.err {
			t.Errorf("SplitNameVersion(%q) = %q, %q, %v", test.in, name, version, err)
		}
	}
}

func TestFormatTime(t *testing.T) {
	t.Parallel()
	east := time.FixedZone("", 2*3600)
	for _, test := range []struct {
		in   time.Time
		want string
	}{
		{time.Date(2020, 11, 30, 1, 2, 3, 0, east), "2020-11-29T23:02:03Z"},
		{time.Date(2020, 11, 30, 1, 2, 3, 999_999, time.UTC), "2020-11-30T01:02:03Z"},
		{time.Date(2020, 11, 30, 1, 2, 3, 120_999_999, time.UTC), "2020-11-30T01:02:03.120Z"},
		{time.Unix(-1, 5e6), "1969-12-31T23:59:59.005Z"},
	} {
		if got := manifest.FormatTime(test.in); got != test.want {
			t.Errorf("FormatTime(%v) = %s, want %s", test.in, got, test.want)
		}
	}
}

func TestKnown(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"base-32", "base-64", "base-multiarch", "minimal-32", "minimal-64", "minimal-multiarch", "pkgbuild", "seed", "base-64-lts", "seed-x"} {
		k, ok := manifest.LookupKnown(name)
		if !ok || k.Description == "" || k.Homepage == "" {
			t.Errorf("LookupKnown(%q) = %v, %v", name, k, ok)
		}
	}
	for _, name := range []string{"", "base", "base-640", "seeds", "mybase-64", "Base-64"} {
		if _, ok := manifest.LookupKnown(name); ok {
			t.Errorf("LookupKnown(%q) finds something", name)
		}
	}
	for version, want := range map[string]string{
		"10.1.0": "20141030T081701Z", "20.4.0": "20141030T081701Z", "9.4.0": "20210826T002459Z", "21.1.0": "20210826T002459Z",
		"20200124": "20210826T002459Z", "20": "20210826T002459Z", "trunk": "20210826T002459Z", "266.1": "20210826T002459Z",
	} {
		if got := (manifest.Known{}).MinPlatform(version)["7.0"]; got != want {
			t.Errorf("MinPlatform(%q) = %s, want %s", version, got, want)
		}
	}
}
