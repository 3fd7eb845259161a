// SPDX-License-Identifier: MIT

package manifest

import (
	"encoding/json"
	"fmt"
	"slices"
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
