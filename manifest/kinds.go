// SPDX-License-Identifier: MIT

package manifest

import (
	"cmp"
	"fmt"
	"slices"
)

// typeRule is what goes together with a type of image.
type typeRule struct {
	brands []string // of the machines that are made of such images
	notOS  []string // systems that such an image cannot hold
}

var typeRules = map[string]typeRule{
	TypeZone: {brands: []string{"joyent", "joyent-minimal", "builder", "sngl"}, notOS: []string{"linux", "windows", "bsd"}},
	TypeLX:   {brands: []string{"lx"}, notOS: []string{"smartos", "illumos", "windows", "bsd"}},
	TypeZvol: {brands: []string{"kvm", "bhyve"}},
}

// TypeOfBrand is the type of the images that machines of a brand are made of; empty if the brand is
// not known.
func TypeOfBrand(brand string) string {
	for imageType, k := range typeRules {
		if slices.Contains(k.brands, brand) {
			return imageType
		}
	}
	return ""
}

// given are type, os and brand as the options have them, without defaults.
func (o *Options) given() (imageType, os, brand string) {
	var base Manifest
	if o.Base != nil {
		base = *o.Base
	}
	if base.Requirements != nil {
		brand = base.Requirements.Brand
	}
	return cmp.Or(o.Type, base.Type), cmp.Or(o.OS, base.OS), cmp.Or(o.Brand, brand)
}

// GivenType is the type that the options give, or that follows from the brand; empty for none.
func (o *Options) GivenType() string {
	imageType, _, brand := o.given()
	return cmp.Or(imageType, TypeOfBrand(brand))
}

// ImpliedType is [Options.GivenType], or what follows from an os that only images of one type have
// in a file system. It is empty if the options leave the type open.
func (o *Options) ImpliedType() string {
	if t := o.GivenType(); t != "" {
		return t
	}
	switch _, os, _ := o.given(); os {
	case "linux":
		return TypeLX
	case "smartos", "illumos":
		return TypeZone
	}
	return ""
}

// Contradiction is a fault if no image can have the type, the os and the brand that are given, else
// nil. What is not given contradicts nothing.
func (o *Options) Contradiction() *Fault {
	imageType, os, brand := o.given()
	implied := TypeOfBrand(brand)
	fault := func(field, format string, args ...any) *Fault {
		return &Fault{Field: field, Code: Invalid, Message: fmt.Sprintf(format, args...)}
	}
	switch {
	case imageType != "" && implied != "" && imageType != implied:
		return fault("type", "%q contradicts brand %q, whose machines are made of images of type %s", imageType, brand, implied)
	case slices.Contains(typeRules[imageType].notOS, os):
		return fault("type", "%q contradicts os %q%s", imageType, os, wantedType(os))
	case slices.Contains(typeRules[implied].notOS, os):
		return fault("requirements.brand", "%q contradicts os %q%s", brand, os, wantedType(os))
	}
	return nil
}

// wantedType says which images hold a system.
func wantedType(os string) string {
	switch os {
	case "linux":
		return fmt.Sprintf(": the root file system of a Linux has type %s, its disk %s", TypeLX, TypeZvol)
	case "smartos", "illumos":
		return fmt.Sprintf(": the root file system of a SmartOS zone has type %s", TypeZone)
	}
	return fmt.Sprintf(": only type %s, the disk of a machine, holds it", TypeZvol)
}
