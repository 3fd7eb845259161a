package zone

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"imagetools/fault"

	"imagetools/base"
	"imagetools/base/edits"
	"imagetools/host"
	"imagetools/rootfs"
	"imagetools/rootfs/edit"
	"imagetools/rootfs/overlay"
	"imagetools/tree"
)

// Install is what is done to a zone.
type Install struct {
	Host  *host.Host
	Image *base.Image
	Zone  string
	// Kit returns the bootstrap of pkgsrc. It is asked for once the zone is known to be fit.
	Kit func(ctx context.Context) (*Kit, error)
	// CACert are root certificates (PEM) for the first packages of bootstraps that have none.
	CACert []byte
	// Layers lie over the built-in overlay, the last one on top.
	Layers []*overlay.Layer
	Keep   []string          // variables that stay as they are in the overlay
	Warn   func(text string) // what is odd about the layers, and what killed runs left; may be nil

	Log  io.Writer    // gets all that the scripts print, and what is done between them; may be nil
	Line func(string) // hears each line that the scripts print, which may be anything; may be nil
	// Watch hears of each step. Those of InZone are told when they begin, all others when they are done.
	Watch edit.Watch
}

// InZone is the name of the step that runs a script in the zone. Its parts are those of the script.
const InZone = "zone"

// Result is what was done.
type Result struct {
	Zone   *host.Zone // as it was before
	Kit    *Kit
	Report *edit.Report
}

// UnfinishedError is an error that came when the zone had been changed.
type UnfinishedError struct {
	Err  error
	Zone string
}

func (e *UnfinishedError) Error() string { return fmt.Sprintf("zone %q: %v", e.Zone, e.Err) }
func (e *UnfinishedError) Unwrap() error { return e.Err }

// Left tells what was left behind.
func (e *UnfinishedError) Left() string {
	return fmt.Sprintf("the zone %q stays as it was, with %s in it, and what runs there goes on until it is halted", e.Zone, base.WorkDir)
}

// running is an installation on its way.
type running struct {
	*Install
	root    *edit.Root
	overlay *overlay.Step
	result  Result
	logErr  error
}

// Run does it all. An error after the first change is a [*UnfinishedError].
//
// In a dry run of the host nothing is changed or fetched; what would be is written there.
func (in *Install) Run(ctx context.Context) (*Result, error) {
	z, err := in.findZone(ctx)
	if err != nil {
		return nil, err
	}
	root, err := rootfs.OpenDir(z.Root())
	if err != nil {
		return nil, fmt.Errorf("zone %q: %w", z.Name, err)
	}
	defer root.Close()
	root.OnLeft(in.Warn)
	r := &running{Install: in, root: &edit.Root{FS: root}, result: Result{Zone: z}}
	if err := r.checkRoot(); err != nil {
		return nil, err
	}
	plan, err := r.planOverlay(ctx)
	if err != nil {
		return nil, err
	}
	if r.result.Kit, err = in.Kit(ctx); err != nil {
		return nil, err
	}
	if in.Host.DryRun != nil {
		return &r.result, in.describe(ctx, in.Host.DryRun, plan.Changes, r.result.Kit)
	}
	if err := r.all(ctx); err != nil {
		return nil, &UnfinishedError{err, z.Name}
	}
	if r.logErr != nil {
		return nil, r.logErr
	}
	return &r.result, nil
}

// findZone finds the zone, which must be running.
func (in *Install) findZone(ctx context.Context) (*host.Zone, error) {
	for _, program := range []string{"zoneadm", "zlogin"} {
		if !in.Host.Has(program) {
			return nil, fault.WithHint(fmt.Errorf("zone %q: there is no program %s on this host", in.Zone, program),
				"zones are on SmartOS alone; other machines make images of trees, with create-image")
		}
	}
	z, err := in.Host.Zone(ctx, in.Zone)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.WithHint(err, "zoneadm list -cv lists the zones; vmadm create makes one of a seed")
	}
	if err != nil {
		return nil, err
	}
	if z.State != "running" {
		return nil, fault.WithHint(fmt.Errorf("zone %q: it is %s, and must be running", z.Name, z.State), "boot it: zoneadm -z "+z.Name+" boot")
	}
	return z, nil
}

// checkRoot looks for what every script needs.
func (r *running) checkRoot() error {
	shell := r.Image.Shell()
	info, err := r.root.Stat(shell)
	if err == nil && info.Mode.Type() != tree.TypeFile {
		err = fmt.Errorf("%q is no file", shell)
	}
	if err == nil {
		return nil
	}
	err = fmt.Errorf("zone %q: %w", r.result.Zone.Name, err)
	if r.Image.Arch == "sngl" {
		err = fault.WithHint(err, r.Image.Config.String()+" is for zones of brand sngl")
	}
	return err
}

// planOverlay finds what the overlay changes, and what is wrong with it.
func (r *running) planOverlay(ctx context.Context) (*edit.Report, error) {
	layers, err := r.Image.Overlay()
	if err != nil {
		return nil, err
	}
	r.overlay = &overlay.Step{Layers: append(layers, r.Layers...), Options: overlay.Options{
		Vars: r.Image.Variables, Keep: r.Keep, Scripts: []string{base.FirstScript, base.SecondScript}, Dirs: []string{base.WorkDir},
	}}
	plan, err := edit.Plan(ctx, r.root, r.overlay)
	if err == nil && r.Warn != nil {
		for _, w := range plan.Warnings {
			r.Warn(w)
		}
	}
	return plan, err
}

// all is what changes the zone.
func (r *running) all(ctx context.Context) (err error) {
	r.result.Report, err = edit.Run(ctx, r.root, r.watch(), r.overlay, handIn{r}, firstScript{r},
		&edits.Step{Which: base.Which{Image: r.Image}, Options: edits.Options{Zone: true}}, lastScript{r}, prepareZone{r})
	return err
}

// watch writes what is done into the log, and passes it on. What a script begins is in what it
// prints.
func (r *running) watch() edit.Watch {
	var changes []edit.Change
	return edit.Watch{
		Change: func(c edit.Change) {
			changes = append(changes, c)
			if r.Watch.Change != nil {
				r.Watch.Change(c)
			}
		},
		Done: func(d edit.Done) {
			if d.By != InZone {
				r.log(d.String() + "\n")
				for _, c := range changes {
					r.log("  " + c.String() + "\n")
				}
			}
			changes = nil
			if r.Watch.Done != nil {
				r.Watch.Done(d)
			}
		},
	}
}

// log keeps the first error: the log's trouble is no reason to stop in the middle.
func (r *running) log(text string) {
	if r.Log == nil || r.logErr != nil {
		return
	}
	if _, err := io.WriteString(r.Log, text); err != nil {
		r.logErr = fmt.Errorf("log: %w", err)
	}
}

// haltLimit is how long the zone's own shutdown may take: it gives users ten seconds, and
// services a minute.
const haltLimit = 5 * time.Minute

// halted waits until the zone has come down. Its end may come before the second script, which
// asks for it in its last step, could say that this is done.
func (r *running) halted(ctx context.Context, last base.Progress, err error) error {
	atEnd := last == base.Progress{Step: "prepare", State: base.Begun}
	if ctx.Err() != nil || err != nil && !atEnd {
		return err
	}
	limit, cancel := context.WithTimeout(ctx, haltLimit)
	defer cancel()
	switch waitErr := r.Host.WaitHalted(limit, r.result.Zone.Name); {
	case waitErr == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return err
	default:
		return fault.WithHint(fmt.Errorf("zone %q: it is prepared, and does not halt: %v", r.result.Zone.Name, waitErr),
			"halt it: zoneadm -z "+r.result.Zone.Name+" halt")
	}
}

// describe writes what would be done.
func (in *Install) describe(ctx context.Context, w io.Writer, changes []edit.Change, kit *Kit) error {
	var b strings.Builder
	for _, c := range changes {
		fmt.Fprintf(&b, "# %v\n", c)
	}
	fmt.Fprintf(&b, "# put into the zone: %s: %s\n", in.Image.BootstrapFile(), kit.Source)
	if in.CACert != nil {
		fmt.Fprintf(&b, "# put into the zone: %s\n", base.CACertFile)
	}
	if err := in.say(ctx, w, &b, base.FirstScript); err != nil {
		return err
	}
	fmt.Fprintf(&b, "# packages added by it: %s\n", strings.Join(in.Image.Packages, " "))
	opts := edits.Options{Zone: true, Packages: in.Image.Packages}
	for _, p := range edits.Parts() {
		if p.Applies(in.Image, opts) {
			fmt.Fprintf(&b, "# edit %s\n", p.Name)
		}
	}
	if err := in.say(ctx, w, &b, base.SecondScript); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "# waited for: the halt of the zone\nimagetools prepare %s\n", in.Zone)
	return err
}

// Describe writes what Run would do to a zone that is not there yet.
func (in *Install) Describe(ctx context.Context, w io.Writer) error {
	kit, err := in.Kit(ctx)
	if err != nil {
		return err
	}
	return in.describe(ctx, w, nil, kit)
}

// say writes what is in b, and then a script that would be run.
func (in *Install) say(ctx context.Context, w io.Writer, b *strings.Builder, script string) error {
	if _, err := io.WriteString(w, b.String()); err != nil {
		return err
	}
	b.Reset()
	_, err := in.Host.Login(ctx, host.Login{Zone: in.Zone, Args: []string{in.Image.Shell(), script}})
	return err
}
