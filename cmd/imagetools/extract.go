package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"imagetools/compress"
	"imagetools/image"
	"imagetools/internal/cli"
	"imagetools/internal/durable"
	"imagetools/internal/shell"
	"imagetools/tree"
	"imagetools/tree/todir"
	"imagetools/tree/totar"
	"imagetools/zfs/zpl"
)

type extractOptions struct {
	openOptions
	Image     string
	Paths     []string
	Dir       string
	Tar       string
	Raw       string
	Metalog   string
	SameOwner bool
	Devices   bool
	Force     bool
	DryRun    bool
	Quiet     bool
	JSON      bool
	placed    func() error // see [writeNewFile]
}

func newExtractCommand(env *cli.Env) *cobra.Command {
	var opts extractOptions
	cmd := &cobra.Command{
		Use:   "extract [flags] IMAGE [PATH...] -C DIR | --tar FILE | --raw FILE",
		Short: "Write the files in an image to a folder or a tar",
		Long: `Extract writes what is in an image, or what is below each PATH, into a folder that does not
exist yet or is empty, or into a tar.

An image may be anybody's. So on disk all files belong to you, set-id bits, devices, sockets
and most extended attributes are left out, and nobody else can write; DIR.mtree, a METALOG,
keeps what was left out, and create-image reads both as the same tree again. --same-owner and
--devices put it on disk, for root. Work happens in a folder of mode 0700 that gets its name at
the end; nothing is ever written outside, and after a failure nothing is left.

A tar (PAX, "-" is standard output) holds everything: what PAX has no word for travels in
records of our own, so that create-image --as-dataset makes the same stream of it again.

--raw writes the disk in a volume image, with holes.

` + imageArgument + `

The contents of a compressed stream, or one from a pipe, are unpacked into a temporary file
without a name.`,
		Example: `  imagetools extract output/web-1.0.json -C rootfs
  imagetools extract output/web-1.0.json root/etc root/var/svc -C parts
  imagetools extract web-1.0.zfs.gz --tar - | tar -tvf -
  imagetools extract disk-1.0.zvol.gz --raw disk.raw`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cli.Usagef("%s: IMAGE is missing", c.Name())
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			opts.Image, opts.Paths = args[0], args[1:]
			return runExtract(c.Context(), env, opts)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&opts.Dir, "directory", "C", "", "folder to write to")
	f.StringVar(&opts.Tar, "tar", "", "tar to write instead, \"-\" for standard output")
	f.StringVar(&opts.Raw, "raw", "", "file for the disk in a volume")
	f.StringVar(&opts.Metalog, "metalog", "", "file for the METALOG, or none (default DIR.mtree)")
	f.BoolVar(&opts.SameOwner, "same-owner", false, "set owners, set-id bits and all extended attributes on disk")
	f.BoolVar(&opts.Devices, "devices", false, "make devices and sockets on disk")
	f.BoolVar(&opts.Force, "force", false, "replace a tar or raw file that exists")
	f.BoolVar(&opts.DryRun, "dry-run", false, "look at everything, say what would be written, and write nothing")
	f.BoolVarP(&opts.Quiet, "quiet", "q", false, "print nothing but errors")
	f.BoolVar(&opts.JSON, "json", false, "print what was written as JSON")
	opts.addFlags(f)
	opts.addSpoolFlags(f)
	return cmd
}

func runExtract(ctx context.Context, env *cli.Env, opts extractOptions) error {
	targets := 0
	for _, t := range []string{opts.Dir, opts.Tar, opts.Raw} {
		if t != "" {
			targets++
		}
	}
	switch {
	case targets == 0:
		return cli.Usagef("extract: where to? -C DIR, --tar FILE or --raw FILE")
	case targets > 1:
		return cli.Usagef("extract: only one of -C, --tar and --raw is possible")
	case opts.Dir == "" && (opts.SameOwner || opts.Devices || opts.Metalog != ""):
		return cli.Usagef("extract: --same-owner, --devices and --metalog go with -C")
	case opts.Tar != "" && len(opts.Paths) > 0:
		return cli.Usagef("extract: --tar takes no PATH: a tar holds the whole image")
	case opts.Raw != "" && len(opts.Paths) > 0:
		return cli.Usagef("extract: --raw takes no PATH")
	case opts.Tar == "-" && cli.IsTerminal(env.Stdout):
		return cli.Usagef("extract: standard output is a terminal; it is no place for a tar")
	case opts.Raw == "-" && cli.IsTerminal(env.Stdout):
		return cli.Usagef("extract: standard output is a terminal, not a file or a pipe for a disk")
	case opts.Metalog == "-":
		return cli.Usagef("extract --metalog -: the METALOG is written to a file, not to standard output")
	}
	if err := opts.checkNames(); err != nil {
		return err
	}
	for _, file := range []string{opts.Tar, opts.Raw} { // before the stream is read
		if err := checkNewFile(env, file, opts.Force, opts.DryRun); err != nil {
			return err
		}
	}
	img, err := opts.open(ctx, env, opts.Image, true)
	if err != nil {
		return err
	}
	defer img.Close()
	progress := env.NewProgress(opts.Quiet)
	defer progress.Finish()
	if opts.Raw != "" {
		return opts.writeRaw(ctx, env, img, progress)
	}
	t, err := img.Tree(ctx)
	if err != nil {
		return err
	}
	if rules := img.NameRules(); rules != "" {
		env.Warnf("%q: the file system has %s, which is not kept: names are compared byte by byte in what is written", opts.Image, rules)
	}
	if opts.Tar != "" && opts.DryRun {
		return opts.show(env, opts.Tar)
	}
	if opts.Tar != "" {
		return opts.writeTar(ctx, env, t, progress)
	}
	return opts.writeDir(ctx, env, t, progress)
}

// checkNames refuses names that promise something else than what is written.
func (o *extractOptions) checkNames() error {
	if o.Dir != "" {
		return checkOutputDir("-C", o.Dir)
	}
	raw := outputFile{flag: "--raw", path: o.Raw, format: compress.None, what: "a raw disk", hint: rawHints()}
	if o.Raw != "" {
		return raw.check()
	}
	return tarOutput("--tar", o.Tar).check()
}

// tarOutput is a tar to be written.
func tarOutput(flag, path string) *outputFile {
	return &outputFile{flag: flag, path: path, format: compress.None, what: "a tar archive", hint: tarHints(flag)}
}

// show says in a dry run what would be written.
func (o *extractOptions) show(env *cli.Env, paths ...string) error {
	if o.Quiet || o.JSON {
		return nil
	}
	return showWritten(env.Text(), paths...)
}

// showWritten says what a dry run would write; "-" is standard output.
func showWritten(w io.Writer, paths ...string) error {
	shown := make([]string, len(paths))
	for i, p := range paths {
		shown[i] = shell.Quote(p)
		if p == "-" {
			shown[i] = "standard output"
		}
	}
	_, err := fmt.Fprintf(w, "# written would be %s\n", strings.Join(shown, " and "))
	return err
}

// checkNewFile reports what is in the way of a file that is to be written; "" and "-" are none.
func checkNewFile(env *cli.Env, file string, force, dryRun bool) error {
	if file == "" || file == "-" {
		return nil
	}
	return withForceHint(durable.CheckFile(file, force, leftNote(env, dryRun)))
}

func (o *extractOptions) writeDir(ctx context.Context, env *cli.Env, t *tree.Tree, progress *cli.Progress) error {
	var paths []string
	for _, p := range o.Paths {
		paths = append(paths, cleanPath(p))
	}
	var files []*tree.Node
	for _, n := range t.Nodes() {
		if n.Size > 0 {
			files = append(files, n)
		}
	}
	zpl.ByPlace(files)
	to := todir.Options{
		Paths: paths, SameOwner: o.SameOwner, Devices: o.Devices, Order: files, DryRun: o.DryRun, Sync: true,
		Progress: func(names int) { progress.Count("writing names", int64(names)) },
		Note:     func(text string) { env.Warnf("%s", text) },
		Placed: func(rep *todir.Report) error {
			if !o.JSON {
				return nil
			}
			progress.Finish()
			return o.printDir(env, rep)
		},
	}
	if o.Metalog == "none" {
		to.NoMetalog = true
	} else {
		to.Metalog = o.Metalog
	}
	rep, err := todir.Extract(ctx, t, o.Dir, to)
	progress.Finish()
	if err != nil {
		return withForceHint(err)
	}
	if o.DryRun {
		written := []string{o.Dir}
		if rep.Metalog != "" {
			written = append(written, rep.Metalog)
		}
		if err := o.show(env, written...); err != nil {
			return err
		}
	}
	if o.JSON && o.DryRun {
		return o.printDir(env, rep)
	}
	if o.JSON || o.Quiet {
		return nil
	}
	fmt.Fprintf(env.Stderr, "%s: %s (%s with %s)\n", filepath.Clean(o.Dir), plural(rep.Counts.Names(), "name"), plural(rep.Counts.Files, "file"), cli.Size(rep.Counts.Bytes))
	where := "lost, as no METALOG was asked for"
	if rep.Metalog != "" {
		where = fmt.Sprintf("in %q", rep.Metalog)
	}
	for _, left := range []struct {
		n    int
		what string
	}{
		{rep.Owners, "owners"}, {rep.SetIDs, "set-id bits"}, {rep.Special, "devices, sockets and FIFOs"},
		{rep.Xattrs, "extended attributes"}, {rep.ACLs, "ACLs"},
	} {
		if left.n > 0 {
			fmt.Fprintf(env.Stderr, "note: not on disk, but %s: %d %s\n", where, left.n, left.what)
		}
	}
	return nil
}

// printDir prints what was written to a directory, as JSON.
func (o *extractOptions) printDir(env *cli.Env, rep *todir.Report) error {
	return printJSON(env.Stdout, map[string]any{
		"dry_run": o.DryRun, "directory": o.Dir, "metalog": rep.Metalog, "names": rep.Counts.Names(), "files": rep.Counts.Files, "bytes": rep.Counts.Bytes,
		"owners_in_metalog": rep.Owners, "set_id_in_metalog": rep.SetIDs, "special_in_metalog": rep.Special,
		"xattrs_in_metalog": rep.Xattrs, "acls_in_metalog": rep.ACLs,
		"warnings": env.Warnings(),
	})
}

func (o *extractOptions) writeTar(ctx context.Context, env *cli.Env, t *tree.Tree, progress *cli.Progress) error {
	to := totar.Options{Progress: func(names int) { progress.Count("writing names", int64(names)) }}
	if o.Tar == "-" {
		w := bufio.NewWriterSize(env.Stdout, 1<<20)
		if err := totar.Write(ctx, w, t, to); err != nil {
			return err
		}
		return w.Flush()
	}
	return writeNewFile(env, o.Tar, o.Force, o.placed, func(f *durable.File) error {
		w := bufio.NewWriterSize(f, 1<<20)
		if err := totar.Write(ctx, w, t, to); err != nil {
			return err
		}
		return w.Flush()
	})
}

// writeNewFile writes a file that appears under its name once it is complete. placed, if not
// nil, is called then; if it fails, all is as it was before.
func writeNewFile(env *cli.Env, path string, force bool, placed func() error, write func(*durable.File) error) (err error) {
	s := newOutputs(env, force)
	defer func() { err = errors.Join(err, s.Discard()) }()
	f, err := s.File(path, 0o666)
	if err != nil {
		return err
	}
	if err := write(f); err != nil {
		return err
	}
	return withForceHint(s.Commit(placed))
}

// leftNote tells what killed runs left, and was removed; a dry run removes nothing.
func leftNote(env *cli.Env, dryRun bool) func(string) {
	if dryRun {
		return nil
	}
	return func(text string) { env.Warnf("%s", text) }
}

// newOutputs is a set of files that get their names together.
func newOutputs(env *cli.Env, force bool) *durable.Set {
	return durable.New(durable.Options{Replace: force, Note: leftNote(env, false)})
}

func (o *extractOptions) writeRaw(ctx context.Context, env *cli.Env, img *image.Image, progress *cli.Progress) error {
	v, err := img.Volume()
	if err != nil {
		return err
	}
	if o.DryRun {
		return o.show(env, o.Raw)
	}
	if o.Raw == "-" {
		return copyFile(ctx, env.Stdout, v, v.Size)
	}
	err = writeNewFile(env, o.Raw, o.Force, nil, func(f *durable.File) error {
		if err := f.Truncate(v.Size); err != nil {
			return err
		}
		buf := make([]byte, 1<<20)
		for off := int64(0); ; {
			start, end, err := v.NextData(off)
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			for off = start; off < end; {
				if err := ctx.Err(); err != nil {
					return err
				}
				p := buf[:min(int64(len(buf)), end-off)]
				if n, err := v.ReadAt(p, off); n < len(p) {
					return err
				}
				if _, err := f.WriteAt(p, off); err != nil {
					return err
				}
				off += int64(len(p))
				progress.Update("writing", off, v.Size)
			}
		}
	})
	if err == nil && !o.Quiet {
		progress.Finish()
		fmt.Fprintf(env.Stderr, "%s: %s in blocks of %s\n", o.Raw, cli.Size(v.Size), cli.Size(int64(v.BlockSize)))
	}
	return err
}
