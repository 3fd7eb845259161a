package seedtest

import (
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"imagetools/seed"
	"imagetools/test/oracle"
	"imagetools/tree/compare"
	"imagetools/tree/fromdir"
	"imagetools/tree/source"
)

// kinds are things that a name, $2, can stand for, as shell commands that make it in the layer $1.
var kinds = map[string]string{
	"none":      ":",
	"file":      `echo "$1" >"$2"; chmod 640 "$2"`,
	"link":      `ln -s "to $1" "$2"`,
	"linktodir": `mkdir "real-$2"; echo x >"real-$2/kept"; ln -s "real-$2" "$2"`,
	"linkout":   `ln -s /etc "$2"`,
	"fifo":      `mkfifo "$2"`,
	"emptydir":  `mkdir -m 750 "$2"`,
	"dir":       `mkdir -m 710 "$2"; echo "$1" >"$2/$1"`,
	"deepdir":   `mkdir -p "$2/inner"; echo "$1" >"$2/inner/same"; ln -s "$1" "$2/link"`,
}

// layers makes a build in which everything lies over everything, but for some names, and has
// rsync lay its overlay over proto in the folder theirs. The names are UNDER-OVER.
func layers(t *testing.T, without []string) (dir, said string) {
	t.Helper()
	var proto, overlay strings.Builder
	for _, under := range slices.Sorted(maps.Keys(kinds)) {
		for _, over := range slices.Sorted(maps.Keys(kinds)) {
			if name := under + "-" + over; !slices.Contains(without, name) {
				fmt.Fprintf(&proto, "set -- under %s; %s\n", name, kinds[under])
				fmt.Fprintf(&overlay, "set -- over %s; %s\n", name, kinds[over])
			}
		}
	}
	dir = t.TempDir()
	cmd := exec.Command("/bin/sh", "-ec", fmt.Sprintf(`umask 022
		mkdir -p proto/etc proto/var overlay/generic/etc theirs; : >manifest.gen
		(cd proto/etc; %s)
		(cd overlay/generic/etc; %s)
		find . -exec touch -h -d 2001-02-03T04:05:06 {} +
		rsync -a proto/etc theirs/
		rsync -a overlay/generic/etc/ theirs/etc/ || [ $? = 23 ]`, &proto, &overlay))
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return dir, string(out)
}

func buildTiny(t *testing.T, dir string) (*seed.Seed, error) {
	t.Helper()
	places, err := seed.Locate(dir, seed.LocateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return seed.Build(t.Context(), seed.Options{Places: *places})
}

var refusal = regexp.MustCompile(`could not make way for [a-z ]*: (\S+)|"etc/(\S+)": a [a-z]+ cannot replace a directory that is not empty`)

// refused are the names that a program could not lay over what was there.
func refused(said string) []string {
	var list []string
	for _, m := range refusal.FindAllStringSubmatch(said, -1) {
		list = append(list, m[1]+m[2])
	}
	slices.Sort(list)
	return list
}

// TestOverlayAsRsync lays everything over everything, as rsync -a does, also as to what it
// refuses.
func TestOverlayAsRsync(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("rsync"); err != nil {
		oracle.Unavailable(t, err)
	}
	dir, said := layers(t, nil)
	_, err := buildTiny(t, dir)
	theirs := refused(said)
	if len(theirs) == 0 || err == nil {
		t.Fatalf("rsync refused nothing: %s; our error: %v", said, err)
	}
	if diff := cmp.Diff(theirs, refused(err.Error())); diff != "" {
		t.Errorf("refused (-rsync +seed):\n%s", diff)
	}

	dir, _ = layers(t, theirs)
	s, err := buildTiny(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	want, _, err := fromdir.Read(t.Context(), filepath.Join(dir, "theirs"), fromdir.Options{Owners: source.OwnersDisk, NoXattrs: true})
	if err == nil {
		err = want.Seal()
	}
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	ours := below(t, s.Tree, "root/etc")
	for c, err := range compare.Diff(t.Context(), below(t, want, "etc"), ours, compare.Options{IgnoreOwners: true}) {
		if err != nil {
			t.Fatal(err)
		}
		seen++
		if c.Path != "." && c.Path != "svc" && c.Path != "rc2.d" && !strings.HasPrefix(c.Path, "svc/") && !strings.HasPrefix(c.Path, "rc2.d/") {
			t.Errorf("(rsync -> seed) %v", c)
		}
	}
	if seen == 0 {
		t.Error("not even what a seed adds is seen")
	}
}
