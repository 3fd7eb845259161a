//go:build linux

package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/pprof"

	"imagetools/internal/cli"
	"imagetools/tree/fromdir"
	"imagetools/zfs/zpl"
)

// stream is `bench stream DIR`: what create-image does before it compresses, to
// standard output. $CPUPROFILE and $MEMPROFILE name files for profiles.
func stream(ctx context.Context, dir string) error {
	if name := os.Getenv("CPUPROFILE"); name != "" {
		f, err := os.Create(name)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	t, _, err := fromdir.Read(ctx, dir, fromdir.Options{})
	if err != nil {
		return err
	}
	if t, err = t.Under("root"); err != nil {
		return err
	}
	if err := t.Seal(); err != nil {
		return err
	}
	debug.SetMemoryLimit(224<<20 + 380*int64(t.Len())) // as cmd/imagetools does
	plan, err := zpl.NewPlan(ctx, t, zpl.Options{})
	if err != nil {
		return err
	}
	cli.WidenPipe(os.Stdout) // as cmd/imagetools does
	if err := plan.Write(ctx, os.Stdout); err != nil {
		return err
	}
	if name := os.Getenv("MEMPROFILE"); name != "" {
		f, err := os.Create(name)
		if err != nil {
			return err
		}
		defer f.Close()
		return pprof.WriteHeapProfile(f)
	}
	return nil
}
