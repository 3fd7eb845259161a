//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// linear is the largest ratio of the times per unit of successive sizes that
// still counts as linear growth.
const linear = 1.25

// kind is a tree that grows in steps.
type kind struct {
	name  string
	unit  string // "file" or "GiB"
	steps []step
	// grow makes the tree that has the first `have` units one of `want` units.
	grow func(ctx context.Context, dir string, have, want int64) error
}

type step struct {
	label        string
	units        int64
	stream, gzip int // rounds
	list         int // the same, for listing the stream
}

var kinds = []kind{
	{
		"small files", "file",
		[]step{{"10⁴ files", 1e4, 5, 3, 0}, {"10⁵ files", 1e5, 3, 1, 0}, {"10⁶ files", 1e6, 1, 0, 1}},
		growFiles,
	},
	{
		"sparse file", "GiB",
		[]step{{"1 GiB", 1, 5, 0, 0}, {"4 GiB", 4, 5, 0, 0}, {"16 GiB", 16, 3, 0, 0}},
		func(ctx context.Context, dir string, have, want int64) error {
			return growSparse(ctx, filepath.Join(dir, "sparse"), have<<30, want<<30)
		},
	},
	{
		"dense file", "GiB",
		[]step{{"1 GiB", 1, 3, 1, 0}, {"4 GiB", 4, 2, 0, 0}, {"16 GiB", 16, 1, 0, 0}},
		func(ctx context.Context, dir string, have, want int64) error {
			return growDense(ctx, filepath.Join(dir, "dense"), have<<30, want<<30)
		},
	},
}

// growth measures imagetools alone over sizes of trees, one kind after the other.
func (b *bench) growth(ctx context.Context) error {
	for _, k := range kinds {
		if err := b.growKind(ctx, k); err != nil {
			return fmt.Errorf("%s: %w", k.name, err)
		}
	}
	return nil
}

// figure is what one job took on one step.
type figure struct {
	step
	*series // nil if there is none
}

func (f figure) wall() float64 {
	if f.series == nil {
		return 0
	}
	return f.series.wall()
}

func (f figure) user() float64 {
	if f.series == nil {
		return 0
	}
	return f.series.user()
}

func (b *bench) growKind(ctx context.Context, k kind) (err error) {
	dir := filepath.Join(b.work, "grown")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	var stream, gzip figure // of the step before
	var making time.Duration
	reason := "" // why there is no further step
	section := "growth, " + k.name
	for _, st := range k.steps {
		if reason == "" && stream.series != nil {
			times := making.Seconds() + stream.wall()*float64(st.stream+2*st.list) + gzip.wall()*float64(st.gzip)
			need := time.Duration(times*float64(st.units/stream.units)) * time.Second
			if left := time.Until(b.end); left < need {
				reason = fmt.Sprintf("takes about %v, and %v are left", need, max(0, left).Round(time.Second))
			}
		}
		if reason == "" {
			say("making %s: %s", k.name, st.label)
			began := time.Now()
			if err := k.grow(ctx, dir, stream.units, st.units); err != nil {
				reason = err.Error()
			}
			syscall.Sync() // else it is written while times are taken
			making = time.Since(began)
		}
		var input input
		if reason == "" {
			var err error
			if input, err = measureTree(ctx, k.name+", "+st.label, dir); err != nil {
				reason = err.Error()
			}
		}
		if reason != "" {
			if ctx.Err() != nil {
				reason = context.Cause(ctx).Error()
			}
			say("%s: %s: not run: %s", k.name, st.label, reason)
			b.report.add(row{Section: section, Figure: st.label, NotRun: reason})
			continue
		}
		b.report.Inputs = append(b.report.Inputs, input)
		measured := pipeline{commands: [][]string{{b.self, "stream", dir}, {"cat"}}}
		jobs := []job{{"imagetools stream, " + input.Name, st.stream, input.warm, measured.run}}
		if st.gzip > 0 {
			jobs = append(jobs, job{"imagetools create-image, " + input.Name, st.gzip, input.warm, b.createImage(dir, "gzip")})
		}
		for i, s := range b.alternate(ctx, jobs...) {
			what, before := "stream", &stream
			if i == 1 {
				what, before = "gzip image", &gzip
			}
			now := figure{st, s}
			b.report.add(growthRow(section, st.label+", "+what, k.unit, now, *before, figure.wall))
			b.report.add(growthRow(section, st.label+", "+what+", user CPU", k.unit, now, *before, figure.user))
			b.report.add(memoryRow(section, st.label+", "+what+", peak memory", s, input.Entries))
			*before = now
		}
		if st.list > 0 {
			s := b.alternate(ctx, job{"imagetools ls -lR, stream of " + input.Name, st.list, "", b.list(dir)})[0]
			b.report.add(boundRow(section, st.label+", ls -lR, peak memory", s, "512 MiB", listMemory))
		}
	}
	return nil
}
