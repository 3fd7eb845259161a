// Imagetools makes, inspects and checks SmartOS images.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	"imagetools/internal/cli"
)

func main() {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as nohup does
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	cli.WidenPipe(os.Stdin)
	cli.WidenPipe(os.Stdout)
	code := run(ctx, cli.NewEnv(), filepath.Base(os.Args[0]), os.Args[1:])
	stop()
	os.Exit(code)
}

const name = "imagetools"

// run is the program called as invoked: under the name of a command, it is that command.
func run(ctx context.Context, env *cli.Env, invoked string, args []string) int {
	env.Ways = ways
	root := newRootCommand(env.Plain())
	if slices.ContainsFunc(root.Commands(), func(c *cobra.Command) bool { return c.Name() == invoked || c.HasAlias(invoked) }) {
		args = append([]string{invoked}, args...)
	}
	root.SetArgs(args)
	help := &checkedWriter{w: env.Stdout}
	root.SetOut(help)
	command, err := root.ExecuteContextC(ctx)
	if err == nil {
		err = help.err
	}
	if err == nil {
		return 0
	}
	if cause := ctx.Err(); cause != nil && errors.Is(err, cause) {
		left := "nothing was left behind"
		if unfinished, ok := errors.AsType[unfinishedError](err); ok {
			left = unfinished.Left()
		}
		fmt.Fprintf(env.Stderr, "%s: interrupted; %s\n", name, left)
		return 130
	}
	return env.Report(name, command.CommandPath(), memoryHint(err))
}

// checkedWriter remembers the first error, which the help of cobra does not look at.
type checkedWriter struct {
	w   io.Writer
	err error
}

func (c *checkedWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.err = cmp.Or(c.err, err)
	return n, err
}

// unfinishedError is an error of what leaves something behind when it is interrupted.
type unfinishedError interface {
	error
	Left() string
}

func newRootCommand(env *cli.Env) *cobra.Command {
	root := &cobra.Command{
		Use:   name,
		Short: "Make, inspect and check SmartOS images, on any machine",
		Long: `Imagetools makes SmartOS images - a ZFS send stream and a manifest, installed with
imgadm - on any machine, without ZFS, without a zone and without root.

Exit status: 0 done, 1 failed, 2 usage, 130 interrupted.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return cli.Usagef("unknown command %q", args[0])
			}
			return c.Help()
		},
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetVersionTemplate(versionText())
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	root.SetIn(env.Stdin)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return cli.Usagef("%s: %w", c.Name(), err) })
	root.AddCommand(
		newCatCommand(env),
		newCreateBaseImagesCommand(env),
		newCreateImageCommand(env),
		newCreateSeedCommand(env),
		newCreateSMFRepoCommand(env),
		newDiffCommand(env),
		newExtractCommand(env),
		newFlattenCommand(env),
		newInspectCommand(env),
		newInstallBaseCommand(env),
		newLintCommand(env),
		newLsCommand(env),
		newLXCommand(env),
		newOverlayCommand(env),
		newPrepareCommand(env),
		newSMFCommand(env),
		newStreamCommand(env),
		newVerifyCommand(env),
		newVersionCommand(env),
	)
	addMemoryFlag(root, env)
	return root
}

// exactArgs is cobra.ExactArgs with names.
func exactArgs(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) < len(names) {
			return cli.Usagef("%s: %s is missing", c.Name(), names[len(args)])
		}
		if len(args) > len(names) {
			return cli.Usagef("%s: unexpected argument %q", c.Name(), args[len(names)])
		}
		return nil
	}
}
