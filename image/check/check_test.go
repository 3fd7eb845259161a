package check_test

import (
	"errors"
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
		root/etc/.imagetools-ABCDEFGHIJKLMNOPQRSTUVWXYZ.shadow
		root/.imagetools-ABCDEFGHIJKLMNOPQRSTUVWXYZ-contents/
		config/metadata.json`)
	zone, leaks := check.Image(tr, &manifest.Manifest{Type: manifest.TypeZone})
	if len(zone) > 0 {
		t.Errorf("zone: %s", list(zone))
	}
	var paths []string
	for _, f := range leaks {
		paths = append(paths, f.Path)
	}
	if want := []string{"config/metadata.json", "root/.imagetools-ABCDEFGHIJKLMNOPQRSTUVWXYZ-contents",
		"root/etc/.imagetools-ABCDEFGHIJKLMNOPQRSTUVWXYZ.shadow", "root/etc/ssh/ssh_host_rsa_key", "root/root/.bash_history"}; !slices.Equal(paths, want) {
		t.Errorf("leaks %q, want %q", paths, want)
	}
	if zone, leaks = check.Image(tree.New(), &manifest.Manifest{Type: manifest.TypeZvol}); len(zone)+len(leaks) > 0 {
		t.Errorf("a volume: %s", list(slices.Concat(zone, leaks)))
	}
}

// Programs with file capabilities are named in an image for the brand lx, once each, unless they are
// set-uid root.
func TestFileCapabilities(t *testing.T) {
	tr := tree.New()
	bin := tree.NewDir(0o755)
	attrs := func(name string) *tree.Attrs {
		return &tree.Attrs{Xattrs: []tree.Xattr{{Name: name, Value: []byte("x")}}}
	}
	file := func(mode tree.Mode, uid uint32, a *tree.Attrs) *tree.Node {
		return &tree.Node{Mode: tree.TypeFile | mode, UID: uid, Attrs: a}
	}
	mtr := file(0o755, 0, attrs("security.capability"))
	root := tree.NewDir(0o755)
	err := errors.Join(
		tr.Root.Add("root", root), root.Add("bin", bin), bin.Add("mtr", mtr), bin.Add("mtr2", mtr), bin.Add("ping", file(0o4755, 0, attrs("security.capability"))),
		bin.Add("other", file(0o4755, 5, attrs("security.capability"))), bin.Add("plain", file(0o755, 0, attrs("user.x"))), tr.Seal(),
	)
	if err != nil {
		t.Fatal(err)
	}
	named := func(imageType string) string {
		var b strings.Builder
		zone, _ := check.Image(tr, &manifest.Manifest{Type: imageType})
		for _, f := range zone {
			if strings.Contains(f.Message, "file capabilities") {
				b.WriteString(f.Path + " ")
			}
		}
		return b.String()
	}
	if got := named(manifest.TypeLX); got != "root/bin/mtr root/bin/other " {
		t.Errorf("lx: %q", got)
	}
	if got := named(manifest.TypeZone); got != "" {
		t.Errorf("native: %q", got)
	}
}
