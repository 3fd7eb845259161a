package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"

	"github.com/spf13/cobra"

	"imagetools/base"
	"imagetools/host"
	"imagetools/internal/cli"
)

type baseImagesOptions struct {
	baseFlags
	Branch, Release, Date, Suffix string
	Arch                          string
	Images                        []string

	Seed, NICTag string
	Memory       int // MiB
	Resolvers    []string
	KeepZone     bool
	RemoveStale  bool
	Output       string
}

// classicMemory is what the classic tool gives a zone, in MiB.
const classicMemory = 512

func newCreateBaseImagesCommand(env *cli.Env) *cobra.Command {
	var opts baseImagesOptions
	cmd := &cobra.Command{
		Use:   "create-base-images [flags] -b BRANCH -r RELEASE",
		Short: "Make all base images of a release, zone by zone (on SmartOS)",
		Long: `Create-base-images makes the images minimal, base and pkgbuild of a release of pkgsrc. For each it
makes a zone of the seed image, runs install-base and create-image, and deletes the zone,
whatever happened.

The images are called minimal-64, base-64 and pkgbuild, with -SUFFIX if there is one; 64 is that
of x86_64, and i386 has 32, multiarch itself, sngl nothing.

An image whose files are in the output folder already, and are sound, is not made again, so that
the same command goes on after one that was interrupted or failed. The first failure ends the run.

The alias of a zone is proto-NAME-RELEASE and a number of its own. The zone of a run that was killed
is found by the next one; on a terminal its removal is offered, --remove-stale removes it unasked.
A zone that was kept stays.

Exit status: 0 done, 1 failed, 2 usage, 130 interrupted.`,
		Example: `  imagetools create-base-images -b 2024Q4 -r 24.4.1 -s lts
  imagetools create-base-images -b trunk -r 20241231 -d 20241231 -s trunk --images minimal,base
  imagetools create-base-images -b 2013Q2 -r 13.2.0 --arch sngl --images base --seed 54f1cc77-68f1-42ab-acac-5c4f64f5d6e0`,
		Args: exactArgs(),
		RunE: func(c *cobra.Command, _ []string) error { return runCreateBaseImages(c.Context(), env, &opts) },
	}
	f := cmd.Flags()
	f.StringVarP(&opts.Branch, "branch", "b", "", "BRANCH of pkgsrc: 2024Q4 or the like, or trunk")
	f.StringVarP(&opts.Release, "release", "r", "", "RELEASE of the images")
	f.StringVarP(&opts.Date, "date", "d", "", "date in the name of the bootstrap")
	f.StringVarP(&opts.Suffix, "suffix", "s", "", "end of each name, such as lts")
	f.StringVar(&opts.Arch, "arch", "x86_64", "i386, x86_64, multiarch or sngl")
	f.StringSliceVar(&opts.Images, "images", base.Families, "images to make")
	f.StringVar(&opts.Seed, "seed", "", "UUID of the installed seed image (default: that published for the branch)")
	f.StringVar(&opts.NICTag, "nic-tag", "admin", "network of the zones, which has DHCP")
	f.IntVar(&opts.Memory, "memory", classicMemory, "memory of the zones in MiB")
	f.StringArrayVar(&opts.Resolvers, "resolver", []string{"8.8.8.8"}, "name server of the zones; repeatable")
	f.BoolVar(&opts.KeepZone, "keep-zone", false, "do not delete the zones")
	f.BoolVar(&opts.RemoveStale, "remove-stale", false, "delete zones that runs left which were killed")
	f.StringVarP(&opts.Output, "output", "o", "output", "folder for the images")
	opts.addFlags(f)
	return cmd
}

func runCreateBaseImages(ctx context.Context, env *cli.Env, opts *baseImagesOptions) (err error) {
	jobs, err := opts.jobs()
	if err != nil {
		return err
	}
	if err := cmp.Or(checkOutputDir("-o", opts.Output), opts.check()); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, opts.close()) }()
	defer withoutSIGPIPE()()
	h := &host.Host{}
	if err := opts.prepare(ctx, h, jobs); err != nil {
		return err
	}
	if opts.DryRun {
		h.DryRun = env.Text()
	}
	if err := opts.dealWithLeft(ctx, env, h); err != nil {
		return err
	}
	for _, j := range jobs {
		if err = opts.build(ctx, env, h, j); err != nil {
			j.State = jobFailed
			err = fmt.Errorf("%s: %w", j.nameVersion(), err)
			break
		}
	}
	if opts.DryRun {
		return err
	}
	return errors.Join(err, opts.printJobs(env, jobs))
}

// jobs turns the flags into images to make. All that is wrong with them comes at once.
func (o *baseImagesOptions) jobs() ([]*baseJob, error) {
	var faults []error
	fault := func(wrong bool, format string, args ...any) {
		if wrong {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	fault(o.Branch == "", "BRANCH is missing (-b)")
	fault(o.Memory < 1, "--memory %d: it is in MiB", o.Memory)
	fault(!host.IsAlias(o.NICTag), "--nic-tag %q: no such name is possible", o.NICTag)
	fault(len(o.Resolvers) == 0 || len(o.Images) == 0, "at least one image and one resolver are needed")
	for _, r := range o.Resolvers {
		_, err := netip.ParseAddr(r)
		fault(err != nil, "--resolver %q: this is no address", r)
	}
	var jobs []*baseJob
	for _, family := range base.Families {
		if !slices.Contains(o.Images, family) {
			continue
		}
		args := base.Args{Config: o.Branch + "-" + o.Arch, Name: base.ImageName(family, o.Arch, o.Suffix), Release: o.Release, Date: o.Date, Zone: "proto"}
		config, err := args.Parse()
		if err != nil && o.Branch != "" && len(jobs) == 0 { // the same is wrong with the others
			faults = append(faults, err)
		}
		jobs = append(jobs, &baseJob{img: base.Standard.Image(config)})
	}
	for _, family := range o.Images {
		fault(!slices.Contains(base.Families, family), "--images %q: there are minimal, base and pkgbuild", family)
	}
	fault(o.Seed != "" && !host.IsUUID(o.Seed), "--seed %q: this is no UUID", o.Seed)
	if len(faults) > 0 {
		return nil, &cli.UsageError{Err: errors.Join(faults...)}
	}
	if o.Seed = cmp.Or(o.Seed, jobs[0].img.Seed); o.Seed == "" {
		return nil, cli.Hint(cli.Usagef("no seed image was published for %s", jobs[0].img.Config), "--seed names one that create-seed and create-image made")
	}
	return jobs, nil
}

// prepare looks whether the images can be made here, and which of them are there.
func (o *baseImagesOptions) prepare(ctx context.Context, h *host.Host, jobs []*baseJob) error {
	if !h.HasVMs() {
		return cli.Hint(errors.New("there is no program vmadm on this host"), "zones are on SmartOS alone; other machines make images of trees, with create-image")
	}
	if _, err := h.InstalledImage(ctx, o.Seed, host.Pool); errors.Is(err, fs.ErrNotExist) {
		return cli.Hint(fmt.Errorf("seed %w", err), "imgadm import "+o.Seed+", or --seed")
	} else if err != nil {
		return err
	}
	var faults []error
	for _, j := range jobs {
		_, _, err := o.layers(ctx, j.img)
		faults = append(faults, err, j.look(ctx, o.Output))
	}
	return errors.Join(faults...)
}
