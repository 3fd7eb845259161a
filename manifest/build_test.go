// SPDX-License-Identifier: MIT

package manifest_test

import (
	"reflect"
	"slices"
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
	base64.UUID = manifest.UUID(base64, 12345678901234567890)

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
	m := manifest.New(manifest.Options{Name: "base-64", Version: "20.4.0", UUID: "u"})
	if got, want := manifest.UUID(m, 1<<63), "9ac77391-0bbf-5b6c-b4cc-13e436b73767"; got != want {
		t.Errorf("UUID = %s, want %s", got, want)
	}
	seen := map[string]bool{}
	for _, s := range []struct {
		name, version string
		guid          uint64
	}{{"a", "bc", 1}, {"ab", "c", 1}, {"a", "bc", 2}, {"a", "bc1", 0}} {
		u := manifest.UUID(&manifest.Manifest{Name: s.name, Version: s.version}, s.guid)
		if seen[u] || u[14] != '5' {
			t.Errorf("UUID %s", u)
		}
		seen[u] = true
	}
}

// Two images that hosts treat in different ways must not have one UUID: the second of them would
// not be installed. What only describes an image leaves its UUID as it is.
func TestUUIDTellsManifestsApart(t *testing.T) {
	t.Parallel()
	describes := []string{
		"V", "UUID", "Owner", "Description", "Homepage", "EULA", "URN", "Disabled", "Activated", "State", "PublishedAt", "Public",
		"Error", "Files", "Icon", "ACL", "Channels",
	}
	base := func() *manifest.Manifest {
		return manifest.New(manifest.Options{Name: "web", Version: "1.0", UUID: "u", SnapshotGUID: 7})
	}
	all := reflect.TypeFor[manifest.Manifest]()
	for i := range all.NumField() {
		field := all.Field(i).Name
		m := base()
		change(t, reflect.ValueOf(m).Elem().Field(i))
		same := manifest.UUID(m, 7) == manifest.UUID(base(), 7)
		if want := slices.Contains(describes, field); same != want {
			t.Errorf("with another %s, the UUID is the same: %v, want %v", field, same, want)
		}
	}
	requirements := reflect.TypeFor[manifest.Requirements]()
	for i := range requirements.NumField() {
		m := base()
		change(t, reflect.ValueOf(m.Requirements).Elem().Field(i))
		if manifest.UUID(m, 7) == manifest.UUID(base(), 7) {
			t.Errorf("with another requirement %s, the UUID is the same", requirements.Field(i).Name)
		}
	}
	empty := base()
	empty.Users, empty.Traits = []manifest.User{}, map[string]any{}
	if manifest.UUID(empty, 7) != manifest.UUID(base(), 7) {
		t.Error("an empty list is not the same as none")
	}
}

// change gives a field another value than it has.
func change(t *testing.T, field reflect.Value) {
	t.Helper()
	switch field.Kind() {
	case reflect.String:
		field.SetString(field.String() + "x")
	case reflect.Int, reflect.Int64:
		field.SetInt(field.Int() + 1)
	case reflect.Pointer:
		new := reflect.New(field.Type().Elem())
		if new.Elem().Kind() == reflect.Bool {
			new.Elem().SetBool(field.IsNil() || !field.Elem().Bool())
		}
		field.Set(new)
	case reflect.Slice:
		field.Set(reflect.Append(field, reflect.Zero(field.Type().Elem())))
	case reflect.Map:
		value := reflect.ValueOf("x")
		field.Set(reflect.MakeMap(field.Type()))
		field.SetMapIndex(reflect.ValueOf("added"), value)
	default:
		t.Fatalf("a field of kind %v", field.Kind())
	}
}

// A urn that a manifest to start from has for its own name and version is not that of another
// image.
func TestURNOfAnotherName(t *testing.T) {
	t.Parallel()
	base := &manifest.Manifest{Name: "web", Version: "1.0", URN: "sdc:jo:web:1.0"}
	for _, test := range []struct{ name, version, want string }{
		{"web", "1.0", "sdc:jo:web:1.0"}, {"web", "1.1", "sdc:sdc:web:1.1"}, {"app", "1.0", "sdc:sdc:app:1.0"},
	} {
		if got := manifest.New(manifest.Options{Base: base, Name: test.name, Version: test.version}).URN; got != test.want {
			t.Errorf("%s %s: urn %q, want %q", test.name, test.version, got, test.want)
		}
	}
}

// What a manifest says is one version is not split at a hyphen in it.
func TestSplitOfManifest(t *testing.T) {
	t.Parallel()
	const joined = "adminui-release-20161124-20161123T224055Z-g2c4c350"
	for _, test := range []struct {
		m             *manifest.Manifest
		name, version string
	}{
		{&manifest.Manifest{Name: "adminui", Version: "release-20161124-20161123T224055Z-g2c4c350"}, "adminui", "release-20161124-20161123T224055Z-g2c4c350"},
		{&manifest.Manifest{Name: "adminui"}, "adminui-release-20161124-20161123T224055Z", "g2c4c350"},
		{&manifest.Manifest{Name: "adminui", Version: "g2c4c350"}, "adminui-release-20161124-20161123T224055Z", "g2c4c350"},
		{&manifest.Manifest{}, "adminui-release-20161124-20161123T224055Z", "g2c4c350"},
		{nil, "adminui-release-20161124-20161123T224055Z", "g2c4c350"},
	} {
		name, version, err := test.m.SplitNameVersion(joined)
		if err != nil || name != test.name || version != test.version {
			t.Errorf("%+v: %q, %q, %v", test.m, name, version, err)
		}
	}
	odd := &manifest.Manifest{Name: "a:b", Version: "1-0"}
	if _, _, err := odd.SplitNameVersion("a:b-1-0"); err == nil {
		t.Error("a name that no manifest may have is taken from one")
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
