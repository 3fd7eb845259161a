package main

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"imagetools/base"
	"imagetools/base/edits"
	"imagetools/internal/cli"
	"imagetools/rootfs/edit"
	"imagetools/rootfs/overlay"
	"imagetools/rootfs/prepare"
)

// changeFlags are the flags for changes on the way from a source to an image: to the root file
// system, in the order of the first three.
type changeFlags struct {
	Overlays []string
	Edits    []string // a CONFIG, and names of steps
	Prepare  bool

	Vars, Keep, Addresses []string
}

const editList = "list"

func (o *changeFlags) addFlags(f *pflag.FlagSet) {
	f.StringArrayVar(&o.Overlays, "overlay", nil, "folder to lay over the root file system, as imagetools overlay describes; repeatable, later ones on top")
	f.StringSliceVar(&o.Edits, "edit", nil, "edit files as in base images of a CONFIG such as 2024Q4-x86_64, or do these steps alone; list tells all; repeatable, or with commas")
	f.BoolVar(&o.Prepare, "prepare", false, "take out what must not become part of an image, as imagetools prepare does")
	f.StringArrayVar(&o.Vars, "var", nil, "NAME=VALUE: variable of overlays and edits; repeatable")
	f.StringSliceVar(&o.Keep, "keep", nil, "variables of overlays that stay as they are, such as PUBLIC_IP; repeatable, or with commas")
	f.StringArrayVar(&o.Addresses, "address", nil, "with --prepare: address of the SmartOS zone, which becomes a placeholder; repeatable")
}

// wantsList tells whether the steps are asked for, and no image.
func (o *changeFlags) wantsList() bool { return slices.Contains(o.Edits, editList) }

// listEdits lists the steps of --edit.
func listEdits(env *cli.Env) error {
	var b strings.Builder
	for _, p := range edits.Parts() {
		fmt.Fprintf(&b, "%-18s %s\n", p.Name, p.What)
	}
	_, err := io.WriteString(env.Text(), b.String())
	return err
}

// check reports what cannot be asked for, before anything is read.
func (o *changeFlags) check() error {
	var faults []error
	if _, err := o.variables(); err != nil {
		faults = append(faults, err)
	}
	if _, _, err := o.edits(); err != nil {
		faults = append(faults, err)
	}
	if _, err := (&prepareOptions{Addresses: o.Addresses}).finderOptions(); err != nil {
		faults = append(faults, err)
	}
	faults = append(faults, edit.Check(&overlay.Step{Options: overlay.Options{Keep: o.Keep}}))
	for _, need := range []struct {
		missing bool
		text    string
	}{
		{len(o.Addresses) > 0 && !o.Prepare, "--address goes with --prepare"},
		{len(o.Keep) > 0 && len(o.Overlays) == 0, "--keep goes with --overlay"},
		{len(o.Vars) > 0 && len(o.Overlays) == 0 && len(o.Edits) == 0, "--var goes with --overlay or --edit"},
	} {
		if need.missing {
			faults = append(faults, errors.New(need.text))
		}
	}
	if err := errors.Join(faults...); err != nil {
		return &cli.UsageError{Err: err}
	}
	return nil
}

var variableName = regexp.MustCompile(`^[A-Z][A-Z0-9_]*$`)

// variables are those of --var.
func (o *changeFlags) variables() (map[string]string, error) {
	vars := map[string]string{}
	for _, s := range o.Vars {
		name, value, ok := strings.Cut(s, "=")
		if !ok || !variableName.MatchString(name) {
			return nil, cli.Hint(fmt.Errorf("--var %q: NAME=VALUE is needed", s), "NAME is of capital letters, digits and underscores")
		}
		if _, twice := vars[name]; twice {
			return nil, fmt.Errorf("--var %s: given twice", name)
		}
		vars[name] = value
	}
	return vars, nil
}

// edits are the CONFIG and the steps of --edit; without steps, all are done.
func (o *changeFlags) edits() (config string, steps []string, err error) {
	var faults []error
	for _, s := range o.Edits {
		if edits.IsPart(s) {
			steps = append(steps, s)
			continue
		}
		_, err := base.ParseConfig(s, "", "")
		switch {
		case err != nil:
			faults = append(faults, cli.Hint(fmt.Errorf("--edit %q: neither a step nor a CONFIG", s), "--edit list names the steps; a CONFIG is BRANCH-ARCH, such as 2024Q4-x86_64"))
		case config != "":
			faults = append(faults, fmt.Errorf("--edit: both %s and %s are given", config, s))
		}
		config = s
	}
	return config, steps, errors.Join(faults...)
}

// steps are the changes that are asked for.
func (o *changeFlags) steps() (steps []edit.Step, err error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	config, parts, err := o.edits()
	if err != nil {
		return nil, err
	}
	vars, err := o.variables()
	if err != nil {
		return nil, err
	}
	which := base.Which{Config: config, Vars: vars}
	if len(o.Overlays) > 0 {
		steps = append(steps, &base.Overlays{Which: which, Dirs: o.Overlays, Keep: o.Keep})
	}
	if len(o.Edits) > 0 {
		steps = append(steps, &edits.Step{Which: which, Parts: parts})
	}
	if o.Prepare {
		find, err := (&prepareOptions{Addresses: o.Addresses}).finderOptions()
		if err != nil {
			return nil, err
		}
		steps = append(steps, &prepare.Step{Options: find})
	}
	return steps, nil
}
