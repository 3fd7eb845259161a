package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"unicode/utf8"

	"github.com/spf13/pflag"

	"imagetools/image"
	"imagetools/internal/cli"
	"imagetools/internal/plain"
	"imagetools/zfs/objset"
	"imagetools/zfs/stream"
	"imagetools/zfs/zpl"
	"imagetools/zfs/zvol"
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

// openedImage is an image with the snapshot that a command looks at.
type openedImage struct {
	*image.Opened
	snapshot *objset.Snapshot
	noOrigin error // why the images that it is incremental on were not looked for, or not found
}

// open reads the streams. With contents, what is in files can be read afterwards.
func (o *openOptions) open(ctx context.Context, env *cli.Env, arg string, contents bool) (*openedImage, error) {
	if o.SpoolLimit < 0 || o.SpoolLimit > 1<<40 {
		return nil, cli.Usagef("--spool-limit %d: out of range", o.SpoolLimit)
	}
	if arg == "-" && cli.IsTerminal(env.Stdin) {
		return nil, cli.Usagef("standard input is a terminal, not a stream")
	}
	progress := env.NewProgress(false)
	defer progress.Finish()
	collector.follow(0)
	opts := image.OpenOptions{Stdin: env.Stdin, Budget: env.Memory, Contents: contents, TmpDir: o.TmpDir, SpoolLimit: o.SpoolLimit << 20}
	opts.Progress = func(name string, done, total int64) { progress.Update("reading "+name, done, total) }
	type result struct {
		*image.Opened
		err, noOrigin error
	}
	res, err := cli.Interruptible(ctx, func() (result, error) {
		paths, noOrigin := append(o.Origins[:len(o.Origins):len(o.Origins)], arg), error(nil)
		if len(o.Origins) == 0 {
			var missing map[string]error
			paths, missing = image.WithOrigins(paths)
			noOrigin = missing[arg]
		}
		opened, err := image.Open(ctx, paths, opts)
		return result{opened, err, noOrigin}, nil
	})
	if err != nil {
		return nil, err
	}
	if res.err != nil {
		res.Close()
		return nil, openHint(res.err)
	}
	s, err := res.Snapshot(o.Snapshot)
	if err != nil {
		res.Close()
		return nil, err
	}
	return &openedImage{res.Opened, s, res.noOrigin}, nil
}

func openHint(err error) error {
	if errors.Is(err, stream.ErrMagic) {
		return cli.Hint(err, "create-image makes an image of a directory or a tar")
	}
	return err
}

// fileSystem opens the file system, or says what else it is.
func (o *openedImage) fileSystem() (*zpl.FS, error) {
	f, err := zpl.Open(o.Index, o.snapshot)
	switch {
	case errors.Is(err, zpl.ErrNotFileSystem):
		return nil, cli.Hint(err, "inspect tells what it is; cat without a PATH prints a volume")
	case errors.Is(err, zpl.ErrPartial):
		return nil, o.partial(err)
	case errors.Is(err, objset.ErrEncrypted):
		return nil, cli.Hint(err, "the stream is raw; inspect and verify tell what can be told without the key")
	}
	return f, err
}

// volume opens the volume.
func (o *openedImage) volume() (*zvol.Volume, error) {
	v, err := zvol.Open(o.Index, o.snapshot)
	if errors.Is(err, zvol.ErrPartial) {
		err = o.partial(err)
	}
	return v, err
}

// partial says what is missing of a snapshot of which only a part is known.
func (o *openedImage) partial(err error) error {
	if o.noOrigin != nil {
		err = fmt.Errorf("%w: %w", err, o.noOrigin)
	}
	return cli.Hint(err, fmt.Sprintf("use --origin to name the image with the snapshot of guid %#x", o.snapshot.Missing()))
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

// text is a string that may be any bytes, in JSON: as it is if it is UTF-8, else an object
// with the bytes in base64.
type text string

func (t text) MarshalJSON() ([]byte, error) {
	if utf8.ValidString(string(t)) {
		return json.Marshal(string(t))
	}
	return json.Marshal(struct {
		Base64 []byte `json:"base64"`
	}{[]byte(t)})
}

// printJSON prints an indented document.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(plain.JSONWriter(w))
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
