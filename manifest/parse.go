// SPDX-License-Identifier: MIT

package manifest

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
)

// Parse reads a manifest of version 2, or one of version 1, which it upgrades. It reports every
// mistake of form at once, each an [*Error]: what [Decode] refuses, unknown fields, and values of
// the wrong type. The values themselves are the business of [Manifest.Validate].
//
// As imgmanifest does, it takes "true" and "false" for booleans, a string of digits for a number,
// and a number for a name, version or description; null counts as absent. Keys in files and error that have no meaning
// are dropped, because validators ignore them too. A manifest whose version cannot be told, or
// that cannot be upgraded, is one plain error ([ErrNoVersion] or that of [Upgrade]).
func Parse(data []byte) (*Manifest, error) {
	d, err := Decode(data)
	if err != nil {
		return nil, err
	}
	return d.Manifest()
}

// ParsePartial is [Parse] for the manifest that a new one starts from ([Options.Base]): any field
// may be missing, and so may v. It also takes the one manifest in what imgadm and IMGAPI print; see
// [Document.Manifests].
func ParsePartial(data []byte) (*Manifest, error) {
	d, err := Decode(data)
	if err != nil {
		return nil, err
	}
	all, err := d.Manifests()
	if err != nil {
		return nil, err
	}
	if len(all) > 1 {
		return nil, &NotOneError{Kind: d.Kind(), Manifests: len(all)}
	}
	d = all[0]
	if raw, ok := d.Value.(map[string]any); ok && !truthy(raw["v"]) && !truthy(raw["creator_uuid"]) {
		raw["v"] = json.Number("2")
	}
	return d.Manifest()
}

// Manifest returns the document as a manifest of version 2; see [Parse].
func (d *Document) Manifest() (*Manifest, error) {
	raw, ok := d.Value.(map[string]any)
	if !ok {
		return nil, d.errorAt(0, "", "not an object")
	}
	raw, err := Upgrade(raw)
	if err != nil {
		return nil, err
	}
	b := binder{doc: d}
	m := b.manifest(raw)
	if err := d.errors(b.found); err != nil {
		return nil, err
	}
	return m, nil
}

// binder turns decoded JSON into typed values and collects what does not fit.
type binder struct {
	doc   *Document
	found []mistake
}

func (b *binder) manifest(raw map[string]any) *Manifest {
	b.known(raw, "", fieldNames)
	return &Manifest{
		V:           int(b.whole("v", raw["v"])),
		UUID:        b.text("uuid", raw["uuid"]),
		Owner:       b.text("owner", raw["owner"]),
		Name:        b.word("name", raw["name"]),
		Version:     b.word("version", raw["version"]),
		Description: b.word("description", raw["description"]),
		Homepage:    b.text("homepage", raw["homepage"]),
		EULA:        b.text("eula", raw["eula"]),
		URN:         b.text("urn", raw["urn"]),
		Disabled:    b.boolean("disabled", raw["disabled"]),
		Activated:   b.boolean("activated", raw["activated"]),
		State:       b.text("state", raw["state"]),
		PublishedAt: b.text("published_at", raw["published_at"]),
		Public:      b.boolean("public", raw["public"]),
		Type:        b.text("type", raw["type"]),
		OS:          b.text("os", raw["os"]),
		Origin:      b.text("origin", raw["origin"]),
		Error:       b.imageError(raw["error"]),
		Files:       list(b, "files", raw["files"], b.file),
		Icon:        b.boolean("icon", raw["icon"]),
		ACL:         list(b, "acl", raw["acl"], b.element),

		Requirements:         b.requirements(raw["requirements"]),
		Users:                list(b, "users", raw["users"], b.user),
		BillingTags:          list(b, "billing_tags", raw["billing_tags"], b.element),
		Traits:               b.object("traits", raw["traits"]),
		Tags:                 b.object("tags", raw["tags"]),
		GeneratePasswords:    b.boolean("generate_passwords", raw["generate_passwords"]),
		InheritedDirectories: list(b, "inherited_directories", raw["inherited_directories"], b.element),

		NICDriver:  b.text("nic_driver", raw["nic_driver"]),
		DiskDriver: b.text("disk_driver", raw["disk_driver"]),
		CPUType:    b.text("cpu_type", raw["cpu_type"]),
		ImageSize:  b.whole("image_size", raw["image_size"]),
		Channels:   list(b, "channels", raw["channels"], b.element),
	}
}

func (b *binder) requirements(v any) *Requirements {
	raw := b.object("requirements", v)
	if raw == nil {
		return nil
	}
	b.known(raw, "requirements.", requirementNames)
	return &Requirements{
		Networks:    list(b, "requirements.networks", raw["networks"], b.network),
		Brand:       b.text("requirements.brand", raw["brand"]),
		SSHKey:      b.boolean("requirements.ssh_key", raw["ssh_key"]),
		MinRAM:      b.whole("requirements.min_ram", raw["min_ram"]),
		MaxRAM:      b.whole("requirements.max_ram", raw["max_ram"]),
		MinPlatform: b.platforms("requirements.min_platform", raw["min_platform"]),
		MaxPlatform: b.platforms("requirements.max_platform", raw["max_platform"]),
		Bootrom:     b.text("requirements.bootrom", raw["bootrom"]),
	}
}

func (b *binder) file(path string, v any) File {
	raw := b.member(path, v)
	return File{
		SHA1:        b.text(path+".sha1", raw["sha1"]),
		Size:        b.whole(path+".size", raw["size"]),
		Compression: b.text(path+".compression", raw["compression"]),
		DatasetGUID: b.decimal(path+".dataset_guid", raw["dataset_guid"]),
		Stor:        b.text(path+".stor", raw["stor"]),

		Digest:             b.text(path+".digest", raw["digest"]),
		UncompressedDigest: b.text(path+".uncompressedDigest", raw["uncompressedDigest"]),
	}
}

func (b *binder) network(path string, v any) Network {
	raw := b.member(path, v)
	b.known(raw, path+".", []string{"name", "description"})
	return Network{
		Name:        b.text(path+".name", raw["name"]),
		Description: b.text(path+".description", raw["description"]),
	}
}

func (b *binder) user(path string, v any) User {
	raw := b.member(path, v)
	b.known(raw, path+".", []string{"name"})
	return User{Name: b.text(path+".name", raw["name"])}
}

func (b *binder) imageError(v any) *ImageError {
	raw := b.object("error", v)
	if raw == nil {
		return nil
	}
	return &ImageError{
		Message: b.text("error.message", raw["message"]),
		Code:    b.text("error.code", raw["code"]),
		Stack:   b.text("error.stack", raw["stack"]),
	}
}

func (b *binder) platforms(path string, v any) map[string]string {
	raw := b.object(path, v)
	if raw == nil {
		return nil
	}
	stamps := make(map[string]string, len(raw))
	for key, stamp := range raw {
		stamps[key] = b.element(path+"."+key, stamp)
	}
	return stamps
}

// known reports the keys of raw that are not among names.
func (b *binder) known(raw map[string]any, prefix string, names []string) {
	for _, key := range slices.Sorted(maps.Keys(raw)) {
		if !slices.Contains(names, key) {
			b.failf(prefix+key, "unknown field")
		}
	}
}

func (b *binder) text(path string, v any) string {
	s, ok := v.(string)
	if !ok && v != nil {
		b.failf(path, "must be a string, not %s", kind(v))
	}
	return s
}

// word is text for what imgadm create makes a number of if it looks like one: version=20260101.
func (b *binder) word(path string, v any) string {
	if n, ok := v.(json.Number); ok {
		return formatNumber(number(n))
	}
	return b.text(path, v)
}

// decimal is text for numbers with more digits than a JavaScript number holds.
func (b *binder) decimal(path string, v any) string {
	if n, ok := v.(json.Number); ok {
		return n.String()
	}
	return b.text(path, v)
}

func (b *binder) element(path string, v any) string {
	if v == nil {
		b.failf(path, "must be a string, not null")
	}
	return b.text(path, v)
}

func (b *binder) boolean(path string, v any) *bool {
	if v == nil {
		return nil
	}
	value, ok := toBool(v)
	if !ok {
		b.failf(path, "must be true or false, not %s", kind(v))
	}
	return &value
}

// maxWhole is the largest number below which JavaScript tells all whole numbers apart.
const maxWhole = 1<<53 - 1

func (b *binder) whole(path string, v any) int64 {
	f := 0.0
	switch v := v.(type) {
	case nil:
	case json.Number:
		f = number(v)
	case string:
		f = stringToNumber(v)
	default:
		b.failf(path, "must be a number, not %s", kind(v))
		return 0
	}
	if !isWhole(f) || math.Abs(f) > maxWhole {
		b.failf(path, "must be a whole number")
		return 0
	}
	return int64(f)
}

func (b *binder) object(path string, v any) map[string]any {
	if v == nil {
		return nil
	}
	raw, ok := v.(map[string]any)
	if !ok {
		b.failf(path, "must be an object, not %s", kind(v))
	}
	return raw
}

// member is object for an element of an array, where null does not mean absent.
func (b *binder) member(path string, v any) map[string]any {
	if v == nil {
		b.failf(path, "must be an object, not null")
	}
	return b.object(path, v)
}

func list[T any](b *binder, path string, v any, element func(path string, v any) T) []T {
	if v == nil {
		return nil
	}
	raw, ok := v.([]any)
	if !ok {
		b.failf(path, "must be an array, not %s", kind(v))
		return nil
	}
	typed := make([]T, len(raw))
	for i, e := range raw {
		typed[i] = element(path+"["+strconv.Itoa(i)+"]", e)
	}
	return typed
}

func (b *binder) failf(path, format string, args ...any) {
	b.found = append(b.found, mistake{b.doc.starts[b.doc.prefix+path], path, fmt.Sprintf(format, args...)})
}

// maxQuoted keeps messages to a line.
const maxQuoted = 40

// kind names a value in a message.
func kind(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case string:
		if len(v) > maxQuoted {
			return "a long string"
		}
		return strconv.Quote(v)
	case json.Number:
		return "a number"
	case []any:
		return "an array"
	}
	return "an object"
}

// toBool takes what imgmanifest takes for a boolean.
func toBool(v any) (value, ok bool) {
	switch v {
	case true, "true":
		return true, true
	case false, "false":
		return false, true
	}
	return false, false
}
