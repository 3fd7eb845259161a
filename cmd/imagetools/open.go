package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/spf13/pflag"

	"imagetools/image"
	"imagetools/internal/cli"
	"imagetools/internal/plain"
	"imagetools/zfs/zpl"
)

// openOptions are the flags of commands that look into images.
type openOptions struct {
	Origins    []string
	Snapshot   string
	TmpDir     string
	SpoolLimit int64 // MiB
}

// imageArgument is what the help of those commands says of IMAGE.
const imageArgument = `IMAGE is an image file or any other ZFS send stream, compressed or not; an image's manifest,
which stands for the stream beside it; or "-" for standard input. The origins of an incremental
image are found by the manifests beside it; --origin names them otherwise, the full one first.`

func (o *openOptions) addFlags(f *pflag.FlagSet) {
	o.addOriginFlag(f)
	f.StringVar(&o.Snapshot, "snapshot", "", "snapshot to look at: its name, DATASET@SNAPSHOT, DATASET or its guid (default the last)")
}

func (o *openOptions) addOriginFlag(f *pflag.FlagSet) {
	f.StringArrayVar(&o.Origins, "origin", nil, "image that IMAGE is incremental on; repeatable, the full one first (default: found by the manifests beside IMAGE)")
}

func (o *openOptions) addSpoolFlags(f *pflag.FlagSet) {
	f.StringVar(&o.TmpDir, "tmpdir", "", "folder for the contents of a compressed stream while they are read (default $TMPDIR)")
	f.Int64Var(&o.SpoolLimit, "spool-limit", image.DefaultSpoolLimit>>20, "MiB that they may take there")
}

// open opens an image. With contents, what is in files can be read afterwards.
func (o *openOptions) open(ctx context.Context, env *cli.Env, arg string, contents bool) (*image.Image, error) {
	if arg == "-" && cli.IsTerminal(env.Stdin) {
		return nil, cli.Usagef("standard input is a terminal, not a stream")
	}
	return o.openFound(ctx, env, contents, func() (*image.Found, error) { return image.Find(arg, o.Origins) })
}

// openFound opens the image that find finds.
func (o *openOptions) openFound(ctx context.Context, env *cli.Env, contents bool, find func() (*image.Found, error)) (*image.Image, error) {
	if o.SpoolLimit < 0 || o.SpoolLimit > 1<<40 {
		return nil, cli.Usagef("--spool-limit %d: out of range", o.SpoolLimit)
	}
	progress := env.NewProgress(false)
	defer progress.Finish()
	collector.follow(0)
	opts := image.OpenOptions{
		Snapshot: o.Snapshot, Stdin: env.Stdin, Budget: env.Memory, MetadataOnly: !contents, TmpDir: o.TmpDir, SpoolLimit: o.SpoolLimit << 20,
		Progress: func(name string, done, total int64) { progress.Update("reading "+name, done, total) },
	}
	return cli.Interruptible(ctx, func() (*image.Image, error) {
		found, err := find()
		if err != nil {
			return nil, err
		}
		return found.Open(ctx, opts)
	})
}

// lookup finds a path in an image; "/" at the start is left out.
func lookup(f *zpl.FS, path string) (*zpl.Znode, error) {
	z, err := f.Lookup(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, other := f.Lookup("root/" + path); other == nil {
			err = cli.Hint(err, fmt.Sprintf("there is %q", "root/"+strings.TrimLeft(path, "/")))
		}
	}
	return z, err
}

// printable is a name of somebody else's for a list.
func printable(s string) string { return plain.Entry(s) }

// text is a string that may be any bytes, in JSON.
type text = plain.JSONText

// printJSON prints an indented document.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(plain.JSONWriter(w))
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
