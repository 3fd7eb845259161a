package base_test

import (
	"errors"
	"testing"

	"imagetools/base"
)

func TestParseConfig(t *testing.T) {
	c, err := base.ParseConfig("2024Q4-x86_64", "web", "1.0-beta")
	if want := (base.Config{Branch: "2024Q4", Arch: "x86_64", Name: "web", Release: "1.0-beta"}); err != nil || c != want {
		t.Errorf("%+v, %v, want %+v", c, err, want)
	}
	img := base.Standard.Image(c)
	if v := img.Variables; v["IMAGE_PREFIX"] != "/opt/local" || v["IMAGE_NAME"] != "web" || v["IMAGE_VERSION"] != "1.0-beta" || v["IMAGE_DOC"] != "" {
		t.Errorf("variables %q", v)
	}
	for _, config := range []string{"", "2024Q5-x86_64", "sshd", "2024Q4-sparc", "list"} {
		if _, err := base.ParseConfig(config, "web", "1.0"); !errors.Is(err, base.ErrConfig) {
			t.Errorf("%q: %v", config, err)
		}
	}
}

func TestConfigOf(t *testing.T) {
	for content, want := range map[string]string{
		"release: 2024Q4\narchitecture: x86_64\n":  "2024Q4-x86_64",
		"architecture:\ti386\r\nrelease: trunk":    "trunk-i386",
		"release: 2024Q4\n":                        "",
		"release: ../../x\narchitecture: x86_64\n": "",
		"": "",
		"a\nb: c: d\nrelease:x\nrelease: 2013Q2\narchitecture: sngl": "2013Q2-sngl",
	} {
		if got := base.ConfigOf([]byte(content)); got != want {
			t.Errorf("%q: %q, want %q", content, got, want)
		}
	}
}
