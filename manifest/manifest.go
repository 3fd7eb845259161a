// SPDX-License-Identifier: MIT

package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Version is the manifest version that is written.
const Version = 2

// NoOwner is the owner that means "unset"; servers other than a data centre's store no other.
const NoOwner = "00000000-0000-0000-0000-000000000000"

// The image types, and what an image file of each holds.
const (
	TypeZone   = "zone-dataset" // zone root for the native brands: a file system stream
	TypeLX     = "lx-dataset"   // zone root for the lx brand: a file system stream
	TypeZvol   = "zvol"         // disk of a virtual machine: a volume stream
	TypeDocker = "docker"       // one docker layer: a tar
	TypeLXD    = "lxd"          // up to two files; not known to imgadm
	TypeOther  = "other"        // anything, such as a platform image
)

// A Manifest describes one image. The order of the fields is the order they are written in, and a
// field with its zero value is left out; a nil pointer, slice or map means absent, an empty slice
// or map is written.
type Manifest struct {
	V           int    `json:"v"`
	UUID        string `json:"uuid"`
	Owner       string `json:"owner,omitzero"`
	Name        string `json:"name"`
	Version     string `json:"version"`
	Description string `json:"description,omitzero"`
	Homepage    string `json:"homepage,omitzero"`
	EULA        string `json:"eula,omitzero"`
	URN         string `json:"urn,omitzero"` // deprecated, for old clients

	Disabled    *bool  `json:"disabled,omitzero"`
	Activated   *bool  `json:"activated,omitzero"` // kept inside servers, never given out
	State       string `json:"state,omitzero"`     // active, unactivated, disabled, creating or failed
	PublishedAt string `json:"published_at,omitzero"`
	Public      *bool  `json:"public,omitzero"`

	Type   string      `json:"type"`
	OS     string      `json:"os"`
	Origin string      `json:"origin,omitzero"` // the image this one is incremental on
	Error  *ImageError `json:"error,omitzero"`
	Files  []File      `json:"files,omitzero"`
	Icon   *bool       `json:"icon,omitzero"`
	ACL    []string    `json:"acl,omitzero"` // accounts that may use a private image

	Requirements         *Requirements  `json:"requirements,omitzero"`
	Users                []User         `json:"users,omitzero"`
	BillingTags          []string       `json:"billing_tags,omitzero"`
	Traits               map[string]any `json:"traits,omitzero"` // of string, bool and []any
	Tags                 map[string]any `json:"tags,omitzero"`   // of any JSON value
	GeneratePasswords    *bool          `json:"generate_passwords,omitzero"`
	InheritedDirectories []string       `json:"inherited_directories,omitzero"`

	NICDriver  string   `json:"nic_driver,omitzero"` // these four for zvol only
	DiskDriver string   `json:"disk_driver,omitzero"`
	CPUType    string   `json:"cpu_type,omitzero"`
	ImageSize  int64    `json:"image_size,omitzero"` // MiB
	Channels   []string `json:"channels,omitzero"`
}

// A File is the image file itself, as it is stored.
type File struct {
	SHA1        string `json:"sha1"`                  // of the compressed bytes, in lower-case hex
	Size        int64  `json:"size"`                  // of the compressed bytes
	Compression string `json:"compression"`           // none, gzip, bzip2 or xz
	DatasetGUID string `json:"dataset_guid,omitzero"` // guid of the image's snapshot, decimal
	Stor        string `json:"stor,omitzero"`         // local or manta, kept inside servers
	// Digests of a docker layer, "sha256:…", as stored and uncompressed.
	Digest             string `json:"digest,omitzero"`
	UncompressedDigest string `json:"uncompressedDigest,omitzero"`
}

// Requirements are what an instance, and the host it runs on, must offer.
type Requirements struct {
	Networks    []Network         `json:"networks,omitzero"`
	Brand       string            `json:"brand,omitzero"`
	SSHKey      *bool             `json:"ssh_key,omitzero"`
	MinRAM      int64             `json:"min_ram,omitzero"`      // MiB
	MaxRAM      int64             `json:"max_ram,omitzero"`      // MiB
	MinPlatform map[string]string `json:"min_platform,omitzero"` // SDC version to platform stamp
	MaxPlatform map[string]string `json:"max_platform,omitzero"`
	Bootrom     string            `json:"bootrom,omitzero"` // bios or uefi, for brand bhyve
}

// A Network is an interface the image expects.
type Network struct {
	Name        string `json:"name"`
	Description string `json:"description"`
}

// A User is an account in the image that gets a generated password.
type User struct {
	Name string `json:"name"`
}

// An ImageError says why the making of an image failed.
type ImageError struct {
	Message string `json:"message"`
	Code    string `json:"code,omitzero"`
	Stack   string `json:"stack,omitzero"`
}

// Marshal returns m in its canonical form: fields in the order of [Manifest], the keys of maps
// sorted, two blanks of indentation, no escaping for HTML, a newline at the end. Equal manifests
// give equal bytes. It does not validate; it fails only on values in Tags or Traits that JSON
// cannot express.
func Marshal(m *Manifest) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(m); err != nil {
		return nil, fmt.Errorf("manifest: encode %q: %w", m.Name, err)
	}
	return buf.Bytes(), nil
}
