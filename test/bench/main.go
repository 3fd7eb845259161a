//go:build linux

// Bench compares imagetools with tar, gzip, pigz, libdeflate-gzip, zfs-fuse and
// zstream on the same inputs, and measures how time and memory grow with files and bytes.
//
//	go run ./test/bench [-quick] [-skip-growth] [-tree DIR] [-o bench.json]
//
// It prints a table and writes the same, with every single sample and the facts
// of the machine, as JSON. What it writes lies in $BENCH_DIR, or the folder for
// large temporary files, and is removed at the end.
//
// A target that is missed is no failure. Exit status: 0 all figures were taken,
// 1 some could not be, 2 usage, 130 interrupted.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// timeLimit is when running figures are cut off, counted from when all programs are there.
const timeLimit = 20 * time.Minute

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	var err error
	if len(os.Args) == 3 && os.Args[1] == "stream" {
		err = stream(ctx, os.Args[2])
	} else if len(os.Args) == 3 && os.Args[1] == "compress" {
		err = compressDisk(ctx, os.Args[2])
	} else {
		err = run(ctx, os.Args[1:])
	}
	interrupted := ctx.Err() != nil
	stop()
	switch {
	case err == nil:
		return
	case interrupted:
		say("interrupted")
		os.Exit(130)
	case errors.Is(err, flag.ErrHelp):
		return
	}
	say("error: %v", err)
	if _, ok := errors.AsType[usageError](err); ok {
		os.Exit(2)
	}
	os.Exit(1)
}

// say prints to standard error; standard output is for the table.
func say(format string, args ...any) { fmt.Fprintf(os.Stderr, "bench: "+format+"\n", args...) }

type usageError struct{ error }

type options struct {
	quick      bool   // the comparisons only, and few repetitions
	skipGrowth bool   // the comparisons only
	tree       string // to compare on, in place of the Debian root
	output     string // of the JSON
}

// bench is one run.
type bench struct {
	options
	root   string // of the module
	work   string // for all that is written
	self   string // this program
	tool   string // imagetools, built
	end    time.Time
	report report
}

func run(ctx context.Context, args []string) (err error) {
	b := &bench{}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.BoolVar(&b.quick, "quick", false, "only compare, with few repetitions")
	flags.BoolVar(&b.skipGrowth, "skip-growth", false, "only compare")
	flags.StringVar(&b.tree, "tree", "", "compare on this `directory`, not on a Debian root (which needs root)")
	flags.StringVar(&b.output, "o", "bench.json", "`file` for all figures and samples, as JSON")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return usageError{err}
	}
	if flags.NArg() > 0 {
		return usageError{fmt.Errorf("what is %q?", flags.Args())}
	}
	b.skipGrowth = b.skipGrowth || b.quick
	if b.tree != "" {
		if b.tree, err = filepath.Abs(b.tree); err != nil {
			return err
		}
		if _, err := os.ReadDir(b.tree); err != nil {
			return err
		}
	}
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	gomod, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return fmt.Errorf("go env: %w", err)
	}
	if b.root = filepath.Dir(strings.TrimSpace(string(gomod))); b.root == "/dev" { // os.DevNull
		return errors.New("the working directory is outside of the module imagetools")
	}

	// All temporary files of children land in the same folder.
	parent := cmp.Or(os.Getenv("BENCH_DIR"), os.Getenv("TMPDIR"), "/var/tmp")
	if b.work, err = os.MkdirTemp(parent, "imagetools-bench"); err != nil {
		return err
	}
	os.Setenv("TMPDIR", b.work)
	defer func() {
		say("removing %s", b.work)
		err = errors.Join(err, os.RemoveAll(b.work))
	}()
	if err := b.announce(); err != nil {
		return err
	}
	return b.measure(ctx)
}

// announce says what will happen, and refuses to begin what the disk cannot hold.
func (b *bench) announce() error {
	need, growth, takes := int64(6<<30), "", "6 minutes"
	if !b.skipGrowth {
		need, takes = 20<<30, "15 minutes, never more than 20"
		growth = "\n  growth: imagetools alone, 10⁴ to 10⁶ small files and 1 to 16 GiB, dense and sparse"
	}
	say(`on one tree, the ratios of imagetools to other programs:
  stream: imagetools : tar, on all cores and on one
  image:  imagetools : zfs-fuse's zfs send | gzip -9; tar with gzip -9, pigz -9, libdeflate-gzip -6
  increment: imagetools : reading origin and tree alone; the changed files, compressed
  open:   imagetools verify, ls : gzip -dc | zstream dump; imagetools extract : tar -x%s
  oci:    imagetools of three layers : of a plain tar
  disk:   imagetools : reading and compressing the data alone; sparse : dense
  memory: peaks of imagetools
This takes about %s on two cores, after programs and the Debian root are
fetched (first time only), and up to %d GiB below %s (BENCH_DIR=...).`,
		growth, takes, need>>30, b.work)
	var fs syscall.Statfs_t
	if err := syscall.Statfs(b.work, &fs); err != nil {
		return fmt.Errorf("%s: %w", b.work, err)
	}
	const tmpfs = 0x01021994 // TMPFS_MAGIC of linux/magic.h
	if fs.Type == tmpfs {
		say("warning: %s is in memory, and so is all that is written", b.work)
	}
	if free := int64(fs.Bavail) * fs.Bsize; free < need {
		return fmt.Errorf("%s has %d GiB free, %d are needed; BENCH_DIR names another folder, -quick needs less", b.work, free>>30, need>>30)
	}
	return nil
}

func (b *bench) measure(ctx context.Context) error {
	began := time.Now()
	b.tool = filepath.Join(b.work, "imagetools")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", b.tool, "./cmd/imagetools")
	build.Dir = b.root
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("go build ./cmd/imagetools: %w\n%s", err, out)
	}
	if b.tree == "" {
		if err := b.unpackDebian(ctx); err != nil {
			return err
		}
	}
	zfs, z := b.openZFS(ctx), openZStream()
	b.report.Machine = machine(b.root)
	b.report.Programs = versions(ctx, zfs, z)
	if load, cores := b.report.Machine.Load, b.report.Machine.Cores; load > float64(cores)/4 {
		say("warning: the machine is busy (load %.1f); times will be noisy", load)
	}

	b.end = time.Now().Add(timeLimit)
	limited, cancel := context.WithDeadlineCause(ctx, b.end, errTime)
	defer cancel()
	if err := b.compare(limited, zfs, z); err != nil {
		return err
	}
	if !b.skipGrowth && ctx.Err() == nil {
		if err := b.growth(limited); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	b.report.Machine.PeakRSSFloor = peakRSS()
	b.report.Took = seconds(time.Since(began))
	b.report.table(os.Stdout)
	if err := b.report.write(b.output); err != nil {
		return err
	}
	if n := b.report.missing(); n > 0 {
		return fmt.Errorf("%d figures could not be taken; the table says why", n)
	}
	return nil
}

var errTime = fmt.Errorf("the %v minutes are over", timeLimit.Minutes())
