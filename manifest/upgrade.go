// SPDX-License-Identifier: MIT

package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"path"
	"regexp"
	"strings"
	"unicode/utf8"
)

var (
	uuidPattern    = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	noSecondsInIt  = regexp.MustCompile(`[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}Z`)
	onlyInVersion1 = []string{
		"cloud_name", "created_at", "creator_admin", "creator_name", "creator_uuid", "owner_uuid",
		"platform_type", "restricted_to_uuid", "updated_at", "vendor_uuid", "_url",
	}
)

// ErrNoVersion reports a manifest of no version that can be told.
var ErrNoVersion = errors.New(`manifest: neither "v" (version 2) nor "creator_uuid" (version 1) is there`)

// Upgrade returns the decoded manifest raw in version 2. A manifest that has that version or a
// later one is returned as it is; one of version 1, as the old dataset servers have it, is
// converted, raw staying unchanged. Whether the result is valid is another question.
func Upgrade(raw map[string]any) (map[string]any, error) {
	if truthy(raw["v"]) {
		v, err := toNumber(raw["v"])
		if err != nil || math.IsNaN(v) {
			return nil, errors.New("manifest: v: not a number")
		}
		if v >= Version {
			return raw, nil
		}
	}
	if !truthy(raw["creator_uuid"]) {
		if truthy(raw["v"]) {
			return nil, errors.New("manifest: creator_uuid: missing in a manifest of version 1")
		}
		return nil, ErrNoVersion
	}
	return upgrade1(raw)
}

func upgrade1(raw map[string]any) (map[string]any, error) {
	if s, err := toString(raw["uuid"]); err != nil || !uuidPattern.MatchString(s) {
		return nil, errors.New("manifest: uuid: not a lower-case UUID")
	}
	if _, ok := raw["owner"]; ok {
		return nil, errors.New("manifest: owner: beside creator_uuid, which means the same")
	}
	m := maps.Clone(raw)
	for _, field := range onlyInVersion1 {
		delete(m, field)
	}
	m["v"] = json.Number("2")
	m["owner"] = raw["creator_uuid"]

	if account := raw["restricted_to_uuid"]; truthy(account) {
		if _, ok := raw["public"]; ok {
			return nil, errors.New("manifest: public: beside restricted_to_uuid, which decides it")
		}
		m["public"] = false
		m["acl"] = []any{account}
	} else {
		m["public"] = true
	}

	m["disabled"] = truthy(raw["disabled"])
	m["state"] = "active"
	if truthy(raw["disabled"]) {
		m["state"] = "disabled"
	}

	if !truthy(m["published_at"]) && truthy(raw["created_at"]) {
		m["published_at"] = raw["created_at"]
	}
	if _, err := toString(m["published_at"]); err != nil {
		return nil, fmt.Errorf("manifest: published_at: %w", err)
	}
	if s, ok := m["published_at"].(string); ok && noSecondsInIt.MatchString(s) {
		_, size := utf8.DecodeLastRuneInString(s)
		m["published_at"] = s[:len(s)-size] + ":00Z"
	}

	if size := raw["image_size"]; truthy(size) {
		f, err := toNumber(size)
		if err != nil {
			return nil, fmt.Errorf("manifest: image_size: %w", err)
		}
		// What is no number stays as it is, for Validate to refuse.
		if !math.IsNaN(f) && !math.IsInf(f, 0) {
			m["image_size"] = json.Number(formatNumber(f))
		}
	}

	if truthy(raw["files"]) {
		files, err := upgradeFiles(raw["files"])
		if err != nil {
			return nil, err
		}
		m["files"] = files
	}
	return m, nil
}

// upgradeFiles drops where each file was, having read its compression from its name if it is not
// stated. xz was not known to version 1 and counts as none.
func upgradeFiles(v any) ([]any, error) {
	list, ok := v.([]any)
	if !ok {
		return nil, errors.New("manifest: files: not an array")
	}
	files := make([]any, len(list))
	for i, e := range list {
		old, ok := e.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("manifest: files[%d]: not an object", i)
		}
		file := maps.Clone(old)
		delete(file, "path")
		delete(file, "url")
		if !truthy(old["compression"]) {
			name := old["path"]
			if !truthy(name) {
				name = old["url"]
			}
			s, ok := name.(string)
			if !ok {
				return nil, fmt.Errorf("manifest: files[%d]: neither compression, path nor url", i)
			}
			file["compression"] = compressionOf(s)
		}
		files[i] = file
	}
	return files, nil
}

func compressionOf(name string) string {
	base := path.Base(strings.TrimRight(name, "/"))
	switch {
	case strings.HasSuffix(base, ".gz") && base != ".gz":
		return "gzip"
	case strings.HasSuffix(base, ".bz2") && base != ".bz2":
		return "bzip2"
	}
	return "none"
}
