package seed

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// Builds of each generation, as far as they matter, and where their parts are found.
func TestLocate(t *testing.T) {
	all := []string{"proto/etc/x", "proto/var/x", "elsewhere/etc/x", "elsewhere/var/x", "components/b.manifest", "components/a.manifest", "components/README"}
	for _, test := range []struct {
		name  string
		files []string
		opts  LocateOptions
		want  Places
		notes int
	}{
		{"2010", []string{"overlay/etc/x", "manifest.gen"}, LocateOptions{},
			Places{Proto: "proto", Overlay: "overlay", Manifests: []string{"manifest.gen"}}, 1},
		{"2015", []string{"overlay/generic/etc/x", "manifest.gen"}, LocateOptions{},
			Places{Proto: "proto", Overlay: "overlay/generic", Manifests: []string{"manifest.gen"}}, 0},
		{"2015 with more", []string{"overlay/generic/etc/x", "overlay/smartos/x", "manifest.gen"}, LocateOptions{},
			Places{Proto: "proto", Overlay: "overlay/generic", Smartos: "overlay/smartos", Manifests: []string{"manifest.gen"}}, 0},
		{"2020", []string{"proto/lib/svc/manifest/system/mdata.xml", "manifest.gen"}, LocateOptions{},
			Places{Proto: "proto", Manifests: []string{"manifest.gen"}}, 1},
		{"without the sum", []string{"overlay/generic/etc/x", "manifest.d/live.manifest", "manifest.d/illumos.manifest", "manifest.d/x.txt"}, LocateOptions{},
			Places{Proto: "proto", Overlay: "overlay/generic", Manifests: []string{"manifest.d/illumos.manifest", "manifest.d/live.manifest"}}, 1},
		{"named", nil, LocateOptions{Proto: "elsewhere", Overlay: "elsewhere", Smartos: "elsewhere", Manifest: "components"},
			Places{Proto: "elsewhere", Overlay: "elsewhere", Smartos: "elsewhere", Manifests: []string{"components/a.manifest", "components/b.manifest"}}, 0},
		{"without", []string{"overlay/generic/etc/x", "manifest.gen"}, LocateOptions{WithoutOverlay: true, WithoutManifest: true},
			Places{Proto: "proto"}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			for _, path := range append(test.files, all...) {
				write(t, path, "")
			}
			got, err := Locate(".", test.opts)
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Notes) != test.notes {
				t.Errorf("notes %q, want %d", got.Notes, test.notes)
			}
			got.Notes = nil
			if diff := cmp.Diff(&test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// What is missing comes together, each with the option that helps.
func TestLocateFaults(t *testing.T) {
	dir := t.TempDir()
	_, err := Locate(dir, LocateOptions{})
	if err == nil {
		t.Fatal("an empty folder is a build")
	}
	for _, want := range []string{"no folders etc and var", "no overlay/generic", "no manifest.gen"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	write(t, filepath.Join(dir, "file"), "")
	if err := os.Mkdir(filepath.Join(dir, "manifest.d"), 0o777); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		build string
		opts  LocateOptions
		want  string
	}{
		{filepath.Join(dir, "none"), LocateOptions{}, "no such file"},
		{filepath.Join(dir, "file"), LocateOptions{}, "not a folder"},
		{dir, LocateOptions{Proto: dir}, "no folders etc and var in"},
		{dir, LocateOptions{Overlay: dir}, "no folder etc in it"},
		{dir, LocateOptions{Smartos: filepath.Join(dir, "file")}, "second overlay"},
		{dir, LocateOptions{}, "no *.manifest in"},
		{dir, LocateOptions{Manifest: filepath.Join(dir, "nowhere")}, "nowhere: no such file"},
	} {
		if _, err := Locate(test.build, test.opts); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: %v, want %q", test, err, test.want)
		}
	}
}

// What is no file among the components is an error, not something to wait for.
func TestLocateComponents(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.manifest"), "")
	if err := errors.Join(unix.Mkfifo(filepath.Join(dir, "b.manifest"), 0o666), os.Symlink("nowhere", filepath.Join(dir, "c.manifest"))); err != nil {
		t.Fatal(err)
	}
	_, err := componentManifests(dir)
	want := fmt.Sprintf("manifest %q: not a file\nmanifest %q: not a file", filepath.Join(dir, "b.manifest"), filepath.Join(dir, "c.manifest"))
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}
