package lx

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"imagetools/internal/osrelease"
	"imagetools/rootfs"
	"imagetools/rootfs/edit"
)

// Profile is a family of distributions that are finished in the same way.
type Profile string

// Profiles. Generic is for all others, None leaves a root as it is.
const (
	Debian  Profile = "debian"
	Ubuntu  Profile = "ubuntu"
	RHEL    Profile = "rhel"
	Alpine  Profile = "alpine"
	Void    Profile = "void"
	Arch    Profile = "arch"
	Generic Profile = "generic"
	None    Profile = "none"
)

// Profiles are all of them.
func Profiles() []Profile { return []Profile{Debian, Ubuntu, RHEL, Alpine, Void, Arch, Generic, None} }

// ParseProfile reads the name of a profile.
func ParseProfile(s string) (Profile, error) {
	if p := Profile(s); slices.Contains(Profiles(), p) {
		return p, nil
	}
	return "", fmt.Errorf("there is no profile %q", s)
}

// Covers are the distributions of a profile, in words.
func (p Profile) Covers() string {
	return map[Profile]string{
		Debian: "Debian and what is like it", Ubuntu: "Ubuntu and what is like it",
		RHEL:   "Red Hat, CentOS, Alma, Rocky, Oracle, Amazon, Fedora",
		Alpine: "Alpine", Void: "Void", Arch: "Arch and what is like it",
		Generic: "any other Linux", None: "the root stays as it is",
	}[p]
}

// Tried tells whether the profile was tried on roots that a distribution made.
func (p Profile) Tried() bool { return p == Debian || p == None }

// Distribution is what a root says of itself.
type Distribution struct {
	ID, Version string // of os-release(5), in lower case; empty if nothing tells
	Name        string // in words
	Profile     Profile
}

// ids are the profiles of distributions by their ID, or that of one which they are like.
var ids = map[string]Profile{
	"debian": Debian, "devuan": Debian, "raspbian": Debian, "ubuntu": Ubuntu,
	"rhel": RHEL, "centos": RHEL, "fedora": RHEL, "rocky": RHEL, "almalinux": RHEL, "ol": RHEL, "amzn": RHEL,
	"alpine": Alpine, "void": Void, "arch": Arch, "archarm": Arch,
}

// older are files of releases without os-release(5), in the order in which they are looked for.
var older = []struct{ path, id string }{
	{"/etc/redhat-release", "centos"}, {"/etc/alpine-release", "alpine"}, {"/etc/void-release", "void"},
	{"/etc/arch-release", "arch"}, {"/etc/debian_version", "debian"},
}

var versionForm = regexp.MustCompile(`[0-9]+(\.[0-9]+)*`)

// Detect tells by os-release(5), and by older files of its kind, what a root is. If nothing
// tells, it is generic.
func Detect(root *rootfs.FS) (Distribution, error) {
	for _, path := range osrelease.Paths {
		text, err := readText(root, path)
		if err != nil {
			return Distribution{}, err
		}
		values := osrelease.Parse(text)
		if values["ID"] == "" {
			continue
		}
		d := Distribution{ID: strings.ToLower(values["ID"]), Version: values["VERSION_ID"], Name: values["PRETTY_NAME"], Profile: Generic}
		for _, id := range append([]string{d.ID}, strings.Fields(strings.ToLower(values["ID_LIKE"]))...) {
			if p, ok := ids[id]; ok {
				d.Profile = p
				break
			}
		}
		if d.Name == "" {
			d.Name = strings.TrimSpace(d.ID + " " + d.Version)
		}
		return d, nil
	}
	for _, o := range older {
		text, err := readText(root, o.path)
		if err != nil {
			return Distribution{}, err
		}
		if _, err := root.Stat(o.path); err == nil {
			d := Distribution{ID: o.id, Version: versionForm.FindString(text), Profile: ids[o.id]}
			d.Name = strings.TrimSpace(d.ID + " " + d.Version)
			return d, nil
		}
	}
	return Distribution{Name: "an unknown Linux", Profile: Generic}, nil
}

// maxText bounds the files that are looked into.
const maxText = 64 << 10

// readText reads a small text that need not exist.
func readText(root *rootfs.FS, path string) (string, error) {
	data, err := root.ReadFile(path, maxText)
	for _, no := range []error{rootfs.ErrIsDir, rootfs.ErrSpecial, rootfs.ErrTooLarge, rootfs.ErrLoop} {
		if edit.Missing(err) || errors.Is(err, no) {
			return "", nil
		}
	}
	return string(data), err
}

// Platforms that roots need. The first is the one of the builders' examples; the second the one
// that images with Debian 10 and its like were published for. Since version 247 systemd mounts
// in ways that lx did not know before the middle of 2021 (OmniOS issue 1011), and scripts for the
// boot of Void came in 2020; the third, which native images ask for, has both.
const (
	platform2015 = "20150316T201553Z"
	platform2019 = "20190912T024836Z"
	platform2021 = "20210826T002459Z"
)

// release is from when on a distribution has a kernel, and needs a platform.
type release struct{ version, kernel, platform string }

// releases have the kernel that the distribution came with, which is what its programs are
// made for, and the brand pretends to be.
var releases = map[string][]release{
	"debian": {{"7", "3.2.0", platform2015}, {"8", "3.16.0", platform2015}, {"9", "4.9.0", platform2015}, {"10", "4.19.0", platform2019},
		{"11", "5.10.0", platform2021}, {"12", "6.1.0", platform2021}, {"13", "6.12.0", platform2021}},
	"devuan": {{"2", "4.9.0", platform2015}, {"3", "4.19.0", platform2019}, {"4", "5.10.0", platform2021}, {"5", "6.1.0", platform2021},
		{"6", "6.12.0", platform2021}},
	"ubuntu": {{"14.04", "3.13.0", platform2015}, {"16.04", "4.4.0", platform2015}, {"18.04", "4.15.0", platform2019}, {"20.04", "5.4.0", platform2019},
		{"22.04", "5.15.0", platform2021}, {"24.04", "6.8.0", platform2021}},
	"rhel": {{"6", "2.6.32", platform2015}, {"7", "3.10.0", platform2015}, {"8", "4.18.0", platform2019}, {"9", "5.14.0", platform2021},
		{"10", "6.12.0", platform2021}},
	"fedora": {{"22", "4.0.0", platform2015}, {"30", "5.0.0", platform2019}, {"34", "5.11.0", platform2021}, {"38", "6.2.0", platform2021},
		{"41", "6.11.0", platform2021}},
	"alpine": {{"3.0", "3.14.0", platform2015}, {"3.8", "4.14.0", platform2019}, {"3.13", "5.10.0", platform2021}, {"3.17", "5.15.0", platform2021},
		{"3.18", "6.1.0", platform2021}, {"3.19", "6.6.0", platform2021}, {"3.21", "6.12.0", platform2021}},
	"amzn": {{"2", "4.14.0", platform2019}, {"2023", "6.1.0", platform2021}},
}

// unknown is for releases without a version, and distributions that are not listed: a kernel
// that is new enough for what asks for a newest one, and no newer.
var unknown = release{"", "5.10.0", platform2021}

func (d Distribution) release() release {
	id := d.ID
	switch id {
	case "centos", "rocky", "almalinux", "ol":
		id = "rhel"
	}
	list := releases[id]
	if len(list) == 0 || versionForm.FindString(d.Version) == "" {
		return unknown
	}
	best := list[0]
	for _, r := range list {
		if compareVersions(r.version, d.Version) <= 0 {
			best = r
		}
	}
	return best
}

// KernelVersion is what a zone pretends that its kernel is, as 6.1.0: the tag kernel_version.
func (d Distribution) KernelVersion() string { return d.release().kernel }

// MinPlatform is the stamp of the oldest platform that has what the root needs.
func (d Distribution) MinPlatform() string { return d.release().platform }

// compareVersions compares the numbers that two versions begin with.
func compareVersions(a, b string) int {
	x, y := versionForm.FindString(a), versionForm.FindString(b)
	return slices.CompareFunc(strings.Split(x, "."), strings.Split(y, "."), func(a, b string) int {
		m, _ := strconv.ParseUint(a, 10, 32) // one that is too large is the largest
		n, _ := strconv.ParseUint(b, 10, 32)
		switch {
		case m < n:
			return -1
		case m > n:
			return 1
		}
		return 0
	})
}

// kernelForm is what the brand reads: up to three numbers.
var kernelForm = regexp.MustCompile(`^[0-9]{1,5}(\.[0-9]{1,5}){0,2}$`)

// CheckKernelVersion reports what the brand cannot pretend to be.
func CheckKernelVersion(s string) error {
	if !kernelForm.MatchString(s) {
		return fmt.Errorf("kernel version %q: it is up to three numbers, such as 6.1.0", s)
	}
	return nil
}
