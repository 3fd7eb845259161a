package conformance

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"

	"imagetools/compress"
	"imagetools/test/imgmanifest"
	"imagetools/test/oci"
	"imagetools/tree"
	trees "imagetools/tree/compare"
	"imagetools/tree/fromdir"
	"imagetools/tree/fromoci"
	"imagetools/tree/source"
)

// makeOCI makes a layout with an image "layers" of three layers: the second removes a file and a
// directory and links across directories, the third makes a directory opaque.
func makeOCI(t *testing.T, tools *oci.Tools) (layout string) {
	t.Helper()
	layout = filepath.Join(t.TempDir(), "layout")
	image := layout + ":layers"
	tools.Umoci(t, "init", "--layout", layout)
	tools.Umoci(t, "new", "--image", image)

	root := tools.Unpack(t, image)
	write := func(name, text string) error {
		path := filepath.Join(root, name)
		return errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644))
	}
	err := errors.Join(
		os.CopyFS(filepath.Join(root, "usr/src"), os.DirFS("../../zfs")),
		write("usr/bin/tool", strings.Repeat("tool ", 50_000)), os.Chmod(filepath.Join(root, "usr/bin/tool"), 0o4755),
		os.Symlink("usr/bin", filepath.Join(root, "bin")),
		write("etc/gone", "gone"), write("etc/changed", "old"), write("etc/mode", "same"), write("srv/gone/deep/file", "gone"), write("srv/kept", "kept"),
		write("var/opaque/old", "old"), write("var/opaque/dir/old", "old"), write("one/name", "linked"),
		os.MkdirAll(filepath.Join(root, "two/deep"), 0o700), os.Link(filepath.Join(root, "one/name"), filepath.Join(root, "two/deep/name")),
	)
	if err != nil {
		t.Fatal(err)
	}
	tools.Repack(t, image, root)

	root = tools.Unpack(t, image)
	path := func(name string) string { return filepath.Join(root, name) }
	err = errors.Join(
		os.Remove(path("etc/gone")), os.RemoveAll(path("srv/gone")), write("etc/changed", "new and longer"), os.Chmod(path("etc/mode"), 0o600),
		write("three/new", "new"), os.MkdirAll(path("four/deep"), 0o755), os.Link(path("three/new"), path("four/deep/new")),
		os.Remove(path("one/name")), // two/deep/name stays
		os.Remove(path("bin")), os.Mkdir(path("bin"), 0o755), write("bin/own", "own"),
	)
	if err != nil {
		t.Fatal(err)
	}
	tools.Repack(t, image, root)

	root = t.TempDir()
	if err := write("new", "new"); err != nil {
		t.Fatal(err)
	}
	tools.Umoci(t, "insert", "--opaque", "--image", image, root, "/var/opaque")
	tools.Umoci(t, "config", "--image", image, "--config.cmd", "/usr/bin/tool", "--config.user", "1000", "--config.env", "A=b", "--config.workingdir", "/srv")
	return layout
}

// The image of others' programs is what they take it for, in every form in which it comes.
func TestOCI(t *testing.T) {
	tools := oci.Require(t)
	layout := makeOCI(t, tools)
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	inProcess := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer inProcess.Close()
	small := strings.TrimPrefix(inProcess.URL, "http://") + "/team/app:1"
	debian := tools.Registry(t) + "/team/app:1"
	from := "oci:" + layout + ":layers"
	tools.Copy(t, from, "docker-archive:"+in("save.tar")+":team/app:1")
	tools.Copy(t, from, "oci-archive:"+in("layout.tar")+":1")
	tools.Copy(t, from, "oci:"+in("zstd")+":1", "--dest-compress-format", "zstd")
	tools.Copy(t, from, "docker://"+small)
	tools.Copy(t, from, "docker://"+debian)
	tools.Copy(t, from, "docker://"+debian+"-docker", "--format", "v2s2")

	validator := imgmanifest.Require(t)
	var want []byte
	for i, source := range []string{
		from, "docker-archive:" + in("save.tar"), "oci-archive:" + in("layout.tar") + ":1", "oci:" + in("zstd"),
		"docker://" + small, "docker://" + debian, "docker://" + debian + "-docker",
	} {
		image, manifest := createImage(t, in(fmt.Sprint("image-", i)), "app-1", source, "--type", "zone-dataset", "-c", "none")
		got, err := os.ReadFile(image)
		if err != nil {
			t.Fatal(err)
		}
		if want == nil {
			want = got
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: another stream than that of %s", source, from)
		}
		checkOCIManifest(t, validator, source, manifest)
	}

	src, err := fromoci.OpenLayout(t.Context(), layout, "layers", fromoci.Options{Decompress: func(r io.Reader) (io.ReadCloser, bool, error) {
		rc, format, err := compress.NewReader(r, compress.Options{})
		return rc, format != compress.None, err
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	if err := src.Tree.Seal(); err != nil {
		t.Fatal(err)
	}
	compareTrees(t, src.Tree, tools.Unpack(t, layout+":layers"))
}

// compareTrees compares a tree with the one in a folder.
func compareTrees(t *testing.T, got *tree.Tree, dir string) {
	t.Helper()
	want, _, err := fromdir.Read(t.Context(), dir, fromdir.Options{Owners: source.OwnersDisk})
	if err != nil {
		t.Fatal(err)
	}
	if err := want.Seal(); err != nil {
		t.Fatal(err)
	}
	for c, err := range trees.Diff(t.Context(), want, got, trees.Options{IgnoreOwners: os.Geteuid() != 0}) {
		if err != nil {
			t.Fatal(err)
		}
		t.Error(c)
	}
}

func checkOCIManifest(t *testing.T, v *imgmanifest.Validator, source, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range v.Validate(t, "imgadm", text) {
		t.Errorf("%s: imgmanifest refuses it: %s %s %s", source, f.Field, f.Code, f.Message)
	}
	var m struct {
		Tags map[string]any `json:"tags"`
	}
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	config, _ := json.Marshal(m.Tags["docker:config"])
	if want := `{"Cmd":["/usr/bin/tool"],"Env":["A=b"],"User":"1000","WorkingDir":"/srv"}`; string(config) != want {
		t.Errorf("%s: config %s, want %s", source, config, want)
	}
	if named := strings.HasPrefix(source, "docker"); named != (m.Tags["docker:repo"] != nil) {
		t.Errorf("%s: tags %v", source, m.Tags)
	}
}
