package main

import (
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/pflag"

	"imagetools/host"
	"imagetools/internal/cli"
	"imagetools/source"
)

// sourceFlags are the flags of commands that read a tree or a disk.
type sourceFlags struct {
	Store, Pool   string
	AsDataset     optionalBool
	Metalog       string
	Owners        string
	Exclude       []string
	TmpDir        string
	Platform      string
	Insecure      bool
	SpoolLimitMiB int64

	flags *pflag.FlagSet // of the command; nil: none but those of datasets
}

// Variables with credentials for a registry, and the one that names the store where no option does.
const (
	registryUser     = "IMAGETOOLS_REGISTRY_USER"
	registryPassword = "IMAGETOOLS_REGISTRY_PASSWORD"
	storeVariable    = "IMAGETOOLS_STORE"
)

func (o *sourceFlags) addFlags(f *pflag.FlagSet) {
	o.flags = f
	o.addPlaceFlags(f, "SOURCE")
	o.addTreeFlags(f)
	o.addSpoolFlag(f)
	o.addContainerFlags(f)
}

// addTreeFlags adds those for what is read of the root file system.
func (o *sourceFlags) addTreeFlags(f *pflag.FlagSet) {
	o.addMetalogFlag(f)
	f.StringVar(&o.Owners, "owners", "auto", "whose the files are: disk, root, or auto (root where all are one user's)")
	f.StringArrayVar(&o.Exclude, "exclude", nil, "leave out what matches the glob: a name at any depth, or with a slash a path, in which ** crosses folders; repeatable")
}

func (o *sourceFlags) addSpoolFlag(f *pflag.FlagSet) {
	f.StringVar(&o.TmpDir, "tmpdir", "", "folder for the spool of a tar that is compressed or on a pipe (default $TMPDIR)")
}

func (o *sourceFlags) addMetalogFlag(f *pflag.FlagSet) {
	f.StringVar(&o.Metalog, "metalog", "", "mtree file with owners and modes, or none (default DIR.mtree if it exists)")
}

// addContainerFlags adds those for images of containers.
func (o *sourceFlags) addContainerFlags(f *pflag.FlagSet) {
	f.StringVar(&o.Platform, "platform", source.DefaultPlatform, "of a container image: OS/ARCHITECTURE[/VARIANT] of the one that is taken")
	f.BoolVar(&o.Insecure, "insecure", false, "of docker://: allow plain HTTP, and certificates that nobody vouches for")
	f.Int64Var(&o.SpoolLimitMiB, "spool-limit", source.DefaultSpoolLimit>>20, "of a container image: MiB that its layers may have unpacked")
}

// addPlaceFlags adds those that say where the tree is, which the command calls what.
func (o *sourceFlags) addPlaceFlags(f *pflag.FlagSet, what string) {
	f.StringVar(&o.Store, "store", "", "folder that holds datasets, in place of ZFS (default $IMAGETOOLS_STORE, or "+host.DefaultStore+", beside ZFS)")
	f.StringVar(&o.Pool, "pool", "", "ZFS pool of which "+what+" is a dataset, and nothing else (default "+host.Pool+", if "+what+" is one there)")
	f.Var(&o.AsDataset, "as-dataset", what+" is the whole dataset, not what lies under root/ (default if it plainly is one); with =false it never is")
	f.Lookup("as-dataset").NoOptDefVal = "true"
}

// options say how arg is found and read. Flags that were not given are left to the defaults.
func (o *sourceFlags) options(env *cli.Env, arg string) (source.Options, error) {
	out := source.Options{
		Pool: o.Pool, Store: o.Store, DefaultStore: env.Getenv(storeVariable), AsDataset: o.AsDataset.value, Metalog: o.Metalog, Exclude: o.Exclude,
		TmpDir: o.TmpDir, Budget: env.Memory, User: env.Getenv(registryUser), Password: env.Getenv(registryPassword),
		Called: flagOf, Warn: func(text string) { env.Warnf("%s", text) },
	}
	given := func(name string) bool { return o.flags != nil && o.flags.Changed(name) }
	if given("owners") {
		out.Owners = source.Owners(o.Owners)
	}
	if given("platform") {
		out.Platform = source.Platform(o.Platform)
	}
	if given("spool-limit") {
		if o.SpoolLimitMiB < 1 || o.SpoolLimitMiB > 1<<40 {
			return out, cli.Usagef("--spool-limit %d: out of range", o.SpoolLimitMiB)
		}
		out.SpoolLimit = o.SpoolLimitMiB << 20
	}
	out.Insecure = o.Insecure
	out.Stdin = stdinOf(env)
	return out, nil
}

// stdinOf is standard input for a source; nil if it is a terminal.
func stdinOf(env *cli.Env) io.Reader {
	if cli.IsTerminal(env.Stdin) {
		return nil
	}
	return env.Stdin
}

// told has what reading a source has to tell told, and its progress shown.
func told(opts *source.Options, env *cli.Env, progress *cli.Progress, quiet bool) {
	l := logTo(env, progress, quiet)
	opts.Warn, opts.Note, opts.Progress, opts.Count = l.Warn, l.Note, l.Progress, l.Count
}

// optionalBool is a flag that says yes, no or nothing.
type optionalBool struct{ value *bool }

func (b *optionalBool) String() string {
	if b.value == nil {
		return ""
	}
	return strconv.FormatBool(*b.value)
}

// Set reads true or false.
func (b *optionalBool) Set(s string) error {
	v, err := strconv.ParseBool(s)
	if err != nil {
		return fmt.Errorf("%q is not true or false", s)
	}
	b.value = &v
	return nil
}

// Type is bool.
func (b *optionalBool) Type() string { return "bool" }
