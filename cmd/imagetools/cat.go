package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"imagetools/internal/cli"
	"imagetools/tree"
	"imagetools/zfs/zpl"
)

type catOptions struct {
	openOptions
	Image string
	Paths []string
}

func newCatCommand(env *cli.Env) *cobra.Command {
	var opts catOptions
	cmd := &cobra.Command{
		Use:   "cat [flags] IMAGE PATH...",
		Short: "Print files of an image, or the disk in a volume image",
		Long: `Cat prints regular files of an image to standard output. Of a volume, which has no PATH, it
prints the disk.

` + imageArgument + `

Symbolic links are not followed. The contents of a compressed stream, or one from a pipe, are
unpacked into a temporary file without a name.`,
		Example: `  imagetools cat output/web-1.0.json root/etc/motd
  imagetools cat disk-1.0.zvol.gz > disk.raw`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cli.Usagef("%s: IMAGE is missing", c.Name())
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			opts.Image, opts.Paths = args[0], args[1:]
			return runCat(c.Context(), env, opts)
		},
	}
	opts.addFlags(cmd.Flags())
	opts.addSpoolFlags(cmd.Flags())
	return cmd
}

func runCat(ctx context.Context, env *cli.Env, opts catOptions) error {
	img, err := opts.open(ctx, env, opts.Image, true)
	if err != nil {
		return err
	}
	defer img.Close()
	if len(opts.Paths) == 0 {
		v, err := img.Volume()
		if err != nil {
			return err
		}
		return copyFile(ctx, env.Stdout, v, v.Size)
	}
	f, err := img.FileSystem()
	if err != nil {
		return err
	}
	var files []*zpl.Znode
	for _, path := range opts.Paths { // all are looked at before one is printed
		z, err := lookup(f, path)
		if err == nil {
			err = regular(z)
		}
		if err != nil {
			return fmt.Errorf("%q: %w", path, err)
		}
		files = append(files, z)
	}
	for i, z := range files {
		file, err := f.Content(z).Open()
		if err == nil {
			err = copyFile(ctx, env.Stdout, file, int64(z.Size))
		}
		if err != nil {
			return fmt.Errorf("%q: %w", opts.Paths[i], err)
		}
	}
	return nil
}

func regular(z *zpl.Znode) error {
	switch z.Mode.Type() {
	case tree.TypeFile:
		return nil
	case tree.TypeDir:
		return errors.New("is a directory")
	case tree.TypeSymlink:
		return fmt.Errorf("is a symbolic link to %q", z.Target)
	}
	return fmt.Errorf("is a %s", z.Mode.TypeName())
}

// copyFile writes size bytes of r to w.
func copyFile(ctx context.Context, w io.Writer, r io.ReaderAt, size int64) error {
	buf := make([]byte, 1<<20)
	for off := int64(0); off < size; {
		if err := ctx.Err(); err != nil {
			return err
		}
		p := buf[:min(int64(len(buf)), size-off)]
		if n, err := r.ReadAt(p, off); n < len(p) {
			return err
		}
		if _, err := w.Write(p); err != nil {
			return err
		}
		off += int64(len(p))
	}
	return nil
}
