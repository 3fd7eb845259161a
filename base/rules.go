package base

import (
	"maps"
	"slices"
	"strings"
)

// Rules say what an image is made of, from the oldest to the newest: a later rule changes what
// those before it said. What depends on a version, an architecture or a kind of image stands
// here and nowhere else.
type Rules []Rule

// Rule is one line of [Rules].
type Rule struct {
	If   When
	Only string            // the packages, in place of those so far
	Add  string            // further packages
	Drop string            // packages that are not wanted any more
	Set  map[string]string // variables; "@IMAGE_BRANCH@" and the like in a value are replaced
	Dirs string            // directories of the overlay that are applied, beside those so far
	Seed string            // UUID of the published seed image; "none" if none was published
}

// When says which images a [Rule] is for. What is empty is for all. Lists are separated by
// blanks.
type When struct {
	Families string // what the name begins with
	Arches   string
	Since    string // branch, the first one
	Until    string // branch, the last one; trunk comes after all others
	From     string // release, the first one
	Below    string // release, the first one no more
}

// Standard are the rules of the classic tool (base-images of 2013, 2020 and 2024).
var Standard = Rules{
	{Dirs: "etc root", Set: common, Seed: "88a04a6c-d413-11e6-8341-ff5fa45bf3e9"},
	{If: When{Until: "2016Q3"}, Seed: "d135c918-0558-11e5-bccb-9bb2e57508ee"},
	{If: When{Arches: "sngl"}, Set: sngl, Seed: "none"},
	{If: When{Families: "base"}, Set: map[string]string{"IMAGE_DOC": docs + "base"}},
	{If: When{Families: "minimal"}, Set: map[string]string{"IMAGE_DOC": docs + "minimal"}},
	{If: When{Families: "pkgbuild"}, Set: map[string]string{"IMAGE_DOC": docs + "pkgbuild"}},
	{If: When{From: "22.4.0"}, Set: map[string]string{"IMAGE_GIT_BRANCH": "release/@IMAGE_BRANCH@"}},
	{If: When{Since: "trunk"}, Set: map[string]string{"IMAGE_GIT_BRANCH": "release/@IMAGE_BRANCH@"}},

	{Add: "mozilla-rootcerts openssl"},
	{If: When{From: "23.4.0"}, Drop: "mozilla-rootcerts openssl", Add: "mozilla-rootcerts-openssl"},
	{Add: "pkg_alternatives pkg_install pkgin pkgsrc-gnupg-keys changepass smtools zoneinit"},
	{If: When{Families: "base pkgbuild"}, Dirs: "sysconfdir",
		Add: "coreutils curl diffutils findutils gawk grep gsed gtar-base less nodejs patch perl postfix rsyslog sudo wget"},
	{If: When{Families: "base pkgbuild", From: "18.2.0", Below: "23.4.0"}, Add: "npm"},
	{If: When{Until: "2013Q4"}, Only: set2013, Dirs: "sysconfdir"},
	{If: When{Arches: "sngl"}, Only: set2013 + " vim", Dirs: "sysconfdir"},
	{If: When{Families: "pkgbuild"}, Dirs: "data", Add: "git-base"},
}

const (
	docs = "https://docs.tritondatacenter.com/public-cloud/instances/infrastructure/images/smartos/"

	// set2013 knows no families: every image has all of it.
	set2013 = "changepass coreutils curl diffutils duo-unix findutils gawk genbfpw grep groff gsed gtar-base" +
		" guardtime less mozilla-rootcerts nodejs patch pkg_alternatives postfix sdc-manta sdc-smartdc smtools sudo"

	localPath    = "/usr/local/sbin:/usr/local/bin:"
	platformPath = "/usr/sbin:/usr/bin:/sbin"
)

// common are the variables of an image whose packages live in /opt/local.
var common = map[string]string{
	"CRLE_DPATH_32":      "/lib:/usr/lib",
	"CRLE_DPATH_64":      "/lib/64:/usr/lib/64",
	"CRLE_TPATH_32":      "/lib/secure:/usr/lib/secure",
	"CRLE_TPATH_64":      "/lib/secure/64:/usr/lib/secure/64",
	"IMAGE_GIT_BRANCH":   "joyent/release/@IMAGE_BRANCH@",
	"IMAGE_MANDIRS":      "/opt/local/man:/usr/share/man",
	"IMAGE_PATH":         localPath + "/opt/local/sbin:/opt/local/bin:" + platformPath,
	"IMAGE_PREFIX":       "/opt/local",
	"IMAGE_PRODUCT":      "SmartOS Instance",
	"IMAGE_SHORTPRODUCT": "Instance",
	"IMAGE_SYSCONFDIR":   "/opt/local/etc",
	"PKGSRC_BASE":        "https://pkgsrc.smartos.org/packages/SmartOS",
	"PKGSRC_BOOTSTRAP":   "bootstrap-@IMAGE_BRANCH@-@IMAGE_ARCH@@IMAGE_BOOTDATE@.tar.gz",
	"ZONE_SHELL":         "/usr/bin/bash",
	"ZONE_PATH":          "@IMAGE_PATH@",
}

// sngl are those that differ where packages live in /usr, and the platform in /system.
var sngl = map[string]string{
	"CRLE_DPATH_32":    "/system/lib:/system/usr/lib",
	"CRLE_DPATH_64":    "/system/lib/64:/system/usr/lib/64",
	"CRLE_TPATH_32":    "/system/lib/secure:/system/usr/lib/secure",
	"CRLE_TPATH_64":    "/system/lib/secure/64:/system/usr/lib/secure/64",
	"IMAGE_MANDIRS":    "/usr/share/man:/system/usr/share/man",
	"IMAGE_PATH":       localPath + platformPath,
	"IMAGE_PREFIX":     "/usr",
	"IMAGE_SYSCONFDIR": "/etc",
	"ZONE_SHELL":       "/system/usr/bin/bash",
	"ZONE_PATH":        "@IMAGE_PATH@:/system/usr/sbin:/system/usr/bin:/system/sbin",
}

// matches tells whether c is one of the images that w is for.
func (w When) matches(c Config) bool {
	oneOf := func(list, s string) bool { return list == "" || slices.Contains(strings.Fields(list), s) }
	release := func(s string) []int { p := parts(s); return p[:] }
	return oneOf(w.Families, c.Family()) && oneOf(w.Arches, c.Arch) &&
		(w.Since == "" || order(c.Branch) >= order(w.Since)) &&
		(w.Until == "" || order(c.Branch) <= order(w.Until)) &&
		(w.From == "" || slices.Compare(release(c.Release), release(w.From)) >= 0) &&
		(w.Below == "" || slices.Compare(release(c.Release), release(w.Below)) < 0)
}

// Image is what [Rules] make of a [Config].
type Image struct {
	Config
	Packages  []string          // of pkgsrc, in the order they are added
	Variables map[string]string // of the overlay
	Dirs      []string          // of the overlay
	Seed      string            // UUID of the published seed; empty if none was published
}

// Image applies the rules to c.
func (r Rules) Image(c Config) *Image {
	img := &Image{Config: c, Variables: map[string]string{}}
	for _, rule := range r {
		if !rule.If.matches(c) {
			continue
		}
		if rule.Only != "" {
			img.Packages = nil
		}
		drop := strings.Fields(rule.Drop)
		img.Packages = slices.DeleteFunc(img.Packages, func(p string) bool { return slices.Contains(drop, p) })
		img.Packages = appendNew(img.Packages, strings.Fields(rule.Only+" "+rule.Add))
		img.Dirs = appendNew(img.Dirs, strings.Fields(rule.Dirs))
		maps.Copy(img.Variables, rule.Set)
		if rule.Seed != "" {
			img.Seed = strings.TrimPrefix(rule.Seed, "none")
		}
	}
	img.name()
	return img
}

func appendNew(list, more []string) []string {
	for _, s := range more {
		if !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	return list
}

// name sets the variables that follow from the config and from others.
func (img *Image) name() {
	v := img.Variables
	v["IMAGE_NAME"], v["IMAGE_VERSION"] = img.Name, img.Release
	v["IMAGE_BRANCH"], v["IMAGE_ARCH"] = img.Branch, img.Arch
	v["IMAGE_PACKAGES"] = strings.Join(img.Packages, " ")
	v["IMAGE_BOOTDATE"] = ""
	if img.Date != "" {
		v["IMAGE_BOOTDATE"] = "-" + img.Date
	}
	v["IMAGE_CSHPATH"] = strings.ReplaceAll(v["IMAGE_PATH"], ":", " ")
	var pairs []string
	for _, key := range []string{"IMAGE_ARCH", "IMAGE_BOOTDATE", "IMAGE_BRANCH", "IMAGE_PATH"} {
		pairs = append(pairs, "@"+key+"@", v[key])
	}
	refer := strings.NewReplacer(pairs...)
	for key, value := range v {
		v[key] = refer.Replace(value)
	}
}

// BootstrapURL is where the bootstrap of pkgsrc is fetched from.
func (img *Image) BootstrapURL() string {
	return img.Variables["PKGSRC_BASE"] + "/bootstrap/" + img.Variables["PKGSRC_BOOTSTRAP"]
}
