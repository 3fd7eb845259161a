package base_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"imagetools/base"
	"imagetools/internal/cli"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s\n(-update writes it)", path, got, want)
	}
}

func config(t *testing.T, conf, name, release, date string) base.Config {
	t.Helper()
	c, err := base.Args{Config: conf, Name: name, Release: release, Date: date, Zone: "z"}.Parse()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestArgs(t *testing.T) {
	for _, tt := range []struct {
		in   base.Args
		want base.Config
	}{
		{base.Args{Config: "2024Q4-x86_64", Name: "base-64-lts", Release: "24.4.1", Zone: "z"},
			base.Config{Branch: "2024Q4", Arch: "x86_64", Name: "base-64-lts", Release: "24.4.1"}},
		{base.Args{Config: "trunk-multiarch", Name: "minimal", Release: "20200124", Date: "20200124", Zone: "z"},
			base.Config{Branch: "trunk", Arch: "multiarch", Name: "minimal", Release: "20200124", Date: "20200124"}},
		{base.Args{Config: "trunk-i386", Name: "pkgbuild.2", Release: "24.4", Zone: "z"},
			base.Config{Branch: "trunk", Arch: "i386", Name: "pkgbuild.2", Release: "24.4"}},
		{base.Args{Config: "2013Q2-sngl", Name: "baseball", Release: "13.2.0", Zone: "z"},
			base.Config{Branch: "2013Q2", Arch: "sngl", Name: "baseball", Release: "13.2.0"}},
	} {
		got, err := tt.in.Parse()
		if got != tt.want || err != nil {
			t.Errorf("%+v: %+v, %v, want %+v", tt.in, got, err, tt.want)
		}
	}
}

func TestFaults(t *testing.T) {
	good := base.Args{Config: "2024Q4-x86_64", Name: "base", Release: "24.4.0", Zone: "z"}
	for _, tt := range []struct {
		change func(*base.Args)
		want   string
	}{
		{func(a *base.Args) { *a = base.Args{} },
			"CONFIG is missing (-c)\nNAME is missing (-n)\nRELEASE is missing (-r)\nZONE is missing (-z)"},
		{func(a *base.Args) { a.Config, a.Name, a.Release, a.Date = "2024Q5-x86_64", "Base", "24", "-" },
			`CONFIG "2024Q5-x86_64": unknown configuration` + "\n" + `NAME "Base": unknown image` + "\n" +
				`RELEASE "24": no version` + "\n" + `DATE "-": no date`},
		{func(a *base.Args) { a.Config = "2024Q0-x86_64" }, `CONFIG "2024Q0-x86_64": unknown configuration`},
		{func(a *base.Args) { a.Config = "2024Q4-x86_64 " }, `CONFIG "2024Q4-x86_64 ": unknown configuration`},
		{func(a *base.Args) { a.Config = "x2024Q4-x86_64" }, `CONFIG "x2024Q4-x86_64": unknown configuration`},
		{func(a *base.Args) { a.Config = "2024Q4-x86_64\n" }, `CONFIG "2024Q4-x86_64\n": unknown configuration`},
		{func(a *base.Args) { a.Config = "2024Q4-arm64" }, `CONFIG "2024Q4-arm64": unknown configuration`},
		{func(a *base.Args) { a.Config = "2024Q4" }, `CONFIG "2024Q4": unknown configuration`},
		{func(a *base.Args) { a.Config = "Trunk-i386" }, `CONFIG "Trunk-i386": unknown configuration`},
		{func(a *base.Args) { a.Name = "mybase" }, `NAME "mybase": unknown image`},
		{func(a *base.Args) { a.Name = "base'64" }, `NAME "base'64": unknown image`},
		{func(a *base.Args) { a.Name = "base/64" }, `NAME "base/64": unknown image`},
		{func(a *base.Args) { a.Release = "24.4.x" }, `RELEASE "24.4.x": no version`},
		{func(a *base.Args) { a.Release = "24..4" }, `RELEASE "24..4": no version`},
		{func(a *base.Args) { a.Release = "1.2.3.4.5" }, `RELEASE "1.2.3.4.5": no version`},
		{func(a *base.Args) { a.Release = "20241231" }, `RELEASE "20241231": a date is a release of trunk, not of 2024Q4`},
		{func(a *base.Args) { a.Date = "2024/12" }, `DATE "2024/12": no date`},
		{func(a *base.Args) { a.Zone = "" }, `ZONE is missing (-z)`},
	} {
		args := good
		tt.change(&args)
		c, err := args.Parse()
		if err == nil || err.Error() != tt.want {
			t.Errorf("%+v: %v, want %s", args, err, tt.want)
		}
		if c != (base.Config{}) {
			t.Errorf("%+v: a fault and %+v", args, c)
		}
	}
	_, err := base.Args{Config: "2013Q2", Release: "x", Name: "x", Zone: "z"}.Parse()
	if n := len(cli.Hints(err)); n != 3 {
		t.Errorf("%d hints for %v, want 3", n, err)
	}
}

func TestClassicForm(t *testing.T) {
	for _, tt := range []struct {
		flags base.Args
		args  []string
		want  base.Args
		fault string
	}{
		{base.Args{Config: "a", Zone: "b"}, nil, base.Args{Config: "a", Zone: "b"}, ""},
		{base.Args{}, []string{"2013Q2-sngl", "z"}, base.Args{Config: "2013Q2-sngl", Name: "base", Release: "13.2.0", Zone: "z"}, ""},
		{base.Args{Name: "minimal", Release: "24.4.2"}, []string{"2024Q4-x86_64", "z"},
			base.Args{Config: "2024Q4-x86_64", Name: "minimal", Release: "24.4.2", Zone: "z"}, ""},
		{base.Args{}, []string{"trunk-x86_64", "z"}, base.Args{Config: "trunk-x86_64", Name: "base", Zone: "z"}, ""},
		{base.Args{}, []string{"2013Q2-sngl"}, base.Args{}, "1 arguments: there are two, CONFIG and ZONE, or none and flags"},
		{base.Args{}, []string{"a", "b", "c"}, base.Args{}, "3 arguments: there are two, CONFIG and ZONE, or none and flags"},
		{base.Args{Config: "a"}, []string{"b", "z"}, base.Args{}, `both -c "a" and "b" are given`},
		{base.Args{Zone: "a"}, []string{"b", "z"}, base.Args{}, `both -z "a" and "z" are given`},
	} {
		got, err := tt.flags.Classic(tt.args)
		if tt.fault != "" {
			if err == nil || err.Error() != tt.fault {
				t.Errorf("%+v %q: %v, want %s", tt.flags, tt.args, err, tt.fault)
			}
		} else if got != tt.want || err != nil {
			t.Errorf("%+v %q: %+v, %v, want %+v", tt.flags, tt.args, got, err, tt.want)
		}
	}
}

// The golden file has all that the rules say of images on both sides of each border; variables
// where they differ from those of the image before.
func TestRules(t *testing.T) {
	var b strings.Builder
	shown := map[string]string{} // of the image before, so that differences are seen
	for _, c := range []base.Config{
		config(t, "2013Q2-sngl", "base", "13.2.0", ""),
		config(t, "2013Q4-x86_64", "minimal", "13.4.0", ""),
		config(t, "2014Q1-x86_64", "minimal", "14.1.0", ""),
		config(t, "2014Q1-sngl", "pkgbuild", "14.1.0", ""),
		config(t, "2016Q3-i386", "base", "16.3.0", ""),
		config(t, "2016Q4-multiarch", "base-multiarch", "16.4.0", ""),
		config(t, "2018Q1-x86_64", "base-64", "18.1.9", ""),
		config(t, "2018Q2-x86_64", "base-64", "18.2.0", ""),
		config(t, "2022Q3-x86_64", "pkgbuild", "22.3.1", ""),
		config(t, "2022Q4-x86_64", "pkgbuild", "22.4.0", ""),
		config(t, "2023Q3-x86_64", "base-64", "23.3.99", ""),
		config(t, "2023Q4-x86_64", "base-64-lts", "23.4.0", ""),
		config(t, "2024Q4-x86_64", "minimal-64-lts", "24.4.1", ""),
		config(t, "trunk-x86_64", "pkgbuild-trunk", "20241231", "20241231"),
		config(t, "trunk-x86_64", "base-64-trunk", "21.1.0", ""),
	} {
		img := base.Standard.Image(c)
		fmt.Fprintf(&b, "%v %s %s %s\n\tseed %q, overlay %q\n\tbootstrap %s\n", c, c.Name, c.Release, c.Date, img.Seed, img.Dirs, img.BootstrapURL())
		for _, name := range slices.Sorted(maps.Keys(img.Variables)) {
			if value := img.Variables[name]; shown[name] != value {
				fmt.Fprintf(&b, "\t%s=%s\n", name, value)
				shown[name] = value
			}
		}
		if got := strings.Join(img.Packages, " "); got != img.Variables["IMAGE_PACKAGES"] {
			t.Errorf("%v: packages %q, variable %q", c, got, img.Variables["IMAGE_PACKAGES"])
		}
	}
	golden(t, "testdata/rules.golden", b.String())
}

// A version is compared part by part, as a number of padded parts would be.
func TestReleaseOrder(t *testing.T) {
	for _, tt := range []struct {
		release string
		npm     bool
	}{
		{"18.1.99", false}, {"18.2", true}, {"18.2.0", true}, {"18.10.0", true}, {"23.3.999", true}, {"23.4", false}, {"99.1.1", false},
	} {
		img := base.Standard.Image(config(t, "2020Q4-x86_64", "base", tt.release, ""))
		if got := slices.Contains(img.Packages, "npm"); got != tt.npm {
			t.Errorf("release %s: npm is %v, want %v", tt.release, got, tt.npm)
		}
	}
}

// A rule for a branch to come is one line, as CONTRIBUTING shows it.
func TestRuleToCome(t *testing.T) {
	rules := slices.Concat(base.Standard, base.Rules{
		{If: base.When{Families: "base", Since: "2027Q1"}, Add: "ripgrep", Drop: "wget"},
	})
	for _, tt := range []struct {
		conf, name, release string
		changed             bool
	}{
		{"2027Q1-x86_64", "base-64", "27.1.0", true}, {"2030Q3-i386", "base", "30.3.0", true}, {"trunk-x86_64", "base", "20270101", true},
		{"2026Q4-x86_64", "base-64", "26.4.0", false}, {"2027Q1-x86_64", "minimal-64", "27.1.0", false}, {"2027Q1-x86_64", "pkgbuild", "27.1.0", false},
	} {
		c := config(t, tt.conf, tt.name, tt.release, "")
		before, after := base.Standard.Image(c), rules.Image(c)
		if tt.changed != (before.Variables["IMAGE_PACKAGES"] != after.Variables["IMAGE_PACKAGES"]) {
			t.Errorf("%v %s: %q becomes %q", c, c.Name, before.Packages, after.Packages)
		}
		if tt.changed && (!slices.Contains(after.Packages, "ripgrep") || slices.Contains(after.Packages, "wget")) {
			t.Errorf("%v %s: %q", c, c.Name, after.Packages)
		}
	}
}
func TestParseProgress(t *testing.T) {
	for _, tt := range []struct {
		line string
		want base.Progress
	}{
		{"step packages: begin\n", base.Progress{Step: "packages", State: base.Begun}},
		{"step mail-maps: done\r\n", base.Progress{Step: "mail-maps", State: base.Done}},
		{"step packages: failed: curl: status 1", base.Progress{Step: "packages", State: base.Failed, Reason: "curl: status 1"}},
		{"+ echo 'step packages: begin'\n", base.Progress{}},
		{" step packages: begin", base.Progress{}},
		{"step packages: beginning", base.Progress{}},
		{"step packages: failed", base.Progress{}},
		{"step the packages: done", base.Progress{}},
		{"", base.Progress{}},
	} {
		if got, ok := base.ParseProgress(tt.line); got != tt.want || ok != (tt.want.Step != "") {
			t.Errorf("ParseProgress(%q) = %+v, %v, want %+v", tt.line, got, ok, tt.want)
		}
	}
}
