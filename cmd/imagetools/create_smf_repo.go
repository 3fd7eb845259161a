package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"imagetools/host"
	"imagetools/internal/cli"
	"imagetools/internal/durable"
	"imagetools/internal/shell"
	"imagetools/smf"
	"imagetools/smf/list"
)

type createSMFRepoOptions struct {
	SmartOSLive, Manifests, Output string

	ManifestDir string
	Svccfg      bool
	List        bool
	DryRun      bool
	Quiet       bool
	JSON        bool
}

func newCreateSMFRepoCommand(env *cli.Env) *cobra.Command {
	var opts createSMFRepoOptions
	cmd := &cobra.Command{
		Use:   "create-smf-repo [flags] SMARTOS_LIVE MANIFESTS OUTPUT | --list",
		Short: "Make the SMF repository of a seed from a list of service manifests",
		Long: `Create-smf-repo imports the service manifests that a list names into a new SMF repository, the
file /etc/svc/repository.db of an image, and says where each came from. The same manifests give
the same bytes on any machine.

MANIFESTS is the list, "-" for standard input. --list prints the built-in one, which create-seed
takes: that for the joyent brand of today's platforms. It has one manifest a line:

    network/ssh.xml      enabled
    network/inetd.xml    disabled
    network/slp.xml      disabled  optional    left out if it is nowhere
    system/some.xml      enabled   noimport    not imported

Anything but "enabled" means disabled. Empty lines and lines that start with # are skipped.

Each manifest is taken from the first of these folders that has it:

    imagetools  those that the program carries (smartdc/mdata, which vmadm needs); or --manifest-dir
    generic     SMARTOS_LIVE/overlay/generic/lib/svc/manifest
    proto       SMARTOS_LIVE/proto/lib/svc/manifest
    smartos     SMARTOS_LIVE/overlay/smartos/lib/svc/manifest

Before it is imported, the first 'false' of a line with <create_default_instance or <instance
name='default' becomes 'true' if the list says enabled, and the other way round. That is done by
lines, in single quotes alone: other instances, and values on other lines, stay as they are.

OUTPUT gets its name, with mode 0444 and as root's if root runs this, once it is complete; a file
or link of that name is replaced. Beside a journal of an earlier repository nothing is written.

--svccfg has the build's own svccfg and svc.configd do the import, as the classic tool does. They
run on SmartOS and its like alone, and this has never been tried with them, only with a program
that stands in for svccfg and checks how it is called. What they write differs from build to build:
ids, and groups "manifestfiles".

Exit status: 0 done, 1 failed, 2 usage, 130 interrupted. After a failure OUTPUT is as it was.`,
		Example: `  imagetools create-smf-repo smartos-live manifests repository.db
  imagetools create-smf-repo --list | imagetools create-smf-repo smartos-live - repository.db
  imagetools create-smf-repo --dry-run smartos-live manifests repository.db`,
		Args: func(c *cobra.Command, args []string) error {
			if opts.List {
				return exactArgs()(c, args)
			}
			return exactArgs("SMARTOS_LIVE", "MANIFESTS", "OUTPUT")(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			if opts.List {
				_, err := env.Stdout.Write(list.Default())
				return err
			}
			opts.SmartOSLive, opts.Manifests, opts.Output = args[0], args[1], args[2]
			return runCreateSMFRepo(c.Context(), env, opts)
		},
	}
	f := cmd.Flags()
	f.StringVar(&opts.ManifestDir, "manifest-dir", "", "folder of manifests in place of those that the program carries")
	f.BoolVar(&opts.Svccfg, "svccfg", false, "import with the build's own svccfg, on SmartOS")
	f.BoolVar(&opts.List, "list", false, "print the built-in list")
	f.BoolVar(&opts.DryRun, "dry-run", false, "only say what would be imported")
	f.BoolVarP(&opts.Quiet, "quiet", "q", false, "print nothing but warnings and errors")
	f.BoolVar(&opts.JSON, "json", false, "print what was made as JSON")
	return cmd
}

func runCreateSMFRepo(ctx context.Context, env *cli.Env, opts createSMFRepoOptions) error {
	if err := checkRepositoryPath(opts.Output); err != nil {
		return err
	}
	text, err := cli.Interruptible(ctx, func() ([]byte, error) {
		return readFileOrStdin(env, opts.Manifests, list.MaxSize, "list of manifests")
	})
	if err != nil {
		return err
	}
	manifests, err := cli.Interruptible(ctx, func() ([]list.Manifest, error) { return opts.collect(env, text) })
	if err != nil {
		return err
	}
	if !opts.Quiet && !opts.JSON {
		var report strings.Builder
		for _, m := range manifests {
			fmt.Fprintln(&report, printable(m.String()))
		}
		if _, err := io.WriteString(env.Text(), report.String()); err != nil {
			return err
		}
	}
	if opts.DryRun && opts.Svccfg {
		if err := opts.showSvccfg(env, manifests); err != nil {
			return err
		}
	}
	made := madeRepository{Repository: opts.Output, Manifests: jsonManifests(manifests)}
	if !opts.DryRun {
		repository, db, err := opts.make(ctx, env, manifests)
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		made.Services, made.Instances, made.Size = len(repository.Services), countInstances(repository), len(db)
		return writeRepository(env, opts.Output, db, func() error { return opts.printResult(env, made) })
	}
	return opts.printResult(env, made)
}

// collect finds what the list names.
func (o *createSMFRepoOptions) collect(env *cli.Env, text []byte) ([]list.Manifest, error) {
	l, err := list.Parse(o.Manifests, text)
	if err != nil {
		return nil, err
	}
	for _, w := range l.Warnings {
		env.Warnf("%s", w)
	}
	if _, err := os.ReadDir(o.SmartOSLive); err != nil {
		return nil, fmt.Errorf("smartos-live build %q: %w", o.SmartOSLive, withoutPath(err))
	}
	places, err := list.Open(list.Roots{
		Own:     o.ManifestDir,
		Generic: filepath.Join(o.SmartOSLive, "overlay/generic"),
		Proto:   filepath.Join(o.SmartOSLive, "proto"),
		SmartOS: filepath.Join(o.SmartOSLive, "overlay/smartos"),
	})
	if errors.Is(err, list.ErrNoManifests) {
		return nil, cli.Hint(fmt.Errorf("%q is no smartos-live build: %w in proto, overlay/generic or overlay/smartos", o.SmartOSLive, err),
			"name a smartos-live folder in which the build has ended")
	}
	if err != nil {
		return nil, err
	}
	defer places.Close()
	return l.Collect(places)
}

// make imports the manifests and returns the repository in both forms.
func (o *createSMFRepoOptions) make(ctx context.Context, env *cli.Env, manifests []list.Manifest) (*smf.Repository, []byte, error) {
	if o.Svccfg {
		return o.runSvccfg(ctx, env, manifests)
	}
	var repository *smf.Repository
	db, err := cli.Interruptible(ctx, func() (_ []byte, err error) {
		if repository, err = list.Import(manifests); err != nil {
			return nil, err
		}
		return repository.Encode()
	})
	if err != nil {
		return nil, nil, err
	}
	return repository, db, nil
}

func (o *createSMFRepoOptions) runSvccfg(ctx context.Context, env *cli.Env, manifests []list.Manifest) (*smf.Repository, []byte, error) {
	svccfg, err := o.findSvccfg()
	if err != nil {
		return nil, nil, err
	}
	var files []host.ServiceManifest
	for _, m := range manifests {
		if m.Place != "" {
			files = append(files, host.ServiceManifest{Name: m.Name, XML: m.XML})
		}
	}
	progress := env.NewProgress(o.Quiet)
	defer progress.Finish()
	db, err := svccfg.Repository(ctx, files, func(n int) { progress.Count("importing", int64(n)) })
	if err != nil {
		return nil, nil, err
	}
	repository, err := smf.Decode(db)
	if err != nil {
		return nil, nil, fmt.Errorf("what svccfg made: %w", err)
	}
	return repository, db, nil
}

func (o *createSMFRepoOptions) findSvccfg() (*host.Svccfg, error) {
	svccfg, err := host.FindSvccfg(o.SmartOSLive)
	if err != nil {
		err = cli.Hint(err, "without --svccfg the repository is made without them")
	}
	return svccfg, err
}

// showSvccfg says in a dry run what would be run.
func (o *createSMFRepoOptions) showSvccfg(env *cli.Env, manifests []list.Manifest) error {
	svccfg, err := o.findSvccfg()
	if err != nil || o.Quiet || o.JSON {
		return err
	}
	for _, m := range manifests {
		if m.Place == "" {
			continue
		}
		if _, err := fmt.Fprintln(env.Text(), printable(svccfg.Shown(m.Name))); err != nil {
			return err
		}
	}
	return nil
}

// checkRepositoryPath looks for what is in the way of a repository.
func checkRepositoryPath(path string) error {
	if path == "-" || path == "" {
		return cli.Usagef("OUTPUT %q: a repository is written to a file", path)
	}
	if err := durable.CheckFile(path, true, nil); err != nil {
		return err
	}
	journal := path + "-journal"
	if _, err := os.Lstat(journal); err == nil {
		return cli.Hint(fmt.Errorf("%q: a journal of another repository, which would be played into the new one", journal),
			"end what uses "+shell.Quote(path)+", or remove both files")
	}
	return nil
}

// writeRepository gives a file that is complete its name, for all to read and nobody to write.
// placed is called then; see [writeNewFile].
func writeRepository(env *cli.Env, path string, db []byte, placed func() error) error {
	return writeNewFile(env, path, true, placed, func(f *durable.File) error {
		if _, err := f.Write(db); err != nil {
			return err
		}
		if os.Geteuid() == 0 {
			if err := f.Chown(0, 0); err != nil {
				return err
			}
		}
		if err := f.Chmod(0o444); err != nil {
			return err
		}
		return checkRepositoryPath(path) // again: svccfg takes its time
	})
}

// madeRepository is the answer of --json.
type madeRepository struct {
	Repository string         `json:"repository"`
	Services   int            `json:"services"` // all three are 0 with --dry-run
	Instances  int            `json:"instances"`
	Size       int            `json:"size"`
	Manifests  []jsonManifest `json:"manifests"`
	Warnings   []string       `json:"warnings"`
}

type jsonManifest struct {
	Name    string `json:"name"`
	From    string `json:"from"` // empty if the manifest is optional and nowhere
	Enabled bool   `json:"enabled"`
}

func jsonManifests(manifests []list.Manifest) []jsonManifest {
	out := []jsonManifest{}
	for _, m := range manifests {
		out = append(out, jsonManifest{m.Name, m.Place, m.Enabled})
	}
	return out
}

func countInstances(r *smf.Repository) int {
	n := 0
	for _, s := range r.Services {
		n += len(s.Instances)
	}
	return n
}

func (o *createSMFRepoOptions) printResult(env *cli.Env, made madeRepository) error {
	if o.JSON {
		made.Warnings = env.Warnings()
		return printJSON(env.Stdout, made)
	}
	if o.Quiet || o.DryRun {
		return nil
	}
	_, err := fmt.Fprintf(env.Text(), "Generated %s: %d services, %d instances, %s\n",
		printable(made.Repository), made.Services, made.Instances, cli.Size(int64(made.Size)))
	return err
}
