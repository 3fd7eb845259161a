package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"imagetools/compress"
	"imagetools/image"
	"imagetools/internal/cli"
)

// inputArgument is what the help of commands that read a stream once says of IMAGE.
const inputArgument = `IMAGE is an image file or any other ZFS send stream, compressed or not; an image's manifest,
which stands for the stream beside it; or "-", the default, for standard input.`

// imageInput is a stream to be read once, from its start to its end.
type imageInput struct {
	io.Reader   // of the uncompressed stream
	Name        string
	Compression compress.Format

	closers []io.Closer
}

// Close closes the file.
func (in *imageInput) Close() error {
	var errs []error
	for _, c := range in.closers {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// openImage opens the stream that an argument names: a file with a stream in any compression,
// a manifest with the stream beside it, or "-". Reading ends with ctx's error when ctx ends;
// opening or reading a pipe may wait, so callers do both in [cli.Interruptible].
func openImage(ctx context.Context, env *cli.Env, arg string) (_ *imageInput, err error) {
	in := &imageInput{Name: "standard input"}
	defer func() {
		if err != nil {
			in.Close()
		}
	}()
	src := env.Stdin
	if arg == "-" {
		if cli.IsTerminal(src) {
			return nil, cli.Hint(cli.Usagef("standard input is a terminal, not a stream"), "name an image, or pipe a stream into the program")
		}
	} else {
		found, err := image.Locate(arg)
		if err != nil {
			return nil, err
		}
		f, err := os.Open(found.Path)
		if err != nil {
			return nil, err
		}
		in.Name, in.closers = found.Name(), []io.Closer{f}
		src = f
	}
	plain, format, err := compress.NewReader(readerUntil{ctx, src}, compress.Options{Budget: env.Memory})
	if err != nil {
		return nil, in.fail(err)
	}
	in.Reader, in.Compression, in.closers = plain, format, append([]io.Closer{plain}, in.closers...)
	return in, nil
}

// fail says which input an error is about.
func (in *imageInput) fail(err error) error { return fmt.Errorf("%s: %w", in.Name, err) }

// readerUntil reads until ctx ends.
type readerUntil struct {
	ctx context.Context
	r   io.Reader
}

func (u readerUntil) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.r.Read(p)
}
