package install

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"imagetools/base"
	"imagetools/customize"
	"imagetools/host"
	"imagetools/overlay"
	"imagetools/prepare"
	"imagetools/rootfs"
	"imagetools/tree"
	"imagetools/tree/source"
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
	Warn   func(text string) // what is odd about the layers; may be nil

	Log    io.Writer    // gets all that the scripts print, and what is done between them; may be nil
	Report func(Event)  // hears of each step; may be nil
	Line   func(string) // hears each line that the scripts print, which may be anything; may be nil
}

// Event is a step: one that a script in the zone begins, or one of ours that is done.
type Event struct {
	Part    Part     `json:"part"`
	Step    string   `json:"step"`
	Changes []string `json:"changes,omitempty"` // of a step of ours
}

// Part of the work.
type Part string

// The parts, in their order. InZone comes before and after Files.
const (
	Overlay Part = "overlay" // and what the scripts need
	InZone  Part = "zone"
	Files   Part = "files"
	Outside Part = "prepare" // of the zone that is halted
)

// Result is what was done.
type Result struct {
	Zone  *host.Zone // as it was before
	Kit   *Kit
	Steps []Event
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
	root   *rootfs.FS
	result Result
	logErr error
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
	r := &running{Install: in, root: root, result: Result{Zone: z}}
	if err := r.checkRoot(); err != nil {
		return nil, err
	}
	plan, err := r.planOverlay()
	if err != nil {
		return nil, err
	}
	if r.result.Kit, err = in.Kit(ctx); err != nil {
		return nil, err
	}
	if in.Host.DryRun != nil {
		return &r.result, in.describe(ctx, in.Host.DryRun, plan.Changes(), r.result.Kit)
	}
	if err := r.all(ctx, plan); err != nil {
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
			return nil, source.WithHint(fmt.Errorf("zone %q: there is no program %s on this host", in.Zone, program),
				"zones are on SmartOS alone; other machines make images of trees, with create-image")
		}
	}
	z, err := in.Host.Zone(ctx, in.Zone)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, source.WithHint(err, "zoneadm list -cv lists the zones; vmadm create makes one of a seed")
	}
	if err != nil {
		return nil, err
	}
	if z.State != "running" {
		return nil, source.WithHint(fmt.Errorf("zone %q: it is %s, and must be running", z.Name, z.State), "boot it: zoneadm -z "+z.Name+" boot")
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
		err = source.WithHint(err, r.Image.Config.String()+" is for zones of brand sngl")
	}
	return err
}

func (r *running) planOverlay() (*overlay.Plan, error) {
	layers, err := r.Image.Overlay()
	if err != nil {
		return nil, err
	}
	plan, err := overlay.NewPlan(r.root, append(layers, r.Layers...), overlay.Options{
		Vars: r.Image.Variables, Keep: r.Keep, Scripts: []string{base.FirstScript, base.SecondScript}, Dirs: []string{base.WorkDir},
	})
	if err == nil && r.Warn != nil {
		for _, w := range plan.Warnings() {
			r.Warn(w)
		}
	}
	return plan, err
}

// all is what changes the zone.
func (r *running) all(ctx context.Context, plan *overlay.Plan) error {
	if err := r.layOverlay(ctx, plan); err != nil {
		return err
	}
	if err := r.handIn(); err != nil {
		return err
	}
	if _, err := r.script(ctx, base.FirstScript); err != nil {
		return err
	}
	if err := r.editFiles(ctx); err != nil {
		return err
	}
	last, err := r.script(ctx, base.SecondScript)
	if err := r.halted(ctx, last, err); err != nil {
		return err
	}
	return r.prepare(ctx)
}

func (r *running) layOverlay(ctx context.Context, plan *overlay.Plan) error {
	done := Event{Part: Overlay, Step: "overlay"}
	err := plan.Apply(ctx, func(c overlay.Change) { done.Changes = append(done.Changes, c.String()) })
	r.told(done)
	return err
}

// handIn puts the bootstrap, and certificates, where the first script looks for them.
func (r *running) handIn() error {
	kit, err := r.result.Kit.read()
	if err != nil {
		return err
	}
	if err := r.root.MkdirAll(base.WorkDir, nil); err != nil {
		return err
	}
	done := Event{Part: Overlay, Step: "hand-in", Changes: []string{r.Image.BootstrapFile() + ": " + r.result.Kit.Source}}
	err = r.root.PutFile(r.Image.BootstrapFile(), kit, &rootfs.Attr{Mode: 0o600})
	if err == nil && r.CACert != nil {
		done.Changes = append(done.Changes, base.CACertFile+": root certificates")
		err = r.root.PutFile(base.CACertFile, r.CACert, &rootfs.Attr{Mode: 0o644})
	}
	r.told(done)
	return err
}

// editFiles is the half of the work that needs no program of the zone.
func (r *running) editFiles(ctx context.Context) error {
	packages, err := customize.Installed(r.root, r.Image)
	if err != nil {
		return err
	}
	opts := customize.Options{Zone: true, Packages: packages}
	return customize.Run(ctx, r.root, r.Image, opts, func(s customize.Step, changes []customize.Change) {
		done := Event{Part: Files, Step: s.Name}
		for _, c := range changes {
			done.Changes = append(done.Changes, c.String())
		}
		r.told(done)
	})
}

// prepare takes what the zone's own sm-prepare-image leaves, such as the metadata that vmadm
// keeps beside the root, out of the halted zone.
func (r *running) prepare(ctx context.Context) (err error) {
	dataset, err := rootfs.OpenDir(r.result.Zone.Path)
	if err != nil {
		return err
	}
	defer dataset.Close()
	root, err := dataset.Sub("root")
	if err != nil {
		return err
	}
	defer root.Close()
	opts := prepare.Options{OS: prepare.SmartOS}
	if uuid := r.result.Zone.UUID; r.Host.HasVMs() && host.IsUUID(uuid) {
		vm, err := r.Host.VM(ctx, uuid)
		if err != nil {
			return err
		}
		opts.Addresses = vm.Addresses()
	}
	plan, err := prepare.Find(prepare.Target{Root: root, Dataset: dataset}, opts)
	if err != nil {
		return err
	}
	done := Event{Part: Outside, Step: "prepare"}
	err = plan.Apply(ctx, func(c prepare.Change) {
		done.Changes = append(done.Changes, fmt.Sprintf("%s: %s, %s", c.Path, c.Action, c.What))
	})
	r.told(done)
	return err
}

// told has a step in the result, and tells of it.
func (r *running) told(e Event) {
	r.result.Steps = append(r.result.Steps, e)
	if e.Part != InZone { // the zone's are in what it prints
		r.log(fmt.Sprintf("%s: %s\n", e.Part, e.Step))
		for _, c := range e.Changes {
			r.log("  " + c + "\n")
		}
	}
	if r.Report != nil {
		r.Report(e)
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
		return source.WithHint(fmt.Errorf("zone %q: it is prepared, and does not halt: %v", r.result.Zone.Name, waitErr),
			"halt it: zoneadm -z "+r.result.Zone.Name+" halt")
	}
}

// describe writes what would be done.
func (in *Install) describe(ctx context.Context, w io.Writer, changes []overlay.Change, kit *Kit) error {
	var b strings.Builder
	for _, c := range changes {
		fmt.Fprintf(&b, "# overlay: %v\n", c)
	}
	fmt.Fprintf(&b, "# put into the zone: %s: %s\n", in.Image.BootstrapFile(), kit.Source)
	if in.CACert != nil {
		fmt.Fprintf(&b, "# put into the zone: %s\n", base.CACertFile)
	}
	if err := in.say(ctx, w, &b, base.FirstScript); err != nil {
		return err
	}
	fmt.Fprintf(&b, "# packages added by it: %s\n", strings.Join(in.Image.Packages, " "))
	opts := customize.Options{Zone: true, Packages: in.Image.Packages}
	for _, s := range customize.Steps() {
		if s.Applies(in.Image, opts) {
			fmt.Fprintf(&b, "# files: %s\n", s.Name)
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
