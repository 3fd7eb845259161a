package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"imagetools/build"
	"imagetools/internal/cli"
	"imagetools/rootfs/lx"
)

// lxFlags are the flags for the roots of lx images.
type lxFlags struct {
	Profile string
	Skip    []string
	Kernel  string

	flags *pflag.FlagSet // of the command
}

const (
	lxAuto = "auto"
	lxList = "list"
)

func (o *lxFlags) addFlags(f *pflag.FlagSet) {
	f.StringVar(&o.Profile, "lx-profile", lxAuto, "the distribution whose steps finish the root, or auto, or none (default for an image); list tells all")
	f.StringSliceVar(&o.Skip, "lx-skip", nil, "step that is left out; repeatable")
	f.StringVar(&o.Kernel, "lx-kernel", "", "tags.kernel_version, such as 6.1.0 (default by distribution)")
}

// args are NAME-VERSION and SOURCE, but for a list.
func (o *lxFlags) args(c *cobra.Command, args []string) error {
	if o.Profile == lxList && len(args) == 0 {
		return nil
	}
	return exactArgs("NAME-VERSION", "SOURCE")(c, args)
}

// spec is what is asked for.
func (o *lxFlags) spec() build.LX {
	out := build.LX{Skip: o.Skip, Kernel: o.Kernel}
	if out.Auto = o.flags.Changed("lx-profile"); o.Profile != lxAuto {
		out.Profile = o.Profile
	}
	return out
}

func newLXCommand(env *cli.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lx",
		Short: "How Linux roots are finished for the brand lx",
		Long: `Create-image finishes the root file system of a Linux (--type lx-dataset) for zones of the brand
lx: in steps, by profiles. Debian's was tried on roots of Debian 11, 12 and 13, in no zone; the
others on trees written after the file lists of public builders alone.`,
		Args: exactArgs(),
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	asJSON := false
	list := &cobra.Command{
		Use:     "list",
		Aliases: []string{"steps"},
		Short:   "List the profiles and their steps",
		Args:    exactArgs(),
		RunE:    func(c *cobra.Command, _ []string) error { return runLXList(env, asJSON) },
	}
	list.Flags().BoolVar(&asJSON, "json", false, "print a JSON document")
	cmd.AddCommand(list)
	return cmd
}

// listedLX is the answer of lx list --json. Fields are only ever added.
type listedLX struct {
	Profiles []listedProfile `json:"profiles"`
	Steps    []listedStep    `json:"steps"`
}

type listedProfile struct {
	Name   lx.Profile `json:"name"`
	Covers string     `json:"covers"`
	Tried  bool       `json:"tried"` // on a real root
}

type listedStep struct {
	Name     string       `json:"name"`
	Does     string       `json:"does"`
	Profiles []lx.Profile `json:"profiles"`
}

func runLXList(env *cli.Env, asJSON bool) error {
	var res listedLX
	for _, p := range lx.Profiles() {
		res.Profiles = append(res.Profiles, listedProfile{p, p.Covers(), p.Tried()})
	}
	for _, s := range lx.Parts() {
		var has []lx.Profile
		for _, p := range lx.Profiles() {
			if s.Has(p) {
				has = append(has, p)
			}
		}
		res.Steps = append(res.Steps, listedStep{s.Name, s.What, has})
	}
	if asJSON {
		return printJSON(env.Stdout, res)
	}
	var b strings.Builder
	b.WriteString("profiles, found by os-release:\n")
	for _, p := range res.Profiles {
		untried := ""
		if !p.Tried {
			untried = " (not tried on a real root)"
		}
		fmt.Fprintf(&b, "  %-12s %s%s\n", p.Name, p.Covers, untried)
	}
	b.WriteString("steps, in their order:\n")
	all := len(lx.Profiles()) - 1 // but for none
	for _, s := range res.Steps {
		of := ""
		if len(s.Profiles) < all {
			var names []string
			for _, p := range s.Profiles {
				names = append(names, string(p))
			}
			of = " (" + strings.Join(names, ", ") + ")"
		}
		fmt.Fprintf(&b, "  %-12s %s%s\n", s.Name, s.Does, of)
	}
	_, err := io.WriteString(env.Text(), b.String())
	return err
}
