package build_test

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"strings"
	"testing/fstest"

	"imagetools/build"
	"imagetools/compress"
	"imagetools/rootfs/edit"
	"imagetools/rootfs/overlay"
	"imagetools/rootfs/prepare"
)

// Make an image of a compressed tar: with files on top, and without what belongs to one machine.
func Example() {
	dir, rootfs := compressedTar()
	defer os.RemoveAll(dir)

	files, err := overlay.ReadFS("files", fstest.MapFS{"etc/motd": {Data: []byte("Welcome!\n"), Mode: 0o644}}, "")
	if err != nil {
		log.Fatal(err)
	}
	spec := build.Spec{
		NameVersion: "web-1.0", Source: rootfs, Output: build.Output{Dir: dir},
		Changes: []edit.Step{&overlay.Step{Layers: []*overlay.Layer{files}}, &prepare.Step{}},
	}
	res, err := spec.Run(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	for _, c := range res.Edits.Changes {
		fmt.Println(c.By, c.Path)
	}
	fmt.Println(filepath.Base(res.Image), res.Manifest.Type, res.Manifest.Name, res.Manifest.Version)
	// Output:
	// overlay /etc/motd
	// prepare /root/.bash_history
	// prepare /var/ssh
	// web-1.0.zfs.gz zone-dataset web 1.0
}

// compressedTar makes a directory with the root file system of a SmartOS zone in it.
func compressedTar() (dir, path string) {
	dir, err := os.MkdirTemp("", "build-example-*")
	if err != nil {
		log.Fatal(err)
	}
	path = filepath.Join(dir, "rootfs.tar.xz")
	f, err := os.Create(path)
	if err != nil {
		log.Fatal(err)
	}
	xz, err := compress.NewWriter(f, compress.XZ, compress.Options{})
	if err != nil {
		log.Fatal(err)
	}
	archive := tar.NewWriter(xz)
	for _, file := range []struct{ name, text string }{
		{"etc/release", "SmartOS\n"}, {"etc/product", "Name: web\n"}, {"etc/motd", "Hello\n"}, {"etc/passwd", "root:x:0:0::/root:/bin/sh\n"}, {"etc/shadow", ""}, {"root/.bash_history", "ls\n"},
		{"lib/svc/method/net-init", ""},
	} {
		hdr := tar.Header{Typeflag: tar.TypeReg, Name: file.name, Mode: 0o644, Size: int64(len(file.text))}
		if err := errors.Join(archive.WriteHeader(&hdr), copyText(archive, file.text)); err != nil {
			log.Fatal(err)
		}
	}
	if err := errors.Join(archive.Close(), xz.Close(), f.Close()); err != nil {
		log.Fatal(err)
	}
	return dir, path
}

func copyText(w io.Writer, text string) error {
	_, err := io.Copy(w, strings.NewReader(text))
	return err
}
