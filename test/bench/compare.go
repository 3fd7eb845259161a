//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"imagetools/test/oracle"
)

// compare takes the ratios to other programs, on one tree.
func (b *bench) compare(ctx context.Context, zfs zfsFuse, z zstream) error {
	input, err := measureTree(ctx, "tree", b.tree)
	if err != nil {
		return err
	}
	b.report.Inputs = append(b.report.Inputs, input)
	say("comparing on %s", input)

	b.compareStreams(ctx, input)
	b.compareImages(ctx, input, zfs)
	b.compareIncrements(ctx, input)
	b.compareSeeds(ctx)
	b.compareDisks(ctx)
	b.compareContainers(ctx, input)
	return b.compareOpening(ctx, z)
}

func (b *bench) compareStreams(ctx context.Context, input input) {
	rounds := 7
	if b.quick {
		rounds = 3
	}
	tar := pipeline{commands: [][]string{{"tar", "-cf", "-", "-C", b.tree, "."}, {"cat"}}}
	ours := pipeline{commands: [][]string{{b.self, "stream", b.tree}, {"cat"}}}
	s := b.alternate(ctx,
		job{"imagetools stream | cat", rounds, input.warm, ours.run},
		job{"tar -cf - | cat", rounds, input.warm, tar.run})
	b.report.add(timeRow("stream", fmt.Sprintf("time, %d cores", b.report.Machine.Cores), s[0], s[1], 1.2))
	b.report.add(memoryRow("stream", "peak memory", s[0], input.Entries))

	one := func(p pipeline) pipeline {
		q := pipeline{env: []string{"GOMAXPROCS=1"}}
		for _, c := range p.commands {
			q.commands = append(q.commands, append([]string{"taskset", "-c", lastCore()}, c...))
		}
		return q
	}
	s = b.alternate(ctx,
		job{"imagetools stream | cat, one core", rounds, input.warm, one(ours).run},
		job{"tar -cf - | cat, one core", rounds, input.warm, one(tar).run})
	b.report.add(timeRow("stream", "time, one core", s[0], s[1], 1.5))
}

func (b *bench) compareImages(ctx context.Context, input input, zfs zfsFuse) {
	fast, slow := 5, 2
	if b.quick {
		fast, slow = 2, 1
	}
	tar := []string{"tar", "-cf", "-", "-C", b.tree, "."}
	piped := func(name string, rounds int, encoder ...string) job {
		return job{name, rounds, input.warm, b.written(pipeline{commands: [][]string{tar, encoder}})}
	}
	s := b.alternate(ctx,
		job{"imagetools create-image -c gzip", fast, input.warm, b.createImage(b.tree, "gzip")},
		job{"zfs send | gzip -9, sha1sum", 1, "", b.classic(zfs)},
		piped("tar | gzip -9", 1, "gzip", "-9"),
		piped("tar | pigz -9", slow, "pigz", "-9"),
		job{"tar >FILE; libdeflate-gzip -6 FILE", fast, input.warm, b.libdeflate},
		job{"imagetools create-image -c none", fast, input.warm, b.createImage(b.tree, "none")},
		job{"imagetools create-image -c bzip2", 1, input.warm, b.createImage(b.tree, "bzip2")},
		job{"imagetools create-image -c xz", 1, input.warm, b.createImage(b.tree, "xz")},
	)
	// Ten times faster than the classic tool, faster than the other two, no larger than the
	// classic; gzip -9 of a tar is for information.
	for i, limits := range []struct{ time, size float64 }{{0.1, 1}, {0, 0}, {1, 0}, {1, 0}} {
		b.report.add(timeRow("gzip image", "time", s[0], s[i+1], limits.time))
		b.report.add(sizeRow("gzip image", "size", s[0], s[i+1], limits.size))
	}
	b.report.add(memoryRow("gzip image", "peak memory", s[0], input.Entries))
	for i, format := range []string{"none", "bzip2", "xz"} {
		section := format + " image"
		b.report.add(timeRow(section, "time", s[i+5], nil, 0))
		b.report.add(sizeRow(section, "size", s[i+5], nil, 0))
		b.report.add(memoryRow(section, "peak memory", s[i+5], input.Entries))
	}
}

// written runs a pipeline into a file, which it removes.
func (b *bench) written(p pipeline) func(context.Context) (sample, error) {
	p.output = filepath.Join(b.work, "output")
	return func(ctx context.Context) (sample, error) {
		defer os.Remove(p.output)
		return p.run(ctx)
	}
}

// libdeflate counts tar into a file and libdeflate-gzip, which reads files only.
func (b *bench) libdeflate(ctx context.Context) (sample, error) {
	tar := filepath.Join(b.work, "tar")
	defer os.Remove(tar)
	x, err := pipeline{commands: [][]string{{"tar", "-cf", tar, "-C", b.tree, "."}}}.run(ctx)
	if err != nil {
		return sample{}, err
	}
	y, err := b.written(pipeline{commands: [][]string{{"libdeflate-gzip", "-6", "-c", tar}}})(ctx)
	return x.plus(y), err
}

// createImage is the whole command: image with digests and manifest, synced to disk.
func (b *bench) createImage(tree, compression string, flags ...string) func(context.Context) (sample, error) {
	return func(ctx context.Context) (sample, error) {
		dir, answer := filepath.Join(b.work, "image"), filepath.Join(b.work, "answer")
		defer os.RemoveAll(dir)
		defer os.Remove(answer)
		x, err := pipeline{output: answer, commands: [][]string{append([]string{
			b.tool, "create-image", "bench-1.0", tree, "-o", dir, "-c", compression,
			"-q", "--json", "--description", "A tree to take times with",
		}, flags...)}}.run(ctx)
		if err != nil {
			return sample{}, err
		}
		text, err := os.ReadFile(answer)
		if err != nil {
			return sample{}, err
		}
		var made struct {
			Size   int64 `json:"size"`
			Stream int64 `json:"stream_size"`
		}
		if err := json.Unmarshal(text, &made); err != nil {
			return sample{}, fmt.Errorf("create-image --json: %w", err)
		}
		x.Size, x.Stream = made.Size, made.Stream
		return x, nil
	}
}

// zfsFuse is zfs-fuse, or why it is not there.
type zfsFuse struct {
	*oracle.ZFSFuse
	version string
	err     error
}

func (b *bench) openZFS(ctx context.Context) (z zfsFuse) {
	if z.ZFSFuse, z.err = oracle.OpenZFSFuse(); z.err != nil {
		say("zfs-fuse: %v", z.err)
		return z
	}
	dir, err := exec.CommandContext(ctx, filepath.Join(b.root, "test", "oracle", "prepare"), "zfs-fuse").Output()
	if err == nil {
		version, _ := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "version"))
		z.version = strings.TrimSpace(string(version))
	}
	return z
}

// classic is how images are made with ZFS: send, compress, digest. The time of
// filling the dataset is not counted; CPU time is not known.
func (b *bench) classic(zfs zfsFuse) func(context.Context) (sample, error) {
	return func(ctx context.Context) (sample, error) {
		if zfs.err != nil {
			return sample{}, zfs.err
		}
		say("filling a dataset of zfs-fuse")
		took, output, err := zfs.Send(ctx, b.tree, "gzip -9 >image && sha1sum image >&2 && stat -c %s image")
		if err != nil {
			return sample{}, err
		}
		size, err := strconv.ParseInt(string(bytes.TrimSpace(output)), 10, 64)
		return sample{Wall: seconds(took), Size: size}, err
	}
}
