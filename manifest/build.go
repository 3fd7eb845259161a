// SPDX-License-Identifier: MIT

package manifest

import (
	"cmp"
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

// UUID derives the UUID of an image from its name, its version and the guid of its snapshot, which
// itself stands for the contents: the same image gets the same UUID wherever it is built. It is a
// version 5 UUID over name, version and decimal guid with a zero byte between them, in the name
// space 276291bb-6181-4196-be18-94a899e780e0.
func UUID(name, version string, snapshotGUID uint64) string {
	text := name + "\x00" + version + "\x00" + strconv.FormatUint(snapshotGUID, 10)
	return uuid.NewSHA1(imageNamespace, []byte(text)).String()
}

// SplitNameVersion splits "base-64-20.4.0" at the last hyphen into the name "base-64" and the
// version "20.4.0", and checks both parts by the rules for them.
func SplitNameVersion(s string) (name, version string, err error) {
	i := strings.LastIndexByte(s, '-')
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

	// UUID, if empty here and in Base, is derived from Name, Version and SnapshotGUID.
	UUID         string
	SnapshotGUID uint64

	Type        string         // default zone-dataset
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
	if m.UUID == "" {
		m.UUID = UUID(m.Name, m.Version, o.SnapshotGUID)
	}
	m.Type = cmp.Or(o.Type, m.Type, TypeZone)
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
	m.URN = cmp.Or(m.URN, "sdc:"+creator+":"+m.Name+":"+m.Version)

	if m.Tags = maps.Clone(m.Tags); m.Tags == nil {
		m.Tags = map[string]any{"role": "os", "group": m.Name}
	}
	maps.Copy(m.Tags, o.Tags)
	if o.Creator != "" {
		m.Tags["creator"] = o.Creator
	}
	m.Requirements = o.requirements(&m)
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
