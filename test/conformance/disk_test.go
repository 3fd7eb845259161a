package conformance

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"imagetools/test/oracle"
	"imagetools/test/oracle/listing"
)

// run runs a program that test/oracle/install installs.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		oracle.Unavailable(t, fmt.Errorf("%w (is all of test/oracle/install there?)", err))
	}
	out, err := exec.Command(path, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v: %s", name, args, err, out)
	}
	return string(out)
}

// diskSize is that of the disk of the tests, of which most is free.
const diskSize = 48 << 20

// makeDisk makes a disk with an ext4 of this checkout's sources and what does not compress.
func makeDisk(t *testing.T) (path string, want listing.Listing) {
	t.Helper()
	dir := t.TempDir()
	path = filepath.Join(dir, "disk.raw")
	files := filepath.Join(dir, "files")
	data := make([]byte, 3<<20)
	rand.NewChaCha8([32]byte{1}).Read(data)
	err := errors.Join(os.CopyFS(filepath.Join(files, "src"), os.DirFS("../../zfs")),
		os.WriteFile(filepath.Join(files, "random"), data, 0o666), os.WriteFile(path, nil, 0o666), os.Truncate(path, diskSize))
	if err != nil {
		t.Fatal(err)
	}
	run(t, "mke2fs", "-q", "-t", "ext4", "-d", files, path)
	return path, volumeWant(t, path, diskSize, []listing.Extent{{Length: diskSize}})
}

// volumeWant is what is to be received of a raw disk that grows to size.
func volumeWant(t *testing.T, path string, size int64, extents []listing.Extent) listing.Listing {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sum, err := listing.Sum(f, size, extents)
	if err != nil {
		t.Fatal(err)
	}
	return listing.Listing{Dataset: listing.Dataset{Size: size, VolBlockSize: 8 << 10, SHA256: sum}}
}

// diskFormats are options of qemu-img convert.
var diskFormats = map[string][]string{
	"qcow2":              {"-O", "qcow2"},
	"qcow2-2":            {"-O", "qcow2", "-o", "compat=0.10"},
	"qcow2-zlib":         {"-O", "qcow2", "-c"},
	"qcow2-2-zlib":       {"-O", "qcow2", "-c", "-o", "compat=0.10"},
	"qcow2-zstd":         {"-O", "qcow2", "-c", "-o", "compression_type=zstd"},
	"qcow2-512":          {"-O", "qcow2", "-o", "cluster_size=512"},
	"qcow2-2M":           {"-O", "qcow2", "-c", "-o", "cluster_size=2M"},
	"qcow2-2M-zstd":      {"-O", "qcow2", "-c", "-o", "cluster_size=2M,compression_type=zstd"},
	"qcow2-preallocated": {"-O", "qcow2", "-o", "preallocation=metadata"},
	"qcow2-lazy":         {"-O", "qcow2", "-o", "lazy_refcounts=on,refcount_bits=1"},
	"vmdk":               {"-O", "vmdk"},
	"vmdk-stream":        {"-O", "vmdk", "-o", "subformat=streamOptimized"},
	"vmdk-flat":          {"-O", "vmdk", "-o", "subformat=monolithicFlat"},
	"vmdk-flat-parts":    {"-O", "vmdk", "-o", "subformat=twoGbMaxExtentFlat"},
	"vhd":                {"-O", "vpc", "-o", "force_size=on"},
	"vhd-fixed":          {"-O", "vpc", "-o", "subformat=fixed,force_size=on"},
	"vdi":                {"-O", "vdi"},
	"vdi-static":         {"-O", "vdi", "-o", "static=on"},
}

// TestDisk makes images of one disk in every format, which must be the same image, and has
// OpenZFS's receive code compare it with the disk. What is extracted of it is the disk.
func TestDisk(t *testing.T) {
	t.Parallel()
	judge := oracle.RequireJudge(t)
	raw, want := makeDisk(t)
	dir := t.TempDir()
	image, manifest := createImage(t, filepath.Join(dir, "raw"), "--os", "linux", "disk-1.0", raw)
	acceptManifest(t, manifest)
	stream := gunzip(t, image)
	for _, legacy := range []bool{false, true} {
		got := judge.Receive(t, []string{stream}, oracle.JudgeOptions{Legacy: legacy})
		compare(t, want, got, listing.DiffOptions{})
		checkGUID(t, manifest, got.Dataset.GUID)
	}
	back := filepath.Join(dir, "back.raw")
	run(t, toolPath(t), "extract", manifest, "--raw", back)
	run(t, "cmp", raw, back)
	run(t, "e2fsck", "-fn", back)

	first, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	for name, args := range diskFormats {
		t.Run(name, func(t *testing.T) {
			disk := filepath.Join(dir, name)
			run(t, "qemu-img", append(append([]string{"convert", "-f", "raw"}, args...), raw, disk)...)
			image, _ := createImage(t, filepath.Join(dir, "of-"+name), "disk-1.0", disk)
			if got, err := os.ReadFile(image); err != nil || !bytes.Equal(got, first) {
				t.Errorf("another image, %v", err)
			}
		})
	}
}

// TestDiskRounded takes a vhd whose size qemu-img rounds to whole cylinders.
func TestDiskRounded(t *testing.T) {
	t.Parallel()
	judge := oracle.RequireJudge(t)
	raw, _ := makeDisk(t)
	dir := t.TempDir()
	vhd := filepath.Join(dir, "disk.vhd")
	run(t, "qemu-img", "convert", "-f", "raw", "-O", "vpc", raw, vhd)
	var info struct {
		Size int64 `json:"virtual-size"`
	}
	if err := json.Unmarshal([]byte(run(t, "qemu-img", "info", "--output=json", vhd)), &info); err != nil || info.Size <= diskSize {
		t.Fatalf("%+v, %v", info, err)
	}
	size := (info.Size + 1<<20 - 1) >> 20 << 20
	image, _ := createImage(t, dir, "disk-1.0", vhd)
	got := judge.Receive(t, []string{gunzip(t, image)}, oracle.JudgeOptions{})
	if err := os.Truncate(raw, size); err != nil {
		t.Fatal(err)
	}
	compare(t, volumeWant(t, raw, size, []listing.Extent{{Length: size}}), got, listing.DiffOptions{})
}

// TestDiskSparse takes a disk of 3 TiB with little data in it, far apart.
func TestDiskSparse(t *testing.T) {
	t.Parallel()
	judge := oracle.RequireJudge(t)
	const size = 3 << 40
	dir := t.TempDir()
	raw := filepath.Join(dir, "disk.raw")
	f, err := os.Create(raw)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.NewChaCha8([32]byte{2})
	var extents []listing.Extent
	for _, e := range []listing.Extent{{Offset: 0, Length: 1 << 20}, {Offset: 1<<40 + 12345, Length: 777}, {Offset: 2<<40 - 1<<20, Length: 2 << 20}, {Offset: size - 4096, Length: 4096}} {
		p := make([]byte, e.Length)
		rng.Read(p)
		if _, err := io.NewOffsetWriter(f, e.Offset).Write(p); err != nil {
			oracle.Unavailable(t, fmt.Errorf("a file of 3 TiB: %w", err))
		}
		extents = append(extents, e)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	qcow := filepath.Join(dir, "disk.qcow2")
	run(t, "qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, qcow)
	var images [][]byte
	for _, disk := range []string{raw, qcow} {
		image, manifest := createImage(t, filepath.Join(dir, filepath.Base(disk)+".out"), "--type", "zvol", "disk-1.0", disk)
		b, err := os.ReadFile(image)
		if err != nil {
			t.Fatal(err)
		}
		if images = append(images, b); !bytes.Equal(b, images[0]) {
			t.Error("raw and qcow2 give other images")
		}
		if disk == qcow {
			got := judge.Receive(t, []string{gunzip(t, image)}, oracle.JudgeOptions{})
			compare(t, volumeWant(t, raw, size, extents), got, listing.DiffOptions{})
			checkGUID(t, manifest, got.Dataset.GUID)
		}
	}
}
