// SPDX-License-Identifier: MIT

package manifest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// For names the reader that a manifest is judged for.
type For string

// The readers, each with a validator of its own in imgmanifest.
const (
	IMGADM  For = "imgadm"  // imgadm install and create: the minimum
	Public  For = "public"  // an IMGAPI that serves everybody, such as the public image server
	Private For = "private" // an IMGAPI of its own
	DC      For = "dc"      // the IMGAPI of a data centre
)

// Readers lists all of them, the default first.
func Readers() []For { return []For{IMGADM, Public, Private, DC} }

// The codes of a [Fault].
const (
	MissingParameter = "MissingParameter"
	Invalid          = "Invalid"
)

// A Fault is one reason for which a manifest is refused. It is an error by itself.
type Fault struct {
	Field   string `json:"field"` // unknown requirements are named without "requirements."
	Code    string `json:"code"`  // MissingParameter or Invalid
	Message string `json:"message"`
}

func (f Fault) Error() string { return f.Field + ": " + f.Message }

// A rule judges one field.
type rule struct {
	name    string
	check   func(c *checker, field string, v any)
	minimal bool                          // required by everyone
	absent  func(c *checker) (why string) // required of servers, if it gives a reason
	imports importing
}

// importing says what a server does with a field when a manifest is imported (AdminImportImage, which
// imgadm publish calls).
type importing int

const (
	keeps   importing = iota // it is stored as it is
	sets                     // the server sets it if it is missing
	ignores                  // the server ignores it
	refuses                  // the server sets it, and refuses a manifest that does
)

// rules are in the order of [Manifest], which is also the order of the faults.
var rules = []rule{
	{name: "v", check: (*checker).v, minimal: true},
	{name: "uuid", check: (*checker).uuid, minimal: true},
	{name: "owner", check: (*checker).uuid, absent: always, imports: sets},
	{name: "name", check: (*checker).name, minimal: true},
	{name: "version", check: (*checker).version, minimal: true},
	{name: "description", check: (*checker).description},
	{name: "homepage", check: (*checker).url},
	{name: "eula", check: (*checker).url},
	{name: "urn", check: (*checker).urn},
	{name: "disabled", check: (*checker).boolean, absent: always, imports: sets},
	{name: "activated", check: (*checker).boolean, absent: always, imports: refuses},
	{name: "state", check: (*checker).state, absent: always, imports: ignores},
	{name: "published_at", check: (*checker).publishedAt, absent: ifActivated},
	{name: "public", check: (*checker).public, absent: always, imports: sets},
	{name: "type", check: (*checker).imageType, minimal: true},
	{name: "os", check: (*checker).system, minimal: true},
	{name: "origin", check: (*checker).uuid},
	{name: "error", check: (*checker).imageError},
	{name: "files", check: (*checker).files, absent: ifActivated, imports: ignores},
	{name: "icon", check: (*checker).icon},
	{name: "acl", check: (*checker).acl},
	{name: "requirements", check: (*checker).requirements},
	{name: "users", check: (*checker).users},
	{name: "billing_tags", check: (*checker).billingTags},
	{name: "traits", check: (*checker).traits},
	{name: "tags", check: (*checker).tags},
	{name: "generate_passwords", check: (*checker).boolean},
	{name: "inherited_directories", check: (*checker).inheritedDirectories},
	{name: "nic_driver", check: (*checker).driver, absent: ifZvol},
	{name: "disk_driver", check: (*checker).driver, absent: ifZvol},
	{name: "cpu_type", check: (*checker).driver, absent: ifZvol},
	{name: "image_size", check: (*checker).imageSize, absent: ifZvol},
	{name: "channels", check: (*checker).channels, imports: ignores},
}

var fieldNames = func() []string {
	names := make([]string, len(rules))
	for i, r := range rules {
		names[i] = r.name
	}
	return names
}()

func always(*checker) string { return "must be present on a server" }

func ifActivated(c *checker) string {
	if on, _ := toBool(c.raw["activated"]); on {
		return "must be present once the image is activated"
	}
	return ""
}

func ifZvol(c *checker) string {
	if c.raw["type"] == TypeZvol {
		return "must be present for type zvol on a server"
	}
	return ""
}

// Validate returns all that is wrong with a manifest for one reader, in a fixed order, or nil. For a
// server it judges the form in which the server stores the manifest, as its own validator does;
// [Document.Lint] judges what the server accepts. The manifest is JSON text as []byte, or any value that encoding/json turns into it. The error is
// for text that is no JSON, and for a reader that does not exist.
//
// It judges version 2 alone; see [Upgrade].
func Validate(raw any, reader For) ([]Fault, error) {
	text, ok := raw.([]byte)
	if !ok {
		var err error
		if text, err = json.Marshal(raw); err != nil {
			return nil, fmt.Errorf("manifest: encode: %w", err)
		}
	}
	d, err := Decode(text)
	if err != nil {
		return nil, err
	}
	return d.Validate(reader)
}

// Validate is the function [Validate] for m.
func (m *Manifest) Validate(reader For) ([]Fault, error) { return Validate(m, reader) }

// Validate is the function [Validate] for a document.
func (d *Document) Validate(reader For) ([]Fault, error) { return validate(d.Value, reader, false) }

// Lint judges the document for one reader as the reader does it: imgadm at install, which first
// upgrades a manifest of version 1, and a server at import. A server sets owner (but in a data
// center), disabled, activated, state and public, ignores files and channels, and refuses a
// manifest that sets activated or icon. [Document.Warnings] are added.
func (d *Document) Lint(reader For) ([]Fault, []Warning, error) { return d.lint(reader, true) }

// LintStored is [Document.Lint] for a manifest as a server stores it; see [Validate].
func (d *Document) LintStored(reader For) ([]Fault, []Warning, error) { return d.lint(reader, false) }

func (d *Document) lint(reader For, imported bool) ([]Fault, []Warning, error) {
	value := d.Value
	imported = imported && reader != IMGADM
	var old []Fault
	if raw, ok := value.(map[string]any); ok && !truthy(raw["v"]) && truthy(raw["creator_uuid"]) {
		upgraded, err := Upgrade(raw)
		if err != nil {
			return nil, nil, err
		}
		if value = upgraded; imported {
			delete(upgraded, "state") // both are set by Upgrade, and not by the manifest
			if reader != DC {
				old = []Fault{{"creator_uuid", Invalid, "servers import version 2 alone; this is a manifest of version 1"}}
			}
		}
	}
	faults, err := validate(value, reader, imported)
	return append(old, faults...), warnings(value), err
}

// importedForm is a manifest as a server completes it before it is judged. What the server ignores is
// left out.
func importedForm(raw map[string]any, reader For) map[string]any {
	form := maps.Clone(raw)
	for _, r := range rules {
		if r.imports == ignores || r.imports == refuses {
			delete(form, r.name)
		}
	}
	form["state"], form["activated"] = "unactivated", false
	for _, field := range []string{"public", "disabled"} {
		if _, ok := form[field]; !ok {
			form[field] = false
		}
	}
	if reader != DC {
		form["owner"] = NoOwner
	}
	return form
}

func validate(value any, reader For, imported bool) ([]Fault, error) {
	if !slices.Contains(Readers(), reader) {
		return nil, fmt.Errorf("manifest: validate for %q: must be one of %q", string(reader), Readers())
	}
	raw, ok := value.(map[string]any)
	if elements, isArray := value.([]any); isArray {
		// An array is an object to imgmanifest, with fields called 0, 1, 2.
		raw, ok = map[string]any{}, true
		for i, e := range elements {
			raw[strconv.Itoa(i)] = e
		}
	}
	if !ok {
		return []Fault{{Code: Invalid, Message: "the manifest must be an object, not " + kind(value)}}, nil
	}
	c := checker{raw: raw, reader: reader, imported: imported}
	given := raw
	if imported {
		raw = importedForm(raw, reader)
		c.raw = raw
	}
	for _, r := range rules {
		if _, ok := given[r.name]; ok && imported && r.imports == refuses {
			c.invalidf(r.name, "must be absent: servers set it, and refuse to import a manifest with it")
		} else if v, ok := raw[r.name]; ok {
			r.check(&c, r.name, v)
		} else if r.minimal {
			c.missing(r.name, "must be present")
		} else if r.absent != nil && reader != IMGADM {
			if why := r.absent(&c); why != "" {
				c.missing(r.name, why)
			}
		}
	}
	for _, field := range slices.Sorted(maps.Keys(raw)) {
		if !slices.Contains(fieldNames, field) {
			c.invalidf(field, "unknown field; additions belong in tags")
		}
	}
	return c.faults, nil
}
