// Package ocitest writes images of containers for tests.
package ocitest

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

// Tar writes a layer. A member is its type, a path, and after = what it holds or leads to:
//
//	"dir etc"  "file etc/motd=hello"  "link bin=usr/bin"  "hard a=b"  "fifo p"
//
// A tar.Header is taken as it is, with the string after it as contents.
func Tar(t testing.TB, members ...any) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for i := 0; i < len(members); i++ {
		h, data := header(t, members[i])
		if given, ok := members[i].(tar.Header); ok {
			h = given
			if i+1 < len(members) && h.Typeflag == tar.TypeReg {
				data = members[i+1].(string)
				i++
			}
		}
		h.Size = int64(len(data))
		if err := w.WriteHeader(&h); err != nil {
			t.Fatalf("%s: %v", h.Name, err)
		}
		if _, err := io.WriteString(w, data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func header(t testing.TB, member any) (h tar.Header, data string) {
	text, ok := member.(string)
	if !ok {
		return tar.Header{}, ""
	}
	kind, rest, _ := strings.Cut(text, " ")
	name, value, _ := strings.Cut(rest, "=")
	h = tar.Header{Name: name, Mode: 0o644, ModTime: time.Unix(100, 0)}
	switch kind {
	case "dir":
		h.Typeflag, h.Mode = tar.TypeDir, 0o755
	case "file":
		h.Typeflag, data = tar.TypeReg, value
	case "link":
		h.Typeflag, h.Linkname = tar.TypeSymlink, value
	case "hard":
		h.Typeflag, h.Linkname = tar.TypeLink, value
	case "fifo":
		h.Typeflag = tar.TypeFifo
	default:
		t.Fatalf("unknown member %q", text)
	}
	return h, data
}

// Digest is the digest of a blob.
func Digest(blob []byte) string {
	sum := sha256.Sum256(blob)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Gzip compresses a layer.
func Gzip(t testing.TB, layer []byte) []byte {
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	if _, err := w.Write(layer); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// Zstd compresses a layer.
func Zstd(t testing.TB, layer []byte) []byte {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll(layer, nil)
}

// Object is a JSON object.
type Object map[string]any

// Blob is a part of an image, with the descriptor that others name it by.
type Blob struct {
	Data       []byte
	Descriptor Object
}

// NewBlob returns a blob of a media type.
func NewBlob(mediaType string, data []byte) Blob {
	return Blob{data, Object{"mediaType": mediaType, "digest": Digest(data), "size": len(data)}}
}

// JSON returns a blob with a document.
func JSON(t testing.TB, mediaType string, v any) Blob {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return NewBlob(mediaType, data)
}

// Media types.
const (
	IndexType    = "application/vnd.oci.image.index.v1+json"
	ManifestType = "application/vnd.oci.image.manifest.v1+json"
	ConfigType   = "application/vnd.oci.image.config.v1+json"
	LayerType    = "application/vnd.oci.image.layer.v1.tar"
)

// Image is an image in the making: layers as tars, and how they are packed.
type Image struct {
	OS, Architecture, Variant string                            // default linux/amd64
	Config                    Object                            // of the configuration
	Layers                    [][]byte                          // tars
	Pack                      []func(testing.TB, []byte) []byte // by layer; missing or nil: plain
}

// Parts are the blobs of an image.
type Parts struct {
	Manifest, Config Blob
	Layers           []Blob
}

// All are the blobs, the manifest first.
func (p *Parts) All() []Blob { return append([]Blob{p.Manifest, p.Config}, p.Layers...) }

// Parts makes the blobs.
func (im Image) Parts(t testing.TB) *Parts {
	t.Helper()
	p := &Parts{}
	diffIDs, layers := []string{}, []Object{}
	for i, l := range im.Layers {
		blob := NewBlob(LayerType, l)
		if i < len(im.Pack) && im.Pack[i] != nil {
			blob = NewBlob(LayerType+"+packed", im.Pack[i](t, l))
		}
		p.Layers = append(p.Layers, blob)
		diffIDs, layers = append(diffIDs, Digest(l)), append(layers, blob.Descriptor)
	}
	config := Object{
		"os": cmp.Or(im.OS, "linux"), "architecture": cmp.Or(im.Architecture, "amd64"),
		"rootfs": Object{"type": "layers", "diff_ids": diffIDs},
	}
	if im.Variant != "" {
		config["variant"] = im.Variant
	}
	if im.Config != nil {
		config["config"] = im.Config
	}
	p.Config = JSON(t, ConfigType, config)
	p.Manifest = JSON(t, ManifestType, Object{
		"schemaVersion": 2, "mediaType": ManifestType, "config": p.Config.Descriptor, "layers": layers,
	})
	return p
}

// Layout writes an OCI layout into a new folder: the blobs, and an index of the descriptors.
func Layout(t testing.TB, blobs []Blob, manifests ...Object) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range LayoutFiles(t, blobs, manifests...) {
		Write(t, filepath.Join(dir, name), data)
	}
	return dir
}

// LayoutFiles are the files of a layout by path.
func LayoutFiles(t testing.TB, blobs []Blob, manifests ...Object) map[string][]byte {
	t.Helper()
	files := map[string][]byte{
		"oci-layout": []byte(`{"imageLayoutVersion":"1.0.0"}`),
		"index.json": JSON(t, "", Object{"schemaVersion": 2, "manifests": manifests}).Data,
	}
	for _, b := range blobs {
		files["blobs/"+strings.Replace(b.Descriptor["digest"].(string), ":", "/", 1)] = b.Data
	}
	return files
}

// Write writes a file, and the folders above it.
func Write(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// With is a descriptor with more in it.
func With(d Object, key string, value any) Object {
	out := Object{key: value}
	for k, v := range d {
		if k != key {
			out[k] = v
		}
	}
	return out
}

// Named is a descriptor with a name in a layout.
func Named(d Object, name string) Object {
	return With(d, "annotations", Object{"org.opencontainers.image.ref.name": name})
}

// Push puts an image into a registry.
func Push(t testing.TB, h http.Handler, repo, tag string, p *Parts) {
	t.Helper()
	put := func(method, path, contentType string, data []byte) {
		req := httptest.NewRequest(method, path, bytes.NewReader(data))
		req.Header.Set("Content-Type", contentType)
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, req); w.Code != http.StatusCreated {
			t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
		}
	}
	for _, b := range p.All()[1:] {
		put("POST", "/v2/"+repo+"/blobs/uploads/?digest="+b.Descriptor["digest"].(string), "application/octet-stream", b.Data)
	}
	put("PUT", "/v2/"+repo+"/manifests/"+tag, ManifestType, p.Manifest.Data)
}

// DockerSave writes the archive of an image as docker save does.
func DockerSave(t testing.TB, im Image, tags ...string) []byte {
	t.Helper()
	p := im.Parts(t)
	var members []any
	var layers []string
	for i, l := range p.Layers {
		name := fmt.Sprintf("%064x/layer.tar", i+1)
		layers = append(layers, name)
		members = append(members, file(name), string(l.Data))
	}
	config := strings.TrimPrefix(Digest(p.Config.Data), "sha256:") + ".json"
	list := JSON(t, "", []Object{{"Config": config, "RepoTags": tags, "Layers": layers}})
	members = append(members, file(config), string(p.Config.Data), file("manifest.json"), string(list.Data))
	return Tar(t, members...)
}

// Archive writes files as a tar.
func Archive(t testing.TB, files map[string][]byte, order ...string) []byte {
	t.Helper()
	var members []any
	for _, name := range order {
		members = append(members, file(name), string(files[name]))
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if !slices.Contains(order, name) {
			members = append(members, file(name), string(files[name]))
		}
	}
	return Tar(t, members...)
}

func file(name string) tar.Header {
	return tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, ModTime: time.Unix(100, 0)}
}
