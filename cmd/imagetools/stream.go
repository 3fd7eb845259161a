package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"imagetools/internal/cli"
	"imagetools/zfs/block"
	"imagetools/zfs/filter"
	"imagetools/zfs/stream"
)

func newStreamCommand(env *cli.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "stream COMMAND",
		Short: "Show and change the records of ZFS send streams",
		Long: `Stream works on ZFS send streams record by record, in a pipe: zfs send, images and their
manifests go in, what zfs receive takes comes out.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return cli.Usagef("stream: unknown command %q", args[0])
			}
			return c.Help()
		},
	}
	cmd.AddCommand(newStreamDumpCommand(env), newDeholesCommand(env), newRenameSnapshotCommand(env), newRecompressCommand(env))
	return cmd
}

// filterHelp is what the help of all filters says.
const filterHelp = inputArgument + `

The stream is written to standard output, or with -o to a file, which appears under its name
complete or not at all. It is plain unless -c compresses it. Checksums are computed anew; the
byte order stays. If the input is damaged, what is written ends before its END, so that zfs
receive refuses it. --dry-run reads it all and writes nothing.

Exit status: 0 done, 1 failed, 2 usage, 130 interrupted.`

// filterCommand is a command whose last, optional argument is IMAGE.
func filterCommand(env *cli.Env, use string, names []string, run func(ctx context.Context, args []string, in string, out *streamOutput) error) *cobra.Command {
	var out streamOutput
	cmd := &cobra.Command{
		Use:  use,
		Args: optionalImage(names...),
		RunE: func(c *cobra.Command, args []string) error {
			in := "-"
			if len(args) > len(names) {
				in = args[len(names)]
			}
			return run(c.Context(), args[:len(names)], in, &out)
		},
	}
	out.addFlags(cmd.Flags())
	return cmd
}

// optionalImage is exactArgs with one more argument that may be left out.
func optionalImage(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == len(names)+1 {
			return nil
		}
		return exactArgs(names...)(c, args)
	}
}

func newDeholesCommand(env *cli.Env) *cobra.Command {
	cmd := filterCommand(env, "deholes [flags] [IMAGE|-]", nil, func(ctx context.Context, _ []string, in string, out *streamOutput) error {
		return runFilter(ctx, env, in, out, filter.Deholes, func(r *filter.Report) string {
			return fmt.Sprintf("dropped %d FREE and %d FREEOBJECTS of %d records",
				r.Read["FREE"]-r.Written["FREE"], r.Read["FREEOBJECTS"]-r.Written["FREEOBJECTS"], r.Read.Total())
		})
	})
	cmd.Short = "Leave out the records that free what is not there"
	cmd.Long = `Deholes drops all FREE and FREEOBJECTS records, as zstreamdeholer does for published images.
In a full stream they say nothing, but several versions of zfs receive had trouble with them.
Incremental, compound, raw, deduplicated and redacted streams are refused: there they matter.

` + filterHelp
	cmd.Example = `  zfs send zones/web@final | imagetools stream deholes -c gzip > web-1.0.zfs.gz
  imagetools stream deholes old.zfs.bz2 -c gzip -o new.zfs.gz`
	return cmd
}

func newRenameSnapshotCommand(env *cli.Env) *cobra.Command {
	var names filter.Names
	cmd := filterCommand(env, "rename-snapshot [flags] NEW [IMAGE|-]", []string{"NEW"},
		func(ctx context.Context, args []string, in string, out *streamOutput) error {
			names.Snapshot = strings.TrimPrefix(args[0], "@")
			if err := names.Check(); err != nil {
				return &cli.UsageError{Err: err}
			}
			rename := func(w io.Writer, r io.Reader) (*filter.Report, error) { return filter.Rename(w, r, names) }
			return runFilter(ctx, env, in, out, rename, func(r *filter.Report) string {
				return fmt.Sprintf("%q is now %q", r.OldName, r.Name)
			})
		})
	cmd.Short = "Give the snapshot in a stream another name"
	cmd.Long = `Rename-snapshot gives the snapshot in a stream the name NEW, under which zfs receive then makes
it. Its guid stays, so that streams that are incremental on it still fit. Compound streams are
refused.

` + filterHelp
	cmd.Flags().StringVar(&names.Dataset, "dataset", "", "name of the dataset too, which zfs receive looks at only with -d and -e")
	cmd.Example = `  zfs send zones/web@today | imagetools stream rename-snapshot final > web.zfs
  imagetools stream rename-snapshot final --dataset zones/web web.zfs.gz -c gzip -o web-1.0.zfs.gz`
	return cmd
}

func newRecompressCommand(env *cli.Env) *cobra.Command {
	cmd := filterCommand(env, "recompress [flags] ALGORITHM [IMAGE|-]", []string{"ALGORITHM"},
		func(ctx context.Context, args []string, in string, out *streamOutput) error {
			to, err := block.Parse(args[0])
			switch {
			case to == block.None:
				to = block.Off
			case to == block.On, to == block.Empty:
				err = fmt.Errorf("compression %q: %w", args[0], block.ErrUnsupported)
			}
			if err != nil {
				return cli.Hint(&cli.UsageError{Err: err}, "ALGORITHM is off, lz4, zstd, gzip, gzip-1 to gzip-9, zle or lzjb")
			}
			recompress := func(w io.Writer, r io.Reader) (*filter.Report, error) { return filter.Recompress(w, r, to) }
			return runFilter(ctx, env, in, out, recompress, func(r *filter.Report) string {
				return fmt.Sprintf("%s became %s, %s", cli.Size(r.BytesRead), cli.Size(r.BytesWritten), map[bool]string{
					true: "plain", false: "compressed with " + to.String()}[to == block.Off])
			})
		})
	cmd.Short = "Compress the data inside a stream in another way, or not at all"
	cmd.Long = `Recompress unpacks the data in the records of a stream, as zfs send -c and -e write them, and
packs it with ALGORITHM: lz4, zstd (as OpenZFS since 2.0 knows it), gzip-1 to gzip-9, gzip (the
same as gzip-6), zle or lzjb. With off all of it is plain, which every zfs receive takes; SmartOS
before November 2016 takes nothing else. zfs receive stores what is compressed as it is.

This is another compression than that of the whole file, -c. A file whose data is compressed
inside hardly gets smaller by it.

Only contents of files and volumes are compressed, and only blocks that get an eighth smaller,
as by ZFS. What is compressed with ALGORITHM already stays as it is. Raw streams are refused.

` + filterHelp
	cmd.Example = `  zfs send -c zones/web@final | imagetools stream recompress off -c gzip > web-1.0.zfs.gz
  imagetools stream recompress lz4 web-1.0.json | zfs receive zones/web`
	return cmd
}

// runFilter runs a stream through a filter and says what came of it.
func runFilter(ctx context.Context, env *cli.Env, arg string, out *streamOutput,
	run func(io.Writer, io.Reader) (*filter.Report, error), tell func(*filter.Report) string) error {
	progress := env.NewProgress(out.Quiet)
	defer progress.Finish()
	var name string
	var report *filter.Report
	if out.JSON && !out.Quiet {
		out.Placed = func() error {
			progress.Finish()
			return printJSON(env.Stdout, filtered{report, false, env.Warnings()})
		}
	}
	err := out.run(ctx, env, func(w io.Writer) error {
		in, err := openImage(ctx, env, arg)
		if err != nil {
			return err
		}
		defer in.Close()
		name = in.Name
		report, err = run(w, &counted{in, progress, 0})
		if _, ok := errors.AsType[*stream.FormatError](err); ok {
			return in.fail(err)
		}
		return err
	})
	progress.Finish()
	switch {
	case err != nil || out.Quiet:
		return err
	case out.JSON && out.DryRun:
		return printJSON(env.Stdout, filtered{report, true, env.Warnings()})
	case out.JSON:
		return nil
	}
	wrote := "wrote"
	if out.DryRun {
		wrote = "would write"
	}
	_, err = fmt.Fprintf(env.Stderr, "%s: %s; %s %d records, %d bytes\n", name, tell(report), wrote, report.Written.Total(), report.BytesWritten)
	if err == nil && out.DryRun {
		err = showWritten(env.Text(), cmp.Or(out.File, "-"))
	}
	return err
}

// filtered is the answer of filters with --json. Fields are only ever added.
type filtered struct {
	*filter.Report
	DryRun   bool     `json:"dry_run"` // nothing was written
	Warnings []string `json:"warnings"`
}

// counted shows how much was read.
type counted struct {
	io.Reader
	progress *cli.Progress
	n        int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	c.progress.Update("unpacking", c.n, -1)
	return n, err
}
