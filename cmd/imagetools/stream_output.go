package main

import (
	"cmp"
	"context"
	"errors"
	"io"

	"github.com/spf13/pflag"

	"imagetools/compress"
	"imagetools/internal/cli"
	"imagetools/internal/durable"
	"imagetools/internal/shell"
)

// streamOutput are the flags of commands that write a stream.
type streamOutput struct {
	File        string // path; "" or "-" is standard output
	Compression string
	Force       bool
	DryRun      bool
	JSON        bool
	Quiet       bool

	Placed func() error // called when the file has its name; see [writeNewFile]
}

func (o *streamOutput) addFlags(f *pflag.FlagSet) {
	f.StringVarP(&o.File, "output", "o", "-", "file to write, \"-\" for standard output")
	f.StringVarP(&o.Compression, "compression", "c", "none", "gzip, none, xz or bzip2")
	f.BoolVar(&o.Force, "force", false, "replace a file that exists")
	f.BoolVar(&o.DryRun, "dry-run", false, "read everything, say what would be written, and write nothing")
	f.BoolVarP(&o.Quiet, "quiet", "q", false, "print nothing but warnings and errors")
	f.BoolVar(&o.JSON, "json", false, "print what was done as JSON on standard output; with -o FILE or --dry-run alone")
}

func (o *streamOutput) toStdout() bool { return o.File == "" || o.File == "-" }

// check refuses what cannot go well, before anything is read.
func (o *streamOutput) check(env *cli.Env) (compress.Format, error) {
	format, err := compress.ParseFormat(o.Compression)
	if err != nil {
		return "", &cli.UsageError{Err: err}
	}
	if o.toStdout() {
		switch {
		case o.DryRun:
		case o.JSON:
			return "", cli.Usagef("--json: the stream has standard output; -o FILE writes it to a file")
		case cli.IsTerminal(env.Stdout):
			return "", cli.Hint(cli.Usagef("standard output is a terminal, which no stream is for"), "-o names a file; or pipe it into a program")
		}
		return format, nil
	}
	out := outputFile{flag: "-o", path: o.File, format: format, what: "a ZFS send stream", hint: streamHints}
	if err := out.check(); err != nil {
		return "", err
	}
	return format, o.checkFile(env)
}

// streamHints are the flags for what the names of streams promise.
var streamHints = map[string]string{
	".gz": "use -c gzip -o %s", ".bz2": "use -c bzip2 -o %s", ".xz": "use -c xz -o %s", ".zst": "-o - | zstd > %s",
}

// checkFile looks for what is in the way of the file.
func (o *streamOutput) checkFile(env *cli.Env) error {
	err := durable.CheckFile(o.File, o.Force, leftNote(env, o.DryRun))
	if errors.Is(err, durable.ErrNotRegular) {
		return cli.Hint(err, "redirect standard output there: > "+shell.Quote(o.File))
	}
	return withForceHint(err)
}

// run has write write the stream, and gives a file its name when all went well. What write
// waits for, it is not waited for longer than ctx lasts. In a dry run nothing is kept of what
// is written.
func (o *streamOutput) run(ctx context.Context, env *cli.Env, write func(io.Writer) error) error {
	format, err := o.check(env)
	if err != nil {
		return err
	}
	if o.DryRun {
		return interruptible(ctx, func() error { return write(io.Discard) })
	}
	if o.toStdout() {
		return interruptible(ctx, func() error { return writeCompressed(env.Stdout, format, write) })
	}
	return writeNewFile(env, o.File, o.Force, o.Placed, func(f *durable.File) error {
		return cmp.Or(interruptible(ctx, func() error { return writeCompressed(f, format, write) }), ctx.Err())
	})
}

func interruptible(ctx context.Context, f func() error) error {
	_, err := cli.Interruptible(ctx, func() (struct{}, error) { return struct{}{}, f() })
	return err
}

// writeCompressed completes the compressed file only if write did not fail, so that half a
// stream is also half a file.
func writeCompressed(w io.Writer, format compress.Format, write func(io.Writer) error) error {
	cw, err := compress.NewWriter(w, format, compress.Options{})
	if err != nil {
		return err
	}
	if err := write(cw); err != nil {
		return err
	}
	return cw.Close()
}
