// SPDX-License-Identifier: MIT

package manifest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// inheritable are the fields that an image made of a machine takes over from the one that the
// machine was made of. imgadm takes type over too; here the machine's brand says that.
var inheritable = []string{
	"os", "requirements", "users", "billing_tags", "traits", "generate_passwords", "inherited_directories",
	"nic_driver", "disk_driver", "cpu_type",
}

// Inherit returns base, nil for none, completed as `imgadm create` does: with the fields of the
// origin's manifest that it inherits, each taken whole, requirements too. Empty lists are left
// out, and so is what the image's type cannot have. The origin's other fields are not looked
// at: what imgadm keeps of an image need not be valid.
func Inherit(base *Manifest, origin map[string]json.RawMessage, imageType string) (*Manifest, error) {
	picked := map[string]json.RawMessage{}
	for _, field := range inheritable {
		if value, ok := origin[field]; ok {
			picked[field] = value
		}
	}
	text, err := json.Marshal(picked)
	if err != nil {
		return nil, fmt.Errorf("manifest of the origin: %w", err)
	}
	from, err := ParsePartial(text)
	if err != nil {
		return nil, fmt.Errorf("manifest of the origin: %w", err)
	}
	m := Manifest{}
	if base != nil {
		m = *base
	}
	inherit(&m.OS, from.OS)
	if m.Requirements == nil {
		m.Requirements = from.Requirements
	}
	inheritList(&m.Users, from.Users)
	inheritList(&m.BillingTags, from.BillingTags)
	if m.Traits == nil {
		m.Traits = from.Traits
	}
	if m.GeneratePasswords == nil {
		m.GeneratePasswords = from.GeneratePasswords
	}
	switch imageType {
	case TypeZone:
		inheritList(&m.InheritedDirectories, from.InheritedDirectories)
	case TypeZvol:
		inherit(&m.NICDriver, from.NICDriver)
		inherit(&m.DiskDriver, from.DiskDriver)
		inherit(&m.CPUType, from.CPUType)
	}
	return &m, nil
}

func inherit(field *string, value string) {
	if *field == "" {
		*field = value
	}
}

func inheritList[T any](field *[]T, value []T) {
	if *field == nil && len(value) > 0 {
		*field = slices.Clone(value)
	}
}

// Derive returns base, nil for none, completed with the fields of the manifest of another image
// that an image made of that one shares with it, each taken whole. What tells one image from
// another is not taken over (uuid, name, version, urn, published_at, files, origin, image_size),
// nor what a server says of it (state, disabled, activated, error, icon, channels).
func Derive(base, from *Manifest) *Manifest {
	m := Manifest{}
	if base != nil {
		m = *base
	}
	for _, field := range []struct {
		to    *string
		value string
	}{
		{&m.Owner, from.Owner}, {&m.Description, from.Description}, {&m.Homepage, from.Homepage}, {&m.EULA, from.EULA},
		{&m.Type, from.Type}, {&m.OS, from.OS},
		{&m.NICDriver, from.NICDriver}, {&m.DiskDriver, from.DiskDriver}, {&m.CPUType, from.CPUType},
	} {
		inherit(field.to, field.value)
	}
	m.Public = cmp.Or(m.Public, from.Public)
	m.GeneratePasswords = cmp.Or(m.GeneratePasswords, from.GeneratePasswords)
	m.Requirements = cmp.Or(m.Requirements, from.Requirements)
	inheritList(&m.ACL, from.ACL)
	inheritList(&m.Users, from.Users)
	inheritList(&m.BillingTags, from.BillingTags)
	inheritList(&m.InheritedDirectories, from.InheritedDirectories)
	if m.Traits == nil {
		m.Traits = from.Traits
	}
	if m.Tags == nil {
		m.Tags = from.Tags
	}
	return &m
}

// Template returns what a new image takes over from a manifest to start from, and the names of the
// fields that it does not. A manifest without files describes no image yet, and is taken as it is.
// One with files is that of an image: what tells that image from others is left out, as [Derive]
// does, except for name and version, which are defaults of the new ones.
func Template(m *Manifest) (template *Manifest, left []string) {
	if len(m.Files) == 0 {
		return m, nil
	}
	t := Derive(nil, m)
	t.Name, t.Version = m.Name, m.Version
	from, to := reflect.ValueOf(*m), reflect.ValueOf(*t)
	for i := range from.NumField() {
		name, _, _ := strings.Cut(from.Type().Field(i).Tag.Get("json"), ",")
		if name != "v" && name != "files" && !from.Field(i).IsZero() && to.Field(i).IsZero() {
			left = append(left, name)
		}
	}
	return t, left
}
