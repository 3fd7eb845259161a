package content_test

import (
	"errors"
	"testing"

	"imagetools/source/content"
)

func TestCheckMibe(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"# core\nname=\"core\"\nversion=\"1.0\"\n":                               true,
		"name='core'\nbase=0f2d3c4b":                                             true,
		`{"name":"core","version":"1.0","organization":"Example","base":"uuid"}`: true,
		"name=core\n":                          false,
		"":                                     false,
		`{"name": "web", "version": "1.0"}`:    false,
		`{"v": 2, "base": "x", "brand": "lx"}`: false,
		"{\nname=\"x\"\nversion=\"1\"\n":       false,
		`[]`:                                   false,
	} {
		if err := content.CheckMibe([]byte(text)); errors.Is(err, content.ErrMibe) != want {
			t.Errorf("%q: %v", text, err)
		}
	}
}
