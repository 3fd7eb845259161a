package content

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"
)

// ErrMibe says that a text is the manifest of a mibe repository, which is a recipe and does not
// describe an image.
var ErrMibe = errors.New("the manifest of a mibe repository, not of an image")

// mibeVariable is an assignment that only the shell variables of mibe's old form have.
var mibeVariable = regexp.MustCompile(`(?m)^[ \t]*(name|version|base|build_version|min_platform)=["'A-Za-z0-9]`)

// CheckMibe reports [ErrMibe] for what a mibe repository has as its manifest or manifest.json.
func CheckMibe(text []byte) error {
	var fields map[string]json.RawMessage
	if json.Unmarshal(text, &fields) != nil {
		found := map[string]bool{}
		for _, m := range mibeVariable.FindAllStringSubmatch(string(text), 100) {
			found[m[1]] = true
		}
		if !strings.HasPrefix(strings.TrimSpace(string(text)), "{") && found["name"] && len(found) > 1 {
			return ErrMibe
		}
		return nil
	}
	has := func(name string) bool { _, ok := fields[name]; return ok }
	if !has("v") && !has("uuid") && has("base") && (has("organization") || has("brand") || has("version")) {
		return ErrMibe
	}
	return nil
}
