package image_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"testing/fstest"

	"imagetools/image"
	"imagetools/manifest"
	"imagetools/tree"
	"imagetools/tree/fromfs"
)

// Read a file of an image.
func ExampleOpen() {
	path := motdImage()
	defer os.RemoveAll(filepath.Dir(path))

	img, err := image.Open(context.Background(), path, image.OpenOptions{})
	if err != nil {
		log.Fatal(err)
	}
	defer img.Close()
	files, err := img.FS()
	if err != nil {
		log.Fatal(err)
	}
	motd, err := fs.ReadFile(files, "root/etc/motd")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s %s says: %s", img.Manifest.Name, img.Manifest.Version, motd)
	// Output: web 1.0 says: Welcome!
}

// motdImage makes an image in a temporary directory and returns the path of its manifest.
func motdImage() string {
	dir, err := os.MkdirTemp("", "image-example-*")
	if err != nil {
		log.Fatal(err)
	}
	files := fstest.MapFS{"root/etc/motd": {Data: []byte("Welcome!\n"), Mode: 0o644}}
	t, _, err := fromfs.Read(context.Background(), files, fromfs.Options{})
	if err != nil {
		log.Fatal(err)
	}
	if err := t.Seal(); err != nil {
		log.Fatal(err)
	}
	res, err := image.Create(context.Background(), t, image.Options{Dir: dir, Manifest: manifest.Options{Name: "web", Version: "1.0"}})
	if err != nil {
		log.Fatal(err)
	}
	return res.ManifestPath
}

// Make an image of files in memory, and verify it.
func ExampleCreate() {
	dir, err := os.MkdirTemp("", "image-example-*")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	files := fstest.MapFS{
		"root/sbin/init":          {Data: []byte("#!/bin/sh\n"), Mode: 0o755},
		"root/etc/debian_version": {Data: []byte("13.2\n"), Mode: 0o644},
	}
	t, _, err := fromfs.Read(context.Background(), files, fromfs.Options{})
	if err != nil {
		log.Fatal(err)
	}
	if err := t.Seal(); err != nil {
		log.Fatal(err)
	}
	res, err := image.Create(context.Background(), t, image.Options{Dir: dir, Manifest: manifest.Options{Name: "web", Version: "1.0", Type: manifest.TypeLX, Description: "a test"}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(filepath.Base(res.Image), filepath.Base(res.ManifestPath), res.Manifest.UUID)

	checked, err := image.Verify(context.Background(), []string{res.ManifestPath}, image.VerifyOptions{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d snapshot, %d objects, faults: %v\n", checked.Snapshots, checked.Objects, checked.Faults)
	// Output:
	// web-1.0.zfs.gz web-1.0.json 7258fe4a-a140-5d7d-a1fc-be6c464e3323
	// 1 snapshot, 11 objects, faults: []
}

// Make the image of a disk, and read it from there.
func ExampleImage_Volume() {
	dir, err := os.MkdirTemp("", "image-example-*")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	disk := bytes.Repeat([]byte("data"), 4096)
	contents, err := tree.Bytes(disk).Open()
	if err != nil {
		log.Fatal(err)
	}
	res, err := image.CreateVolume(context.Background(), contents, int64(len(disk)), image.Options{Dir: dir, Manifest: manifest.Options{Name: "disk", Version: "1.0", Type: manifest.TypeZvol, OS: "linux"}})
	if err != nil {
		log.Fatal(err)
	}
	img, err := image.Open(context.Background(), res.Image, image.OpenOptions{})
	if err != nil {
		log.Fatal(err)
	}
	defer img.Close()
	_, err = img.FS()
	fmt.Println(err)
	v, err := img.Volume()
	if err != nil {
		log.Fatal(err)
	}
	start := make([]byte, 8)
	if _, err := v.ReadAt(start, 0); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d bytes, beginning with %q\n", v.Size, start)
	// Output:
	// snapshot "image@final": not a file system: a volume
	// 1048576 bytes, beginning with "datadata"

}
