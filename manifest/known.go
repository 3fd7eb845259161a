// SPDX-License-Identifier: MIT

package manifest

import (
	"strconv"
	"strings"
)

// docURL is where the SmartOS image families are documented.
const docURL = "https://docs.tritondatacenter.com/public-cloud/instances/infrastructure/images/smartos/"

// A Known is what the classic image families have in common: their images are public, for zones,
// and say the same about themselves in every version.
type Known struct {
	Description string
	Homepage    string
}

// The order is that of the look-up; no name here is another one with a hyphen and more.
var known = []struct {
	name string
	Known
}{
	{"base-32", Known{"SmartOS zone with a 32-bit pkgsrc package set and the everyday command line tools.", docURL + "base"}},
	{"base-64", Known{"SmartOS zone with a 64-bit pkgsrc package set and the everyday command line tools.", docURL + "base"}},
	{"base-multiarch", Known{"SmartOS zone with a pkgsrc package set for both 32 and 64 bits and the everyday command line tools.", docURL + "base"}},
	{"minimal-32", Known{"SmartOS zone with 32-bit pkgsrc and only what an instance needs to start and to install more.", docURL + "minimal"}},
	{"minimal-64", Known{"SmartOS zone with 64-bit pkgsrc and only what an instance needs to start and to install more.", docURL + "minimal"}},
	{"minimal-multiarch", Known{"SmartOS zone with pkgsrc for both 32 and 64 bits and only what an instance needs to start and to install more.", docURL + "minimal"}},
	{"pkgbuild", Known{"SmartOS zone set up to build binary packages from pkgsrc.", docURL + "pkgbuild"}},
	{"seed", Known{"Bare SmartOS zone without any packages, from which the base images are made.", docURL}},
}

// LookupKnown returns the built-in facts of the image family that name belongs to: one of the
// family names base-32, base-64, base-multiarch, minimal-32, minimal-64, minimal-multiarch,
// pkgbuild and seed, alone or with a suffix after a hyphen (base-64-lts).
func LookupKnown(name string) (Known, bool) {
	for _, k := range known {
		if rest, ok := strings.CutPrefix(name, k.name); ok && (rest == "" || rest[0] == '-') {
			return k.Known, true
		}
	}
	return Known{}, false
}

// The oldest platform an image asks for, by SDC version. Plain SmartOS calls itself 7.0.
const (
	sdcVersion   = "7.0"
	oldStamp     = "20141030T081701Z"
	currentStamp = "20210826T002459Z"
)

// MinPlatform returns the min_platform of a known image: an old one for the versions 10.x to 20.x,
// the years whose packages were built on it, and a later one for all others.
func (Known) MinPlatform(version string) map[string]string {
	major, _, dotted := strings.Cut(version, ".")
	if n, err := strconv.ParseUint(major, 10, 8); err == nil && dotted && n >= 10 && n <= 20 {
		return map[string]string{sdcVersion: oldStamp}
	}
	return map[string]string{sdcVersion: currentStamp}
}
