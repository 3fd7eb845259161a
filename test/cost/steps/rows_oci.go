package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"testing"

	"imagetools/internal/ocitest"
	"imagetools/tree/fromoci"
)

var ociRows = []row{
	{"layers: how many", 30, layers(func(t testing.TB, n int) [][]byte {
		var all [][]byte
		for i := range n {
			all = append(all, ocitest.Tar(t, fmt.Sprintf("file f%d=1", i), fmt.Sprintf("file .wh.f%d", i-1)))
		}
		return all
	})},
	{"layers: members", 1000, layers(func(t testing.TB, n int) [][]byte {
		return [][]byte{member(t, n, "file d/f%d=1"), member(t, n, "file d/f%d=2")}
	})},
	{"layers: whiteouts", 1000, layers(func(t testing.TB, n int) [][]byte {
		return [][]byte{member(t, n, "file d/f%d=1"), member(t, n, "file d/.wh.f%d")}
	})},
	{"layers: opaque directories", 500, layers(func(t testing.TB, n int) [][]byte {
		return [][]byte{member(t, n, "file d%d/f=1"), member(t, n, "file d%d/.wh..wh..opq")}
	})},
	{"layers: whiteouts through links", 500, layers(func(t testing.TB, n int) [][]byte {
		return [][]byte{member(t, n, "file d/f%d=1"), member(t, n, "link l%d=d"), member(t, n, "file l%[1]d/.wh.f%[1]d")}
	})},
	{"layers: hard links", 500, layers(func(t testing.TB, n int) [][]byte {
		return [][]byte{member(t, n, "file f%d=1"), member(t, n, "hard l%[1]d=f%[1]d"), member(t, n, "file .wh.f%d")}
	})},
	{"layers: chain of links", 500, layers(func(t testing.TB, n int) [][]byte {
		return [][]byte{ocitest.Tar(t, "dir l0"), member(t, n, "link m%d=l0"), member(t, n, "file m%d/f=1")}
	})},
	{"image: images in an index", 300, documents(func(p *ocitest.Parts, n int) any {
		var list []ocitest.Object
		for i := range n {
			list = append(list, ocitest.With(p.Manifest.Descriptor, "platform", ocitest.Object{"os": "other", "architecture": fmt.Sprint(i)}))
		}
		return ocitest.Object{"schemaVersion": 2, "manifests": append(list, ocitest.With(p.Manifest.Descriptor, "platform", ocitest.Object{"os": "linux", "architecture": "amd64"}))}
	})},
	{"image: configuration", 1000, func(t testing.TB, n int) func() {
		env, labels := []string{}, ocitest.Object{}
		for i := range n {
			env, labels[fmt.Sprint("l", i)] = append(env, fmt.Sprintf("E%d=1", i)), "x"
		}
		image := ocitest.Image{Layers: [][]byte{ocitest.Tar(t, "file f=1")}, Config: ocitest.Object{"Env": env, "Labels": labels}}
		return read(t, image.Parts(t).All())
	}},
	{"image: blobs of a docker archive", 30, func(t testing.TB, n int) func() {
		image, tags := ocitest.Image{}, []string{}
		for i := range n {
			image.Layers = append(image.Layers, ocitest.Tar(t, fmt.Sprintf("file f%d=1", i)))
			tags = append(tags, fmt.Sprintf("a:%d", i))
		}
		data := ocitest.DockerSave(t, image, tags...)
		return func() {
			src, err := fromoci.ReadArchive(t.Context(), bytes.NewReader(data), "a:1", fromoci.Options{})
			must(t, err)
			must(t, src.Close())
		}
	}},
	{"image: layout", 100, func(t testing.TB, n int) func() {
		image := ocitest.Image{}
		for i := range n {
			image.Layers = append(image.Layers, ocitest.Tar(t, fmt.Sprintf("file f%d=1", i)))
		}
		p := image.Parts(t)
		var named []ocitest.Object
		for i := range n {
			named = append(named, ocitest.Named(p.Manifest.Descriptor, fmt.Sprint("n", i)))
		}
		dir := ocitest.Layout(t, p.All(), named...)
		return func() {
			src, err := fromoci.OpenLayout(t.Context(), dir, "n1", fromoci.Options{})
			must(t, err)
			must(t, src.Close())
		}
	}},
}

func member(t testing.TB, n int, format string) []byte {
	var all []any
	for i := range n {
		all = append(all, fmt.Sprintf(format, i))
	}
	return ocitest.Tar(t, all...)
}

func layers(tars func(t testing.TB, n int) [][]byte) func(testing.TB, int) func() {
	return func(t testing.TB, n int) func() {
		return read(t, ocitest.Image{Layers: tars(t, n)}.Parts(t).All())
	}
}

// documents reads an image through a document that comes first.
func documents(first func(p *ocitest.Parts, n int) any) func(testing.TB, int) func() {
	return func(t testing.TB, n int) func() {
		p := ocitest.Image{Layers: [][]byte{ocitest.Tar(t, "file f=1")}}.Parts(t)
		return read(t, append([]ocitest.Blob{ocitest.JSON(t, ocitest.IndexType, first(p, n))}, p.All()...))
	}
}

func read(t testing.TB, blobs []ocitest.Blob) func() {
	return func() {
		src, err := fromoci.Read(t.Context(), newMemory(blobs), "", fromoci.Options{})
		must(t, err)
		must(t, src.Tree.Seal())
		must(t, src.Close())
	}
}

// memory is a store of blobs, of which the first is the image.
type memory struct {
	first ocitest.Blob
	blobs map[string][]byte
}

func newMemory(blobs []ocitest.Blob) *memory {
	m := &memory{blobs[0], map[string][]byte{}}
	for _, b := range blobs {
		m.blobs[b.Descriptor["digest"].(string)] = b.Data
	}
	return m
}

func (m *memory) String() string { return "memory" }

func (m *memory) Images(context.Context) ([]fromoci.Descriptor, error) {
	d := m.first.Descriptor
	return []fromoci.Descriptor{{MediaType: d["mediaType"].(string), Digest: fromoci.Digest(d["digest"].(string)), Size: int64(len(m.first.Data))}}, nil
}

func (m *memory) Open(_ context.Context, d fromoci.Descriptor) (io.ReadCloser, error) {
	data, ok := m.blobs[string(d.Digest)]
	if !ok {
		return nil, fmt.Errorf("no blob %s", d.Digest)
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}
