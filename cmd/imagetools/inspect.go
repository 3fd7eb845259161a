package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"imagetools/disk"
	"imagetools/image"
	"imagetools/internal/cli"
	"imagetools/internal/plain"
	"imagetools/manifest"
	"imagetools/tree"
	"imagetools/zfs/objset"
	"imagetools/zfs/stream"
	"imagetools/zfs/zpl"
	"imagetools/zfs/zvol"
)

type inspectOptions struct {
	openOptions
	Image string
	JSON  bool
}

func newInspectCommand(env *cli.Env) *cobra.Command {
	var opts inspectOptions
	cmd := &cobra.Command{
		Use:   "inspect [flags] IMAGE",
		Short: "Tell what is in an image or any ZFS send stream",
		Long: `Inspect reads a stream once and tells what it is: snapshots, guids, the origin that it needs,
features and the oldest SmartOS platform that receives them, properties that it carries,
objects, sizes and holes, the largest directories, what a volume begins with; and whether the
manifest beside it agrees.

` + imageArgument + `

The checksums of all records are verified on the way; verify checks more. Nothing is written
to disk.`,
		Example: `  imagetools inspect output/web-1.0.json
  zfs send -R zones/web@final | imagetools inspect --json -`,
		Args: exactArgs("IMAGE"),
		RunE: func(c *cobra.Command, args []string) error {
			opts.Image = args[0]
			return runInspect(c.Context(), env, opts)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&opts.JSON, "json", false, "print a JSON document")
	opts.addOriginFlag(f)
	return cmd
}

func runInspect(ctx context.Context, env *cli.Env, opts inspectOptions) error {
	img, err := opts.open(ctx, env, opts.Image, false)
	if err != nil {
		return err
	}
	defer img.Close()
	report, err := newInspection(ctx, img)
	if err != nil {
		return err
	}
	if opts.JSON {
		return printJSON(env.Stdout, report)
	}
	return report.print(env.Text())
}

// inspection is the answer of inspect. Guids are hexadecimal, sizes bytes.
type inspection struct {
	Path        string               `json:"path"`
	Origins     []string             `json:"origins,omitempty"` // the images that it builds on, the full one first
	Compression string               `json:"compression"`
	Size        int64                `json:"size"`
	StreamSize  int64                `json:"stream_size"`
	ByteOrder   string               `json:"byte_order"`
	Trailing    int64                `json:"trailing_bytes,omitempty"`
	Platform    string               `json:"oldest_platform,omitempty"` // absent: no platform
	PlatformWhy string               `json:"oldest_platform_reason"`
	Packages    []inspectedPackage   `json:"packages,omitempty"`
	Snapshots   []*inspectedSnapshot `json:"snapshots"`
	Manifest    *inspectedManifest   `json:"manifest,omitempty"`
}

type inspectedPackage struct {
	Name string   `json:"name"`
	List jsonList `json:"list"`
}

type inspectedSnapshot struct {
	Name     string           `json:"name"`
	Kind     string           `json:"kind"`
	GUID     string           `json:"guid"`
	Origin   string           `json:"origin_guid,omitempty"`
	Clone    bool             `json:"clone,omitempty"`
	Created  string           `json:"created"`
	Features []string         `json:"features,omitempty"`
	Flags    []string         `json:"flags,omitempty"`
	List     jsonList         `json:"list,omitempty"`
	Records  map[string]int64 `json:"records"`
	Objects  int              `json:"objects"`
	Logical  int64            `json:"content_bytes"` // that WRITE records stand for
	Stored   int64            `json:"content_payload_bytes"`
	MaxBlock int64            `json:"largest_block"`
	Note     string           `json:"note,omitempty"` // why there is no more to tell
	Version  int              `json:"zpl_version,omitempty"`
	Volume   *inspectedVolume `json:"volume,omitempty"`
	Files    *inspectedFiles  `json:"files,omitempty"`
}

type inspectedVolume struct {
	Size      int64 `json:"size"`
	BlockSize int   `json:"volblocksize"`
	Data      int64 `json:"data_bytes"`
	Holes     int64 `json:"hole_bytes"`

	Begins   string   `json:"begins_with,omitempty"` // absent: it was not looked at
	Warnings []string `json:"warnings,omitempty"`    // why machines may find nothing there
}

type inspectedFiles struct {
	ByType  map[string]int `json:"names_by_type"`
	Size    uint64         `json:"size"` // of all regular files, each counted once
	Holes   uint64         `json:"hole_bytes"`
	Largest []inspectedDir `json:"largest_directories"`
}

type inspectedDir struct {
	Path  text `json:"path"`
	Names int  `json:"names"`
}

type inspectedManifest struct {
	Path    string   `json:"path"`
	UUID    string   `json:"uuid,omitempty"`
	Name    string   `json:"name,omitempty"`
	Version string   `json:"version,omitempty"`
	Type    string   `json:"type,omitempty"`
	OS      string   `json:"os,omitempty"`
	Agrees  bool     `json:"agrees"`
	Faults  []string `json:"disagreements,omitempty"`
}

func newInspection(ctx context.Context, img *image.Image) (*inspection, error) {
	in := img.Input()
	r := &inspection{
		Path: in.Path, Compression: string(in.Format), Size: in.Size, StreamSize: in.StreamSize,
		Trailing: in.Trailing, ByteOrder: "little-endian",
	}
	for _, origin := range img.Inputs[:len(img.Inputs)-1] {
		r.Origins = append(r.Origins, origin.Path)
	}
	var features stream.Features
	for _, s := range in.Snapshots {
		if s.Order.String() == "BigEndian" {
			r.ByteOrder = "big-endian"
		}
		features |= s.Begin.Features
		one, err := inspectSnapshot(ctx, img.Index, s)
		if err != nil {
			return nil, err
		}
		r.Snapshots = append(r.Snapshots, one)
	}
	r.Platform, r.PlatformWhy, _ = image.OldestPlatform(features)
	for _, p := range img.Index.Packages() {
		r.Packages = append(r.Packages, inspectedPackage{p.Begin.ToName, jsonList(p.List)})
	}
	if in.Manifest != nil {
		r.Manifest = inspectManifest(in, img.Snapshot())
	}
	return r, nil
}

func inspectSnapshot(ctx context.Context, x *objset.Index, s *objset.Snapshot) (*inspectedSnapshot, error) {
	b := s.Begin
	r := &inspectedSnapshot{
		Name: b.ToName, Kind: image.Kind(b.Objset), GUID: fmt.Sprintf("%#x", b.ToGUID),
		Created:  time.Unix(int64(min(b.CreationTime, 253402300799)), 0).UTC().Format(time.RFC3339),
		Features: splitNames(b.Features.String()), Flags: splitNames(b.Flags.String()), Clone: b.Flags&stream.FlagClone != 0,
		Records: make(map[string]int64), Objects: s.Len(), Logical: s.Stats.Logical, Stored: s.Stats.Stored, MaxBlock: s.Stats.MaxBlock,
	}
	if b.FromGUID != 0 {
		r.Origin = fmt.Sprintf("%#x", b.FromGUID)
	}
	if len(s.List) > 0 {
		r.List = jsonList(s.List)
	}
	for t, n := range s.Stats.Records {
		if n > 0 {
			r.Records[stream.Type(t).String()] = n
		}
	}
	var err error
	switch {
	case s.Encrypted():
		r.Note = "raw: contents and names are encrypted"
	case b.Features&stream.FeatureResuming != 0:
		r.Note = "resumed: the first part of the stream is missing"
	case s.Partial():
		r.Note = "incomplete: incremental, and names and sizes cannot be told without the origin"
	case b.Objset == stream.ObjsetZvol:
		v, openErr := zvol.Open(x, s)
		if openErr != nil {
			return nil, openErr
		}
		data := int64(s.Object(1).Data())
		r.Volume = &inspectedVolume{Size: v.Size, BlockSize: v.BlockSize, Data: data, Holes: v.Size - min(data, v.Size)}
		if c, err := disk.ReadContents(v, v.Size); err == nil {
			r.Volume.Begins, r.Volume.Warnings = c.String(), c.Warnings()
		}
	case b.Objset == stream.ObjsetZFS:
		r.Version, r.Files, err = inspectFiles(ctx, x, s)
	}
	return r, err
}

const largestDirs = 5

func inspectFiles(ctx context.Context, x *objset.Index, s *objset.Snapshot) (int, *inspectedFiles, error) {
	f, err := zpl.Open(x, s)
	if err != nil {
		return 0, nil, err
	}
	r := &inspectedFiles{ByType: make(map[string]int)}
	root, err := f.Znode(f.Root())
	if err != nil {
		return 0, nil, err
	}
	seen := make(map[uint64]bool) // files with several names
	add := func(path fmt.Stringer, z *zpl.Znode) {
		switch r.ByType[z.Mode.TypeName()]++; z.Mode.Type() {
		case tree.TypeDir:
			names := int(min(max(z.Size, 2)-2, 1<<48))
			at, _ := slices.BinarySearchFunc(r.Largest, names, func(d inspectedDir, n int) int { return cmp.Compare(n, d.Names) })
			if at < largestDirs {
				r.Largest = slices.Insert(r.Largest, at, inspectedDir{text(path.String()), names})
				r.Largest = r.Largest[:min(len(r.Largest), largestDirs)]
			}
		case tree.TypeFile:
			if z.Links > 1 {
				if seen[z.Object] {
					return
				}
				seen[z.Object] = true
			}
			r.Size += z.Size
			r.Holes += z.Size - min(s.Object(z.Object).Data(), z.Size)
		}
	}
	add(top{}, root)
	err = f.Visit(f.Root(), "", func(path *zpl.Path, _ zpl.DirEntry, z *zpl.Znode) error {
		add(path, z)
		return ctx.Err()
	})
	return f.Version(), r, err
}

// top is the path of the root.
type top struct{}

func (top) String() string { return "." }

// inspectManifest compares the manifest with the file and the snapshot.
func inspectManifest(in *image.Input, s *objset.Snapshot) *inspectedManifest {
	r := &inspectedManifest{Path: in.ManifestPath}
	m, err := manifest.ParsePartial(in.Manifest)
	if err != nil {
		r.Faults = []string{err.Error()}
		return r
	}
	r.UUID, r.Name, r.Version, r.Type, r.OS = m.UUID, m.Name, m.Version, m.Type, m.OS
	if d, err := manifest.Decode(in.Manifest); err == nil && d.Kind() != manifest.KindManifest {
		r.Faults = append(r.Faults, (&manifest.NotOneError{Kind: d.Kind(), Manifests: 1}).Error())
	}
	fault := func(format string, args ...any) { r.Faults = append(r.Faults, fmt.Sprintf(format, args...)) }
	if len(m.Files) != 1 {
		fault("it names %d files", len(m.Files))
	} else {
		file := m.Files[0]
		if file.Compression != string(in.Format) {
			fault("compression is %q, the file's %q", file.Compression, in.Format)
		}
		if int64(file.Size) != in.Size {
			fault("size is %d, the file's %d", file.Size, in.Size)
		}
		if guid := string(file.DatasetGUID); guid != "" && guid != fmt.Sprint(s.Begin.ToGUID) {
			fault("dataset_guid is %s, the snapshot's %d", guid, s.Begin.ToGUID)
		}
	}
	if volume := s.Begin.Objset == stream.ObjsetZvol; volume != (m.Type == manifest.TypeZvol) {
		fault("type is %q, the stream holds a %s", m.Type, image.Kind(s.Begin.Objset))
	}
	if incremental := s.Begin.FromGUID != 0; incremental != (m.Origin != "") {
		fault("origin is %q, and the stream's incremental source %#x", m.Origin, s.Begin.FromGUID)
	}
	r.Agrees = len(r.Faults) == 0
	return r
}

func splitNames(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

func (r *inspection) print(w io.Writer) error {
	p := printer{w: w}
	p.line("file", "%s, %s, %s", r.Path, r.Compression, cli.Size(r.Size))
	p.line("stream", "%s, %s", cli.Size(r.StreamSize), r.ByteOrder)
	if len(r.Origins) > 0 {
		p.line("origins", "%s", strings.Join(r.Origins, ", "))
	}
	if r.Trailing > 0 {
		p.line("", "%d bytes follow that are no stream", r.Trailing)
	}
	if r.Platform != "" {
		p.line("platforms", "since %s (%s)", r.Platform, r.PlatformWhy)
	} else {
		p.line("platforms", "none receives it (%s)", r.PlatformWhy)
	}
	for _, pkg := range r.Packages {
		p.line("package", "%s", printable(pkg.Name))
		list, err := json.Marshal(pkg.List)
		if err != nil {
			return err
		}
		p.line("", "%s", plain.JSON(list))
	}
	for _, s := range r.Snapshots {
		p.snapshot(s)
	}
	if m := r.Manifest; m != nil {
		fmt.Fprintln(w)
		p.line("manifest", "%s", m.Path)
		p.line("", "%s %s, %s, %s, %s", printable(m.Name), printable(m.Version), m.Type, m.OS, m.UUID)
		if m.Agrees {
			p.line("", "agrees with the stream")
		}
		for _, f := range m.Faults {
			p.line("", "does not agree: %s", f)
		}
	}
	return p.err
}

// printer prints lines with a word in front.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(word, format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, "%-10s %s\n", word, fmt.Sprintf(format, args...))
	}
}

func (p *printer) snapshot(s *inspectedSnapshot) {
	fmt.Fprintln(p.w)
	p.line("snapshot", "%s, a %s", printable(s.Name), s.Kind)
	p.line("guid", "%s", s.GUID)
	p.line("created", "%s", s.Created)
	if s.Origin != "" {
		how := "incremental"
		if s.Clone {
			how = "a clone"
		}
		p.line("origin", "%s: %s of the snapshot with that guid", s.Origin, how)
	}
	if len(s.Features) > 0 {
		p.line("features", "%s", strings.Join(s.Features, " "))
	}
	if len(s.Flags) > 0 {
		p.line("flags", "%s", strings.Join(s.Flags, " "))
	}
	var records []string
	for t := range stream.TypeRedact + 1 {
		if n := s.Records[t.String()]; n > 0 {
			records = append(records, fmt.Sprintf("%d %v", n, t))
		}
	}
	p.line("records", "%s", strings.Join(records, ", "))
	p.line("objects", "%d", s.Objects)
	p.line("contents", "%s in blocks of up to %s, %s in the stream", cli.Size(s.Logical), cli.Size(s.MaxBlock), cli.Size(s.Stored))
	if s.Note != "" {
		p.line("note", "%s", s.Note)
	}
	if v := s.Volume; v != nil {
		p.line("volume", "%s in blocks of %s: %s data, %s holes", cli.Size(v.Size), cli.Size(int64(v.BlockSize)), cli.Size(v.Data), cli.Size(v.Holes))
		if v.Begins != "" {
			p.line("", "begins with %s", v.Begins)
		}
		for _, w := range v.Warnings {
			p.line("warning", "%s", w)
		}
	}
	if f := s.Files; f != nil {
		var types []string
		for name, n := range f.ByType {
			types = append(types, fmt.Sprintf("%d %s", n, name))
		}
		slices.Sort(types)
		p.line("names", "%s (ZPL version %d)", strings.Join(types, ", "), s.Version)
		p.line("files", "%s, of which %s holes", cli.Size(int64(f.Size)), cli.Size(int64(f.Holes)))
		for i, d := range f.Largest {
			word := ""
			if i == 0 {
				word = "largest"
			}
			p.line(word, "%7d names in %s", d.Names, printable(string(d.Path)))
		}
	}
}
