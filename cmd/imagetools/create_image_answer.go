package main

import (
	"fmt"
	"strconv"
	"strings"

	"imagetools/build"
	"imagetools/internal/cli"
	"imagetools/internal/shell"
	"imagetools/manifest"
	"imagetools/rootfs/edit"
)

// createdImage is the answer of create-image --json. Fields are only ever added.
type createdImage struct {
	Image        string `json:"image"`
	Manifest     string `json:"manifest"`
	UUID         string `json:"uuid"`
	DatasetGUID  string `json:"dataset_guid"`
	Size         int64  `json:"size"`
	SHA1         string `json:"sha1"`
	SHA256       string `json:"sha256"`
	Compression  string `json:"compression"`
	StreamSize   int64  `json:"stream_size"`
	InstallsWith string `json:"install"`
	Type         string `json:"type"`
	Dataset      string `json:"dataset,omitzero"`    // in ZFS, that was the source
	ImageSize    int64  `json:"image_size,omitzero"` // MiB of a volume
	Origin       string `json:"origin,omitzero"`     // UUID of the image that it is incremental on

	Changes *createdChanges `json:"changes,omitempty"` // from that; null for a dataset in ZFS
	Edits   *edit.Report    `json:"edits,omitempty"`   // of the root file system, on the way
	LX      *finishedLX     `json:"lx,omitzero"`       // how its root was finished

	Warnings []string `json:"warnings"`
}

// createdChanges is what create-image --json says of an increment.
type createdChanges struct {
	Added   int   `json:"added"` // names, as are the next two; all 0 of a volume
	Changed int   `json:"changed"`
	Removed int   `json:"removed"`
	Bytes   int64 `json:"bytes"` // of contents in the stream
}

// plannedImage is the answer of create-image --dry-run --json.
type plannedImage struct {
	DryRun   bool         `json:"dry_run"`
	Image    string       `json:"image"`
	Manifest string       `json:"manifest"`
	Commands []string     `json:"commands"` // that would be run and change something, as a shell takes them
	Edits    *edit.Report `json:"edits,omitempty"`
	LX       *finishedLX  `json:"lx,omitzero"`
	Warnings []string     `json:"warnings"`
}

// finishedLX says how the root of an lx image was finished. Fields are only ever added.
type finishedLX struct {
	Profile       string `json:"profile"`
	Distribution  text   `json:"distribution"`
	KernelVersion string `json:"kernel_version"`
}

func lxJSON(f *build.Finished) *finishedLX {
	if f == nil {
		return nil
	}
	return &finishedLX{string(f.Profile), text(f.Distribution), f.KernelVersion}
}

// shownCommands gathers the commands of a dry run, each of which comes in one Write.
type shownCommands []string

func (s *shownCommands) Write(p []byte) (int, error) {
	*s = append(*s, strings.TrimSuffix(string(p), "\n"))
	return len(p), nil
}

// print prints what was made.
func (o *outputFlags) print(env *cli.Env, res *build.Result) error {
	install := fmt.Sprintf("imgadm install -m %s -f %s", shell.Quote(res.ManifestPath), shell.Quote(res.Image))
	file := res.Manifest.Files[0]
	if o.JSON {
		out := createdImage{
			Image: res.Image, Manifest: res.ManifestPath, UUID: res.Manifest.UUID,
			DatasetGUID: strconv.FormatUint(res.GUID, 10), Size: file.Size, SHA1: file.SHA1,
			SHA256: res.SHA256, Compression: file.Compression, StreamSize: res.StreamSize, InstallsWith: install,
			Type: res.Manifest.Type, Dataset: res.Dataset, ImageSize: res.Manifest.ImageSize,
			Origin: res.Manifest.Origin, LX: lxJSON(res.LX), Edits: res.Edits, Warnings: env.Warnings(),
		}
		if res.Origin != nil {
			c := createdChanges(res.Changes)
			out.Changes = &c
		}
		return printJSON(env.Stdout, out)
	}
	if o.Quiet {
		return nil
	}
	if res.Origin != nil {
		reportChanges(env, res)
	}
	_, err := fmt.Fprintf(env.Text(), `image     %s (%s of a %s stream)
manifest  %s
uuid      %s
sha1      %s
sha256    %s

Done.  Now run this to install the image:

  %s
`, res.Image, cli.Size(file.Size), cli.Size(res.StreamSize), res.ManifestPath, res.Manifest.UUID, file.SHA1, res.SHA256, install)
	return err
}

// reportChanges says how an image differs from its origin.
func reportChanges(env *cli.Env, res *build.Result) {
	c := res.Changes
	if res.Manifest.Type == manifest.TypeZvol {
		fmt.Fprintf(env.Stderr, "changes to the origin: %s\n", cli.Size(c.Bytes))
		return
	}
	fmt.Fprintf(env.Stderr, "changes to the origin: %s new, %d changed, %d gone; %s of contents\n", plural(c.Added, "name"), c.Changed, c.Removed, cli.Size(c.Bytes))
}
