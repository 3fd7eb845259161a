package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"imagetools/image"
	"imagetools/internal/cli"
	"imagetools/manifest"
	"imagetools/rootfs/lx"
)

// lxOptions are the flags for the roots of lx images.
type lxOptions struct {
	Profile string
	Skip    []string
	Kernel  string

	given   []string // flags
	adapted *adaptedLX
}

const (
	lxAuto = "auto"
	lxList = "list"
)

func (o *lxOptions) addFlags(f *pflag.FlagSet) {
	f.StringVar(&o.Profile, "lx-profile", lxAuto, "the distribution whose steps finish the root, or auto, or none (default for an image); list tells all")
	f.StringSliceVar(&o.Skip, "lx-skip", nil, "step that is left out; repeatable")
	f.StringVar(&o.Kernel, "lx-kernel", "", "tags.kernel_version, such as 6.1.0 (default by distribution)")
}

// args are NAME-VERSION and SOURCE, but for a list.
func (o *lxOptions) args(c *cobra.Command, args []string) error {
	if o.Profile == lxList && len(args) == 0 {
		return nil
	}
	return exactArgs("NAME-VERSION", "SOURCE")(c, args)
}

// settle checks the flags against the type of an image of a tree. The root of what is an image
// already is finished if a profile is named.
func (o *lxOptions) settle(m *manifest.Options, ofImage bool) error {
	if ofImage && !slices.Contains(o.given, "--lx-profile") {
		o.Profile = string(lx.None)
	}
	if manifest.New(*m).Type != manifest.TypeLX {
		if len(o.given) > 0 {
			return cli.Usagef("%s: the image is no %s", strings.Join(o.given, ", "), manifest.TypeLX)
		}
		return nil
	}
	if o.Profile != lxAuto {
		if _, err := lx.ParseProfile(o.Profile); err != nil {
			return cli.Hint(cli.Usagef("--lx-profile: %w", err), "imagetools lx list names all")
		}
	}
	if err := lx.CheckParts(o.Skip); err != nil {
		return cli.Usagef("--lx-skip: %w", err)
	}
	if o.Kernel != "" {
		if err := lx.CheckKernelVersion(o.Kernel); err != nil {
			return cli.Usagef("--lx-kernel: %w", err)
		}
	}
	return nil
}

// step adapts the root of an lx image, and is nil if it is to stay as it is. The flag for the kernel
// holds in any case.
func (o *lxOptions) step(m *manifest.Manifest, out *image.Options) *lx.Step {
	if m.Type != manifest.TypeLX {
		return nil
	}
	if o.Kernel != "" {
		setKernel(out, o.Kernel)
	}
	switch o.Profile {
	case string(lx.None):
		return nil
	case lxAuto:
		return &lx.Step{Skip: o.Skip}
	}
	return &lx.Step{Profile: lx.Profile(o.Profile), Skip: o.Skip}
}

// complete has the manifest say what the root needs that was adapted.
func (o *lxOptions) complete(done *lx.Step, out *image.Options) {
	d := done.Found
	o.adapted = &adaptedLX{Profile: d.Profile, Distribution: text(d.Name), KernelVersion: cmp.Or(o.kernelTag(out), d.KernelVersion())}
	setKernel(out, o.adapted.KernelVersion)
	if base := out.Manifest.Base; out.Manifest.MinPlatform == nil && (base == nil || base.Requirements == nil) {
		out.Manifest.MinPlatform = map[string]string{"7.0": d.MinPlatform()}
	}
}

// kernelTag is the tag kernel_version, that a flag or -m gives; empty for none.
func (o *lxOptions) kernelTag(out *image.Options) string {
	tag := ""
	if base := out.Manifest.Base; base != nil {
		tag, _ = base.Tags["kernel_version"].(string)
	}
	return cmp.Or(o.Kernel, tag)
}

func setKernel(out *image.Options, version string) {
	tags := maps.Clone(out.Manifest.Tags)
	if tags == nil {
		tags = map[string]any{}
	}
	tags["kernel_version"] = version
	out.Manifest.Tags = tags
}

// adaptedLX says for what the root of an lx image was adapted. Fields are only ever added.
type adaptedLX struct {
	Profile       lx.Profile `json:"profile"`
	Distribution  text       `json:"distribution"`
	KernelVersion string     `json:"kernel_version"`
}

func (a *adaptedLX) print(w io.Writer) {
	tried := ""
	if !a.Profile.Tried() {
		tried = ", which was not tried on a real root"
	}
	fmt.Fprintf(w, "lx: %s: profile %s%s; kernel_version %s\n", printable(string(a.Distribution)), a.Profile, tried, a.KernelVersion)
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
