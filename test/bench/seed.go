//go:build linux

package main

import (
	"context"
	"os"
	"path/filepath"

	seedtest "imagetools/test/seed"
)

// Bounds of create-seed for the miniature build.
const (
	seedSeconds = 1
	seedMemory  = 64 << 20
)

// compareSeeds takes the time of a seed from the miniature build beside that of copying the same
// trees. Both wait until all is on the disk.
func (b *bench) compareSeeds(ctx context.Context) {
	rounds := 7
	if b.quick {
		rounds = 3
	}
	build := filepath.Join(b.work, "smartos-live")
	missing := seedtest.Prepare(build)
	defer os.RemoveAll(build)
	in := func(args ...string) func(context.Context) (sample, error) {
		return func(ctx context.Context) (sample, error) {
			if missing != nil {
				return sample{}, missing
			}
			dir := filepath.Join(b.work, "seed")
			defer os.RemoveAll(dir)
			return pipeline{commands: [][]string{append(args, dir)}}.run(ctx)
		}
	}
	const copying = `mkdir "$2" && rsync -a "$1/proto/etc" "$1/proto/var" "$2/" && rsync -a "$1/overlay/generic/etc/" "$2/etc/" && sync -f "$2"`
	s := b.alternate(ctx,
		job{"imagetools create-seed", rounds, build, in(b.tool, "create-seed", build, "seed-1.0", "-q", "--store")},
		job{"rsync -a etc var; sync -f", rounds, build, in("sh", "-c", copying, "sh", build)},
	)
	b.report.add(timeRow("seed", "time", s[0], s[1], 0))
	limit := newRow("seed", "time", "s", s[0].wall(), "1 s", seedSeconds, 1)
	limit.NotRun = s[0].NotRun
	b.report.add(limit)
	b.report.add(boundRow("seed", "peak memory", s[0], "64 MiB", seedMemory))
}
