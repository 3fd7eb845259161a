//go:build linux

// Package oci lets tests make and unpack images of containers with the programs of others: umoci,
// skopeo, buildah and Docker's registry.
package oci

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"imagetools/internal/required"
)

// Tools are the programs.
type Tools struct{ dir string }

var prepared = sync.OnceValues(func() (string, error) { return required.Prepare("test/oci/prepare") })

// Require returns the programs. Where they cannot be had, the test is skipped, or fails if
// $IMAGETOOLS_REQUIRE_ORACLES is 1.
func Require(t testing.TB) *Tools {
	t.Helper()
	dir, err := prepared()
	if err != nil {
		required.Unavailable(t, err)
	}
	t.Logf("programs for container images: %s", filepath.Base(dir))
	return &Tools{dir}
}

func (o *Tools) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(o.dir, "usr", "bin", name), args...)
	var libraries []string
	for _, pattern := range []string{"usr/lib/*-linux-gnu", "lib/*-linux-gnu"} {
		found, _ := filepath.Glob(filepath.Join(o.dir, pattern))
		libraries = append(libraries, found...)
	}
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+strings.Join(libraries, ":"))
	return cmd
}

func (o *Tools) run(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := o.command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
}

// Umoci runs umoci.
func (o *Tools) Umoci(t testing.TB, args ...string) {
	t.Helper()
	o.run(t, "umoci", args...)
}

// Unpack unpacks an image of a layout with umoci, and returns the folder of its tree.
func (o *Tools) Unpack(t testing.TB, image string) string {
	t.Helper()
	root, err := o.UnpackInto(filepath.Join(t.TempDir(), "bundle"), image)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// UnpackInto is [Tools.Unpack] into a new folder, for images that umoci may refuse.
func (o *Tools) UnpackInto(bundle, image string) (root string, err error) {
	args := []string{"unpack", "--image", image, bundle}
	if os.Geteuid() != 0 {
		args = append(args, "--rootless")
	}
	if out, err := o.command("umoci", args...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("umoci %q: %w\n%s", args, err, out)
	}
	return filepath.Join(bundle, "rootfs"), nil
}

// Storage is where buildah keeps images, with its driver vfs: a whole copy for each layer.
type Storage struct {
	tools *Tools
	dir   string
}

// NewStorage makes a storage of buildah in a new folder.
func (o *Tools) NewStorage(dir string) (*Storage, error) {
	for name, text := range map[string]string{
		"policy.json": `{"default":[{"type":"insecureAcceptAnything"}]}`, "storage.conf": "[storage]\ndriver = \"vfs\"\n", "registries.conf": "", "containers.conf": "",
	} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	return &Storage{o, dir}, nil
}

// Remove removes the storage.
func (s *Storage) Remove() error { return os.RemoveAll(s.dir) }

// Pull reads an image of a layout, LAYOUT:NAME, and returns the folder with its tree. No two images
// may come from layouts of one name. As buildah itself, it needs root.
func (s *Storage) Pull(image string) (root string, err error) {
	in := func(name string) string { return filepath.Join(s.dir, name) }
	cmd := s.tools.command("buildah", "--storage-driver", "vfs", "--root", in("root"), "--runroot", in("run"),
		"pull", "--quiet", "--signature-policy", in("policy.json"), "oci:"+image)
	cmd.Env = append(cmd.Env, "CONTAINERS_STORAGE_CONF="+in("storage.conf"), "CONTAINERS_REGISTRIES_CONF="+in("registries.conf"),
		"CONTAINERS_CONF="+in("containers.conf"))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("buildah pull %s: %w\n%s", image, err, &stderr)
	}
	text, err := os.ReadFile(in("root/vfs-images/images.json"))
	if err != nil {
		return "", err
	}
	var images []struct{ ID, Layer string }
	if err := json.Unmarshal(text, &images); err != nil {
		return "", err
	}
	for _, im := range images {
		if im.ID == strings.TrimSpace(string(out)) {
			return in("root/vfs/dir/" + im.Layer), nil
		}
	}
	return "", fmt.Errorf("buildah pull %s: no image %q in %s", image, out, text)
}

// Repack adds to an image what was changed in the folder of a tree that Unpack returned.
func (o *Tools) Repack(t testing.TB, image, root string) {
	t.Helper()
	o.run(t, "umoci", "repack", "--image", image, filepath.Dir(root))
}

// Copy copies an image with skopeo, as it spells them. Registries may speak HTTP.
func (o *Tools) Copy(t testing.TB, from, to string, flags ...string) {
	t.Helper()
	o.run(t, "skopeo", append(append([]string{"--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false"}, flags...), from, to)...)
}

// Registry runs Docker's registry for the duration of the test, and returns its host and port.
func (o *Tools) Registry(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host := l.Addr().String()
	l.Close()
	dir := t.TempDir()
	config := filepath.Join(dir, "config.yml")
	text := fmt.Sprintf("version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: %s/blobs}}\nhttp: {addr: %q}\n", dir, host)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	var output bytes.Buffer
	cmd := o.command("docker-registry", "serve", config)
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	t.Cleanup(func() { cmd.Process.Kill(); <-ended })
	const patience = 30 * time.Second
	for deadline := time.Now().Add(patience); ; {
		resp, err := http.Get("http://" + host + "/v2/")
		if err == nil {
			resp.Body.Close()
			return host
		}
		select {
		case <-ended:
			t.Fatalf("docker-registry: ended\n%s", &output)
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("docker-registry: %v\n%s", err, &output)
		}
	}
}
