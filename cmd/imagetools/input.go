package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"imagetools/compress"
	"imagetools/image"
	"imagetools/internal/cli"
	"imagetools/manifest"
)

// inputArgument is what the help of commands that read a stream once says of IMAGE.
const inputArgument = `IMAGE is an image file or any other ZFS send stream, compressed or not; an image's manifest,
which stands for the stream beside it; or "-", the default, for standard input.`

// imageInput is a stream to be read once, from its start to its end.
type imageInput struct {
	io.Reader   // of the uncompressed stream
	Name        string
	Compression compress.Format
	Manifest    *manifest.Manifest // nil if the stream itself was named

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
		f, m, err := openStreamFile(arg)
		if err != nil {
			return nil, err
		}
		in.Name, in.Manifest, in.closers = fmt.Sprintf("%q", f.Name()), m, []io.Closer{f}
		src = f
	}
	plain, format, err := compress.NewReader(readerUntil{ctx, src}, compress.Options{})
	if err != nil {
		return nil, in.fail(err)
	}
	in.Reader, in.Compression, in.closers = plain, format, append([]io.Closer{plain}, in.closers...)
	if in.Manifest != nil && in.Manifest.Files[0].Compression != format.String() {
		return nil, in.fail(fmt.Errorf("its compression is %s, its manifest %q says %s", format, arg, in.Manifest.Files[0].Compression))
	}
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

// openStreamFile opens a file, or that beside it if it is a manifest.
func openStreamFile(path string) (*os.File, *manifest.Manifest, error) {
	f, err := openRegularOrPipe(path)
	if err != nil {
		return nil, nil, err
	}
	if !isManifest(f) {
		return f, nil, nil
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxManifest+1))
	if err != nil {
		return nil, nil, err
	}
	if len(text) > maxManifest {
		return nil, nil, fmt.Errorf("%q: over %s: no manifest", path, cli.Size(maxManifest))
	}
	m, err := manifest.Parse(text)
	if err != nil {
		return nil, nil, fmt.Errorf("%q: %w", path, err)
	}
	beside, err := streamBeside(path, m)
	if err != nil {
		return nil, nil, fmt.Errorf("%q: %w", path, err)
	}
	f, err = openRegularOrPipe(beside)
	if errors.Is(err, fs.ErrNotExist) {
		err = cli.Hint(err, fmt.Sprintf("the manifest %q looks for its stream there; a stream of another name can be named itself", path))
	}
	return f, m, err
}

func openRegularOrPipe(path string) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || info.IsDir() {
		f.Close()
		if err == nil {
			err = fmt.Errorf("%q: is a directory, not an image", path)
		}
		return nil, err
	}
	return f, nil
}

// isManifest tells whether a regular file begins like JSON. Streams, and what compresses
// them, begin otherwise.
func isManifest(f *os.File) bool {
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return false
	}
	start := make([]byte, 512)
	n, _ := f.ReadAt(start, 0)
	return bytes.HasPrefix(bytes.TrimLeft(start[:n], " \t\r\n"), []byte("{"))
}

// streamBeside is the path of the stream file that a manifest describes.
func streamBeside(path string, m *manifest.Manifest) (string, error) {
	switch m.Type {
	case manifest.TypeZone, manifest.TypeLX, manifest.TypeZvol:
	default:
		return "", fmt.Errorf("an image of type %q has no ZFS send stream", m.Type)
	}
	if len(m.Files) != 1 {
		return "", fmt.Errorf("the manifest names %d files, an image has one", len(m.Files))
	}
	format, err := compress.ParseFormat(m.Files[0].Compression)
	if err != nil {
		return "", fmt.Errorf("files[0]: %w", err)
	}
	base := strings.TrimSuffix(path, filepath.Ext(path))
	return base + image.Suffix(m.Type, format), nil
}
