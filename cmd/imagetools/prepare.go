package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"imagetools/image"
	"imagetools/internal/cli"
	"imagetools/rootfs/edit"
	"imagetools/rootfs/prepare"
)

type prepareOptions struct {
	Target    string
	Check     bool
	DryRun    bool
	Output    string
	Force     bool
	OS        string
	Addresses []string
	JSON      bool
	Quiet     bool

	source sourceFlags
	open   openOptions

	saving bool // a tree has begun to reach the disk
	told   bool // the answer was printed, with the tar
}

func newPrepareCommand(env *cli.Env) *cobra.Command {
	var opts prepareOptions
	cmd := &cobra.Command{
		Use:   "prepare [flags] TARGET",
		Short: "Take out of a root file system what must not become part of an image",
		Long: `Prepare removes host keys, histories, known hosts, private keys and passwords of root (and
admin), logs, leases, mail, temporary files, the id and the name of the machine, marks of
provisioning, and the metadata that vmadm keeps beside the root of a zone. Of a Linux, the caches
of packages and the state of cloud-init go too. Each path is told with what was done to it. All
else stays as it is; prepared twice is the same as once.

Addresses of a SmartOS zone, in files below /etc and /opt/local/etc, become @PRIVATE_IP@ or
@PUBLIC_IP@, which zoneinit fills in. They are those of --address, of /etc/hostname.net*, of the
zone's name in /etc/hosts, and of a virtual machine those that vmadm gave it.

It is what sm-prepare-image does to files. What that does to services needs the running zone, and
is told in notes, as are keys, passwords and links that stay since they may be meant to.

TARGET is changed where it lies if it is
  zones/NAME, or a name without a slash: a dataset, of a zone that is halted, in the ZFS of this
    host (also POOL/NAME, or in --pool) or in the store (--store)
  the UUID or alias of a virtual machine, on SmartOS: the dataset of its zone
  a directory: a root file system, or with --as-dataset a dataset that has it in root/
A METALOG beside a directory (DIR.mtree, or --metalog) is kept in line with it; if it has names
that go, it is written anew, without comments. No link in the root leads out of it.

An image, any other stream, or a tar ("-" is standard input) cannot be changed: --check tells what
it holds, and -o writes a prepared copy of it, or of any other TARGET, as a tar, of which
create-image makes an image (--as-dataset if TARGET is an image or a dataset).

--check and --dry-run change and write nothing, and tell what would be done.

Exit status: 0 done, 1 failed, 2 usage, 130 interrupted. With --check: 0 nothing to do, 1 something
to do, 2 trouble.`,
		Example: `  imagetools prepare 54f1cc77-68f1-42ab-acac-5c4f64f5d6e0
  imagetools prepare --check ./rootfs
  imagetools prepare --address 10.88.1.5 --address 198.51.100.7 zones/web
  imagetools prepare -o - web-1.0.json | imagetools create-image web-1.1 - --as-dataset`,
		Args: exactArgs("TARGET"),
		RunE: func(c *cobra.Command, args []string) error {
			opts.Target = args[0]
			err := runPrepare(c.Context(), env, opts)
			if _, told := errors.AsType[cli.ExitError](err); err != nil && opts.Check && !told && c.Context().Err() == nil {
				env.Report(name, c.CommandPath(), memoryHint(err))
				return cli.ExitError(2)
			}
			return err
		},
	}
	f := cmd.Flags()
	f.BoolVar(&opts.Check, "check", false, "only tell; exit with status 1 if there is something to do")
	f.BoolVarP(&opts.DryRun, "dry-run", "n", false, "only tell")
	f.StringVarP(&opts.Output, "output", "o", "", "tar for a prepared copy, \"-\" for standard output; TARGET stays as it is")
	f.BoolVar(&opts.Force, "force", false, "replace a tar that exists")
	f.StringVar(&opts.OS, "os", "", "smartos or linux (default: the files tell)")
	f.StringArrayVar(&opts.Addresses, "address", nil, "address of the SmartOS zone, which becomes a placeholder; repeatable")
	f.BoolVar(&opts.JSON, "json", false, "print a JSON document")
	f.BoolVarP(&opts.Quiet, "quiet", "q", false, "print nothing but errors")
	opts.source.addPlaceFlags(f, "TARGET")
	opts.source.addMetalogFlag(f)
	f.StringVar(&opts.source.TmpDir, "tmpdir", "", "folder for the contents of what is compressed or on a pipe, while it is read (default $TMPDIR)")
	f.StringArrayVar(&opts.open.Origins, "origin", nil, "image that TARGET is incremental on; repeatable, the full one first")
	opts.open.SpoolLimit = image.DefaultSpoolLimit >> 20
	return cmd
}

// finderOptions are the options for what is looked for.
func (o *prepareOptions) finderOptions() (prepare.Options, error) {
	os, err := prepare.ParseOS(o.OS)
	faults := []error{err}
	var addresses []netip.Addr
	for _, s := range o.Addresses {
		a, err := prepare.ParseAddress(s)
		faults = append(faults, err)
		addresses = append(addresses, a)
	}
	if err := errors.Join(faults...); err != nil {
		return prepare.Options{}, &cli.UsageError{Err: err}
	}
	return prepare.Options{OS: os, Addresses: addresses}, nil
}

func (o *prepareOptions) tellOnly() bool { return o.Check || o.DryRun }

// toStdout tells whether a tar is written to standard output.
func (o *prepareOptions) toStdout() bool { return o.Output == "-" && !o.DryRun }

// checkUsage reports what cannot be asked for.
func (o *prepareOptions) checkUsage(env *cli.Env) error {
	switch {
	case o.Output != "" && o.Check:
		return cli.Usagef("prepare: --check writes no tar")
	case o.toStdout() && o.JSON:
		return cli.Usagef("prepare: standard output cannot be both a tar and JSON")
	case o.toStdout() && cli.IsTerminal(env.Stdout):
		return cli.Usagef("prepare: standard output is a terminal; it is no place for a tar")
	case o.Target == "-" && cli.IsTerminal(env.Stdin):
		return cli.Usagef("prepare: standard input is a terminal, not a tar or a stream")
	}
	if err := tarOutput("-o", o.Output).check(); err != nil {
		return err
	}
	return checkNewFile(env, o.Output, o.Force, o.DryRun)
}

func runPrepare(ctx context.Context, env *cli.Env, opts prepareOptions) (err error) {
	find, err := opts.finderOptions()
	if err != nil {
		return err
	}
	if err := opts.checkUsage(env); err != nil {
		return err
	}
	progress := env.NewProgress(opts.Quiet)
	defer progress.Finish()
	target, err := cli.Interruptible(ctx, func() (*prepareTarget, error) { return opts.openTarget(ctx, env, progress) })
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	step := target.step(find)
	report, faults := opts.do(ctx, env, target, step, progress)
	progress.Finish()
	if opts.told {
		return faults
	}
	if target.tree != nil && ctx.Err() != nil && !opts.saving { // nothing has reached the disk
		return ctx.Err()
	}
	if step.Found == prepare.Unknown || faults != nil && opts.Output != "" { // a copy with leaks must not be taken for a prepared one
		return fmt.Errorf("%s: %w", target.what, target.hint(faults))
	}
	if err := opts.print(env, target, opts.result(step, report)); err != nil {
		return err
	}
	switch {
	case faults != nil && ctx.Err() != nil && target.tree == nil && len(report.Changes) > 0:
		fmt.Fprintf(env.Stderr, "%s: interrupted after %s; run it again for the others\n", name, plural(len(report.Changes), "change"))
		return cli.ExitError(130)
	case faults != nil:
		return fmt.Errorf("%s: %w", target.what, faults)
	case opts.Check && len(report.Changes) > 0:
		return cli.ExitError(1)
	}
	return nil
}

func (t *prepareTarget) root() *edit.Root { return &edit.Root{FS: t.Root, Dataset: t.Dataset} }

// step is prepare with what is known of the target.
func (t *prepareTarget) step(opts prepare.Options) *prepare.Step {
	opts.OS = cmp.Or(opts.OS, t.known.OS)
	if opts.OS == t.known.OS {
		opts.Addresses = append(slices.Clone(opts.Addresses), t.known.Addresses...)
	}
	return &prepare.Step{Options: opts}
}

// hint adds to the error of a target whose system is unknown that it may be a dataset.
func (t *prepareTarget) hint(err error) error {
	if errors.Is(err, prepare.ErrUnknownOS) && t.Dataset == nil {
		if _, statErr := t.Root.Stat("root/etc"); statErr == nil {
			err = cli.Hint(err, "it looks like a dataset: --as-dataset")
		}
	}
	return err
}

// do changes the target, or tells what would be changed. Faults may come beside the report.
func (o *prepareOptions) do(ctx context.Context, env *cli.Env, target *prepareTarget, step *prepare.Step, progress *cli.Progress) (*edit.Report, error) {
	if o.tellOnly() {
		return edit.Plan(ctx, target.root(), step)
	}
	report, faults := edit.Run(ctx, target.root(), edit.Watch{}, step)
	switch {
	case target.tree == nil || ctx.Err() != nil || step.Found == prepare.Unknown:
		return report, faults
	case o.Output == "": // a directory is the better the less it holds
		o.saving = true
		return report, errors.Join(faults, target.save())
	case faults != nil:
		return report, faults
	}
	if err := target.tree.Seal(); err != nil {
		return report, err
	}
	to := extractOptions{Tar: o.Output, Force: o.Force, placed: func() error {
		progress.Finish()
		o.told = true
		return o.print(env, target, o.result(step, report)) // a tar whose answer cannot be written is not made
	}}
	return report, to.writeTar(ctx, env, target.tree, progress)
}

// prepared is the answer of prepare --json. Fields are only ever added.
type prepared struct {
	Target string     `json:"target"`
	OS     prepare.OS `json:"os"`
	DryRun bool       `json:"dry_run"` // the changes would be done
	*edit.Report
	Warnings []string `json:"warnings"`
}

func (o *prepareOptions) result(step *prepare.Step, report *edit.Report) *prepared {
	return &prepared{Target: o.Target, OS: step.Found, DryRun: o.tellOnly(), Report: report}
}

// print prints what was or would be done.
func (o *prepareOptions) print(env *cli.Env, target *prepareTarget, res *prepared) error {
	if o.JSON {
		res.Warnings = env.Warnings()
		return printJSON(env.Stdout, res)
	}
	if o.Quiet {
		return nil
	}
	var b strings.Builder
	for _, c := range res.Changes {
		fmt.Fprintf(&b, "%-7s  %s: %s\n", c.Step, printable(c.Path), printable(c.Text))
	}
	out := env.Text()
	if o.toStdout() {
		out = env.Stderr
	}
	if _, err := io.WriteString(out, b.String()); err != nil {
		return err
	}
	if o.DryRun && o.Output != "" {
		if err := showWritten(out, o.Output); err != nil {
			return err
		}
	}
	for _, n := range res.Notes {
		fmt.Fprintf(env.Stderr, "note: %s\n", n)
	}
	verb := "done"
	if res.DryRun {
		verb = "to do"
	}
	fmt.Fprintf(env.Stderr, "%s (%s): changes %s: %d\n", target.what, res.OS, verb, len(res.Changes))
	return nil
}
