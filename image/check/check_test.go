package check_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"imagetools/image/check"
	"imagetools/image/check/checktest"
	"imagetools/manifest"
	"imagetools/tree"
)

// list is findings, a line each, with "!" before those that no brand survives.
func list(findings []check.Finding) string {
	var lines []string
	for _, f := range findings {
		lines = append(lines, map[bool]string{true: "!"}[f.Fatal]+f.Path+": "+f.Message)
	}
	return strings.Join(lines, "\n")
}

// Each case is a dataset that zones can be made of, changed in one way.
func TestZone(t *testing.T) {
	t.Parallel()
	for _, test := range checktest.Cases {
		t.Run(test.Name, func(t *testing.T) {
			got := check.Zone(check.Tree(checktest.Tree(t, test.Files)), check.Options{Type: test.Type, Brand: test.Brand})
			var want []string
			for line := range strings.Lines(test.Want) {
				if line = strings.TrimSpace(line); line != "" {
					want = append(want, line)
				}
			}
			if diff := cmp.Diff(strings.Join(want, "\n"), list(got)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// What cannot be read keeps nothing else from being judged, and links in circles end.
func TestHostile(t *testing.T) {
	t.Parallel()
	files := checktest.LX + `
		root/etc/debian_version -> debian_version
		root/etc/redhat-release -> a/b
		root/etc/a -> .
		root/etc/b -> a/a/a/a/redhat-release
		root/etc/alpine-release -> ../../../../etc/alpine-release`
	got := list(check.Zone(check.Tree(checktest.Tree(t, files)), check.Options{Type: manifest.TypeLX}))
	if !strings.Contains(got, `root/etc/alpine-release: a link to "../../../../etc/alpine-release"`) {
		t.Errorf("got %s", got)
	}
	deep := "root/etc/x\n"
	for i := range 300 {
		deep += "root/" + strings.Repeat(fmt.Sprintf("d%d/", i%7), 60) + "\n"
	}
	check.Zone(check.Tree(checktest.Tree(t, deep)), check.Options{Type: manifest.TypeZone})
}

// Private files are told with their paths, public halves and empty ones are not.
func TestLeaks(t *testing.T) {
	t.Parallel()
	tr := checktest.Tree(t, checktest.Native+`
		root/root/.bash_history
		root/etc/ssh/ssh_host_rsa_key
		root/etc/ssh/ssh_host_rsa_key.pub
		root/home/u/.ssh/id_rsa -> elsewhere
		config/metadata.json`)
	zone, leaks := check.Image(tr, &manifest.Manifest{Type: manifest.TypeZone})
	if len(zone) > 0 {
		t.Errorf("zone: %s", list(zone))
	}
	var paths []string
	for _, f := range leaks {
		paths = append(paths, f.Path)
	}
	if want := []string{"config/metadata.json", "root/etc/ssh/ssh_host_rsa_key", "root/root/.bash_history"}; !slices.Equal(paths, want) {
		t.Errorf("leaks %q, want %q", paths, want)
	}
	if zone, leaks = check.Image(tree.New(), &manifest.Manifest{Type: manifest.TypeZvol}); len(zone)+len(leaks) > 0 {
		t.Errorf("a volume: %s", list(slices.Concat(zone, leaks)))
	}
}
