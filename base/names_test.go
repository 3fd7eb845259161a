package base_test

import (
	"testing"

	"imagetools/base"
)

func TestNames(t *testing.T) {
	for _, tt := range []struct{ family, arch, suffix, name, brand string }{
		{"minimal", "x86_64", "lts", "minimal-64-lts", "joyent"},
		{"base", "i386", "", "base-32", "joyent"},
		{"base", "multiarch", "trunk", "base-multiarch-trunk", "joyent"},
		{"base", "sngl", "", "base", "sngl"},
		{"pkgbuild", "x86_64", "", "pkgbuild", "joyent"},
		{"pkgbuild", "x86_64", "lts", "pkgbuild-lts", "joyent"},
	} {
		if got := base.ImageName(tt.family, tt.arch, tt.suffix); got != tt.name {
			t.Errorf("ImageName of %+v is %q", tt, got)
		}
		if got := (base.Config{Arch: tt.arch}).Brand(); got != tt.brand {
			t.Errorf("the brand for %s is %q", tt.arch, got)
		}
	}
}
