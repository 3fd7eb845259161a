package fromoci_test

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"testing"

	"imagetools/internal/ocitest"
	"imagetools/tree/fromoci"
)

// readAll reads all contents of an image that was opened. What is read cannot be more than what
// there was to unpack.
func readAll(t *testing.T, src *fromoci.Source, unpacked int) {
	t.Helper()
	if src.Tree.Seal() != nil {
		return
	}
	total := 0
	for path, n := range src.Tree.All() {
		if n.Content == nil {
			if n.Size != 0 {
				t.Fatalf("%q: %d bytes, but no contents", path, n.Size)
			}
			continue
		}
		f, err := n.Content.Open()
		if err != nil {
			t.Fatal(err)
		}
		for off := int64(0); ; {
			start, end, err := f.NextData(off)
			if err == io.EOF {
				break
			}
			if err != nil || start < off || end <= start || end > n.Size {
				t.Fatalf("%q: NextData(%d) = %d, %d, %v", path, off, start, end, err)
			}
			if n, err := io.Copy(io.Discard, io.NewSectionReader(f, start, end-start)); err != nil || n != end-start {
				t.Fatalf("%q: %d bytes at %d, %v", path, n, start, err)
			}
			if n.Links == 1 {
				total += int(end - start)
			}
			off = end
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if total > unpacked {
		t.Fatalf("%d bytes of contents out of %d", total, unpacked)
	}
}

// memory is a store of blobs by digest, of which the first is the image.
type memory struct{ blobs []ocitest.Blob }

func (m *memory) String() string { return "memory" }

func (m *memory) Images(context.Context) ([]fromoci.Descriptor, error) {
	return []fromoci.Descriptor{{MediaType: m.blobs[0].Descriptor["mediaType"].(string), Digest: fromoci.Digest(ocitest.Digest(m.blobs[0].Data)), Size: int64(len(m.blobs[0].Data))}}, nil
}

func (m *memory) Open(_ context.Context, d fromoci.Descriptor) (io.ReadCloser, error) {
	for _, b := range m.blobs {
		if b.Descriptor["digest"] == string(d.Digest) {
			return io.NopCloser(bytes.NewReader(b.Data)), nil
		}
	}
	return nil, fmt.Errorf("no blob %s", d.Digest)
}

func FuzzLayers(f *testing.F) {
	f.Add(ocitest.Tar(f, "dir a", "file a/f=1", "link l=a/f", "hard h=a/f", "fifo p"), ocitest.Tar(f, "file a/.wh.f", "hard g=h", "file l/x=2"))
	f.Add(ocitest.Tar(f, "file d/a=1", "link e=../d"), ocitest.Tar(f, "file d/.wh..wh..opq", "file e/b=2", "file .wh..wh.plnk/1=x", "hard c=.wh..wh.plnk/1"))
	f.Add(ocitest.Tar(f, "file a=1", "hard b=a"), ocitest.Tar(f, "file .wh.a", "file b=2", "hard c=a"))
	f.Add(ocitest.Tar(f, "file a=1", "hard b=a"), ocitest.Tar(f, "dir a", "dir ./", "file .wh.x/y=1"))
	f.Fuzz(func(t *testing.T, lower, upper []byte) {
		p := ocitest.Image{Layers: [][]byte{lower, upper}}.Parts(t)
		src, err := fromoci.Read(t.Context(), &memory{p.All()}, "", fromoci.Options{SpoolLimit: 16 << 20})
		if err != nil {
			return
		}
		defer src.Close()
		readAll(t, src, len(lower)+len(upper))
	})
}

// FuzzDocuments takes an index, a manifest and a configuration in which @M, @C and @L stand for the
// digest and size of the manifest, the configuration and the layer, and @D for the digest alone.
func FuzzDocuments(f *testing.F) {
	index := `{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json",@M,"platform":{"os":"linux","architecture":"amd64"}}]}`
	manifest := `{"schemaVersion":2,"config":{@C},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar",@L}]}`
	f.Add([]byte(index), []byte(manifest), []byte(`{"os":"linux","architecture":"amd64","config":{"Cmd":["x"]},"rootfs":{"type":"layers","diff_ids":["@D"]}}`))
	f.Add([]byte(`{"schemaVersion":2,"manifests":[{@M},{@M,"platform":{}}]}`), []byte(manifest), []byte(`{"rootfs":{"type":"layers","diff_ids":["@D"]}}`))
	f.Add([]byte(`{"schemaVersion":1}`), []byte(`{"schemaVersion":2,"artifactType":"x"}`), []byte(`[]`))
	layer := ocitest.NewBlob(ocitest.LayerType, ocitest.Tar(f, "file a=1"))
	f.Fuzz(func(t *testing.T, index, manifest, config []byte) {
		digestSize := func(data []byte) []byte {
			return fmt.Appendf(nil, `"digest":%q,"size":%d`, ocitest.Digest(data), len(data))
		}
		config = bytes.ReplaceAll(config, []byte("@D"), []byte(ocitest.Digest(layer.Data)))
		manifest = bytes.ReplaceAll(bytes.ReplaceAll(manifest, []byte("@C"), digestSize(config)), []byte("@L"), digestSize(layer.Data))
		index = bytes.ReplaceAll(index, []byte("@M"), digestSize(manifest))
		store := &memory{[]ocitest.Blob{
			ocitest.NewBlob(ocitest.IndexType, index), ocitest.NewBlob(ocitest.ManifestType, manifest), ocitest.NewBlob(ocitest.ConfigType, config), layer,
		}}
		src, err := fromoci.Read(t.Context(), store, "", fromoci.Options{})
		if err != nil {
			return
		}
		defer src.Close()
		readAll(t, src, len(layer.Data))
	})
}

// FuzzDockerSave takes the list and the configuration of an archive of docker save, with @D as above.
func FuzzDockerSave(f *testing.F) {
	f.Add([]byte(`[{"Config":"c.json","RepoTags":["a:1"],"Layers":["l/layer.tar"]}]`), []byte(`{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":["@D"]}}`), "a:1")
	f.Add([]byte(`[{"Config":"../c.json","RepoTags":null,"Layers":["k","l/../l/layer.tar"]}]`), []byte(`{"rootfs":{"type":"layers","diff_ids":["@D","@D"]}}`), "@0")
	layer := ocitest.Tar(f, "file a=1")
	f.Fuzz(func(t *testing.T, list, config []byte, ref string) {
		config = bytes.ReplaceAll(config, []byte("@D"), []byte(ocitest.Digest(layer)))
		file := func(name string) tar.Header { return tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644} }
		data := ocitest.Tar(t, file("c.json"), string(config), file("l/layer.tar"), string(layer), "link k=l/layer.tar", file("manifest.json"), string(list))
		src, err := fromoci.ReadArchive(t.Context(), bytes.NewReader(data), ref, fromoci.Options{})
		if err != nil {
			return
		}
		defer src.Close()
		readAll(t, src, 100*len(layer))
	})
}
