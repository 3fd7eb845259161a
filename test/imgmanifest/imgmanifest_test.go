// SPDX-License-Identifier: MIT

package imgmanifest_test

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"imagetools/manifest"
	"imagetools/test/imgmanifest"
)

// verdict is what two validators are compared by: the fields and codes in a fixed order.
func verdict[F any](faults []F, of func(F) (field, code string)) []string {
	all := make([]string, len(faults))
	for i, f := range faults {
		field, code := of(f)
		all[i] = strconv.Quote(field) + " " + code
	}
	slices.Sort(all)
	return all
}

func theirs(faults []imgmanifest.Fault) []string {
	return verdict(faults, func(f imgmanifest.Fault) (string, string) { return f.Field, f.Code })
}

func ours(faults []manifest.Fault) []string {
	return verdict(faults, func(f manifest.Fault) (string, string) { return f.Field, f.Code })
}

// compare reports where the two disagree about one manifest. Where imgmanifest throws there is no
// list to compare: we must refuse it, and name field unless that is empty.
func compare(t *testing.T, c manifestCase, reader manifest.For, got []manifest.Fault, want []imgmanifest.Fault) {
	t.Helper()
	for _, f := range got {
		if f.Message == "" {
			t.Errorf("%s for %s: fault of %q has no message", c.name, reader, f.Field)
		}
	}
	if len(want) == 1 && want[0].Code == imgmanifest.Thrown {
		named := slices.ContainsFunc(got, func(f manifest.Fault) bool {
			return c.field == "" || f.Field == c.field || strings.HasPrefix(f.Field, c.field+".")
		})
		if !named {
			t.Errorf("%s for %s: imgmanifest throws %q, but we say %v", c.name, reader, want[0].Message, got)
		}
		return
	}
	if diff := cmp.Diff(theirs(want), ours(got)); diff != "" {
		text := string(c.text)
		t.Errorf("%s for %s: (-imgmanifest +ours)\n%s\n%s", c.name, reader, diff, text[:min(len(text), 2000)])
	}
}

// TestTable compares on manifests with one thing changed: every field, every requirement.
func TestTable(t *testing.T) {
	t.Parallel()
	v := imgmanifest.Require(t)
	all := cases()
	begin := time.Now()
	thrown, accepted := 0, 0
	for _, c := range all {
		before := accepted
		for _, reader := range manifest.Readers() {
			got, err := manifest.Validate(c.text, reader)
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
				continue
			}
			want := v.Validate(t, string(reader), c.text)
			compare(t, c, reader, got, want)
			if want == nil {
				accepted++
			} else if want[0].Code == imgmanifest.Thrown {
				thrown++
			}
		}
		if bases[c.name] != "" && accepted == before {
			t.Errorf("%s is to be accepted by at least one reader", c.name)
		}
	}
	t.Logf("%d manifests for %d readers: %d accepted, %d refused, %d exceptions; %v",
		len(all), len(manifest.Readers()), accepted, len(all)*len(manifest.Readers())-accepted-thrown, thrown, time.Since(begin))
}

// TestRandom compares on manifests with several things changed at once.
func TestRandom(t *testing.T) {
	t.Parallel()
	v := imgmanifest.Require(t)
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(from []string) string { return from[random.IntN(len(from))] }
	starts := slices.Sorted(func(yield func(string) bool) {
		for _, text := range bases {
			if !yield(text) {
				return
			}
		}
	})
	for i := range 4000 {
		text := []byte(pick(starts))
		for range 1 + random.IntN(4) {
			field := pick(fields)
			if random.IntN(4) == 0 {
				// Keeps manifests with odd types and states coming.
				field = pick([]string{"type", "state", "activated", "requirements"})
			}
			value := pick(slices.Concat(anyValues, special[field], special[field]))
			text = change(text, value, field)
		}
		c := manifestCase{name: "random " + strconv.Itoa(i), text: text}
		reader := manifest.Readers()[i%len(manifest.Readers())]
		got, err := manifest.Validate(c.text, reader)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		compare(t, c, reader, got, v.Validate(t, string(reader), c.text))
	}
}

// version1 is a manifest as the old dataset servers have it.
const version1 = `{"uuid":` + someUUID + `,"creator_uuid":` + zeroUUID + `,"creator_name":"sdc","name":"base","version":"1.8.1",
	"description":"d","type":"zone-dataset","os":"smartos","platform_type":"smartos","cloud_name":"sdc","vendor_uuid":"x",
	"urn":"sdc:sdc:base:1.8.1","created_at":"2012-11-22T10:00:00.000Z","updated_at":"x","published_at":"2012-11-22T10:00Z",
	"files":[{"path":"base-1.8.1.zfs.bz2","sha1":"da39a3ee5e6b4b0d3255bfef95601890afd80709","size":20,"url":"https://example.org/x"}],
	"requirements":{"networks":[{"name":"net0","description":"public"}]},"users":[{"name":"root"}]}`

// TestUpgrade compares the upgrade of version 1: whether it succeeds, what it makes of every field,
// and the verdict on the result.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	v := imgmanifest.Require(t)
	values := map[string][]string{
		"published_at": {`"2012-11-22T10:00:00Z"`, `"x2012-11-22T10:00Zx"`},
		"files": {
			`[{"path":"a.zfs.gz"}]`, `[{"path":"a.zfs.xz"}]`, `[{"path":"a"}]`, `[{"path":".gz"}]`, `[{"path":"d/.bz2"}]`, `[{"path":"a.gz/"}]`, `[{"path":"a.gz//"}]`, `[{"path":"..gz"}]`, `[{"path":"/"}]`, `[{"path":""}]`, `[{"path":"a.GZ"}]`,
			`[{"url":"https://example.org/a.gz"}]`, `[{"path":"","url":"a.gz"}]`, `[{"path":"a.gz","compression":"none"}]`, `[{"path":"a.gz","compression":""}]`, `[{"path":5}]`, `[{"compression":"gzip"}]`, `[{"path":"a.gz"},{"path":"b.bz2"}]`,
		},
		"v": {`1`, `"1"`, `3`, `-1`, `0`, `"x"`},
	}
	names := append(slices.Clone(fields), "creator_uuid", "creator_name", "restricted_to_uuid", "created_at", "owner_uuid", "creator_admin", "_url")
	n := 0
	for _, field := range names {
		if field == "__proto__" {
			continue // cannot be told in the upgraded JSON
		}
		for _, value := range slices.Concat(anyValues, values[field]) {
			if value == `1e999` {
				continue // becomes null in imgmanifest's copy of the manifest
			}
			n++
			text := change([]byte(version1), value, field)
			name := field + "=" + value
			var raw map[string]any
			d, err := manifest.Decode(text)
			if err != nil {
				t.Fatal(err)
			}
			upgraded, err := manifest.Upgrade(d.Value.(map[string]any))
			want, wantText := v.UpgradeAndValidate(t, "public", text)
			if (err != nil) != (wantText == nil) {
				t.Errorf("%s: we say %v, imgmanifest %v", name, err, want)
			}
			if err != nil || wantText == nil {
				continue
			}
			if err := json.Unmarshal(wantText, &raw); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(raw, plain(t, upgraded)); diff != "" && field != "image_size" { // not a number is null in JSON
				t.Errorf("%s: (-imgmanifest +ours)\n%s", name, diff)
			}
			got, err := manifest.Validate(upgraded, manifest.Public)
			if err != nil {
				t.Fatal(err)
			}
			compare(t, manifestCase{name, "", text}, manifest.Public, got, want)
		}
	}
	t.Logf("%d manifests", n)
}

// plain gives decoded JSON the types that encoding/json gives it by default.
func plain(t *testing.T, v any) map[string]any {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// TestNew checks that all readers that should do accept what we make.
func TestNew(t *testing.T) {
	t.Parallel()
	v := imgmanifest.Require(t)
	for _, imageType := range []string{manifest.TypeZone, manifest.TypeLX, manifest.TypeZvol, manifest.TypeDocker, manifest.TypeLXD, manifest.TypeOther} {
		for _, name := range []string{"base-64", "my-image", "seed"} {
			m := manifest.New(manifest.Options{
				Name: name, Version: "20.4.0", Type: imageType, Creator: "jo", SnapshotGUID: 1 << 63,
				PublishedAt: time.Unix(1600000000, 5e6), MinPlatform: map[string]string{},
				File: &manifest.File{SHA1: "da39a3ee5e6b4b0d3255bfef95601890afd80709", Size: 20, Compression: "gzip"},
			})
			text, err := manifest.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			if faults := v.Validate(t, "imgadm", text); faults != nil {
				t.Errorf("%s of type %s: %v", name, imageType, faults)
			}
			// What a server adds by itself.
			m.State, m.Disabled, m.Activated, m.Public = "active", new(false), new(true), new(true)
			if imageType == manifest.TypeZvol {
				m.NICDriver, m.DiskDriver, m.CPUType, m.ImageSize = "virtio", "virtio", "host", 10
			}
			if text, err = manifest.Marshal(m); err != nil {
				t.Fatal(err)
			}
			for _, reader := range []string{"public", "dc"} {
				if faults := v.Validate(t, reader, text); faults != nil {
					t.Errorf("%s of type %s on a server: %v", name, imageType, faults)
				}
			}
		}
	}
}
