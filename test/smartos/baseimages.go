//go:build linux

package smartos

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"imagetools/base"
	"imagetools/internal/required"
	"imagetools/test/oracle"
	"imagetools/test/oracle/listing"
)

// BaseImage is a base image that is made from end to end.
type BaseImage struct {
	Name   string // of the golden files
	Config base.Config
	Args   []string // of install-base, before the zone, if they are in the form of 2013
}

// NameVersion is how the files of the image are called.
func (b BaseImage) NameVersion() string { return b.Config.Name + "-" + b.Config.Release }

// BaseImages are those of [MakeBaseImages].
var BaseImages = []BaseImage{
	{"minimal", base.Config{Branch: "2024Q4", Arch: "x86_64", Name: "minimal-64-lts", Release: "24.4.1"}, nil},
	{"base", base.Config{Branch: "2024Q4", Arch: "x86_64", Name: "base-64-lts", Release: "24.4.1"}, nil},
	{"pkgbuild", base.Config{Branch: "2024Q4", Arch: "x86_64", Name: "pkgbuild-lts", Release: "24.4.1"}, nil},
	{"trunk", base.Config{Branch: "trunk", Arch: "x86_64", Name: "base-64-trunk", Release: "20241231", Date: "20241231"}, nil},
	{"sngl", base.Config{Branch: "2013Q2", Arch: "sngl", Name: "base", Release: "13.2.0"}, []string{"2013Q2-sngl"}},
}

// MakingBaseImages is set, to the folder for them, for the run of this package's tests that makes
// base images.
const MakingBaseImages = "IMAGETOOLS_SMARTOS_BASE_IMAGES"

// MakeBaseImages returns a folder with all of [BaseImages]: of each its image, NAME-VERSION.zfs.gz
// and NAME-VERSION.json, and NAME.calls, the calls that were made in its zone. They are made on a
// machine once for a state of all programs, and kept in the cache. Where that cannot be done the
// test ends as in [Run].
func MakeBaseImages(t *testing.T) string {
	t.Helper()
	fuse := oracle.RequireZFSFuse(t)
	platform, err := prepare()
	if err != nil {
		oracle.Unavailable(t, err)
	}
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	key, err := stateOfPrograms(root, fuse.ID(), platform)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := oracle.Kept("base-images", key, func(dir string) error {
		cmd := exec.Command("go", "test", "-count=1", "-timeout=15m", "-run", "^TestMakeBaseImages$", "./test/smartos")
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", MakingBaseImages+"="+dir)
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("make base images: %w\n%s", err, out)
		}
		return nil
	})
	if errors.Is(err, required.ErrNotPrepared) {
		required.Unavailable(t, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("base images: %s", dir)
	return dir
}

// stateOfPrograms names all that base images come from: the programs with all that they are
// compiled of, the build that their seeds are of, and more that is given.
func stateOfPrograms(root string, more ...string) (string, error) {
	h := sha256.New()
	fmt.Fprintln(h, more)
	list := exec.Command("go", "list", "-export", "-deps", "-test", "-f", "{{.ImportPath}} {{.BuildID}}", "./cmd/imagetools", "./test/smartos", "./test/smartos/standin")
	list.Dir = root
	list.Env = append(os.Environ(), "CGO_ENABLED=0")
	list.Stdout = h
	var stderr strings.Builder
	list.Stderr = &stderr
	if err := list.Run(); err != nil {
		return "", fmt.Errorf("go list: %w: %s", err, &stderr)
	}
	build, err := oracle.ListDir(filepath.Join(root, "doc/smartos-live"), oracle.DirOptions{})
	if err != nil {
		return "", err
	}
	for _, path := range slices.Sorted(maps.Keys(build.Entries)) {
		e := build.Entries[path]
		fmt.Fprintln(h, path, e.Type, e.Target, e.SHA256)
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:6]), nil
}

// Lines are a listing in the form of the golden files.
func Lines(l oracle.Listing) []string {
	var lines []string
	for _, path := range slices.Sorted(maps.Keys(l.Entries)) {
		e := l.Entries[path]
		what := e.Target
		if e.Type == listing.File {
			what = fmt.Sprintf("%d %.16s", e.Size, e.SHA256)
		}
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %04o %d:%d %s %s", e.Type, e.Mode, e.UID, e.GID, path, what)))
	}
	return lines
}

// Files are the lines of the golden file with all that the image holds.
func (b BaseImage) Files(t *testing.T) []string {
	t.Helper()
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	return lines(t, filepath.Join(root, "test/smartos/testdata", b.Name+".files"))
}
