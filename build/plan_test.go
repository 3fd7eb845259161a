package build_test

import (
	"archive/tar"
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"imagetools/build"
	"imagetools/internal/ocitest"
	"imagetools/manifest"
	"imagetools/rootfs/edit"
	"imagetools/rootfs/prepare"
)

// said gathers what a specification has told.
type said struct{ warnings, lines []string }

func (s *said) log() build.Log {
	return build.Log{
		Warn: func(text string) { s.warnings = append(s.warnings, text) },
		Note: func(text string) { s.lines = append(s.lines, "note: "+text) },
		Say:  func(text string) { s.lines = append(s.lines, text) },
	}
}

func write(t *testing.T, path string, data []byte) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func rootDir(t *testing.T) string {
	dir := filepath.Join(t.TempDir(), "root")
	for name, text := range map[string]string{"etc/release": "SmartOS\n", "lib/svc/method/net-init": "", "etc/passwd": "root:x:0:0::/root:/bin/sh\n", "etc/shadow": "", "root/.bash_history": "ls\n"} {
		write(t, filepath.Join(dir, name), []byte(text))
	}
	return dir
}

func rootTar(t *testing.T) string {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range []string{"etc/release", "lib/svc/method/net-init", "etc/passwd", "etc/shadow", "root/.bash_history"} {
		text := "SmartOS\n"
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return write(t, filepath.Join(t.TempDir(), "root.tar"), b.Bytes())
}

func disk(t *testing.T) string {
	data := make([]byte, 1<<20)
	data[446+4], data[446+12] = 0x83, 1 // an MBR with one partition of a sector
	copy(data[510:], "\x55\xaa")
	return write(t, filepath.Join(t.TempDir(), "disk.raw"), data)
}

// imageOf makes an image, and returns the path of its manifest.
func imageOf(t *testing.T, source string) string {
	t.Helper()
	spec := build.Spec{NameVersion: "web-0.9", Source: source, Output: build.Output{Dir: t.TempDir()}}
	res, err := spec.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return res.ManifestPath
}

// A plan that is not run tells what running it then does.
func TestPlanTellsWhatRunDoes(t *testing.T) {
	oci := ocitest.Image{Layers: [][]byte{ocitest.Tar(t, "file etc/os-release=ID=debian", "file bin/sh=x", "file sbin/init=x")}}.Parts(t)
	steps := []edit.Step{&prepare.Step{}}
	for name, spec := range map[string]build.Spec{
		"directory":       {Source: rootDir(t), Changes: steps},
		"tar":             {Source: rootTar(t), Changes: steps},
		"container image": {Source: "oci:" + ocitest.Layout(t, oci.All(), oci.Manifest.Descriptor)},
		"image":           {Source: imageOf(t, rootDir(t)), Changes: steps},
		"increment":       {Source: rootDir(t), Origin: []string{imageOf(t, rootTar(t))}},
		"disk":            {Source: disk(t), Manifest: manifest.Options{OS: "linux"}},
	} {
		t.Run(name, func(t *testing.T) {
			var planned, done said
			spec.NameVersion, spec.Output.Dir = "web-1.0", filepath.Join(t.TempDir(), "output")
			spec.Log = planned.log()
			plan, err := spec.Plan(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			plan.Judge()
			want, edits := *plan.Manifest(), plan.Edits
			image, manifestPath := plan.Image, plan.ManifestPath
			if err := plan.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(spec.Output.Dir); err == nil {
				t.Error("a plan wrote something")
			}

			spec.Log = done.log()
			res, err := spec.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got := *res.Manifest
			for _, m := range []*manifest.Manifest{&want, &got} { // what only contents tell
				m.UUID, m.URN, m.Files, m.PublishedAt, m.ImageSize = "", "", nil, "", 0
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("manifest (-planned +written):\n%s", diff)
			}
			if image != res.Image || manifestPath != res.ManifestPath {
				t.Errorf("planned %s and %s, written %s and %s", image, manifestPath, res.Image, res.ManifestPath)
			}
			if diff := cmp.Diff(edits, res.Edits); diff != "" {
				t.Errorf("edits (-planned +done):\n%s", diff)
			}
			if diff := cmp.Diff(planned.lines, done.lines); diff != "" {
				t.Errorf("told (-planned +done):\n%s", diff)
			}
			slices.Sort(planned.warnings)
			slices.Sort(done.warnings)
			if diff := cmp.Diff(planned.warnings, done.warnings); diff != "" {
				t.Errorf("warned (-planned +done):\n%s", diff)
			}
		})
	}
}

// All that is wrong with a specification is told at once.
func TestAllFaultsAtOnce(t *testing.T) {
	spec := build.Spec{NameVersion: "web", Source: "nothing", FileSystem: 3, XattrNames: "bsd", BlockSize: 1000, VolumeSize: 5, MaxOrigins: 1, Origin: []string{"-"}, Manifest: manifest.Options{Description: "\xff"}}
	err := spec.Check()
	if err == nil {
		t.Fatal("nothing is wrong")
	}
	for _, want := range []string{"web", "FileSystem 3", `XattrNames "bsd"`, "BlockSize 1000 bytes", "VolumeSize 5", "MaxOrigins 1", "not standard input", "description"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v: no word of %s", err, want)
		}
	}
}
