package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"imagetools/base"
	"imagetools/internal/cli"
	"imagetools/internal/shell"
	"imagetools/tree"
	"imagetools/tree/todir"
)

func newOverlayCommand(env *cli.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "overlay",
		Short: "Look at the files of base images",
		Long: `Overlay shows the files that install-base lays over a zone, and writes them into a folder where
they can be changed. "@NAME@" in a file is a variable.

The overlay has the directories data (of pkgbuild images alone), etc, root and sysconfdir (of all
but minimal images), each with the owners and modes of its files in a METALOG beside it.`,
		Args: exactArgs(),
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	list := &cobra.Command{
		Use:   "list",
		Short: "List the files with mode and owner, and where they lie in an image",
		Args:  exactArgs(),
		RunE:  func(c *cobra.Command, _ []string) error { return runOverlayList(env) },
	}
	show := &cobra.Command{
		Use:     "show FILE",
		Short:   "Print a file as it is in the overlay",
		Example: `  imagetools overlay show etc/motd`,
		Args:    exactArgs("FILE"),
		RunE:    func(c *cobra.Command, args []string) error { return runOverlayShow(env, args[0]) },
	}
	dryRun := false
	eject := &cobra.Command{
		Use:   "eject DIR",
		Short: "Write all files into a new folder",
		Long: `Eject writes the files into a folder that does not exist or is empty, to be changed there and
given to install-base with --overlay. What is not to be changed may be removed again.`,
		Example: `  imagetools overlay eject my-overlay`,
		Args:    exactArgs("DIR"),
		RunE:    func(c *cobra.Command, args []string) error { return runOverlayEject(c.Context(), env, args[0], dryRun) },
	}
	eject.Flags().BoolVar(&dryRun, "dry-run", false, "say what would be written, and write nothing")
	cmd.AddCommand(list, show, eject)
	return cmd
}

func runOverlayList(env *cli.Env) error {
	t, err := base.BuiltinTree()
	if err != nil {
		return err
	}
	var b strings.Builder
	for path, n := range t.All() {
		for _, dir := range base.OverlayDirs {
			if below, ok := strings.CutPrefix(path, dir.Name+"/"); ok && !n.IsDir() {
				fmt.Fprintf(&b, "%04o %d:%d %-35s %s/%s\n", uint32(n.Mode.Perm()), n.UID, n.GID, path, dir.Target, below)
			}
		}
	}
	_, err = io.WriteString(env.Text(), b.String())
	return err
}

func runOverlayShow(env *cli.Env, path string) error {
	t, err := base.BuiltinTree()
	if err != nil {
		return err
	}
	n := t.Lookup(path)
	if n == nil || n.Mode.Type() != tree.TypeFile {
		return cli.Hint(fmt.Errorf("overlay: there is no file %q", path), "imagetools overlay list names all")
	}
	f, err := n.Content.Open()
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(env.Stdout, io.NewSectionReader(f, 0, n.Size))
	return err
}

func runOverlayEject(ctx context.Context, env *cli.Env, dir string, dryRun bool) error {
	if err := checkOutputDir("DIR", dir); err != nil {
		return err
	}
	t, err := base.BuiltinTree()
	if err != nil {
		return err
	}
	report, err := todir.Extract(ctx, t, dir, todir.Options{NoMetalog: true, DryRun: dryRun})
	if err != nil {
		return err
	}
	if dryRun {
		_, err := fmt.Fprintf(env.Text(), "# written would be %s (%s)\n", shell.Quote(dir), plural(report.Counts.Files, "file"))
		return err
	}
	fmt.Fprintf(env.Stderr, "%s: %s\n", printable(dir), plural(report.Counts.Files, "file"))
	return nil
}
