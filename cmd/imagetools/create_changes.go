package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"imagetools/base"
	"imagetools/customize"
	"imagetools/image"
	"imagetools/internal/cli"
	"imagetools/manifest"
	"imagetools/overlay"
	"imagetools/prepare"
	"imagetools/rootfs"
	"imagetools/tree"
)

// changeOptions are the flags for changes on the way from a source to an image: to the root file
// system, in the order of the first three.
type changeOptions struct {
	Overlays []string
	Edits    []string // a CONFIG, and names of steps
	Prepare  bool

	Vars, Keep, Addresses []string

	done            []doneChange
	warnings, notes []string
}

const editList = "list"

func (o *changeOptions) addFlags(f *pflag.FlagSet) {
	f.StringArrayVar(&o.Overlays, "overlay", nil, "folder to lay over the root file system, as imagetools overlay describes; repeatable, later ones on top")
	f.StringSliceVar(&o.Edits, "edit", nil, "edit files as in base images of a CONFIG such as 2024Q4-x86_64, or do these steps alone; list tells all; repeatable, or with commas")
	f.BoolVar(&o.Prepare, "prepare", false, "take out what must not become part of an image, as imagetools prepare does")
	f.StringArrayVar(&o.Vars, "var", nil, "NAME=VALUE: variable of overlays and edits; repeatable")
	f.StringSliceVar(&o.Keep, "keep", nil, "variables of overlays that stay as they are, such as PUBLIC_IP; repeatable, or with commas")
	f.StringArrayVar(&o.Addresses, "address", nil, "with --prepare: address of the SmartOS zone, which becomes a placeholder; repeatable")
}

// wantsList tells whether the steps are asked for, and no image.
func (o *changeOptions) wantsList() bool { return slices.Contains(o.Edits, editList) }

// printEdits lists the steps of --edit.
func printEdits(env *cli.Env) error {
	var b strings.Builder
	for _, s := range customize.Steps() {
		fmt.Fprintf(&b, "%-18s %s\n", s.Name, s.What())
	}
	_, err := io.WriteString(env.Stdout, b.String())
	return err
}

// check reports what cannot be asked for, before anything is read.
func (o *changeOptions) check() error {
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
func (o *changeOptions) variables() (map[string]string, error) {
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
func (o *changeOptions) edits() (config string, steps []string, err error) {
	var faults []error
	for _, s := range o.Edits {
		if slices.ContainsFunc(customize.Steps(), func(step customize.Step) bool { return step.Name == s }) {
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

// any tells whether something is to be changed.
func (o *changeOptions) any() bool { return len(o.Overlays) > 0 || len(o.Edits) > 0 || o.Prepare }

// apply changes the root file system in a tree that becomes an image, and seals the tree again.
func (o *changeOptions) apply(ctx context.Context, env *cli.Env, t *tree.Tree, out *image.Options, quiet bool) error {
	if !o.any() {
		return nil
	}
	notes, err := cli.Interruptible(ctx, func() ([]string, error) {
		notes, err := o.change(ctx, t, out)
		if err != nil {
			return nil, err
		}
		return notes, t.Seal()
	})
	for _, w := range o.warnings {
		env.Warnf("%s", printable(w))
	}
	if err != nil || quiet {
		return err
	}
	for _, c := range o.done {
		fmt.Fprintf(env.Stderr, "%s\n", c)
	}
	for _, n := range slices.Concat(o.notes, notes) {
		fmt.Fprintf(env.Stderr, "note: %s\n", printable(n))
	}
	fmt.Fprintf(env.Stderr, "changed on the way: %s\n", plural(len(o.done), "path"))
	return nil
}

// changeTime is the time of what is changed in a tree: that of a full snapshot of it, so that the
// same source gives the same image.
func changeTime(t *tree.Tree, created *int64) tree.Time {
	if created != nil {
		return tree.Time{Sec: *created}
	}
	var newest tree.Time
	for _, n := range t.All() {
		if newest.Before(n.ModTime) {
			newest = n.ModTime
		}
	}
	return newest
}

// change does all that was asked for, and returns notes.
func (o *changeOptions) change(ctx context.Context, t *tree.Tree, out *image.Options) ([]string, error) {
	dataset := rootfs.NewTree(t, changeTime(t, out.FileSystem.Created))
	defer dataset.Close()
	root, err := dataset.Sub("root")
	if err != nil {
		return nil, cli.Hint(fmt.Errorf("change the root file system: %w", err), "a dataset has it in root/; without --as-dataset SOURCE is what is in it")
	}
	defer root.Close()
	img, err := o.image(root, manifest.New(out.Manifest))
	if err != nil {
		return nil, err
	}
	if err := o.lay(ctx, root, img); err != nil {
		return nil, err
	}
	if err := o.edit(ctx, root, img); err != nil {
		return nil, err
	}
	if !o.Prepare {
		return nil, nil
	}
	return o.prepare(ctx, prepare.Target{Root: root, Dataset: dataset}, out.Manifest.OS)
}

// image is the base image whose files are edited so. Without a CONFIG it has the variables alone
// that every image has.
func (o *changeOptions) image(root *rootfs.FS, m *manifest.Manifest) (*base.Image, error) {
	config, _, err := o.edits()
	if err != nil {
		return nil, err
	}
	vars, err := o.variables()
	if err != nil {
		return nil, err
	}
	img := &base.Image{Variables: map[string]string{"IMAGE_NAME": m.Name, "IMAGE_VERSION": m.Version}}
	laidOut := slices.ContainsFunc(o.Overlays, base.IsLaidOut)
	if config == "" && laidOut && len(o.Edits) == 0 { // for which the root need not tell
		if config, err = configOf(root); err != nil {
			config = ""
		}
	}
	if config == "" && len(o.Edits) > 0 {
		if config, err = configOf(root); err != nil {
			return nil, err
		}
	}
	if config != "" {
		c, err := base.ParseConfig(config, m.Name, m.Version)
		if err != nil {
			return nil, err
		}
		img = base.Standard.Image(c)
	}
	if img.Variables["IMAGE_DOC"] == "" && m.Homepage != "" {
		img.Variables["IMAGE_DOC"] = m.Homepage
	}
	maps.Copy(img.Variables, vars)
	return img, nil
}

// configOf is the CONFIG that an image says it has.
func configOf(root *rootfs.FS) (string, error) {
	const limit = 64 << 10
	content, err := root.ReadFile(base.VersionFile, limit)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	config := base.ConfigOf(content)
	if config == "" {
		return "", cli.Hint(fmt.Errorf("--edit: %q does not tell which packages of pkgsrc there are", base.VersionFile),
			"name the CONFIG beside the steps: --edit 2024Q4-x86_64,sshd")
	}
	return config, nil
}

// lay lays the overlays over the root.
func (o *changeOptions) lay(ctx context.Context, root *rootfs.FS, img *base.Image) error {
	layers, notes, err := readOverlays(ctx, o.Overlays, img)
	if err != nil || len(layers) == 0 {
		return err
	}
	o.notes = append(o.notes, notes...)
	plan, err := overlay.NewPlan(root, layers, overlay.Options{Vars: img.Variables, Keep: o.Keep})
	if err != nil {
		return err
	}
	o.warnings = append(o.warnings, plan.Warnings()...)
	return plan.Apply(ctx, func(c overlay.Change) { o.told("overlay", "", "/"+c.Path, c.What) })
}

// readOverlays reads folders that are laid over the root of an image. notes are about what of them is
// not.
func readOverlays(ctx context.Context, folders []string, img *base.Image) (layers []*overlay.Layer, notes []string, err error) {
	var faults []error
	for _, folder := range folders {
		more, moreNotes, err := img.ReadOverlay(ctx, folder)
		if errors.Is(err, base.ErrNoConfig) {
			err = cli.Hint(err, "--edit names the CONFIG, such as 2024Q4-x86_64")
		}
		layers, notes, faults = append(layers, more...), append(notes, moreNotes...), append(faults, err)
	}
	return layers, notes, errors.Join(faults...)
}

// edit does the steps of --edit.
func (o *changeOptions) edit(ctx context.Context, root *rootfs.FS, img *base.Image) error {
	if len(o.Edits) == 0 {
		return nil
	}
	packages, err := customize.Installed(root, img)
	if err != nil {
		return err
	}
	report := func(s customize.Step, changes []customize.Change) {
		for _, c := range changes {
			o.told("edit", s.Name, c.Path, c.Text)
		}
	}
	opts := customize.Options{Packages: packages}
	_, names, err := o.edits()
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return customize.Run(ctx, root, img, opts, report)
	}
	var faults []error
	for _, s := range customize.Steps() {
		if !slices.Contains(names, s.Name) {
			continue
		}
		changes, err := s.Run(root, img, opts)
		report(s, changes)
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

// prepare takes out what must not become part of an image. os is what --os says.
func (o *changeOptions) prepare(ctx context.Context, target prepare.Target, os string) ([]string, error) {
	find, err := (&prepareOptions{Addresses: o.Addresses}).finderOptions()
	if err != nil {
		return nil, err
	}
	if known, err := prepare.ParseOS(os); err == nil { // others are of disks
		find.OS = known
	}
	plan, err := prepare.Find(target, find)
	if err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	err = plan.Apply(ctx, func(c prepare.Change) { o.told("prepare", string(c.Action), c.Path, c.What) })
	return plan.Notes, err
}

// doneChange is a change that was made on the way, in the answer of create-image --json. Fields
// are only ever added.
type doneChange struct {
	By   string `json:"by"`             // overlay, edit or prepare
	Step string `json:"step,omitempty"` // of edit; of prepare what was done: remove, empty, create or rewrite
	Path text   `json:"path"`           // in the root; without a slash in front, in the dataset
	Text text   `json:"text"`
}

func (o *changeOptions) told(by, step, path, what string) {
	o.done = append(o.done, doneChange{by, step, text(path), text(what)})
}

func (c doneChange) String() string {
	by := c.By
	if c.Step != "" {
		by += " " + c.Step
	}
	return fmt.Sprintf("%s: %s: %s", by, printable(string(c.Path)), printable(string(c.Text)))
}
