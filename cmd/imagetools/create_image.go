package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"imagetools/build"
	"imagetools/compress"
	"imagetools/host"
	"imagetools/internal/cli"
	"imagetools/internal/shell"
	"imagetools/manifest"
)

// createImageOptions are the flags of create-image, as far as they are not those of groups.
type createImageOptions struct {
	output  outputFlags
	source  sourceFlags
	about   manifestFlags
	disk    diskFlags
	linux   lxFlags
	changes changeFlags
	zpl     int
	xattrs  string

	removeStale, incremental, unprepared bool
	origins                              []string
	maxOrigins                           int
}

// outputFlags are the flags of commands that make an image.
type outputFlags struct {
	Dir, Compression string
	Force, DryRun    bool
	Quiet, JSON      bool
}

func (o *outputFlags) addFlags(g *cli.FlagGroup) {
	g.StringVarP(&o.Dir, "output", "o", "output", "folder for both files")
	g.StringVarP(&o.Compression, "compression", "c", "gzip", "gzip, none, xz or bzip2")
	g.BoolVar(&o.Force, "force", false, "replace files that exist")
	g.BoolVar(&o.DryRun, "dry-run", false, "print what would be run and written, and change nothing")
	g.BoolVarP(&o.Quiet, "quiet", "q", false, "print nothing but warnings and errors, and ask nothing")
	g.BoolVar(&o.JSON, "json", false, "print what was made as JSON")
}

func newCreateImageCommand(env *cli.Env) *cobra.Command {
	var opts createImageOptions
	var (
		output     = cli.NewFlagGroup("Output")
		about      = cli.NewFlagGroup("Manifest")
		trees      = cli.NewFlagGroup("Root file systems")
		linux      = cli.NewFlagGroup("Linux, an lx-dataset")
		containers = cli.NewFlagGroup("Images of containers")
		disks      = cli.NewFlagGroup("Disks")
		volumes    = cli.NewFlagGroup("Manifest of a zvol")
		datasets   = cli.NewFlagGroup("Datasets")
		machines   = cli.NewFlagGroup("Virtual machines")
		increments = cli.NewFlagGroup("Increments")
		changes    = cli.NewFlagGroup("Changes on the way")
	)
	groups := []*cli.FlagGroup{output, about, trees, linux, containers, disks, volumes, datasets, machines, increments, changes}
	cmd := &cobra.Command{
		Use:     "create-image [flags] NAME-VERSION SOURCE",
		Short:   "Make an image and its manifest of a tree, a container image, a disk, an image or a dataset",
		Long:    createImageHelp,
		Example: createImageExamples,
		Args: func(c *cobra.Command, args []string) error {
			if opts.changes.wantsList() {
				return nil
			}
			return opts.linux.args(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case opts.changes.wantsList():
				return listEdits(env)
			case len(args) == 0:
				return runLXList(env, opts.output.JSON)
			}
			spec, err := cli.Interruptible(c.Context(), func() (*build.Spec, error) { return opts.spec(env, args[0], args[1], changes.Given()) })
			if err != nil {
				return err
			}
			return runBuild(c.Context(), env, spec, opts.output)
		},
	}
	opts.output.addFlags(output)
	opts.source.addSpoolFlag(output.FlagSet)
	opts.about.addFlags(about)
	about.StringVar(&opts.disk.Brand, "brand", "", "brand of the machines that the image is for, such as bhyve or kvm")
	opts.source.addTreeFlags(trees.FlagSet)
	trees.IntVar(&opts.zpl, "zpl", 5, "file-system version: 5, or 4 for pools older than version 24; that of --origin is kept")
	trees.StringVar(&opts.xattrs, "xattr-names", "linux", "linux keeps full names, illumos leaves out \"user.\"")
	opts.linux.addFlags(linux.FlagSet)
	opts.source.addContainerFlags(containers.FlagSet)
	opts.disk.addFlags(disks.FlagSet)
	opts.disk.addVolumeFlags(volumes.FlagSet)
	opts.source.addPlaceFlags(datasets.FlagSet, "SOURCE")
	datasets.BoolVar(&opts.removeStale, "remove-stale", false, "destroy snapshots of SOURCE that runs left which were killed")
	machines.BoolVarP(&opts.incremental, "incremental", "i", false, "only what is not in the image that it was made of")
	machines.BoolVar(&opts.unprepared, "unprepared", false, "as it is, prepared or not")
	increments.StringArrayVar(&opts.origins, "origin", nil, "image that the new one is an increment on; repeatable, the full one first (default of those before it: what the manifests beside it say)")
	increments.IntVar(&opts.maxOrigins, "max-origin-depth", 0, "refuse an origin that, with all it builds on, is more than so many images; at least 2 (default: any number)")
	opts.changes.addFlags(changes.FlagSet)
	cli.GroupFlags(cmd, groups...)
	opts.source.flags, opts.linux.flags = cmd.Flags(), cmd.Flags()
	return cmd
}

// spec is the image that the flags ask for.
func (o *createImageOptions) spec(env *cli.Env, nameVersion, src string, changes []string) (*build.Spec, error) {
	about, err := o.about.options(env, src)
	if err != nil {
		return nil, err
	}
	spec, err := o.output.spec(env, nameVersion, src, about)
	if err != nil {
		return nil, err
	}
	if spec.Read, err = o.source.options(env, src); err != nil {
		return nil, err
	}
	given := o.source.flags.Changed
	if given("zpl") {
		spec.FileSystem = o.zpl
	}
	if given("xattr-names") {
		spec.XattrNames = build.XattrNames(o.xattrs)
	}
	if given("max-origin-depth") {
		spec.MaxOrigins = max(o.maxOrigins, 1) // 1 is refused
	}
	spec.Origin, spec.Incremental, spec.Unprepared = o.origins, o.incremental, o.unprepared
	spec.LX = o.linux.spec()
	if err := o.disk.fill(spec); err != nil {
		return nil, err
	}
	if spec.Changes, err = o.changes.steps(); err != nil {
		return nil, err
	}
	spec.RemoveStale = func(l host.Leftover) (bool, error) {
		if o.removeStale || !o.mayAsk(env, src) {
			return o.removeStale, nil
		}
		fmt.Fprintf(env.Stderr, "snapshot %s, taken at %s by process %d, was left behind.\n", l.Name, l.Taken.Format("2006-01-02T15:04:05Z07:00"), l.PID)
		return confirm(env, "Destroy it?")
	}
	if o.mayAsk(env, src) {
		spec.Ask = func(m *manifest.Options, have *manifest.Manifest) error { return askManifest(env, m, have) }
	}
	spec.Called = func(field string) string {
		switch field {
		case "Base":
			return printable(o.about.Manifest)
		case "Changes":
			return strings.Join(changes, ", ")
		}
		return flagOf(field)
	}
	return spec, nil
}

// mayAsk tells whether there is somebody to answer questions.
func (o *createImageOptions) mayAsk(env *cli.Env, src string) bool {
	stdinTaken := o.about.Manifest == "-" || src == "-"
	return !o.output.Quiet && !o.output.DryRun && !stdinTaken && cli.IsTerminal(env.Stdin)
}

// flagOf is the flag that sets a field of a specification.
func flagOf(field string) string {
	if flag, ok := flagsOf[field]; ok {
		return flag
	}
	return "--" + strings.ToLower(field)
}

// flagsOf are the flags whose names are not those of fields.
var flagsOf = map[string]string{
	"FileSystem": "--zpl", "XattrNames": "--xattr-names", "LX.Profile": "--lx-profile", "LX.Skip": "--lx-skip", "LX.Kernel": "--lx-kernel",
	"SpoolLimit": "--spool-limit", "VolumeSize": "--size", "BlockSize": "--volblocksize", "NICDriver": "--nic-driver", "DiskDriver": "--disk-driver",
	"CPUType": "--cpu-type", "MaxOrigins": "--max-origin-depth", "Dir": "-o", "RemoveStale": "--remove-stale",
}

// spec is an image that goes where the flags say.
func (o *outputFlags) spec(env *cli.Env, nameVersion, src string, about manifest.Options) (*build.Spec, error) {
	compression, err := compress.ParseFormat(o.Compression)
	if err != nil {
		return nil, &cli.UsageError{Err: err}
	}
	if err := checkOutputDir("-o", o.Dir); err != nil {
		return nil, err
	}
	created, err := env.SourceDateEpoch()
	if err != nil {
		return nil, err
	}
	if about.UUID == "random" {
		about.UUID = uuid.NewString()
		env.Warnf("with a random UUID, an image of the same contents made before or after has another UUID and the same snapshot guid, and ZFS looks for the origins of incremental streams by guid in the whole pool")
	}
	return &build.Spec{
		NameVersion: nameVersion, Source: src, Manifest: about, Created: created, Now: env.Now(),
		Output: build.Output{Dir: o.Dir, Compression: compression, Force: o.Force},
		Called: flagOf, Opened: limitMemory,
	}, nil
}

// runBuild makes the image, and prints what was made.
func runBuild(ctx context.Context, env *cli.Env, spec *build.Spec, out outputFlags) (err error) {
	progress := env.NewProgress(out.Quiet)
	defer progress.Finish()
	spec.Log = logTo(env, progress, out.Quiet)
	var commands shownCommands
	if out.DryRun {
		spec.Read.Host = &host.Host{DryRun: env.Text()}
		if out.JSON {
			spec.Read.Host.DryRun = &commands
		}
	}
	plan, err := planOf(ctx, spec)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, plan.Close()) }()
	if out.DryRun {
		return out.printPlan(ctx, env, plan, &commands)
	}
	spec.Placed = func(res *build.Result) error { return out.print(env, res) }
	defer withoutSIGPIPE()() // a snapshot must not stay since nobody reads messages any more
	_, err = plan.Run(ctx)
	return err
}

// planOf opens all that an image is made of, and ends when ctx does.
func planOf(ctx context.Context, spec *build.Spec) (*build.Plan, error) {
	return cli.Interruptible(ctx, func() (*build.Plan, error) { return spec.Plan(ctx) })
}

// logTo has everything told that is not the answer.
func logTo(env *cli.Env, progress *cli.Progress, quiet bool) build.Log {
	l := build.Log{
		Warn:     func(text string) { progress.Finish(); env.Warnf("%s", text) },
		Progress: progress.Update, Count: progress.Count, Finish: progress.Finish,
	}
	if !quiet {
		l.Note = func(text string) { progress.Finish(); fmt.Fprintf(env.Stderr, "note: %s\n", printable(text)) }
		l.Say = func(text string) { progress.Finish(); fmt.Fprintf(env.Stderr, "%s\n", printable(text)) }
	}
	return l
}

// printPlan prints what a dry run finds.
func (o *outputFlags) printPlan(ctx context.Context, env *cli.Env, plan *build.Plan, commands *shownCommands) error {
	if err := plan.Commands(ctx); err != nil {
		return err
	}
	plan.Judge()
	if o.JSON {
		return printJSON(env.Stdout, plannedImage{
			DryRun: true, Image: plan.Image, Manifest: plan.ManifestPath, Commands: append([]string{}, *commands...),
			LX: lxJSON(plan.LX), Edits: plan.Edits, Warnings: env.Warnings(),
		})
	}
	_, err := fmt.Fprintf(env.Text(), "# written would be %s and %s\n", shell.Quote(plan.Image), shell.Quote(plan.ManifestPath))
	return err
}
