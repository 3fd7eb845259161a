// SPDX-License-Identifier: MIT

package manifest

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// imageNamespace is the name space of the UUIDs that [UUID] derives. It is random and must never
// change: with another one every image built again would get another UUID.
var imageNamespace = uuid.MustParse("276291bb-6181-4196-be18-94a899e780e0")

// UUID derives the UUID of an image from what the image is: the same image gets the same UUID
// wherever it is built, and one that differs gets another, since hosts and servers skip an image
// whose UUID they have. m says what the image is, and the guid of its snapshot stands for the
// contents.
//
// It is a version 5 UUID in the name space 276291bb-6181-4196-be18-94a899e780e0, over name,
// version, decimal guid and a JSON object, with a zero byte between them. The object has the
// fields of the manifest that change what hosts and instances do with the image; see [identity].
func UUID(m *Manifest, snapshotGUID uint64) string {
	rest, _ := json.Marshal(identity{
		Type: m.Type, OS: m.OS, Origin: m.Origin, Requirements: m.Requirements, Users: m.Users, BillingTags: m.BillingTags,
		Traits: m.Traits, Tags: m.Tags, GeneratePasswords: m.GeneratePasswords, InheritedDirectories: m.InheritedDirectories,
		NICDriver: m.NICDriver, DiskDriver: m.DiskDriver, CPUType: m.CPUType, ImageSize: m.ImageSize,
	}) // fails on tags and traits that Marshal refuses as well, before the manifest is written
	text := m.Name + "\x00" + m.Version + "\x00" + strconv.FormatUint(snapshotGUID, 10) + "\x00" + string(rest)
	return uuid.NewSHA1(imageNamespace, []byte(text)).String()
}

// identity is what an image is, except for its name, its version and its contents. The other
// fields of a [Manifest] describe the image (owner, description, homepage, eula, urn, icon), say
// who may see it (public, acl, channels) or what became of it (state, disabled, activated,
// published_at, error), or describe one file of it (files). The order and the names of the fields
// must never change.
type identity struct {
	Type                 string         `json:"type"`
	OS                   string         `json:"os"`
	Origin               string         `json:"origin,omitempty"`
	Requirements         *Requirements  `json:"requirements,omitempty"`
	Users                []User         `json:"users,omitempty"`
	BillingTags          []string       `json:"billing_tags,omitempty"`
	Traits               map[string]any `json:"traits,omitempty"`
	Tags                 map[string]any `json:"tags,omitempty"`
	GeneratePasswords    *bool          `json:"generate_passwords,omitempty"`
	InheritedDirectories []string       `json:"inherited_directories,omitempty"`
	NICDriver            string         `json:"nic_driver,omitempty"`
	DiskDriver           string         `json:"disk_driver,omitempty"`
	CPUType              string         `json:"cpu_type,omitempty"`
	ImageSize            int64          `json:"image_size,omitempty"`
}

// SplitNameVersion splits "base-64-20.4.0" at the last hyphen into the name "base-64" and the
// version "20.4.0", and checks both parts by the rules for them.
func SplitNameVersion(s string) (name, version string, err error) {
	return splitAt(s, strings.LastIndexByte(s, '-'))
}

// SplitNameVersion is the function of that name, except for an argument that is the name and the
// version of m, joined by a hyphen: that splits where m does, hyphens in its version or not. m may
// be nil.
func (m *Manifest) SplitNameVersion(s string) (name, version string, err error) {
	if m != nil && m.Name != "" && m.Version != "" && s == m.Name+"-"+m.Version {
		return splitAt(s, len(m.Name))
	}
	return SplitNameVersion(s)
}

// splitAt splits s at the hyphen at i; -1 means that there is none.
func splitAt(s string, i int) (name, version string, err error) {
	if i < 0 {
		return "", "", fmt.Errorf("manifest: image %q: must be NAME-VERSION, but has no hyphen", s)
	}
	name, version = s[:i], s[i+1:]
	switch {
	case name == "":
		err = errors.New("no name before the last hyphen")
	case version == "":
		err = errors.New("no version after the last hyphen")
	default:
		c := checker{}
		c.name("name", name)
		c.version("version", version)
		for _, f := range c.faults {
			err = errors.Join(err, f)
		}
	}
	if err != nil {
		return "", "", fmt.Errorf("manifest: image %q: %w", s, err)
	}
	return name, version, nil
}

// FormatTime writes t as published_at wants it: in UTC, cut to milliseconds, with exactly three
// decimals or with none if they are zero. t must be in the years 0 to 9999.
func FormatTime(t time.Time) string {
	t = t.UTC().Truncate(time.Millisecond)
	if t.Nanosecond() == 0 {
		return t.Format("2006-01-02T15:04:05Z")
	}
	return t.Format("2006-01-02T15:04:05.000Z")
}

// Options are what [New] makes a manifest from. Zero values are "not given".
type Options struct {
	// Base is the manifest to start from, nil for none; see ParsePartial. New does not change it,
	// but shares what it does not replace. Its fields win over defaults, and the other options
	// win over it. A field is taken whole: with requirements in Base there are no default
	// networks. V, and Files if File is given, are never taken from it.
	Base *Manifest

	Name, Version string

	// UUID, if empty here and in Base, is derived from SnapshotGUID and the manifest; see [UUID].
	UUID         string
	SnapshotGUID uint64

	Type        string         // default by [Options.ImpliedType], else zone-dataset
	OS          string         // default smartos for zone-dataset, linux for lx-dataset, docker and lxd
	Owner       string         // default NoOwner
	Creator     string         // becomes tags.creator; the urn has it, or that of Base, or "sdc"
	Tags        map[string]any // added to tags
	Description string         // default by LookupKnown, else none
	Homepage    string         // likewise
	Public      *bool          // default true for a name that LookupKnown knows, else false

	// Of a zvol; imgadm calls for none of them, image servers do.
	NICDriver, DiskDriver, CPUType string

	Brand, Bootrom string // of requirements

	// MinPlatform is requirements.min_platform; an empty map that is not nil asks for none. The
	// default for zone-dataset is that of LookupKnown, or 7.0 with the platform of late 2014; for
	// other types none.
	MinPlatform map[string]string

	// PublishedAt is the default of published_at, which is left out if both are missing.
	PublishedAt time.Time

	// File is the image file. SnapshotGUID, if not zero, becomes its dataset_guid if that is empty.
	File *File
}

// New makes the manifest of an image from options, a base manifest and the defaults for the rest.
// It does not validate.
func New(o Options) *Manifest {
	m := Manifest{}
	if o.Base != nil {
		m = *o.Base
	}
	m.V = Version
	m.Name = cmp.Or(o.Name, m.Name)
	m.Version = cmp.Or(o.Version, m.Version)
	m.UUID = cmp.Or(o.UUID, m.UUID)
	m.Type = cmp.Or(o.ImpliedType(), TypeZone)
	m.OS = cmp.Or(o.OS, m.OS, defaultOS(m.Type))
	m.Owner = cmp.Or(o.Owner, m.Owner, NoOwner)
	m.NICDriver = cmp.Or(o.NICDriver, m.NICDriver)
	m.DiskDriver = cmp.Or(o.DiskDriver, m.DiskDriver)
	m.CPUType = cmp.Or(o.CPUType, m.CPUType)
	if m.PublishedAt == "" && !o.PublishedAt.IsZero() {
		m.PublishedAt = FormatTime(o.PublishedAt)
	}

	family, isKnown := LookupKnown(m.Name)
	m.Description = cmp.Or(o.Description, m.Description, family.Description)
	m.Homepage = cmp.Or(o.Homepage, m.Homepage, family.Homepage)
	m.Public = cmp.Or(o.Public, m.Public, &isKnown)
	creator, _ := m.Tags["creator"].(string)
	creator = cmp.Or(o.Creator, creator, "sdc")
	if o.Base != nil && (m.Name != o.Base.Name || m.Version != o.Base.Version) && strings.HasSuffix(m.URN, ":"+o.Base.Name+":"+o.Base.Version) {
		m.URN = "" // it names the image that Base was written for
	}
	m.URN = cmp.Or(m.URN, "sdc:"+creator+":"+m.Name+":"+m.Version)

	if m.Tags = maps.Clone(m.Tags); m.Tags == nil {
		m.Tags = map[string]any{"role": "os", "group": m.Name}
	}
	maps.Copy(m.Tags, o.Tags)
	if o.Creator != "" {
		m.Tags["creator"] = o.Creator
	}
	m.Requirements = o.requirements(&m)
	if m.UUID == "" {
		m.UUID = UUID(&m, o.SnapshotGUID)
	}
	m.Files = slices.Clone(m.Files)
	if o.File != nil {
		file := *o.File
		if file.DatasetGUID == "" && o.SnapshotGUID != 0 {
			file.DatasetGUID = strconv.FormatUint(o.SnapshotGUID, 10)
		}
		m.Files = []File{file}
	}
	return &m
}

func (o *Options) requirements(m *Manifest) *Requirements {
	r := Requirements{Networks: []Network{{Name: "net0", Description: "public"}}}
	if m.Requirements != nil {
		r = *m.Requirements
	} else if m.Type == TypeLX {
		r.Brand = "lx"
	} else if m.Type == TypeZone {
		r.MinPlatform = map[string]string{sdcVersion: oldStamp}
		if family, ok := LookupKnown(m.Name); ok {
			r.MinPlatform = family.MinPlatform(m.Version)
		}
	}
	r.Brand = cmp.Or(o.Brand, r.Brand)
	r.Bootrom = cmp.Or(o.Bootrom, r.Bootrom)
	if o.MinPlatform != nil {
		r.MinPlatform = nil // an empty one is refused by validators
		if len(o.MinPlatform) > 0 {
			r.MinPlatform = maps.Clone(o.MinPlatform)
		}
	}
	return &r
}

func defaultOS(imageType string) string {
	switch imageType {
	case TypeZone:
		return "smartos"
	case TypeLX, TypeDocker, TypeLXD:
		return "linux"
	}
	return "other"
}
