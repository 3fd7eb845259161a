//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// sample is one run of a job.
type sample struct {
	Wall    seconds `json:"wall_s"`
	User    seconds `json:"user_s,omitzero"`          // CPU time of all processes; 0 if unknown
	System  seconds `json:"system_s,omitzero"`        // the same, in the kernel
	PeakRSS int64   `json:"peak_rss_bytes,omitzero"`  // of the largest process; 0 if unknown
	Read    int64   `json:"disk_read_bytes,omitzero"` // by all processes, that is, not from memory
	Size    int64   `json:"size_bytes,omitzero"`      // of the file that was made; 0 if none
	Stream  int64   `json:"stream_bytes,omitzero"`    // of what was compressed; 0 if unknown
}

// seconds is a time.Duration that JSON shows as a fraction.
type seconds time.Duration

func (s seconds) float() float64 { return time.Duration(s).Seconds() }

func (s seconds) MarshalJSON() ([]byte, error) { return fmt.Appendf(nil, "%.4f", s.float()), nil }

// job is a thing to be timed.
type job struct {
	name   string
	rounds int    // how often
	warm   string // tree to have in memory
	run    func(ctx context.Context) (sample, error)
}

// series is what came of a job.
type series struct {
	Name    string   `json:"name"`
	Samples []sample `json:"samples"`
	NotRun  string   `json:"not_run,omitzero"` // why there are no (more) samples
}

// median of what get takes from the samples; 0 if there are none.
func median[T int64 | float64](s *series, get func(sample) T) T {
	var values []T
	for _, x := range s.Samples {
		values = append(values, get(x))
	}
	n := len(values)
	if n == 0 {
		return 0
	}
	slices.Sort(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

func (s *series) wall() float64 { return median(s, func(x sample) float64 { return x.Wall.float() }) }
func (s *series) user() float64 { return median(s, func(x sample) float64 { return x.User.float() }) }
func (s *series) cpu() float64 {
	return median(s, func(x sample) float64 { return (x.User + x.System).float() })
}
func (s *series) read() int64 { return median(s, func(x sample) int64 { return x.Read }) }
func (s *series) size() int64 { return median(s, func(x sample) int64 { return x.Size }) }

// peak is the largest of all samples.
func (s *series) peak() int64 {
	var peak int64
	for _, x := range s.Samples {
		peak = max(peak, x.PeakRSS)
	}
	return peak
}

// alternate runs jobs in turn (A, B, A, B), so that what else the machine does
// falls on all of them alike. A job that fails is not repeated.
func (b *bench) alternate(ctx context.Context, jobs ...job) []*series {
	all := make([]*series, len(jobs))
	rounds := 0
	for i, j := range jobs {
		all[i] = &series{Name: j.name}
		rounds = max(rounds, j.rounds)
	}
	for round := range rounds {
		for i, j := range jobs {
			s := all[i]
			if round >= j.rounds || s.NotRun != "" {
				continue
			}
			if ctx.Err() != nil {
				s.NotRun = context.Cause(ctx).Error()
				continue
			}
			if err := warm(ctx, j.warm); err != nil {
				s.NotRun = err.Error()
				continue
			}
			x, err := j.run(ctx)
			switch {
			case ctx.Err() != nil:
				s.NotRun = context.Cause(ctx).Error()
			case err != nil:
				s.NotRun = err.Error()
			default:
				s.Samples = append(s.Samples, x)
			}
			if s.NotRun != "" {
				say("%s: not run: %s", s.Name, s.NotRun)
				continue
			}
			say("%-48s %8.2f s  %7.2f s CPU  peak %8s  read from disk %8s",
				s.Name, x.Wall.float(), (x.User + x.System).float(), megabytes(x.PeakRSS), megabytes(x.Read))
		}
	}
	b.report.Series = append(b.report.Series, all...)
	return all
}

// pipeline is processes with pipes between them, as a shell starts them.
type pipeline struct {
	commands [][]string
	output   string // file for the output of the last; it is discarded if empty
	env      []string
}

// run takes the time from the first start to the last exit.
func (p pipeline) run(ctx context.Context) (x sample, err error) {
	out := io.WriteCloser(nil)
	if p.output != "" {
		if out, err = os.Create(p.output); err != nil {
			return x, err
		}
		defer out.Close()
	}
	var cmds []*exec.Cmd
	var errs []*bytes.Buffer
	began := time.Now()
	var stdin *os.File
	for i, args := range p.commands {
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Env = append(append(os.Environ(), "LC_ALL=C"), p.env...)
		cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
		cmd.WaitDelay = 10 * time.Second
		stderr := new(bytes.Buffer)
		cmd.Stderr = stderr
		if stdin != nil {
			cmd.Stdin = stdin
		}
		var next, write *os.File
		if i < len(p.commands)-1 {
			if next, write, err = os.Pipe(); err == nil {
				cmd.Stdout = write
			}
		} else if out != nil {
			cmd.Stdout = out
		}
		if err == nil {
			err = cmd.Start()
		}
		closeAll(stdin, write)
		stdin = next
		if err != nil {
			err = explain(args[0], err)
			break
		}
		cmds, errs = append(cmds, cmd), append(errs, stderr)
	}
	closeAll(stdin)
	for i, cmd := range cmds {
		if e := cmd.Wait(); e != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), e, bytes.TrimSpace(errs[i].Bytes())))
			continue
		}
		usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
		x.User += seconds(cmd.ProcessState.UserTime())
		x.System += seconds(cmd.ProcessState.SystemTime())
		x.PeakRSS = max(x.PeakRSS, usage.Maxrss<<10)
		x.Read += usage.Inblock << 9
	}
	x.Wall = seconds(time.Since(began))
	if err == nil && p.output != "" {
		x.Size, err = fileSize(p.output)
	}
	return x, err
}

func closeAll(files ...*os.File) {
	for _, f := range files {
		if f != nil {
			f.Close()
		}
	}
}

func fileSize(name string) (int64, error) {
	info, err := os.Stat(name)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// plus is one sample after the other.
func (x sample) plus(y sample) sample {
	y.Wall += x.Wall
	y.User += x.User
	y.System += x.System
	y.PeakRSS = max(x.PeakRSS, y.PeakRSS)
	y.Read += x.Read
	return y
}
