package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"imagetools/internal/cli"
	"imagetools/internal/plain"
	"imagetools/smf"
)

func newSMFCommand(env *cli.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "smf COMMAND",
		Short: "Look into SMF repositories",
		Long: `Smf looks into a repository.db, the database of svc.configd in which a zone keeps its services,
at /etc/svc. It needs no illumos: the file format is read by the program itself, and all of it is
checked, more strictly than svc.configd does when it starts.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return cli.Usagef("unknown command %q", c.Name()+" "+args[0])
			}
			return c.Help()
		},
	}
	cmd.AddCommand(newSMFDumpCommand(env), newSMFDiffCommand(env))
	return cmd
}

func newSMFDumpCommand(env *cli.Env) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "dump [--json] REPOSITORY|-",
		Short: "Print the services in a repository",
		Long: `Dump prints all services of a repository.db with their instances, property groups, properties and
snapshots. Everything is sorted by name and without the numbers of the database, so that two
repositories that say the same print the same:

  service NAME
    GROUP TYPE FLAGS
      PROPERTY TYPE "value" "value"...
  instance SERVICE:INSTANCE
    GROUP TYPE FLAGS
      ...
  snapshot SERVICE:INSTANCE SNAPSHOT level N SERVICE INSTANCE
      GROUP TYPE FLAGS
        ...

Level 1 of a snapshot holds the groups of the instance, level 2 those of the service. Types of
properties are as in the database: b boolean, c count, i integer, t time, o opaque, s astring,
su ustring, sU uri, sf fmri, sh host, sN hostname, sn, s4 and s6 net_address.

"-" is standard input. A file that is damaged is refused with page and byte.`,
		Example: `  imagetools smf dump zones/seed/root/etc/svc/repository.db
  imagetools smf dump --json - < repository.db
  imagetools cat web-1.0.json root/etc/svc/repository.db | imagetools smf dump -`,
		Args: exactArgs("REPOSITORY"),
		RunE: func(c *cobra.Command, args []string) error {
			r, err := readRepository(c.Context(), env, args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(env.Stdout, r)
			}
			return r.WriteText(env.Text())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON document")
	return cmd
}

type smfDiffOptions struct {
	A, B        string
	Brief, JSON bool
}

func newSMFDiffCommand(env *cli.Env) *cobra.Command {
	var opts smfDiffOptions
	cmd := &cobra.Command{
		Use:   "diff [flags] A B",
		Short: "Tell how two repositories differ",
		Long: `Diff compares what two repositories say, whatever the numbers in their databases: a line for each
service, instance, snapshot, property group or property, with "+" for what only B has, "-" for
what only A has, and "~" with what changed. What is added or removed stands for all in it.

  ~ svc:/system/cron:default/:properties/general/enabled: values "1" -> "0"
  - svc:/system/cron:default@previous
  ~ svc:/system/cron:default@running/1/:properties/general/enabled: values "1" -> "0"

A and B are each a repository.db; one of both may be "-", standard input.

Exit status: 0 no difference, 1 differences, 2 trouble.`,
		Example: `  imagetools smf diff old/repository.db new/repository.db
  imagetools smf diff --json old.db new.db`,
		Args: exactArgs("A", "B"),
		RunE: func(c *cobra.Command, args []string) error {
			opts.A, opts.B = args[0], args[1]
			different, err := runSMFDiff(c.Context(), env, opts)
			return exitOfDiff(c, env, different, err)
		},
	}
	cmd.Flags().BoolVar(&opts.Brief, "brief", false, "print nothing, the exit status tells")
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print JSON lines")
	return cmd
}

func runSMFDiff(ctx context.Context, env *cli.Env, opts smfDiffOptions) (different bool, err error) {
	if opts.A == "-" && opts.B == "-" {
		return false, cli.Usagef("diff: only one of both can be standard input")
	}
	a, errA := readRepository(ctx, env, opts.A)
	b, errB := readRepository(ctx, env, opts.B)
	if err := errors.Join(errA, errB); err != nil {
		return false, err
	}
	changes := smf.Diff(a, b)
	if opts.Brief {
		return len(changes) > 0, nil
	}
	var out bytes.Buffer
	lines := json.NewEncoder(plain.JSONWriter(&out))
	lines.SetEscapeHTML(false)
	for _, c := range changes {
		if opts.JSON {
			err = errors.Join(err, lines.Encode(c))
		} else {
			fmt.Fprintln(&out, plain.Line(c.String()))
		}
	}
	_, writeErr := env.Text().Write(out.Bytes())
	return len(changes) > 0, errors.Join(err, writeErr)
}

// readRepository reads a repository.db, or standard input if path is "-".
func readRepository(ctx context.Context, env *cli.Env, path string) (*smf.Repository, error) {
	return cli.Interruptible(ctx, func() (*smf.Repository, error) {
		db, err := readDatabase(env, path)
		if err != nil {
			return nil, err
		}
		r, err := smf.Decode(db)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", printable(path), err)
		}
		return r, nil
	})
}

func readDatabase(env *cli.Env, path string) ([]byte, error) {
	if path == "-" && cli.IsTerminal(env.Stdin) {
		return nil, cli.Hint(cli.Usagef("standard input is a terminal, not a repository"), "name a repository.db, or pipe one into the program")
	}
	if path != "-" {
		if err := checkJournal(path); err != nil {
			return nil, err
		}
	}
	return readFileOrStdin(env, path, smf.MaxSize, "repository")
}

// checkJournal refuses a database that SQLite would repair from its journal first.
func checkJournal(path string) error {
	journal := path + "-journal"
	info, err := os.Lstat(journal)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
		return nil
	}
	if err != nil {
		return fmt.Errorf("stat %s: %w", printable(journal), withoutPath(err))
	}
	return cli.Hint(fmt.Errorf("%s: a change was cut off, its journal is %s", printable(path), printable(journal)),
		"svc.configd undoes the change when it starts; to read the file as it is, copy it away from its journal")
}
