package base

import (
	"errors"
	"fmt"
	"strings"

	"imagetools/fault"
)

// ErrConfig says that a word is not of the form BRANCH-ARCH.
var ErrConfig = errors.New("unknown configuration")

// ParseConfig is for an image of any name and version that has the packages of a CONFIG, such as
// "2024Q4-x86_64". What it has of its own is in its variables; a name that begins with none of the
// families is in none.
func ParseConfig(config, name, version string) (Config, error) {
	m := configForm.FindStringSubmatch(config)
	if m == nil {
		return Config{}, fault.WithHint(fmt.Errorf("CONFIG %q: %w", config, ErrConfig), "it is BRANCH-ARCH: 2024Q4 or trunk; i386, x86_64, multiarch or sngl")
	}
	return Config{Branch: m[1], Arch: m[4], Name: name, Release: version}, nil
}

// VersionFile is where an image says the configuration of its packages.
const VersionFile = "/etc/pkgsrc_version"

// ConfigOf reads the CONFIG in the content of [VersionFile]; empty if there is none.
func ConfigOf(content []byte) string {
	var branch, arch string
	for line := range strings.Lines(string(content)) {
		key, value, _ := strings.Cut(line, ":")
		switch value = strings.TrimSpace(value); strings.TrimSpace(key) {
		case "release":
			branch = value
		case "architecture":
			arch = value
		}
	}
	if config := branch + "-" + arch; configForm.MatchString(config) {
		return config
	}
	return ""
}
