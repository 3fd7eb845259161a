package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"imagetools/base"
	"imagetools/base/zone"
	"imagetools/host"
	"imagetools/internal/cli"
	"imagetools/internal/shell"
	"imagetools/rootfs/edit"
)

type installBaseOptions struct {
	baseFlags
	base.Args
	Log string
}

func newInstallBaseCommand(env *cli.Env) *cobra.Command {
	var opts installBaseOptions
	cmd := &cobra.Command{
		Use:     "install-base [flags] {CONFIG ZONE | -c CONFIG -n NAME -r RELEASE -z ZONE}",
		Aliases: []string{"install-image"},
		Short:   "Make the zone of a seed that of a base image (on SmartOS)",
		Long: `Install-base makes a running zone, which was made of a seed image, into what a base image is made
of, and halts it: it lays an overlay over the zone (see imagetools overlay), has the zone unpack
the bootstrap of pkgsrc and add packages, edits its files, and has it clean itself up. Then
create-image makes the image.

CONFIG is BRANCH-ARCH: a branch of pkgsrc, 2024Q4 or trunk, and i386, x86_64, multiarch or sngl.
NAME begins with base, minimal or pkgbuild, which decides what is in the image. RELEASE is dotted,
such as 24.4.1, or a date of trunk. The first form, of 2013, makes "base" of the first release of
the branch.

The bootstrap is fetched by this host over HTTPS, or given by --bootstrap, and handed in. The zone
fetches nothing before it has root certificates: those of the bootstrap, or --cacert.

What was changed is told step by step. If a step fails, the zone stays as it is, and after the
cause is mended, the same command goes through all steps again, which find most of their work done.
The log of a run is written to --log; without that, to install-base-ZONE.log in this folder, which
goes when all went well.

Exit status: 0 done, 1 failed, 2 usage, 130 interrupted.`,
		Example: `  imagetools install-base -c 2024Q4-x86_64 -n base-64-lts -r 24.4.1 -z 54f1cc77-68f1-42ab-acac-5c4f64f5d6e0
  imagetools install-base 2013Q2-sngl 54f1cc77-68f1-42ab-acac-5c4f64f5d6e0
  imagetools install-base -c trunk-x86_64 -d 20241231 -n minimal-64-trunk -r 20241231 -z proto --dry-run`,
		Args: cobra.MaximumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			var err error
			if opts.Args, err = opts.Args.Classic(args); err != nil {
				return &cli.UsageError{Err: err}
			}
			return runInstallBase(c.Context(), env, &opts)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&opts.Config, "config", "c", "", "CONFIG: branch and architecture, such as 2024Q4-x86_64")
	f.StringVarP(&opts.Name, "name", "n", "", "NAME of the image")
	f.StringVarP(&opts.Release, "release", "r", "", "RELEASE of the image")
	f.StringVarP(&opts.Zone, "zone", "z", "", "ZONE: its name or UUID")
	f.StringVarP(&opts.Date, "date", "d", "", "date in the name of the bootstrap")
	f.StringVar(&opts.Log, "log", "", "file for all that the scripts in the zone print")
	opts.addFlags(f)
	return cmd
}

func runInstallBase(ctx context.Context, env *cli.Env, opts *installBaseOptions) (err error) {
	config, err := opts.Parse()
	if err != nil {
		return &cli.UsageError{Err: err}
	}
	if !host.IsZoneName(opts.Zone) {
		return cli.Usagef("ZONE %q: no zone has such a name", opts.Zone)
	}
	if err := opts.check(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, opts.close()) }()
	defer withoutSIGPIPE()()
	h := &host.Host{}
	if opts.DryRun {
		h.DryRun = env.Text()
	}
	img := base.Standard.Image(config)
	result, err := opts.install(ctx, env, h, img, opts.Zone, opts.Log)
	if _, ok := errors.AsType[*zone.UnfinishedError](err); ok {
		err = cli.Hint(err, "the zone stays as it was; once the cause is mended, the same command goes on")
	}
	if err != nil || opts.DryRun {
		return err
	}
	return opts.printInstalled(env, img, result)
}

// install makes a zone into that of an image, with a log in a file.
func (o *baseFlags) install(ctx context.Context, env *cli.Env, h *host.Host, img *base.Image, name, log string) (*zone.Result, error) {
	layers, notes, err := o.layers(ctx, img)
	if err != nil {
		return nil, err
	}
	for _, n := range notes {
		if !o.Quiet {
			fmt.Fprintf(env.Stderr, "note: %s\n", printable(n))
		}
	}
	in := &zone.Install{
		Host: h, Image: img, Zone: name, CACert: o.cacert, Layers: layers, Keep: o.Keep,
		Kit:  func(ctx context.Context) (*zone.Kit, error) { return o.kit(ctx, env, img) },
		Warn: func(text string) { env.Warnf("%s", printable(text)) },
	}
	o.watch(env, in)
	if o.DryRun {
		return in.Run(ctx)
	}
	l, err := openLog(log, "install-base-"+name+".log")
	if err != nil {
		return nil, err
	}
	in.Log = l
	result, err := in.Run(ctx)
	return result, l.end(err)
}

// installedBase is the answer of install-base --json. Fields are only ever added.
type installedBase struct {
	Zone      string    `json:"zone"`
	Config    string    `json:"config"`
	Name      string    `json:"name"`
	Release   string    `json:"release"`
	Packages  []string  `json:"packages"`
	Bootstrap *zone.Kit `json:"bootstrap"`
	Then      string    `json:"create_image"` // command that makes the image
	Warnings  []string  `json:"warnings"`
	*edit.Report
}

func (o *installBaseOptions) printInstalled(env *cli.Env, img *base.Image, result *zone.Result) error {
	then := "imagetools create-image " + shell.Quote(img.Name+"-"+img.Release) + " " + shell.Quote(result.Zone.Name)
	if o.JSON {
		return printJSON(env.Stdout, installedBase{
			Zone: result.Zone.Name, Config: img.Config.String(), Name: img.Name, Release: img.Release,
			Packages: img.Packages, Bootstrap: result.Kit, Then: then, Report: result.Report, Warnings: env.Warnings(),
		})
	}
	if o.Quiet {
		return nil
	}
	_, err := fmt.Fprintf(env.Text(), `zone      %s, which is halted
image     %s %s of %s, with %d packages

Done.  Now run this to make the image:

  %s
`, result.Zone.Name, img.Name, img.Release, img.Config, len(img.Packages), then)
	return err
}
