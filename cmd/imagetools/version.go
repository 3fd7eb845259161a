package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"imagetools/internal/cli"
)

// version is that of the newest section of CHANGELOG.md.
const version = "0.2.0"

// commit is set by the Makefile to what git describes.
var commit string

// versionText is what the command version and the flag --version print.
func versionText() string {
	from := commit
	if info, ok := debug.ReadBuildInfo(); ok && from == "" {
		from = info.Main.Version
	}
	if from == "" {
		from = "unknown commit"
	}
	return fmt.Sprintf("imagetools %s (%s) %s %s/%s\n", version, from, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

func newVersionCommand(env *cli.Env) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of this program",
		Args:  exactArgs(),
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprint(env.Stdout, versionText())
			return err
		},
	}
}
