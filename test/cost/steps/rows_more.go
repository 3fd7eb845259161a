package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"imagetools/internal/disktest"
	"imagetools/internal/ocitest"
	"imagetools/rootfs/overlay"
	"imagetools/source/content"
	"imagetools/tree/fromfs"
	"imagetools/tree/fromoci"
	"imagetools/tree/fromtar"
	"imagetools/zfs/zpl"
)

var moreRows = []row{
	{"tar: in a file", 1000, func(t testing.TB, n int) func() {
		path := filepath.Join(t.TempDir(), "x.tar")
		must(t, os.WriteFile(path, tarOf(t, n, func(i, _ int) tar.Header { return tar.Header{Typeflag: tar.TypeReg, Name: fmt.Sprint("f", i)} }), 0o644))
		return func() { must(t, must2(fromtar.Open(t.Context(), path, fromtar.Options{}))(t).Close()) }
	}},
	{"image: archive of a layout", 30, func(t testing.TB, n int) func() {
		image := ocitest.Image{}
		for i := range n {
			image.Layers = append(image.Layers, ocitest.Tar(t, fmt.Sprintf("file f%d=1", i)))
		}
		p := image.Parts(t)
		path := filepath.Join(t.TempDir(), "x.tar")
		must(t, os.WriteFile(path, ocitest.Archive(t, ocitest.LayoutFiles(t, p.All(), p.Manifest.Descriptor)), 0o644))
		return func() { must(t, must2(fromoci.OpenArchive(t.Context(), path, "", fromoci.Options{}))(t).Close()) }
	}},
	{"tree as a file system, and back", 500, func(t testing.TB, n int) func() {
		tr := sealed(t, files(t, n))
		return func() {
			fsys := must2(tr.FS())(t)
			must(t, fs.WalkDir(fsys, ".", func(path string, d fs.DirEntry, err error) error {
				if err == nil && !d.IsDir() {
					_, err = fs.ReadFile(fsys, path)
				}
				return err
			}))
			if _, _, err := fromfs.Read(t.Context(), fsys, fromfs.Options{}); err != nil {
				t.Fatal(err)
			}
		}
	}},
	{"overlay: directory", 300, func(t testing.TB, n int) func() {
		dir, fsys := t.TempDir(), fstest.MapFS{}
		for i := range n {
			name := fmt.Sprint("f", i)
			must(t, os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o644))
			fsys[name] = &fstest.MapFile{Data: []byte("x"), Mode: 0o644}
		}
		return func() {
			must2(overlay.ReadDir(t.Context(), dir))(t)
			must2(overlay.ReadFS("x", fsys, ""))(t)
		}
	}},
	{"disk: recognized in archives", 100, func(t testing.TB, n int) func() {
		data := tarOf(t, n, func(i, _ int) tar.Header { return tar.Header{Typeflag: tar.TypeReg, Name: fmt.Sprint("f", i)} })
		qcow := disktest.QCOW2(full(n), disktest.QCOWOptions{Version: 3, Bits: 9})
		path := filepath.Join(t.TempDir(), "x.qcow2")
		must(t, os.WriteFile(path, qcow, 0o644))
		return func() {
			must2(content.Sniff(bytes.NewReader(data)))(t)
			must2(content.SniffAt(bytes.NewReader(data), int64(len(data))))(t)
			must(t, must2(content.OpenDisk(t.Context(), path, content.DiskOptions{}))(t).Close())
			must(t, must2(content.ReadDisk(t.Context(), bytes.NewReader(qcow), content.DiskOptions{}))(t).Close())
		}
	}},
	{"file system: contents of files", 500, func(t testing.TB, n int) func() {
		data := streamOf(t, sealed(t, files(t, n)))
		return func() {
			_, f := opened1(t, data)
			must(t, f.Walk(f.Root(), "", func(_ string, _ zpl.DirEntry, z *zpl.Znode) error {
				if z.IsDir() {
					return nil
				}
				file := must2(f.Content(z).Open())(t)
				must2(io.Copy(io.Discard, io.NewSectionReader(file, 0, int64(z.Size))))(t)
				return file.Close()
			}))
		}
	}},
}
