package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"imagetools/host"
	"imagetools/internal/cli"
	"imagetools/internal/durable"
	"imagetools/internal/shell"
	"imagetools/manifest"
	"imagetools/seed"
	"imagetools/source"
	"imagetools/tree"
)

type createSeedOptions struct {
	Build, Seed string

	places      seed.LocateOptions
	ServiceList string
	ManifestDir string
	Repository  string
	Bootstrap   string
	TmpDir      string
	KeepRoot    bool

	Store, Pool string
	Force       bool
	DryRun      bool
	Quiet       bool
	JSON        bool
}

func newCreateSeedCommand(env *cli.Env) *cobra.Command {
	var opts createSeedOptions
	cmd := &cobra.Command{
		Use:   "create-seed [flags] SMARTOS_LIVE SEED",
		Short: "Make a seed, the baseline of an image, from a smartos-live build",
		Long: `Create-seed makes the dataset zones/SEED from a smartos-live build of any age: its pristine etc
and var, adapted to images, and an SMF repository. No ZFS, no SmartOS and no root are needed, and
the same build gives the same image on any machine. Every step it takes is printed.

It is a real dataset if this host has the ZFS pool zones, or with --pool (for which one must be
root); else, or with --store, a folder of the directory store, SEED, with a METALOG beside it,
SEED.mtree, for owners and set-id bits. A dataset of that name is replaced only with --force, and
only when the new one is complete.

What a build has is looked for where builds of its age keep it; the options name it where it is
elsewhere. Symbolic links are copied, never followed.

The SMF repository is what create-smf-repo makes of the same build; see there for --service-list.

The password of root in a build is public, so it is locked unless --keep-root-password is given.

What is made or changed has the time of SOURCE_DATE_EPOCH, or of the newest file of the build.

--bootstrap unpacks a tar, such as a pkgsrc bootstrap kit, over the seed, for brands that need a
populated /usr. Directories that the seed has keep owner and mode.

A run that is killed may leave a folder .SEED.imagetools-... in the store, or a dataset
SEED.imagetools-... in the pool. The next run for the same seed removes it; an older seed that
was moved into it is put back before.

Exit status: 0 done, 1 failed, 2 usage, 130 interrupted. After a failure nothing is left, and an
older seed is as it was.`,
		Example: `  imagetools create-seed ../smartos-live seed-20150430
  imagetools create-image seed-20150430 zones/seed-20150430
  imagetools create-seed ../smartos-live sngl-1.0 --bootstrap bootstrap.tar.gz --store images`,
		Args: exactArgs("SMARTOS_LIVE", "SEED"),
		RunE: func(c *cobra.Command, args []string) error {
			opts.Build, opts.Seed = args[0], args[1]
			return runCreateSeed(c.Context(), env, opts)
		},
	}
	f := cmd.Flags()
	f.StringVar(&opts.places.Proto, "proto", "", "install root of the build (default SMARTOS_LIVE/proto)")
	f.StringVar(&opts.places.Overlay, "overlay", "", "overlay whose etc is laid over that of proto (default SMARTOS_LIVE/overlay/generic, if it is not in proto)")
	f.StringVar(&opts.places.Smartos, "smartos-overlay", "", "further overlay with SMF manifests (default SMARTOS_LIVE/overlay/smartos, if there is one)")
	f.StringVar(&opts.places.Manifest, "manifest", "", "manifest.gen, or a folder of the files it is made of (default SMARTOS_LIVE/manifest.gen)")
	f.BoolVar(&opts.places.WithoutOverlay, "without-overlay", false, "the build has no overlay")
	f.BoolVar(&opts.places.WithoutManifest, "without-manifest", false, "everything is root's, with the modes on disk")
	f.StringVar(&opts.ServiceList, "service-list", "", "list of service manifests for the SMF repository, \"-\" for standard input (default that of 'create-smf-repo --list')")
	f.StringVar(&opts.ManifestDir, "manifest-dir", "", "folder of service manifests in place of those that the program carries")
	f.StringVar(&opts.Repository, "repository", "", "SMF repository to take, instead of making one (\"-\" is standard input)")
	f.StringVar(&opts.Bootstrap, "bootstrap", "", "tar to unpack over the seed (plain, gzip, bzip2, xz or zstd; \"-\" is standard input)")
	f.StringVar(&opts.TmpDir, "tmpdir", "", "folder for the spool of a compressed tar (default $TMPDIR)")
	f.BoolVar(&opts.KeepRoot, "keep-root-password", false, "keep the build's password of root, which is public")
	f.StringVar(&opts.Store, "store", "", "make it in this folder (default, without a pool: $IMAGETOOLS_STORE, or "+host.DefaultStore+")")
	f.StringVar(&opts.Pool, "pool", "", "make it in this ZFS pool (default "+host.Pool+", if this host has it)")
	f.BoolVar(&opts.Force, "force", false, "replace a seed of that name")
	f.BoolVar(&opts.DryRun, "dry-run", false, "print what would be run and written, and make nothing")
	f.BoolVarP(&opts.Quiet, "quiet", "q", false, "print nothing but warnings and errors")
	f.BoolVar(&opts.JSON, "json", false, "print what was done as JSON")
	cmd.MarkFlagsMutuallyExclusive("overlay", "without-overlay")
	cmd.MarkFlagsMutuallyExclusive("manifest", "without-manifest")
	cmd.MarkFlagsMutuallyExclusive("store", "pool")
	cmd.MarkFlagsMutuallyExclusive("repository", "service-list")
	cmd.MarkFlagsMutuallyExclusive("repository", "manifest-dir")
	return cmd
}

func runCreateSeed(ctx context.Context, env *cli.Env, opts createSeedOptions) error {
	home, err := opts.home(ctx, env)
	if err != nil {
		return err
	}
	if err := home.Check(ctx, opts.Seed, opts.Force); err != nil {
		return withForceHint(err)
	}
	places, err := seed.Locate(opts.Build, opts.places)
	if err != nil {
		return err
	}
	progress := env.NewProgress(opts.Quiet)
	defer progress.Finish()
	s, closer, err := opts.build(ctx, env, *places, progress)
	if err != nil {
		return err
	}
	defer closer()
	progress.Finish()
	if !opts.Quiet {
		for _, note := range places.Notes {
			fmt.Fprintf(env.Stderr, "note: %s\n", note)
		}
		for _, step := range s.Steps {
			fmt.Fprintln(env.Stderr, printable(step.String()))
		}
	}
	for _, w := range s.Warnings {
		env.Warnf("%v", w)
	}
	_, err = home.Create(ctx, opts.Seed, s.Tree, host.CreateOptions{
		Replace: opts.Force, Now: env.Now(),
		Progress: func(names int) { progress.Count("writing names", int64(names)) },
		Note:     func(text string) { env.Warnf("%s", text) },
		Placed: func(made *host.Created) error {
			progress.Finish()
			return opts.print(env, places, s, home.String(), made)
		},
	})
	progress.Finish()
	if err != nil || !opts.DryRun {
		return withForceHint(err)
	}
	return opts.print(env, places, s, home.String(), nil)
}

// build makes the tree. The function that it returns releases what the tree refers to.
func (o *createSeedOptions) build(ctx context.Context, env *cli.Env, places seed.Places, progress *cli.Progress) (*seed.Seed, func() error, error) {
	closer := func() error { return nil }
	epoch, err := env.SourceDateEpoch()
	if err != nil {
		return nil, nil, err
	}
	in := seed.Options{
		Places: places, KeepRootPassword: o.KeepRoot,
		Progress: func(names int) { progress.Count("looking at names", int64(names)) },
	}
	if epoch != nil {
		in.Time = &tree.Time{Sec: *epoch}
	}
	if err := o.repository(ctx, env, &in); err != nil {
		return nil, nil, err
	}
	if o.Bootstrap != "" {
		read := source.Options{TmpDir: o.TmpDir, Budget: env.Memory, Stdin: stdinOf(env)}
		told(&read, env, progress, o.Quiet)
		kit, err := cli.Interruptible(ctx, func() (*source.Tree, error) { return source.NewTar(o.Bootstrap, read).Read(ctx) })
		if err != nil {
			return nil, nil, fmt.Errorf("bootstrap: %w", err)
		}
		progress.Finish()
		l := logTo(env, progress, o.Quiet)
		kit.Tell(l.Warn, l.Say, l.Note)
		in.Bootstrap, in.BootstrapName, closer = kit.Tree, kit.What, kit.Close
	}
	s, err := cli.Interruptible(ctx, func() (*seed.Seed, error) { return seed.Build(ctx, in) })
	if err != nil {
		closer()
		return nil, nil, err
	}
	return s, closer, nil
}

// home decides where the seed goes.
func (o *createSeedOptions) home(ctx context.Context, env *cli.Env) (host.Home, error) {
	h := &host.Host{}
	if o.DryRun {
		h.DryRun = env.Text()
		if o.Quiet || o.JSON {
			h.DryRun = io.Discard
		}
	}
	homes, err := h.Homes(host.HomeOptions{Pool: o.Pool, Store: o.Store, DefaultStore: env.Getenv(storeVariable)})
	if err != nil {
		return nil, err
	}
	home, doubt, err := host.FirstHome(ctx, homes)
	if doubt != nil {
		env.Warnf("ZFS cannot tell whether there is a pool %q, so the directory store is taken: %v", host.Pool, doubt)
	}
	return home, err
}

func withForceHint(err error) error {
	if errors.Is(err, durable.ErrExists) {
		return cli.Hint(err, "--force replaces it")
	}
	return err
}

// createdSeed is the answer of create-seed --json. Fields are only ever added.
type createdSeed struct {
	Dataset   string      `json:"dataset,omitzero"` // none in a dry run
	Directory string      `json:"directory,omitzero"`
	Metalog   string      `json:"metalog,omitzero"`
	Replaced  bool        `json:"replaced"`
	Proto     string      `json:"proto"`
	Overlay   string      `json:"overlay,omitzero"`
	Manifests []string    `json:"manifests"`
	Time      int64       `json:"time"` // of what was made or changed
	Names     int         `json:"names"`
	Steps     []seed.Step `json:"steps"`
	Warnings  []string    `json:"warnings"`
}

func (o *createSeedOptions) print(env *cli.Env, places *seed.Places, s *seed.Seed, at string, made *host.Created) error {
	if o.JSON {
		out := createdSeed{
			Proto: places.Proto, Overlay: places.Overlay, Manifests: append([]string{}, places.Manifests...),
			Time: s.Time.Sec, Names: s.Tree.Len(), Steps: s.Steps, Warnings: env.Warnings(),
		}
		if made != nil {
			out.Dataset, out.Directory, out.Metalog, out.Replaced = made.Name, made.Path, made.Metalog, made.Replaced
		}
		return printJSON(env.Stdout, out)
	}
	if o.Quiet {
		return nil
	}
	if made == nil {
		_, err := fmt.Fprintf(env.Text(), "nothing was made; it would go to %s\n", at)
		return err
	}
	_, err := fmt.Fprintf(env.Text(), "seed      %s in %s\nfolder    %s\n", made.Name, at, made.Path)
	if err == nil && made.Metalog != "" {
		_, err = fmt.Fprintf(env.Text(), "metalog   %s\n", made.Metalog)
	}
	if err == nil {
		_, err = fmt.Fprintf(env.Text(), "\nDone.  Now run this to make an image of it:\n\n  %s\n", o.nextCommand(made))
	}
	return err
}

// nextCommand is the create-image that makes an image of the seed.
func (o *createSeedOptions) nextCommand(made *host.Created) string {
	_, short, _ := strings.Cut(made.Name, "/")
	name := short
	if _, _, err := manifest.SplitNameVersion(name); err != nil {
		name += "-1.0"
	}
	command := "imagetools create-image " + shell.Quote(name)
	switch {
	case made.Metalog == "" && o.Pool != "":
		command += fmt.Sprintf(" %s --pool %s", shell.Quote(made.Name), shell.Quote(o.Pool))
	case made.Metalog == "":
		command += " " + shell.Quote(made.Name)
	case o.Store != "":
		command += fmt.Sprintf(" %s --store %s", shell.Quote(made.Path), shell.Quote(o.Store))
	default:
		command += " " + shell.Quote(made.Path)
	}
	return command
}
