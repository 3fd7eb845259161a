package base

// Families are the images of a release, in the order in which they are made.
var Families = []string{"minimal", "base", "pkgbuild"}

// archSuffix is what names say of an architecture.
var archSuffix = map[string]string{"i386": "-32", "x86_64": "-64", "multiarch": "-multiarch"}

// ImageName is the name of an image in its family, such as base-64-lts. There is one kind of
// pkgbuild for all architectures.
func ImageName(family, arch, suffix string) string {
	name := family
	if family != "pkgbuild" {
		name += archSuffix[arch]
	}
	if suffix != "" {
		name += "-" + suffix
	}
	return name
}

// Brand is that of the zone in which the image is made.
func (c Config) Brand() string {
	if c.Arch == "sngl" {
		return "sngl"
	}
	return "joyent"
}
