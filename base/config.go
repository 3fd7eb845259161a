package base

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"imagetools/fault"
)

// Config says which base image is made. [Args.Parse] makes one that is sound.
type Config struct {
	Branch  string // of pkgsrc: "2024Q4" or "trunk"
	Arch    string // i386, x86_64, multiarch or sngl
	Name    string // of the image; it begins with base, minimal or pkgbuild
	Release string // of the image: "24.4.0", or "20241231" of trunk
	Date    string // of the bootstrap, where its name has one
}

// String is the classic CONFIG, such as "2024Q4-x86_64".
func (c Config) String() string { return c.Branch + "-" + c.Arch }

// Family is what the name begins with: base, minimal or pkgbuild.
func (c Config) Family() string { return family.FindString(c.Name) }

// Args are the arguments of install-base, as they were given.
type Args struct {
	Config, Name, Release, Date, Zone string
}

// Classic takes the arguments that no flag went before: none, or CONFIG and ZONE as in the
// form of 2013, "install-base 2013Q2-sngl ZONE". That form has no name and no release: they
// are "base" and the first release of the branch, unless flags give others.
func (a Args) Classic(args []string) (Args, error) {
	if len(args) == 0 {
		return a, nil
	}
	if len(args) != 2 {
		return a, fmt.Errorf("%d arguments: there are two, CONFIG and ZONE, or none and flags", len(args))
	}
	for _, given := range []struct {
		flag, value, arg string
		to               *string
	}{{"-c", a.Config, args[0], &a.Config}, {"-z", a.Zone, args[1], &a.Zone}} {
		if given.value != "" {
			return a, fmt.Errorf("both %s %q and %q are given", given.flag, given.value, given.arg)
		}
		*given.to = given.arg
	}
	if a.Name == "" {
		a.Name = "base"
	}
	if a.Release == "" {
		a.Release = firstRelease(a.Config)
	}
	return a, nil
}

// firstRelease is the first release of a branch: 13.2.0 of 2013Q2; empty for trunk.
func firstRelease(config string) string {
	if m := configForm.FindStringSubmatch(config); m != nil && m[2] != "" {
		return fmt.Sprintf("%s.%s.0", m[2][2:], m[3])
	}
	return ""
}

var (
	configForm  = regexp.MustCompile(`^(([0-9]{4})Q([1-4])|trunk)-(i386|x86_64|multiarch|sngl)$`)
	family      = regexp.MustCompile(`^(base|minimal|pkgbuild)`)
	nameForm    = regexp.MustCompile(`^(base|minimal|pkgbuild)[A-Za-z0-9._-]{0,100}$`)
	dottedForm  = regexp.MustCompile(`^[0-9]{1,4}(\.[0-9]{1,4}){1,3}$`)
	releaseDate = regexp.MustCompile(`^[0-9]{8}$`)
	dateForm    = regexp.MustCompile(`^[0-9A-Za-z]{1,32}$`)
)

// Parse checks the arguments. All that is wrong with them comes in one error.
func (a Args) Parse() (Config, error) {
	var faults []error
	fault := func(hint, format string, args ...any) {
		err := fmt.Errorf(format, args...)
		if hint != "" {
			err = fault.WithHint(err, hint)
		}
		faults = append(faults, err)
	}
	c := Config{Name: a.Name, Release: a.Release, Date: a.Date}
	if m := configForm.FindStringSubmatch(a.Config); m != nil {
		c.Branch, c.Arch = m[1], m[4]
	} else if a.Config == "" {
		fault("", "CONFIG is missing (-c)")
	} else {
		fault("it is BRANCH-ARCH: 2024Q4 or trunk; i386, x86_64, multiarch or sngl", "CONFIG %q: unknown configuration", a.Config)
	}
	if a.Name == "" {
		fault("", "NAME is missing (-n)")
	} else if !nameForm.MatchString(a.Name) {
		fault("it begins with base, minimal or pkgbuild, and goes on with letters, digits, dots and hyphens", "NAME %q: unknown image", a.Name)
	}
	switch {
	case a.Release == "":
		fault("", "RELEASE is missing (-r)")
	case dottedForm.MatchString(a.Release):
	case !releaseDate.MatchString(a.Release):
		fault("it is dotted, such as 24.4.0, or a date, such as 20241231, of trunk", "RELEASE %q: no version", a.Release)
	case c.Branch != "" && c.Branch != "trunk":
		fault("give one such as "+firstRelease(a.Config), "RELEASE %q: a date is a release of trunk, not of %s", a.Release, c.Branch)
	}
	if a.Date != "" && !dateForm.MatchString(a.Date) {
		fault("it is the date in the name of the bootstrap, such as 20241231", "DATE %q: no date", a.Date)
	}
	if a.Zone == "" {
		fault("", "ZONE is missing (-z)")
	}
	if err := errors.Join(faults...); err != nil {
		return Config{}, err
	}
	return c, nil
}

// order is the place of a branch in time: of quarters one after the other, with trunk last.
func order(branch string) int {
	if branch == "trunk" {
		return 1 << 30
	}
	year, quarter, _ := strings.Cut(branch, "Q")
	y, _ := strconv.Atoi(year) // digits, by configForm
	q, _ := strconv.Atoi(quarter)
	return 4*y + q
}

// parts are the numbers of a release. Missing ones are zero, so that 18.2 is 18.2.0, and a
// date is later than every dotted release.
func parts(release string) (p [4]int) {
	for i, s := range strings.SplitN(release, ".", 4) {
		p[i], _ = strconv.Atoi(s) // digits, by dottedForm and releaseDate
	}
	return p
}
