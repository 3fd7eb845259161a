package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"imagetools/fault"
	"imagetools/image"
	"imagetools/internal/cli"
	"imagetools/internal/plain"
	"imagetools/source"
	"imagetools/tree"
	"imagetools/tree/compare"
)

type diffOptions struct {
	A, B                      string
	openA, openB              openOptions
	source                    sourceFlags
	IgnoreTimes, IgnoreOwners bool
	Brief, JSON               bool
}

func newDiffCommand(env *cli.Env) *cobra.Command {
	var opts diffOptions
	cmd := &cobra.Command{
		Use:   "diff [flags] A B",
		Short: "Tell how two images, folders or tars differ",
		Long: `Diff compares what is in two images, folders or tars: a line for each path, with "+" for what
only B has, "-" for what only A has, and "~" with what changed: type, mode, owner, mtime, size,
content, target, device, hard links, extended attributes, ACL.

A and B are each an image or any stream, an image's manifest, a directory, a tar, or a dataset
of the store. What create-image would put under root/ (a directory, a tar) is compared as if it
were there; --as-dataset compares it as it is.

Exit status: 0 no difference, 1 differences, 2 trouble.`,
		Example: `  imagetools diff web-1.0.json web-1.1.json
  imagetools diff output/web-1.0.zfs.gz ./rootfs
  imagetools diff --ignore-times --json a.tar b.tar`,
		Args: exactArgs("A", "B"),
		RunE: func(c *cobra.Command, args []string) error {
			opts.A, opts.B = args[0], args[1]
			different, err := runDiff(c.Context(), env, opts)
			return exitOfDiff(c, env, different, err)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&opts.IgnoreTimes, "ignore-times", false, "leave out modification times")
	f.BoolVar(&opts.IgnoreOwners, "ignore-owners", false, "leave out owners")
	f.BoolVar(&opts.Brief, "brief", false, "print nothing, the exit status tells")
	f.BoolVar(&opts.JSON, "json", false, "print JSON lines")
	f.StringArrayVar(&opts.openA.Origins, "origin-a", nil, "image that A is incremental on; repeatable, the full one first")
	f.StringArrayVar(&opts.openB.Origins, "origin-b", nil, "image that B is incremental on; repeatable, the full one first")
	f.StringVar(&opts.openA.Snapshot, "snapshot-a", "", "snapshot of A to look at (default the last)")
	f.StringVar(&opts.openB.Snapshot, "snapshot-b", "", "snapshot of B to look at (default the last)")
	opts.source.addFlags(f)
	return cmd
}

// exitOfDiff makes the exit status of commands that compare: 0 no difference, 1 differences, 2
// trouble.
func exitOfDiff(c *cobra.Command, env *cli.Env, different bool, err error) error {
	switch {
	case err != nil && c.Context().Err() != nil:
		return err
	case err != nil:
		env.Report(name, c.CommandPath(), memoryHint(err))
		return cli.ExitError(2)
	case different:
		return cli.ExitError(1)
	}
	return nil
}

func runDiff(ctx context.Context, env *cli.Env, opts diffOptions) (different bool, err error) {
	if opts.A == "-" && opts.B == "-" {
		return false, cli.Usagef("diff: only one of both can be standard input")
	}
	progress := env.NewProgress(false)
	defer progress.Finish()
	var trees [2]*tree.Tree
	for i, arg := range []string{opts.A, opts.B} {
		open := opts.openA
		if i == 1 {
			open = opts.openB
		}
		read, err := opts.source.options(env, arg)
		if err != nil {
			return false, err
		}
		told(&read, env, progress, true)
		read.Origins, read.Snapshot = open.Origins, open.Snapshot
		t, err := openTree(ctx, arg, read)
		if err != nil {
			return false, err
		}
		defer t.Close()
		trees[i] = t.Tree
	}
	out := bufio.NewWriterSize(env.Text(), 64<<10)
	how := compare.Options{IgnoreTimes: opts.IgnoreTimes, IgnoreOwners: opts.IgnoreOwners}
	for c, diffErr := range compare.Diff(ctx, trees[0], trees[1], how) {
		if err = diffErr; err != nil {
			break
		}
		different = true
		if opts.Brief {
			break
		}
		if opts.JSON {
			err = printChangeJSON(out, c)
		} else {
			err = printChange(out, c)
		}
		if err != nil {
			break
		}
	}
	if flushErr := out.Flush(); err == nil {
		err = flushErr
	}
	return different, err
}

// openTree opens the tree of an image or of a source of one.
func openTree(ctx context.Context, arg string, opts source.Options) (*source.Tree, error) {
	return cli.Interruptible(ctx, func() (*source.Tree, error) {
		src, err := source.Find(ctx, arg, opts)
		if errors.Is(err, image.ErrNoOrigin) {
			err = cli.Hint(errors.Unwrap(err), "use --origin-a or --origin-b to name it")
		}
		if err != nil {
			return nil, err
		}
		switch s := src.(type) {
		case source.Trees:
			return s.Tree(ctx)
		case *source.Pool:
			return nil, cli.Hint(fmt.Errorf("%q is a dataset of a ZFS", arg), "zfs send DATASET@SNAPSHOT | imagetools diff - ... compares it")
		case *source.DiskFile:
			return nil, s.NotRead()
		}
		return nil, fault.With(fmt.Errorf("%v: %w", src, image.ErrNotFileSystem), image.WayVolume)
	})
}

func printChange(w *bufio.Writer, c compare.Change) error {
	mark := map[compare.Kind]string{compare.Added: "+", compare.Removed: "-", compare.Changed: "~"}[c.Kind]
	fmt.Fprintf(w, "%s %s", mark, printable(c.Path))
	for i, f := range c.Fields {
		sep := ", "
		if i == 0 {
			sep = ": "
		}
		w.WriteString(sep + f.Name)
		if f.Key != "" {
			w.WriteString(" " + printable(f.Key))
		}
		if f.Offset != nil {
			fmt.Fprintf(w, " differs from byte %d on", *f.Offset)
		} else {
			fmt.Fprintf(w, " %s -> %s", orNone(f.Old), orNone(f.New))
		}
	}
	return w.WriteByte('\n')
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return printable(s)
}

func printChangeJSON(w *bufio.Writer, c compare.Change) error {
	line, err := json.Marshal(struct {
		Path text `json:"path"` // any bytes
		compare.Change
	}{text(c.Path), c})
	if err != nil {
		return err
	}
	w.Write(plain.JSON(line))
	return w.WriteByte('\n')
}
