//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

const (
	changedFiles = 10
	sizeFactor   = 1.5      // of the changed files, compressed
	sizeRoom     = 64 << 10 // bytes more
)

// compareIncrements makes an image of a copy of the tree in which ten files differ, as an
// increment on the image of the tree: against reading image and tree once, and in size against
// those files alone, compressed.
func (b *bench) compareIncrements(ctx context.Context, input input) {
	dir := filepath.Join(b.work, "increment")
	defer os.RemoveAll(dir)
	origin, changed := filepath.Join(dir, "origin"), filepath.Join(dir, "tree")
	say("making an origin, and a tree that differs from it")
	alone, missing := b.prepareIncrement(ctx, origin, changed)
	of := func(name string, run func(context.Context) (sample, error)) job {
		rounds := 5
		if b.quick {
			rounds = 2
		}
		return job{name, rounds, changed, func(ctx context.Context) (sample, error) {
			if missing != nil {
				return sample{}, missing
			}
			return run(ctx)
		}}
	}
	image := filepath.Join(origin, "bench-1.0.json")
	s := b.alternate(ctx,
		of("imagetools create-image --origin", b.createImage(changed, "gzip", "--origin", image)),
		of("imagetools ls ORIGIN; tar -cf - | cat", func(ctx context.Context) (sample, error) {
			x, err := pipeline{commands: [][]string{{b.tool, "ls", "-R", image}, {"cat"}}}.run(ctx)
			if err != nil {
				return sample{}, err
			}
			y, err := pipeline{commands: [][]string{{"tar", "-cf", "-", "-C", changed, "."}, {"cat"}}}.run(ctx)
			return x.plus(y), err
		}),
		of("1.5 × tar FILES | gzip -9, and 64 KiB", func(context.Context) (sample, error) {
			return sample{Size: int64(sizeFactor*float64(alone)) + sizeRoom}, nil
		}))
	b.report.add(timeRow("increment", "time", s[0], s[1], 1))
	b.report.add(sizeRow("increment", "size", s[0], s[2], 1))
	b.report.add(memoryRow("increment", "peak memory", s[0], input.Entries))
}

// prepareIncrement makes the origin and a tree in which ten files of all kinds, of up to 1 MiB,
// have other bytes in the middle. It returns the size of those files, compressed.
func (b *bench) prepareIncrement(ctx context.Context, origin, changed string) (int64, error) {
	if err := os.Mkdir(filepath.Dir(origin), 0o777); err != nil {
		return 0, err
	}
	run := func(args ...string) error {
		out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s: %w: %s", args[0], err, out)
		}
		return nil
	}
	err := errors.Join(run("cp", "-a", b.tree, changed),
		run(b.tool, "create-image", "bench-1.0", b.tree, "-q", "-o", origin, "--description", "The origin of another one"))
	if err != nil {
		return 0, err
	}
	var all []string
	err = walkFiles(ctx, changed, func(path string, info fs.FileInfo) error {
		if info.Mode().IsRegular() && info.Size() >= 4096 && info.Size() <= 1<<20 {
			all = append(all, path)
		}
		return nil
	})
	if err == nil && len(all) < changedFiles {
		err = fmt.Errorf("%d files from 4 KiB to 1 MiB, %d are needed", len(all), changedFiles)
	}
	if err != nil {
		return 0, err
	}
	tar := filepath.Join(filepath.Dir(origin), "changed.tar")
	args := []string{"tar", "-czPf", tar}
	for i := range changedFiles {
		path := all[i*len(all)/changedFiles]
		if err := scribble(path); err != nil {
			return 0, err
		}
		args = append(args, path)
	}
	if err := run(args...); err != nil {
		return 0, err
	}
	info, err := os.Stat(tar)
	if err != nil {
		return 0, err
	}
	return info.Size(), os.Remove(tar)
}

// scribble writes into the middle of a file, and sets its time to a later one that is always
// the same.
func scribble(path string) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil {
		data := make([]byte, 100)
		fill(data, uint64(info.Size()))
		_, err = f.WriteAt(data, info.Size()/2)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	later := info.ModTime().Add(time.Hour)
	return os.Chtimes(path, later, later)
}
