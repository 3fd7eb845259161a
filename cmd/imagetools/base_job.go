package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"

	"imagetools/base"
	"imagetools/base/zone"
	"imagetools/build"
	"imagetools/compress"
	"imagetools/host"
	"imagetools/image"
	"imagetools/internal/cli"
	"imagetools/internal/shell"
	"imagetools/manifest"
	"imagetools/zfs/zpl"
)

// baseJob is an image that create-base-images makes, and what became of it. Its fields are the
// answer of --json; they are only ever added to.
type baseJob struct {
	img *base.Image

	Name         string   `json:"name"`
	Version      string   `json:"version"`
	State        jobState `json:"state"`
	UUID         string   `json:"uuid,omitzero"`
	Image        string   `json:"image,omitzero"`
	ManifestPath string   `json:"manifest,omitzero"`
	SHA1         string   `json:"sha1,omitzero"`
	Size         int64    `json:"size,omitzero"`
	Zone         string   `json:"zone,omitzero"` // that was kept
	Warnings     []string `json:"warnings,omitempty"`

	half bool // one of its files is there, of a run that was killed
}

// jobState is what became of an image.
type jobState string

// States of an image.
const (
	jobToDo   jobState = "to do"
	jobMade   jobState = "made"
	jobThere  jobState = "there already"
	jobFailed jobState = "failed"
)

func (j *baseJob) nameVersion() string { return j.img.Name + "-" + j.img.Release }

// look tells whether the image is finished: its files are there, belong together and are sound.
func (j *baseJob) look(ctx context.Context, dir string) error {
	j.Name, j.Version, j.State = j.img.Name, j.img.Release, jobToDo
	path := filepath.Join(dir, j.nameVersion())
	stream, manifestPath := path+image.Suffix(manifest.TypeZone, compress.Gzip), path+".json"
	text, err := os.ReadFile(manifestPath)
	_, streamErr := os.Lstat(stream)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(streamErr, fs.ErrNotExist) {
		j.half = err == nil || streamErr == nil
		return nil
	}
	if err = errors.Join(err, streamErr); err != nil {
		return err
	}
	m, err := manifest.Parse(text)
	if err == nil && (m.Name != j.Name || m.Version != j.Version || len(m.Files) != 1) {
		err = fmt.Errorf("it is that of %s-%s, with %d files", m.Name, m.Version, len(m.Files))
	}
	if err == nil {
		err = sound(ctx, manifestPath)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return cli.Hint(fmt.Errorf("image %q: it is there, and not sound: %w", path, err), "remove both files, and it will be made again")
	}
	j.State = jobThere
	j.have(m, stream, manifestPath)
	return nil
}

func (j *baseJob) have(m *manifest.Manifest, stream, manifestPath string) {
	j.UUID, j.Image, j.ManifestPath, j.SHA1, j.Size = m.UUID, stream, manifestPath, m.Files[0].SHA1, m.Files[0].Size
}

// sound verifies an image by its manifest.
func sound(ctx context.Context, manifestPath string) error {
	v, err := image.Verify(ctx, []string{manifestPath}, image.VerifyOptions{})
	if err != nil {
		return err
	}
	for _, f := range v.Faults {
		if f.Severity == zpl.Damage {
			return fmt.Errorf("%s: %s", f.File, f.Message)
		}
	}
	return nil
}

// deleteLimit is how long the end of a zone may take when all else has ended.
const deleteLimit = 5 * time.Minute

// build makes an image in a zone of its own.
func (o *baseImagesOptions) build(ctx context.Context, env *cli.Env, h *host.Host, j *baseJob) (err error) {
	if j.State == jobThere {
		o.say(env, "%s: it is there already", j.nameVersion())
		return nil
	}
	if _, err := o.kit(ctx, env, j.img); err != nil { // no zone has to wait for it
		return err
	}
	before := len(env.Warnings())
	defer func() { j.Warnings = env.Warnings()[before:] }()
	id := uuid.NewString()
	vm := host.NewVM{
		UUID: id, Alias: protoAlias + j.nameVersion() + "-" + id[:8], Brand: j.img.Brand(), ImageUUID: o.Seed,
		MaxPhysicalMemory: o.Memory, Resolvers: o.Resolvers, NICs: []host.NIC{{NICTag: o.NICTag, IPs: []string{"dhcp"}}},
	}
	if !o.KeepZone {
		if err := vm.Sign(env.Now()); err != nil {
			return err
		}
	}
	o.say(env, "%s: zone %s", j.nameVersion(), vm.Alias)
	defer func() { err = o.endZone(ctx, h, j, id, err) }()
	if err := h.CreateVM(ctx, vm); err != nil {
		return err
	}
	if o.DryRun {
		return o.describe(ctx, env, h, j, id)
	}
	if _, err := o.install(ctx, env, h, j.img, id, "install-base-"+j.nameVersion()+".log"); err != nil {
		return err
	}
	res, err := o.create(ctx, env, j, id)
	if err != nil {
		return err
	}
	j.State = jobMade
	j.have(res.Manifest, res.Image, res.ManifestPath)
	return nil
}

// create makes the image of a zone.
func (o *baseImagesOptions) create(ctx context.Context, env *cli.Env, j *baseJob, zone string) (res *build.Result, err error) {
	out := outputFlags{Dir: o.Output, Compression: "gzip", Force: j.half, Quiet: true}
	spec, err := out.spec(env, j.nameVersion(), zone, manifest.Options{})
	if err != nil {
		return nil, err
	}
	progress := env.NewProgress(true)
	spec.Log = logTo(env, progress, true)
	plan, err := planOf(ctx, spec)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, plan.Close()) }()
	return plan.Run(ctx)
}

// describe writes what would be done in the zone and with it.
func (o *baseImagesOptions) describe(ctx context.Context, env *cli.Env, h *host.Host, j *baseJob, id string) error {
	in := &zone.Install{Host: h, Image: j.img, Zone: id, CACert: o.cacert, Kit: func(ctx context.Context) (*zone.Kit, error) { return o.kit(ctx, env, j.img) }}
	if err := in.Describe(ctx, env.Text()); err != nil {
		return err
	}
	_, err := fmt.Fprintf(env.Text(), "imagetools create-image -o %s %s %s\n", shell.Quote(o.Output), shell.Quote(j.nameVersion()), id)
	return err
}

// endZone deletes the zone of an image, or says that it is there.
func (o *baseImagesOptions) endZone(ctx context.Context, h *host.Host, j *baseJob, id string, err error) error {
	left := fmt.Sprintf("the zone %s is left; vmadm delete %s", id, id)
	if o.KeepZone {
		j.Zone = id
		if err != nil {
			err = cli.Hint(&zoneLeft{err, left}, left)
		}
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), deleteLimit)
	defer cancel()
	endErr := h.DeleteVM(ctx, id)
	if errors.Is(endErr, fs.ErrNotExist) {
		endErr = nil
		if dataset := host.Pool + "/" + id; hasDataset(ctx, h, dataset) { // vmadm was killed
			endErr, left = fmt.Errorf("vmadm left the dataset %s", dataset), "zfs destroy -r "+dataset
		}
	}
	switch {
	case endErr != nil:
		return cli.Hint(&zoneLeft{errors.Join(err, endErr), left}, left)
	case err == nil:
		return nil
	}
	left = "no zone was left behind, and images that are done stay"
	if l, ok := errors.AsType[*loggedError](err); ok {
		left += "; " + l.Hint()
	}
	return &zoneLeft{err, left}
}

func hasDataset(ctx context.Context, h *host.Host, name string) bool {
	zfs := h.ZFS()
	if zfs == nil {
		return false
	}
	_, err := zfs.Lookup(ctx, name)
	return err == nil
}

// zoneLeft is an error with what became of the zone.
type zoneLeft struct {
	error
	left string
}

func (e *zoneLeft) Unwrap() error { return e.error }

// Left is for interrupted runs.
func (e *zoneLeft) Left() string { return e.left }

func (o *baseImagesOptions) say(env *cli.Env, format string, args ...any) {
	if !o.Quiet {
		fmt.Fprintf(env.Stderr, format+"\n", args...)
	}
}

// printJobs prints what became of all images.
func (o *baseImagesOptions) printJobs(env *cli.Env, jobs []*baseJob) error {
	if o.JSON {
		return printJSON(env.Stdout, map[string]any{"images": jobs, "warnings": env.Warnings()})
	}
	if o.Quiet {
		return nil
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "IMAGE\tSTATE\tSIZE\tUUID")
	for _, j := range jobs {
		size := ""
		if j.Size > 0 {
			size = cli.Size(j.Size)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", j.nameVersion(), j.State, size, j.UUID)
	}
	w.Flush()
	for line := range strings.Lines(b.String()) {
		if _, err := io.WriteString(env.Text(), strings.TrimRight(line, " \n")+"\n"); err != nil {
			return err
		}
	}
	return nil
}
