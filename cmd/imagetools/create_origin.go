package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"imagetools/image"
	"imagetools/internal/cli"
	"imagetools/manifest"
)

// originOptions are the flags for images that are increments on others.
type originOptions struct {
	Paths    []string
	MaxDepth int

	found *image.Origin // nil for a full image
}

func (o *originOptions) addFlags(f *pflag.FlagSet) {
	f.StringArrayVar(&o.Paths, "origin", nil, "image that the new one is an increment on; repeatable, the full one first (default of those before it: what the manifests beside it say)")
	f.IntVar(&o.MaxDepth, "max-origin-depth", 0, "refuse an origin that, with all it builds on, is more than so many images; at least 2 (default: any number)")
}

// find finds the origin, of which nothing but manifests is read.
func (o *originOptions) find() (err error) {
	switch {
	case o.MaxDepth != 0 && o.MaxDepth < 2:
		return cli.Usagef("--max-origin-depth %d: it is at least 2", o.MaxDepth)
	case len(o.Paths) == 0:
		return nil
	}
	for _, path := range o.Paths {
		if path == "-" {
			return cli.Usagef("--origin: an image is needed, not standard input")
		}
	}
	if o.found, err = image.FindOrigin(o.Paths); err != nil {
		err = fmt.Errorf("--origin: %w", err)
		if errors.Is(err, image.ErrNoOrigin) {
			err = cli.Hint(err, "--origin can be given several times: all images that it builds on, the full one first")
		}
		return err
	}
	if depth := len(o.found.Chain); o.MaxDepth != 0 && depth > o.MaxDepth {
		return cli.Hint(fmt.Errorf("--origin: with all it builds on it is %d images, and --max-origin-depth is %d", depth, o.MaxDepth),
			"imagetools flatten makes one full image of them")
	}
	return nil
}

// imageType is the type of image that builds on the origin; empty for a full image.
func (o *originOptions) imageType() string {
	if o.found == nil {
		return ""
	}
	return o.found.Manifest.Type
}

// settle completes the options with what the manifest of the origin says.
func (o *originOptions) settle(env *cli.Env, at *place, out *image.Options) (err error) {
	if o.found == nil {
		if base := out.Manifest.Base; base != nil && base.Origin != "" {
			full := *base
			full.Origin = ""
			out.Manifest.Base = &full
			env.Warnf("the manifest names the origin %s, which is left out: the image is none that builds on another", base.Origin)
		}
		return nil
	}
	if at.inPool != nil {
		return cli.Hint(cli.Usagef("--origin: the stream of %v is taken as it is", at), "of a virtual machine, --incremental leaves out what its own image has")
	}
	m := &out.Manifest
	if m.Base, err = o.found.Inherit(m.Base); err != nil {
		return fmt.Errorf("--origin: %w", err)
	}
	if have := manifest.New(*m).Type; have != o.imageType() {
		return cli.Usagef("type %q: the origin is a %s, and so is what builds on it", have, o.imageType())
	}
	out.Origin = o.found
	return nil
}

// open reads the origin.
func (o *originOptions) open(ctx context.Context, env *cli.Env, tmpDir string, quiet bool, out *image.Options) error {
	if o.found == nil {
		return nil
	}
	progress := env.NewProgress(quiet)
	defer progress.Finish()
	opts := image.OpenOptions{TmpDir: tmpDir, Budget: env.Memory}
	opts.Progress = func(name string, done, total int64) { progress.Update("reading origin "+name, done, total) }
	_, err := cli.Interruptible(ctx, func() (struct{}, error) { return struct{}{}, o.found.Open(ctx, opts) })
	if err != nil {
		err = fmt.Errorf("origin: %w", err)
		if errors.Is(err, image.ErrIncomplete) {
			err = cli.Hint(err, "--origin can be given several times: all images that it builds on, the full one first")
		}
		return err
	}
	if !quiet {
		progress.Finish()
		fmt.Fprintf(env.Stderr, "origin %s %s (%s)", o.found.Manifest.Name, o.found.Manifest.Version, o.found.Manifest.UUID)
		if below := o.found.Chain[:len(o.found.Chain)-1]; len(below) > 0 {
			fmt.Fprintf(env.Stderr, ", on %s", strings.Join(below, ", "))
		}
		fmt.Fprintln(env.Stderr, ": it must be installed before the image")
		if n := o.found.Spooled(); n > 0 {
			fmt.Fprintf(env.Stderr, "note: unpacked into a temporary file of %s\n", cli.Size(n))
		}
	}
	return nil
}

// held is the memory that the origin takes.
func (o *originOptions) held() int64 {
	if o.found == nil {
		return 0
	}
	return o.found.Held()
}

// close closes the origin.
func (o *originOptions) close() error {
	if o.found == nil {
		return nil
	}
	return o.found.Close()
}

// report says how the image differs from its origin.
func (o *originOptions) report(env *cli.Env, res *image.Result) {
	if o.found == nil {
		return
	}
	c := res.Changes
	if res.Manifest.Type == manifest.TypeZvol {
		fmt.Fprintf(env.Stderr, "changes to the origin: %s\n", cli.Size(c.Bytes))
		return
	}
	fmt.Fprintf(env.Stderr, "changes to the origin: %s new, %d changed, %d gone; %s of contents\n", plural(c.Added, "name"), c.Changed, c.Removed, cli.Size(c.Bytes))
}

// createdChanges is what create-image --json says of an increment.
type createdChanges struct {
	Added   int   `json:"added"` // names, as are the next two; all 0 of a volume
	Changed int   `json:"changed"`
	Removed int   `json:"removed"`
	Bytes   int64 `json:"bytes"` // of contents in the stream
}

// json is nil for a full image.
func (o *originOptions) json(res *image.Result) *createdChanges {
	if o.found == nil {
		return nil
	}
	c := createdChanges(res.Changes)
	return &c
}
