package fromoci_test

import (
	"slices"
	"strings"
	"testing"

	"imagetools/internal/cli"
	"imagetools/internal/ocitest"
	"imagetools/tree/fromoci"
)

// artifact returns the blobs of a signature, a bill of materials or the like, the manifest first.
func artifact(t *testing.T, layerType, configType string, more ocitest.Object) []ocitest.Blob {
	t.Helper()
	config := ocitest.JSON(t, configType, ocitest.Object{"os": "", "architecture": "", "rootfs": ocitest.Object{"type": "layers", "diff_ids": []string{}}})
	layer := ocitest.NewBlob(layerType, []byte("{}"))
	manifest := ocitest.Object{
		"schemaVersion": 2, "mediaType": ocitest.ManifestType, "config": config.Descriptor, "layers": []ocitest.Object{layer.Descriptor},
	}
	for key, value := range more {
		manifest[key] = value
	}
	return []ocitest.Blob{ocitest.JSON(t, ocitest.ManifestType, manifest), config, layer}
}

// What lies beside an image in a layout does not hide it, however it is told from one.
func TestBesideImages(t *testing.T) {
	p := ocitest.Image{Layers: [][]byte{ocitest.Tar(t, "file f=image")}}.Parts(t)
	image, digest := p.Manifest.Descriptor, p.Manifest.Descriptor["digest"].(string)
	tag := strings.Replace(digest, ":", "-", 1)
	const signed, emptyType = "application/vnd.dev.cosign.simplesigning.v1+json", "application/vnd.oci.empty.v1+json"
	signature := artifact(t, signed, ocitest.ConfigType, nil)
	bom := artifact(t, "application/spdx+json", emptyType, ocitest.Object{"artifactType": "application/spdx+json"})
	attestation := artifact(t, "application/vnd.in-toto+json", ocitest.ConfigType, nil)
	blobs := slices.Concat(p.All(), signature, bom, attestation)
	index := func(manifests ...ocitest.Object) ocitest.Object {
		b := ocitest.JSON(t, ocitest.IndexType, ocitest.Object{"schemaVersion": 2, "mediaType": ocitest.IndexType, "manifests": manifests})
		blobs = append(blobs, b)
		return b.Descriptor
	}
	kind := func(d ocitest.Object, kind string) ocitest.Object {
		return ocitest.With(d, "annotations", ocitest.Object{"kind": "dev.cosignproject.cosign/" + kind})
	}
	amd64 := ocitest.With(image, "platform", ocitest.Object{"os": "linux", "architecture": "amd64"})
	sig, sbom := signature[0].Descriptor, bom[0].Descriptor
	for _, c := range []struct {
		name string
		top  []ocitest.Object
		ref  string
	}{
		{"cosign save", []ocitest.Object{kind(image, "image"), kind(sig, "sigs"), kind(sbom, "sboms")}, ""},
		{"cosign save, an index", []ocitest.Object{kind(index(amd64), "imageIndex"), kind(sig, "sigs")}, ""},
		{"cosign's tag", []ocitest.Object{ocitest.Named(image, "1.0"), ocitest.Named(sig, tag+".sig"), ocitest.Named(sbom, tag+".sbom")}, ""},
		{"tag of referrers", []ocitest.Object{ocitest.Named(image, "1.0"), ocitest.Named(index(ocitest.With(sbom, "artifactType", "application/spdx+json")), tag)}, ""},
		{"a type in the manifest alone", []ocitest.Object{ocitest.Named(index(image, sbom), "1.0")}, "1.0"},
		{"a type of layers alone", []ocitest.Object{ocitest.Named(index(sig, image), "1.0")}, ""},
		{"names of their own", []ocitest.Object{ocitest.Named(sig, "signature"), ocitest.Named(image, "1.0"), ocitest.Named(sbom, "sbom")}, ""},
		{"no names", []ocitest.Object{sig, image, sbom}, ""},
		{"attestation of Docker", []ocitest.Object{ocitest.Named(index(amd64, ocitest.With(ocitest.With(attestation[0].Descriptor,
			"platform", ocitest.Object{"os": "unknown", "architecture": "unknown"}),
			"annotations", ocitest.Object{"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": digest})), "latest")}, ""},
		{"one image with two names", []ocitest.Object{ocitest.Named(image, "1.0"), ocitest.Named(image, "latest")}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			src := open(t, ocitest.Layout(t, blobs, c.top...), c.ref, fromoci.Options{})
			if got := contents(t, src.Tree.Lookup("f")); got != "image" {
				t.Error(got)
			}
		})
	}

	other := ocitest.Image{Layers: [][]byte{ocitest.Tar(t, "file f=other")}}.Parts(t)
	for _, c := range []struct {
		name, ref, want string
		top             []ocitest.Object
	}{
		{"an artifact alone", "", `media type "` + signed + `" is not that of a layer`, []ocitest.Object{sig}},
		{"an artifact by name", tag + ".sig", `media type "` + signed + `" is not that of a layer`, []ocitest.Object{ocitest.Named(image, "1.0"), ocitest.Named(sig, tag+".sig")}},
		{"two images", "", "it has 2 images", []ocitest.Object{ocitest.Named(image, "1.0"), ocitest.Named(sig, "s"), ocitest.Named(other.Manifest.Descriptor, "2.0")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := fromoci.OpenLayout(t.Context(), ocitest.Layout(t, append(blobs, other.All()...), c.top...), c.ref, fromoci.Options{})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, %q, want %s", err, cli.Hints(err), c.want)
			}
		})
	}
}

// A version that an index or a manifest leaves out is the only one there is, as for other programs.
func TestNoSchemaVersion(t *testing.T) {
	p := ocitest.Image{Layers: [][]byte{ocitest.Tar(t, "file f=image")}}.Parts(t)
	manifest := ocitest.JSON(t, ocitest.ManifestType, ocitest.Object{"config": p.Config.Descriptor, "layers": []ocitest.Object{p.Layers[0].Descriptor}})
	index := ocitest.JSON(t, ocitest.IndexType, ocitest.Object{"manifests": []ocitest.Object{manifest.Descriptor}})
	src := open(t, ocitest.Layout(t, append(p.All(), manifest, index), index.Descriptor), "", fromoci.Options{})
	if got := contents(t, src.Tree.Lookup("f")); got != "image" {
		t.Error(got)
	}
}

// A tree that is a container image in pieces is told from a root file system.
func TestHeld(t *testing.T) {
	list := func(config string, layers ...string) string {
		return string(ocitest.JSON(t, "", []ocitest.Object{{"Config": config, "Layers": layers}}).Data)
	}
	for _, c := range []struct {
		name     string
		members  []any
		kind, at string
	}{
		{"short names", []any{"file l1.tar=1", "file c.json=1", "file manifest.json=" + list("c.json", "l1.tar")}, "docker", "."},
		{"a layout", []any{"file oci-layout=1", "file index.json=1", "dir blobs"}, "oci", "."},
		{"a layout in a folder", []any{"dir image", "file image/oci-layout=1", "file image/index.json=1"}, "oci", "image"},
		{"docker save in a folder", []any{"file x/l1/layer.tar=1", "file x/c.json=1", "file x/manifest.json=" + list("c.json", "l1/layer.tar")}, "docker", "x"},
		{"a list without its layers", []any{"file c.json=1", "file manifest.json=" + list("c.json", "l1.tar")}, "", ""},
		{"another manifest", []any{"file manifest.json={}", "dir etc"}, "", ""},
		{"no layers", []any{"file c.json=1", "file manifest.json=" + list("c.json")}, "", ""},
		{"a root", []any{"dir bin", "dir etc"}, "", ""},
		{"empty", []any{}, "", ""},
	} {
		src := open(t, layout(t, ocitest.Image{Layers: [][]byte{ocitest.Tar(t, c.members...)}}), "", fromoci.Options{})
		if kind, at := fromoci.Held(src.Tree); kind != c.kind || at != c.at {
			t.Errorf("%s: %q at %q", c.name, kind, at)
		}
	}
}
