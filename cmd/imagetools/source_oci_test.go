package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"

	"imagetools/internal/cli"
	"imagetools/internal/ocitest"
)

// createFrom makes an image of a source in a folder, and returns the exit status and what was said.
func createFrom(ctx context.Context, t *testing.T, dir, source string, vars map[string]string) (int, string) {
	t.Helper()
	var said bytes.Buffer
	env := cli.NewEnv()
	env.Stdout, env.Stderr = &said, &said
	env.Getenv = func(key string) string { return vars[key] }
	code := run(ctx, env, name, []string{"create-image", "app-1", source, "-o", dir, "--type", "zone-dataset", "--tmpdir", t.TempDir()})
	return code, said.String()
}

// An image of a registry that wants credentials is the one of the layout, and says where it is from.
func TestRegistry(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	im := ocitest.Image{Layers: [][]byte{ocitest.Tar(t, "file etc/motd=1"), ocitest.Tar(t, "file etc/.wh.motd", "file new=2")}, Config: ocitest.Object{"Cmd": []string{"/new"}}}
	p := im.Parts(t)
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	ocitest.Push(t, inner, "team/app", "1.0", p)
	const secret = "hunter2"
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("kim:"+secret))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != basic {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	dir := t.TempDir()

	code, said := createFrom(t.Context(), t, filepath.Join(dir, "none"), "docker://"+host+"/team/app:1.0", nil)
	if code != 1 || !strings.Contains(said, "access is denied (status 401)") || !strings.Contains(said, "IMAGETOOLS_REGISTRY_USER") {
		t.Errorf("without credentials: %d, %s", code, said)
	}
	code, said = createFrom(t.Context(), t, filepath.Join(dir, "registry"), "docker://"+host+"/team/app:1.0", map[string]string{registryUser: "kim", registryPassword: secret})
	if code != 0 || strings.Contains(said, secret) {
		t.Fatalf("%d, %s", code, said)
	}
	layout := ocitest.Layout(t, p.All(), p.Manifest.Descriptor)
	if code, said := createFrom(t.Context(), t, filepath.Join(dir, "layout"), "oci:"+layout, nil); code != 0 {
		t.Fatalf("%d, %s", code, said)
	}
	read := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	if !bytes.Equal(read("registry/app-1.zfs.gz"), read("layout/app-1.zfs.gz")) {
		t.Error("the registry gives another image than the layout")
	}
	manifest := string(read("registry/app-1.json"))
	for _, want := range []string{`"docker:repo": "` + host + `/team/app"`, `"docker:tag:1.0": true`, `"docker:id": "` + p.Layers[1].Descriptor["digest"].(string) + `"`, `"Cmd": [`} {
		if !strings.Contains(manifest, want) {
			t.Errorf("the manifest lacks %s: %s", want, manifest)
		}
	}
}

// A registry that falls silent is left by Ctrl-C, and nothing stays behind.
func TestRegistryInterrupted(t *testing.T) {
	p := ocitest.Image{Layers: [][]byte{ocitest.Tar(t, "file f="+strings.Repeat("x", 1<<20))}}.Parts(t)
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	ocitest.Push(t, inner, "app", "1", p)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, p.Layers[0].Descriptor["digest"].(string)) {
			inner.ServeHTTP(w, r)
			return
		}
		w.Write(p.Layers[0].Data[:100_000])
		w.(http.Flusher).Flush()
		cancel()
		<-r.Context().Done()
	}))
	defer server.Close()
	dir := filepath.Join(t.TempDir(), "out")
	code, said := createFrom(ctx, t, dir, "docker://"+strings.TrimPrefix(server.URL, "http://")+"/app:1", nil)
	if code != 130 || !strings.Contains(said, "nothing was left behind") {
		t.Errorf("%d, %s", code, said)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("the output folder was made")
	}
}

// A container image that its first names do not tell, or that was unpacked, is no root file system.
func TestContainerAsRootRefused(t *testing.T) {
	list := `[{"Config":"c","Layers":["one.tar"]}]`
	saved := ocitest.Tar(t, "file one.tar=1", "file c=1", "file manifest.json="+list)
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	ocitest.Write(t, in("saved.tar"), saved)
	for name, text := range map[string]string{"unpacked/one.tar": "1", "unpacked/c": "1", "unpacked/manifest.json": list,
		"above/image/oci-layout": "1", "above/image/index.json": "1"} {
		ocitest.Write(t, in(name), []byte(text))
	}
	for source, want := range map[string]string{
		in("saved.tar"): "use docker-archive:" + in("saved.tar"), in("unpacked"): "use docker-archive:FILE", in("above"): "use oci:" + in("above/image"),
	} {
		code, said := createFrom(t.Context(), t, in("out"), source, nil)
		if code != 1 || !strings.Contains(said, "not a root file system") || !strings.Contains(said, want) {
			t.Errorf("%s: %d, %s", source, code, said)
		}
	}
}
