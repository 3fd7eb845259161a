package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/pflag"

	"imagetools/base"
	"imagetools/base/zone"
	"imagetools/internal/cli"
	"imagetools/internal/plain"
	"imagetools/rootfs/edit"
	"imagetools/rootfs/overlay"
)

// baseFlags are the flags of commands that make base images.
type baseFlags struct {
	Bootstrap, SHA256, CACert string
	Overlays, Keep            []string
	Verbose, Quiet            bool
	JSON, DryRun              bool

	cacert []byte
	kits   map[string]*zone.Kit // by where they are from
}

func (o *baseFlags) addFlags(f *pflag.FlagSet) {
	f.StringVar(&o.Bootstrap, "bootstrap", "", "file or https URL with the bootstrap of pkgsrc (default: that of CONFIG, from pkgsrc)")
	f.StringVar(&o.SHA256, "bootstrap-sha256", "", "digest that the bootstrap must have")
	f.StringVar(&o.CACert, "cacert", "", "root certificates (PEM) to trust in place of the system's; the zone fetches its first packages with them if the bootstrap has none")
	f.StringArrayVar(&o.Overlays, "overlay", nil, "folder to lay over the built-in overlay, made as overlay eject does; repeatable")
	f.StringSliceVar(&o.Keep, "keep", nil, "variables of the overlay that stay as they are, such as PUBLIC_IP; repeatable, or with commas")
	f.BoolVarP(&o.Verbose, "verbose", "v", false, "show what the zone prints, and each change of a file")
	f.BoolVarP(&o.Quiet, "quiet", "q", false, "print nothing but warnings and errors")
	f.BoolVar(&o.JSON, "json", false, "print what was done as JSON")
	f.BoolVar(&o.DryRun, "dry-run", false, "print what would be run and changed, and do none of it")
}

// check completes the flags.
func (o *baseFlags) check() (err error) {
	if o.Verbose && o.Quiet {
		return cli.Usagef("--verbose and --quiet exclude each other")
	}
	if digest, err := hex.DecodeString(o.SHA256); err != nil || o.SHA256 != "" && len(digest) != 32 {
		return cli.Usagef("--bootstrap-sha256 %q: it is no SHA-256, 64 hexadecimal digits", o.SHA256)
	}
	if strings.HasPrefix(o.Bootstrap, "http://") {
		return cli.Usagef("--bootstrap %q: bootstraps are fetched over https alone", o.Bootstrap)
	}
	if o.CACert != "" {
		o.cacert, err = zone.ReadCACert(o.CACert)
	}
	return err
}

// layers reads the folders of --overlay for an image.
func (o *baseFlags) layers(ctx context.Context, img *base.Image) ([]*overlay.Layer, []string, error) {
	return img.ReadOverlays(ctx, o.Overlays)
}

// kit returns the bootstrap for an image: one that was fetched before, if it is the same.
func (o *baseFlags) kit(ctx context.Context, env *cli.Env, img *base.Image) (*zone.Kit, error) {
	from := o.Bootstrap
	if from == "" {
		from = img.BootstrapURL()
	}
	if k := o.kits[from]; k != nil {
		return k, nil
	}
	var k *zone.Kit
	var err error
	switch {
	case !strings.HasPrefix(from, "https://"):
		k, err = zone.OpenKit(ctx, from, o.SHA256)
	case o.DryRun:
		return &zone.Kit{Source: from}, nil
	default:
		k, err = o.fetch(ctx, env, from)
	}
	if err != nil {
		return nil, err
	}
	if o.kits == nil {
		o.kits = map[string]*zone.Kit{}
	}
	o.kits[from] = k
	return k, nil
}

func (o *baseFlags) fetch(ctx context.Context, env *cli.Env, url string) (*zone.Kit, error) {
	progress := env.NewProgress(o.Quiet)
	defer progress.Finish()
	f := zone.Fetch{URL: url, SHA256: o.SHA256, CACert: o.cacert, Progress: func(done, total int64) {
		progress.Update("bootstrap", done, total)
	}}
	k, err := f.Get(ctx)
	if err == nil && !o.Quiet {
		progress.Finish()
		fmt.Fprintf(env.Stderr, "bootstrap: %s (%s, SHA-256 %s)\n", url, cli.Size(k.Size), k.SHA256)
	}
	return k, err
}

// withoutSIGPIPE has the program go on when nobody reads its messages any more: what it began is
// to be ended in order. restore ends that.
func withoutSIGPIPE() (restore func()) {
	closed := make(chan os.Signal, 1)
	signal.Notify(closed, syscall.SIGPIPE)
	return func() { signal.Stop(closed) }
}

// close removes the bootstraps that were fetched.
func (o *baseFlags) close() error {
	var faults []error
	for _, k := range o.kits {
		faults = append(faults, k.Close())
	}
	return errors.Join(faults...)
}

// watch has the steps of an installation told.
func (o *baseFlags) watch(env *cli.Env, in *zone.Install) {
	if !o.Quiet {
		in.Watch = o.tell(env)
	}
	if o.Verbose {
		in.Line = func(line string) { fmt.Fprintln(env.Stderr, plain.Line(line)) }
	}
}

// tell prints a line for each step, and its changes below that.
func (o *baseFlags) tell(env *cli.Env) edit.Watch {
	var changes []edit.Change
	return edit.Watch{
		Change: func(c edit.Change) { changes = append(changes, c) },
		Done: func(d edit.Done) {
			if d.By == zone.InZone {
				fmt.Fprintf(env.Stderr, "%s: %s\n", d.By, d.Step)
				return
			}
			fmt.Fprintf(env.Stderr, "%s: %s\n", d, plural(d.Changes, "change"))
			if o.Verbose {
				for _, c := range changes {
					fmt.Fprintf(env.Stderr, "  %s: %s\n", printable(c.Path), printable(c.Text))
				}
			}
			changes = nil
		},
	}
}

// plural writes a number of things, of which what is one.
func plural[N int | int64](n N, what string) string {
	if n == 1 {
		return "1 " + what
	}
	if stem, ok := strings.CutSuffix(what, "y"); ok {
		return fmt.Sprintf("%d %sies", n, stem)
	}
	return fmt.Sprintf("%d %ss", n, what)
}
