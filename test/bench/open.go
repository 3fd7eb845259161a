//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"imagetools/test/oracle"
)

// zstream is OpenZFS's program for streams, or why it is not there.
type zstream struct {
	*oracle.Judge
	err error
}

func openZStream() (z zstream) {
	if z.Judge, z.err = oracle.OpenJudge(); z.err != nil {
		say("zstream: %v", z.err)
	}
	return z
}

func (z zstream) version() string {
	if z.err != nil {
		return "missing: " + z.err.Error()
	}
	return z.ID()
}

// dump is how the records of a gzip stream are shown, and their checksums verified, with ZFS.
func (z zstream) dump(file string) func(context.Context) (sample, error) {
	return func(ctx context.Context) (sample, error) {
		if z.err != nil {
			return sample{}, z.err
		}
		cmd := z.ZStream("dump")
		args := []string{"env"} // for zstream alone
		for _, e := range cmd.Env {
			if strings.HasPrefix(e, "LD_LIBRARY_PATH=") {
				args = append(args, e)
			}
		}
		return pipeline{commands: [][]string{{"gzip", "-dc", file}, append(args, cmd.Args...), {"cat"}}}.run(ctx)
	}
}

// openInputs are the files that are opened. Each is in a folder of its own.
type openInputs struct{ none, gzip, foreign, tar, tarGzip string }

// makeOpenInputs makes them of the tree, in a folder.
func (b *bench) makeOpenInputs(ctx context.Context, dir string) (in openInputs, err error) {
	in = openInputs{
		none:    filepath.Join(dir, "none", "bench-1.0.zfs"),
		gzip:    filepath.Join(dir, "gzip", "bench-1.0.zfs.gz"),
		foreign: filepath.Join(dir, "foreign", "stream.gz"),
		tar:     filepath.Join(dir, "tar", "tree.tar"),
		tarGzip: filepath.Join(dir, "tar.gz", "tree.tar.gz"),
	}
	create := func(file, compression string) pipeline {
		return pipeline{commands: [][]string{{
			b.tool, "create-image", "bench-1.0", b.tree, "-o", filepath.Dir(file), "-c", compression,
			"-q", "--description", "A tree to take times with",
		}}}
	}
	for _, make := range []struct {
		file string
		pipeline
	}{
		{in.none, create(in.none, "none")},
		{in.gzip, create(in.gzip, "gzip")},
		{in.foreign, pipeline{commands: [][]string{{"gzip", "-9c", in.none}}, output: in.foreign}},
		{in.tar, pipeline{commands: [][]string{{"tar", "-cf", in.tar, "-C", b.tree, "."}}}},
		{in.tarGzip, pipeline{commands: [][]string{{"gzip", "-c", in.tar}}, output: in.tarGzip}},
	} {
		say("making %s", filepath.Base(make.file))
		if err := os.MkdirAll(filepath.Dir(make.file), 0o755); err != nil {
			return in, err
		}
		if _, err := make.run(ctx); err != nil {
			return in, err
		}
	}
	syscall.Sync() // else they are written while times are taken
	return in, nil
}

// compareOpening takes the ratios for what reads images.
func (b *bench) compareOpening(ctx context.Context, z zstream) (err error) {
	rounds := 5
	if b.quick {
		rounds = 3
	}
	dir := filepath.Join(b.work, "opened")
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	in, missing := b.makeOpenInputs(ctx, dir)
	on := func(name, file string, run func(context.Context) (sample, error)) job {
		if missing != nil {
			return job{name, rounds, "", func(context.Context) (sample, error) { return sample{}, missing }}
		}
		return job{name, rounds, filepath.Dir(file), run}
	}
	ours := func(args ...string) func(context.Context) (sample, error) {
		return pipeline{commands: [][]string{append([]string{b.tool}, args...)}}.run
	}

	for _, c := range []struct {
		section, what, file string
		limit, further      float64
	}{
		{"opening a gzip image", "gzip image", in.gzip, 1 / 2., 0},
		{"opening a foreign gzip stream", "gzip -9 stream", in.foreign, 1 / 1.2, 1 / 2.5},
	} {
		s := b.alternate(ctx,
			on("imagetools verify, "+c.what, c.file, ours("verify", c.file)),
			on("imagetools ls -lR, "+c.what, c.file, ours("ls", "-lR", c.file)),
			on("gzip -dc | zstream dump | cat, "+c.what, c.file, z.dump(c.file)))
		for i, figure := range []string{"verify", "ls -lR"} {
			b.report.add(timeRow(c.section, figure, s[i], s[2], c.limit))
			if c.further > 0 {
				b.report.add(timeRow(c.section, figure+", further aim", s[i], s[2], c.further))
			}
		}
	}

	for _, c := range []struct{ what, image, tar, flags string }{
		{"uncompressed", in.none, in.tar, "-xf"},
		{"gzip", in.gzip, in.tarGzip, "-xzf"},
	} {
		s := b.alternate(ctx,
			on("imagetools extract, "+c.what, c.image, b.unpacked(func(dir string) []string {
				return []string{b.tool, "extract", c.image, "-C", filepath.Join(dir, "tree"), "-q"}
			})),
			on("tar "+c.flags, c.tar, b.unpacked(func(dir string) []string {
				return []string{"tar", c.flags, c.tar, "-C", dir}
			})))
		b.report.add(timeRow("extracting", c.what, s[0], s[1], 1.3))
	}
	return nil
}

// unpacked runs a command that unpacks into a new folder. Its removal is not counted, and
// waits for the disk, so that no run pays for the one before.
func (b *bench) unpacked(command func(dir string) []string) func(context.Context) (sample, error) {
	return func(ctx context.Context) (x sample, err error) {
		dir := filepath.Join(b.work, "unpacked")
		if err := os.Mkdir(dir, 0o755); err != nil {
			return x, err
		}
		defer func() {
			err = errors.Join(err, os.RemoveAll(dir))
			syscall.Sync()
		}()
		return pipeline{commands: [][]string{command(dir)}}.run(ctx)
	}
}

// listMemory is how much memory looking into a stream of 10⁶ small files may take.
const listMemory = 512 << 20

// list takes the peak memory of listing the stream of a tree.
func (b *bench) list(tree string) func(context.Context) (sample, error) {
	return func(ctx context.Context) (x sample, err error) {
		file := filepath.Join(b.work, "stream")
		defer os.Remove(file)
		made, err := pipeline{commands: [][]string{{b.self, "stream", tree}}, output: file}.run(ctx)
		if err != nil {
			return x, err
		}
		if x, err = (pipeline{commands: [][]string{{b.tool, "ls", "-lR", file}}}).run(ctx); err != nil {
			return x, fmt.Errorf("stream of %s: %w", megabytes(made.Size), err)
		}
		x.Stream = made.Size
		return x, nil
	}
}
