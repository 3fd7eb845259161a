// SPDX-License-Identifier: MIT

package manifest

import (
	"fmt"
	"strconv"
)

// A Kind is what JSON text is that is taken for a manifest.
type Kind string

// What lies near image manifests. The first three hold some.
const (
	KindManifest  Kind = "image manifest"
	KindInstalled Kind = "answer of imgadm get" // {"manifest": …, "zpool": …}, also of list -j and avail -j
	KindList      Kind = "list of images"       // GET /images, imgadm list -j, imgadm avail -j
	KindVM        Kind = "virtual machine"      // of vmadm: a payload, or vmadm get
	KindCloudAPI  Kind = "image of CloudAPI"    // with id in place of uuid
	KindError     Kind = "error of a server"    // {"code": …, "message": …}
	KindConfig    Kind = "configuration of imgadm"
)

// A NotOneError is text that is not one manifest, but of another kind.
type NotOneError struct {
	Kind      Kind
	Manifests int // how many are in it
}

func (e *NotOneError) Error() string {
	article := "a"
	if e.Kind == KindInstalled || e.Kind == KindCloudAPI || e.Kind == KindError {
		article = "an"
	}
	text := fmt.Sprintf("manifest: not an image manifest, but %s %s", article, e.Kind)
	if e.Kind == KindList || e.Kind == KindInstalled {
		plural := "s"
		if e.Manifests == 1 {
			plural = ""
		}
		text += fmt.Sprintf(", with %d manifest%s in it", e.Manifests, plural)
	}
	return text
}

// Hint says where a manifest can be had instead.
func (e *NotOneError) Hint() string {
	switch e.Kind {
	case KindInstalled:
		return "use the value of its field manifest"
	case KindList:
		return "use one of its elements"
	case KindVM:
		return "use vmadm create for it, or the output of imgadm get of its image_uuid"
	case KindCloudAPI:
		return "use the output of imgadm show, imgadm get or GET /images/UUID of IMGAPI"
	}
	return "use a manifest such as imgadm show prints"
}

// vmFields are fields of vmadm(8) that no manifest has.
var vmFields = []string{
	"nics", "disks", "ram", "max_physical_memory", "image_uuid", "dataset_uuid", "zonepath", "autoboot", "quota", "vcpus",
	"cpu_cap", "resolvers", "customer_metadata", "internal_metadata", "zonename", "alias",
}

// Kind tells what the document is, by its fields.
func (d *Document) Kind() Kind { return kindOf(d.Value) }

func kindOf(value any) Kind {
	if _, ok := value.([]any); ok {
		return KindList
	}
	raw, _ := value.(map[string]any)
	has := func(fields ...string) (n int) {
		for _, f := range fields {
			if _, ok := raw[f]; ok {
				n++
			}
		}
		return n
	}
	_, wraps := raw["manifest"].(map[string]any)
	switch {
	case has(vmFields...) > 1 && has("files", "creator_uuid") == 0: // vmadm get says v, too
		return KindVM
	case has("v", "creator_uuid") > 0:
		return KindManifest
	case wraps && has("name", "type") == 0:
		return KindInstalled
	case has("sources") == 1 && has("uuid", "name") == 0:
		return KindConfig
	case has(vmFields...) > 0 && has("files", "requirements", "tags") < 2 && has("version") == 0:
		return KindVM
	case has("id") == 1 && has("uuid") == 0 && has("name", "version", "os", "type") >= 3:
		return KindCloudAPI
	case has("code", "message") == 2 && has("uuid", "name", "type") == 0:
		return KindError
	}
	return KindManifest
}

// Manifests returns the manifests in a document: itself, the one that an answer of imgadm get wraps,
// or those of a list. They share its text, so that [Document.Position] is that in it. The error is a
// [*NotOneError] for a document of another kind, and says which element of a list is none.
func (d *Document) Manifests() ([]*Document, error) {
	list, ok := d.Value.([]any)
	if !ok {
		one, err := d.unwrap()
		if err != nil {
			return nil, err
		}
		return []*Document{one}, nil
	}
	if len(list) == 0 {
		return nil, &NotOneError{Kind: KindList}
	}
	all := make([]*Document, len(list))
	for i, e := range list {
		element := d.inside("["+strconv.Itoa(i)+"]", e)
		if _, ok := e.(map[string]any); !ok {
			return nil, d.errorAt(d.starts[element.prefix[:len(element.prefix)-1]], "", fmt.Sprintf("element %d of the list is %s, not an image manifest", i, kind(e)))
		}
		var err error
		if all[i], err = element.unwrap(); err != nil {
			return nil, fmt.Errorf("element %d: %w", i, err)
		}
	}
	return all, nil
}

// inside is the document of a value at a path in d.
func (d *Document) inside(path string, value any) *Document {
	return &Document{Value: value, data: d.data, starts: d.starts, lines: d.lines, prefix: d.prefix + path + "."}
}

// unwrap returns the manifest in what is not a list.
func (d *Document) unwrap() (*Document, error) {
	switch k := d.Kind(); k {
	case KindManifest:
		return d, nil
	case KindInstalled:
		raw := d.Value.(map[string]any)
		one := d.inside("manifest", raw["manifest"])
		if k := one.Kind(); k != KindManifest {
			return nil, &NotOneError{Kind: k}
		}
		return one, nil
	default:
		return nil, &NotOneError{Kind: k}
	}
}
