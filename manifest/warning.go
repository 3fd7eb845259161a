// SPDX-License-Identifier: MIT

package manifest

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Warning is about a manifest that passes validation, and what happens to it all the same.
type Warning struct {
	Field   string `json:"field"`
	Message string `json:"message"`
}

func (w Warning) String() string { return w.Field + ": " + w.Message }

// maxFile is the largest image file that IMGAPI takes.
const maxFile = 20 << 30

// plusStamp is the first platform whose imgadm knows "+" in a version.
const plusStamp = "20161118T231131Z"

var (
	sha1Pattern  = regexp.MustCompile(`^[0-9a-f]{40}$`)
	stampPattern = regexp.MustCompile(`^[0-9]{8}T[0-9]{6}Z$`)
)

// Warnings tells where imgadm or IMGAPI crash on, refuse or misuse what their own validator lets
// pass, in the order of the fields. It is nil for a manifest that has no such place, and judges
// none of what [Document.Validate] refuses.
func (d *Document) Warnings() []Warning { return warnings(d.Value) }

// Warnings is [Document.Warnings] for m.
func (m *Manifest) Warnings() []Warning {
	text, err := Marshal(m)
	if err != nil {
		return nil // it has a tag that JSON cannot hold, and is written nowhere
	}
	d, err := Decode(text)
	if err != nil {
		return nil
	}
	return d.Warnings()
}

func warnings(value any) []Warning {
	raw, ok := value.(map[string]any)
	if !ok {
		return nil
	}
	w := warner{raw: raw}
	w.v()
	for _, field := range []string{"name", "version", "description"} {
		w.text(field)
	}
	w.publishedAt()
	w.choice("type", types)
	if raw["type"] == TypeLXD {
		w.addf("type", "imgadm does not know lxd and refuses it")
	}
	w.choice("os", systems)
	w.files()
	if on, _ := toBool(raw["icon"]); on {
		w.addf("icon", "a server refuses to import a manifest with an icon")
	}
	w.brand()
	w.platforms()
	w.zvol()
	return w.found
}

type warner struct {
	raw   map[string]any
	found []Warning
}

func (w *warner) addf(field, format string, args ...any) {
	w.found = append(w.found, Warning{field, fmt.Sprintf(format, args...)})
}

func (w *warner) v() {
	v, ok := w.raw["v"]
	if !ok {
		return
	}
	if f, err := toNumber(v); err == nil && f >= 0 && f < Version {
		w.addf("v", "below %d: imgadm takes this for an old manifest and fails to upgrade it", Version)
	}
}

func (w *warner) text(field string) {
	v, ok := w.raw[field]
	if !ok || v == nil {
		return
	}
	s, isText := v.(string)
	if !isText {
		w.addf(field, "is %s and not a string; it will be shown as imgadm converts it", kind(v))
	} else if field == "version" && strings.Contains(s, "+") {
		w.addf(field, `"+" is refused by platforms before %s`, plusStamp)
	}
}

func (w *warner) publishedAt() {
	s, ok := w.raw["published_at"].(string)
	if !ok || !datePattern.MatchString(s) {
		return
	}
	if _, err := time.Parse(time.RFC3339, s); err != nil {
		w.addf("published_at", "no such date or time")
	}
}

func (w *warner) choice(field string, choices []string) {
	s, err := toString(w.raw[field])
	if err != nil || w.raw[field] == nil {
		return
	}
	_, isText := w.raw[field].(string)
	if isObjectMember(s) || !isText && slices.Contains(choices, s) {
		w.addf(field, "passes by accident and means nothing; must be one of %q", choices)
	}
}

func (w *warner) files() {
	v, ok := w.raw["files"]
	list, isList := v.([]any)
	if !ok || isList && len(list) == 0 {
		w.addf("files", "imgadm crashes on a manifest without a file")
		return
	}
	for i, e := range list {
		if file, ok := e.(map[string]any); ok {
			w.file("files["+strconv.Itoa(i)+"]", file)
		}
	}
}

func (w *warner) file(path string, file map[string]any) {
	if sum := file["sha1"]; truthy(sum) {
		if s, ok := sum.(string); !ok || !sha1Pattern.MatchString(s) {
			w.addf(path+".sha1", "not a SHA-1 in lower-case hex, so no file will match it")
		}
	}
	size := file["size"]
	if !truthy(size) {
		return
	}
	if _, ok := size.(json.Number); !ok {
		w.addf(path+".size", "is %s and not a number: imgadm import crashes on it", kind(size))
	}
	if f, err := toNumber(size); err != nil || !isWhole(f) || f < 0 {
		w.addf(path+".size", "not a number of bytes, so no file will match it")
	} else if f > maxFile {
		w.addf(path+".size", "more than the 20 GiB that a server takes")
	}
}

func (w *warner) platform(key string) {
	requirements, _ := w.raw["requirements"].(map[string]any)
	stamps, _ := requirements[key].(map[string]any)
	for _, v := range stamps {
		if s, ok := v.(string); ok && isStamp(s) && !stampPattern.MatchString(s) {
			w.addf("requirements."+key, "a stamp holds other characters than digits, and hosts compare it as text")
			return
		}
	}
}

func (w *warner) zvol() {
	if w.raw["type"] != TypeZvol {
		return
	}
	for _, field := range []string{"nic_driver", "disk_driver", "cpu_type", "image_size"} {
		if !truthy(w.raw[field]) {
			w.addf(field, "has no value: a zvol image installs without, but no server takes it, and vmadm has no default from it")
		}
	}
	if f, err := toNumber(w.raw["image_size"]); err == nil && f < 0 {
		w.addf("image_size", "is negative")
	}
}
