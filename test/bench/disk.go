//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"

	"imagetools/compress"
	"imagetools/disk"
)

const (
	diskSize   = 1 << 30   // of the disk with the tree
	sparseSize = 100 << 30 // of the disk with sparseData in as many pieces
	sparseData = 1 << 30
	pieces     = 64
)

// compareDisks makes images of disks: of the tree in a qcow2, against reading and compressing
// its data alone, and of a sparse disk, against one that holds the same data without holes.
func (b *bench) compareDisks(ctx context.Context) {
	dir := filepath.Join(b.work, "disks")
	defer os.RemoveAll(dir)
	raw, qcow := filepath.Join(dir, "disk.raw"), filepath.Join(dir, "disk.qcow2")
	sparse, dense := filepath.Join(dir, "sparse.raw"), filepath.Join(dir, "dense.raw")
	say("making disks")
	missing := os.Mkdir(dir, 0o777)
	if missing == nil {
		missing = makeDisks(ctx, b.tree, raw, qcow, sparse, dense)
	}
	of := func(name string, run func(context.Context) (sample, error)) job {
		rounds := 5
		if b.quick {
			rounds = 2
		}
		return job{name, rounds, "", func(ctx context.Context) (sample, error) {
			if missing != nil {
				return sample{}, missing
			}
			return run(ctx)
		}}
	}
	s := b.alternate(ctx,
		of("imagetools create-image DISK.qcow2", b.createImage(qcow, "gzip")),
		of("reading and compressing its data", pipeline{commands: [][]string{{b.self, "compress", raw}}}.run),
		of("imagetools create-image SPARSE.raw", b.createImage(sparse, "none")),
		of("imagetools create-image DENSE.raw", b.createImage(dense, "none")))
	b.report.add(timeRow("disk", "time of a qcow2", s[0], s[1], 1.2))
	b.report.add(memoryRow("disk", "peak memory", s[0], 0))
	b.report.add(timeRow("disk", "time of 1 GiB in 100", s[2], s[3], 1.2))
	b.report.add(memoryRow("disk", "peak memory, sparse", s[2], 0))
}

func makeDisks(ctx context.Context, tree, raw, qcow, sparse, dense string) error {
	if err := errors.Join(os.WriteFile(raw, nil, 0o666), os.Truncate(raw, diskSize)); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"mke2fs", "-q", "-t", "ext4", "-d", tree, raw},
		{"qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, qcow},
	} {
		if out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", args[0], err, out)
		}
	}
	return errors.Join(spread(sparse, sparseSize/pieces), spread(dense, sparseData/pieces))
}

// spread writes pieces of data to a file, so many bytes from one to the next.
func spread(path string, distance int64) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	data := make([]byte, sparseData/pieces)
	rng := rand.NewChaCha8([32]byte{})
	for i := range pieces {
		rng.Read(data)
		if i == 0 {
			clear(data[:510])
			copy(data[510:], "\x55\xaa") // an empty partition table tells that it is a disk
		}
		if _, err := f.WriteAt(data, int64(i)*distance); err != nil {
			return err
		}
	}
	return f.Truncate(pieces * distance)
}

// compressDisk is `bench compress DISK`: reading the data of a disk and compressing it, in the
// memory that create-image allows itself.
func compressDisk(ctx context.Context, path string) error {
	debug.SetMemoryLimit(224 << 20)
	d, err := disk.Open(ctx, path, disk.Options{})
	if err != nil {
		return err
	}
	defer d.Close()
	w, err := compress.NewWriter(io.Discard, compress.Gzip, compress.Options{})
	if err != nil {
		return err
	}
	for off := int64(0); ; {
		start, end, err := d.NextData(off)
		if err == io.EOF {
			return w.Close()
		}
		if err == nil {
			_, err = io.Copy(w, io.NewSectionReader(d, start, end-start))
		}
		if err != nil {
			return errors.Join(err, w.Close())
		}
		off = end
	}
}
