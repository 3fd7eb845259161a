package main

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"imagetools/internal/cli"
	"imagetools/manifest"
	"imagetools/source/content"
)

// manifestFlags are the flags for what the manifest says.
type manifestFlags struct {
	Manifest                                    string // path, or "-"
	Type, OS, UUID, Owner, Creator, Description string
	Homepage                                    string
	Public                                      optionalBool
	MinPlatform                                 []string
}

func (o *manifestFlags) addFlags(g *cli.FlagGroup) {
	g.StringVarP(&o.Manifest, "manifest", "m", "", "manifest to start from, \"-\" for standard input; flags win over it, and of the manifest of an image its identity is not inherited")
	g.StringVar(&o.Type, "type", "", "zone-dataset, lx-dataset or zvol (default by SOURCE: lx-dataset for the root of a Linux and a container image, zvol for a volume or disk, else zone-dataset)")
	g.StringVar(&o.Description, "description", "", "what the image is")
	g.StringVar(&o.Homepage, "homepage", "", "URL with more about it")
	g.StringVar(&o.OS, "os", "", "operating system (default smartos, or linux for lx-dataset)")
	g.StringVar(&o.UUID, "uuid", "", "UUID of the image; \"random\" for a new one (default: by name, version, contents and kind)")
	g.StringVar(&o.Owner, "owner", "", "UUID of the owner (default all zeros: nobody)")
	g.StringVar(&o.Creator, "creator", "", "user name for tags.creator")
	g.Var(&o.Public, "public", "let everybody have it (default for built-in names)")
	g.Lookup("public").NoOptDefVal = "true"
	g.StringArrayVar(&o.MinPlatform, "min-platform", nil, "oldest platform, VERSION=STAMP such as 7.0=20141030T081701Z, or none; repeatable")
}

// options are what the manifest of an image of src is made from.
func (o *manifestFlags) options(env *cli.Env, src string) (m manifest.Options, err error) {
	m = manifest.Options{
		Type: o.Type, OS: o.OS, UUID: o.UUID, Owner: o.Owner, Creator: o.Creator,
		Description: o.Description, Homepage: o.Homepage, Public: o.Public.value,
	}
	if m.MinPlatform, err = parseMinPlatform(o.MinPlatform); err != nil || o.Manifest == "" {
		return m, err
	}
	if o.Manifest == "-" && src == "-" {
		return m, cli.Usagef("the manifest and SOURCE cannot both be standard input")
	}
	text, err := readFileOrStdin(env, o.Manifest, maxManifest, "manifest")
	if err != nil {
		return m, err
	}
	if err := content.CheckMibe(text); err != nil {
		return m, cli.Hint(fmt.Errorf("%s: %w", printable(o.Manifest), err), "write name, version, description and homepage into a JSON file for -m")
	}
	if m.Base, err = manifest.ParsePartial(text); err != nil {
		err = fmt.Errorf("%s: %w", printable(o.Manifest), err)
	}
	return m, err
}

// parseMinPlatform reads VERSION=STAMP; "none" is an empty map.
func parseMinPlatform(list []string) (map[string]string, error) {
	if len(list) == 0 {
		return nil, nil
	}
	out := map[string]string{}
	for _, s := range list {
		if s == "none" && len(list) == 1 {
			continue
		}
		version, stamp, ok := strings.Cut(s, "=")
		if !ok || version == "" || !utf8.ValidString(s) {
			return nil, cli.Usagef("--min-platform %q: VERSION=STAMP or none is needed", s)
		}
		out[version] = stamp
	}
	return out, nil
}
