package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"imagetools/internal/cli"
	"imagetools/internal/plain"
	"imagetools/tree"
	"imagetools/tree/compare"
)

type diffOptions struct {
	A, B                      string
	openA, openB              openOptions
	source                    sourceOptions
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
		env.Report(name, c.CommandPath(), err)
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
		open.TmpDir = opts.source.TmpDir
		t, closer, err := openTree(ctx, env, arg, open, opts.source, progress)
		if err != nil {
			return false, err
		}
		defer closer.Close()
		trees[i] = t
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

// openTree opens an argument that may be an image or a source of one.
func openTree(ctx context.Context, env *cli.Env, arg string, open openOptions, src sourceOptions, progress *cli.Progress) (*tree.Tree, io.Closer, error) {
	isImage, err := looksLikeImage(env, arg)
	if err != nil {
		return nil, nil, err
	}
	if !isImage {
		at, err := locate(ctx, env, arg, src)
		if err != nil {
			return nil, nil, err
		}
		if at.inPool != nil {
			return nil, nil, cli.Hint(fmt.Errorf("%q is a dataset of a ZFS", arg), "zfs send DATASET@SNAPSHOT | imagetools diff - ... compares it")
		}
		s, err := openSource(ctx, env, at, src, progress)
		if err != nil {
			return nil, nil, err
		}
		progress.Finish()
		s.report(env, true)
		return s.Tree, s, nil
	}
	img, err := open.open(ctx, env, arg, true)
	if err != nil {
		return nil, nil, err
	}
	t, err := img.Tree(ctx)
	if err != nil {
		img.Close()
		return nil, nil, fmt.Errorf("%s: %w", arg, err)
	}
	return t, img, nil
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
