// Package build makes images: of a source, with changes on the way, by one description.
//
//	spec := build.Spec{NameVersion: "web-1.0", Source: "rootfs.tar.xz", Changes: []edit.Step{&prepare.Step{}}}
//	plan, err := spec.Plan(ctx)
//	...
//	defer plan.Close()
//	res, err := plan.Run(ctx)
//
// A [Spec] is what commands, recipes and servers fill in. [Spec.Check] reports all that is wrong
// with it, [Spec.Plan] opens everything and makes the changes in memory, so that all is known of the
// image but its contents, and [Plan.Run] writes it. A plan that is not run is a dry run.
package build

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"imagetools/compress"
	"imagetools/fault"
	"imagetools/host"
	"imagetools/image"
	"imagetools/internal/plain"
	"imagetools/manifest"
	"imagetools/rootfs/edit"
	"imagetools/source"
	"imagetools/zfs/zpl"
	"imagetools/zfs/zvol"
)

// Spec says what image to make. The zero values of all fields but NameVersion and Source are what
// most images want.
type Spec struct {
	// NameVersion is the name, a hyphen and the version, which is what is behind the last hyphen
	// unless a manifest has just that name and version. It may be empty for an image, which tells
	// both.
	NameVersion string
	// Source is what the image is made of, as [source.Find] takes it, and Read how it is read.
	Source string
	Read   source.Options
	// Manifest is what the manifest says. Its Base is one to start from, of which that is left out
	// which tells one image from another.
	Manifest manifest.Options

	// Origin is the image that the new one is an increment on, after those that it builds on
	// itself, which may be left out if their manifests tell them. Full images have none. If
	// MaxOrigins is not 0, more of them are refused.
	Origin     []string
	MaxOrigins int

	FileSystem int        // version of the ZPL, 4 or 5; 0 is 5, or that of the origin
	XattrNames XattrNames // "" is XattrNamesLinux
	VolumeSize int64      // bytes, a multiple of MiB; 0: that of the disk, or image_size of the manifest
	BlockSize  int        // of a volume, bytes; 0 is 8192, or that of a volume that is the source

	LX      LX          // how a Linux is finished
	Changes []edit.Step // of the root file system, in this order, after that

	Incremental bool // of a virtual machine: what its own image does not have
	Unprepared  bool // of a virtual machine: whether it was prepared or not
	// RemoveStale is asked whether to destroy a snapshot that a killed run left; nil is no.
	RemoveStale func(host.Leftover) (bool, error)

	Output  Output
	Created *int64 // seconds since 1970, of the snapshot; nil: that of the newest file
	Now     time.Time

	// Ask may complete the manifest by what have lacks, before anything is read that takes long.
	Ask func(m *manifest.Options, have *manifest.Manifest) error
	// Opened is called before the image is written, with the number of its files and the bytes of
	// memory that sources hold.
	Opened func(files int, held int64)
	// Placed is called when both files have their names. If it fails, all is as it was before.
	Placed func(*Result) error
	Log    Log
	// Called is what messages call a field, such as the flag that sets it; nil: its name.
	Called func(field string) string
}

// Output says where an image goes.
type Output struct {
	Dir         string          // is made if it does not exist; "" is the working directory
	Compression compress.Format // "" is gzip
	Force       bool            // replace files that exist
}

// XattrNames says how the names of extended attributes are written.
type XattrNames string

// The ways of writing names of extended attributes.
const (
	XattrNamesLinux   XattrNames = "linux"   // in full, as OpenZFS on Linux has them
	XattrNamesIllumos XattrNames = "illumos" // without "user."
)

// Log is told what goes on. Its functions may be nil.
type Log struct {
	Warn     func(text string)                    // what is probably not meant
	Note     func(text string)                    // what is to be known
	Say      func(text string)                    // what is done
	Progress func(what string, done, total int64) // bytes; total is -1 if it is unknown
	Count    func(what string, n int64)           // names
	Finish   func()                               // of progress, before anything else is told
}

// Ways out of what goes wrong.
var (
	WayNameVersion = fault.NewWay("build.name-version") // NAME-VERSION is needed
	WayUTF8        = fault.NewWay("build.utf8")         // a text in another encoding
	WayDir         = fault.NewWay("build.dir")          // another directory
	WayForce       = fault.NewWay("build.force")        // replace files
	WayCreated     = fault.NewWay("build.created")      // a later time
	WaySize        = fault.NewWay("build.size")         // a larger volume
	WayOrigins     = fault.NewWay("build.origins")      // name all images
	WayFlatten     = fault.NewWay("build.flatten")      // make one full image of several
	WayIncremental = fault.NewWay("build.incremental")  // of a virtual machine
	WayDestroy     = fault.NewWay("build.destroy")      // the snapshot
	WayHalt        = fault.NewWay("build.halt")         // the zone
	WayPrepare     = fault.NewWay("build.prepare")      // the UUID of the zone
	WayProfiles    = fault.NewWay("build.profiles")     // a list of profiles
	WayAsItIs      = fault.NewWay("build.as-it-is")     // leave the root as it is
)

func (s *Spec) called(field string) string {
	if s.Called != nil {
		return s.Called(field)
	}
	return field
}

// given are those fields that are set, as messages call them.
func (s *Spec) given(fields ...string) string {
	set := map[string]bool{
		"Metalog": s.Read.Metalog != "", "Owners": s.Read.Owners != "", "Exclude": len(s.Read.Exclude) > 0, "AsDataset": false,
		"FileSystem": s.FileSystem != 0, "XattrNames": s.XattrNames != "", "Changes": len(s.Changes) > 0,
		"LX.Profile": s.LX.Profile != "" || s.LX.Auto, "LX.Skip": len(s.LX.Skip) > 0, "LX.Kernel": s.LX.Kernel != "",
		"Platform": s.Read.Platform != "", "Insecure": s.Read.Insecure, "SpoolLimit": s.Read.SpoolLimit != 0,
		"VolumeSize": s.VolumeSize != 0, "BlockSize": s.BlockSize != 0,
		"NICDriver": s.Manifest.NICDriver != "", "DiskDriver": s.Manifest.DiskDriver != "", "CPUType": s.Manifest.CPUType != "", "Bootrom": s.Manifest.Bootrom != "",
	}
	var out []string
	for _, f := range fields {
		if name := s.called(f); set[f] && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return strings.Join(out, ", ")
}

// Fields that mean nothing for other sources, or other images.
var (
	treeFields      = []string{"Metalog", "Owners", "Exclude", "FileSystem", "XattrNames", "Changes", "LX.Profile", "LX.Skip", "LX.Kernel"}
	lxFields        = []string{"LX.Profile", "LX.Skip", "LX.Kernel"}
	containerFields = []string{"Platform", "Insecure", "SpoolLimit"}
	diskFields      = []string{"VolumeSize", "BlockSize"}
	volumeFields    = []string{"NICDriver", "DiskDriver", "CPUType", "Bootrom"}
)

// Check reports all that is wrong with the specification by itself. Most of it is of
// fault.AskedError.
func (s *Spec) Check() error {
	var faults fault.List
	_, err := s.options()
	faults.Add(err)
	m := &s.Manifest
	for _, f := range []struct{ name, value string }{
		{"type", m.Type}, {"os", m.OS}, {"uuid", m.UUID}, {"owner", m.Owner}, {"creator", m.Creator},
		{"description", m.Description}, {"homepage", m.Homepage},
	} {
		if !utf8.ValidString(f.value) {
			faults.Add(fault.With(fault.Askedf("%s %q: not UTF-8", f.name, f.value), WayUTF8))
		}
	}
	switch s.FileSystem {
	case 0, 4, 5:
	default:
		faults.Check(false, "%s %d: it is 4 or 5", s.called("FileSystem"), s.FileSystem)
	}
	switch s.XattrNames {
	case "", XattrNamesLinux, XattrNamesIllumos:
	default:
		faults.Check(false, "%s %q: it is linux or illumos", s.called("XattrNames"), string(s.XattrNames))
	}
	n := int64(s.BlockSize)
	faults.Check(n == 0 || n >= zvol.MinBlockSize && n <= zvol.MaxBlockSize && n&(n-1) == 0, "%s %s: it is 4K, 8K, 16K, 32K, 64K or 128K", s.called("BlockSize"), plain.Size(n))
	n = s.VolumeSize
	faults.Check(n >= 0 && n <= zvol.MaxSize && n%mebibyte == 0, "%s %d: a number of MiB is needed", s.called("VolumeSize"), n)
	faults.Check(s.MaxOrigins == 0 || s.MaxOrigins >= 2, "%s %d: it is at least 2", s.called("MaxOrigins"), s.MaxOrigins)
	faults.Check(!slices.Contains(s.Origin, "-"), "%s: an image is needed, not standard input", s.called("Origin"))
	faults.Add(fault.Asked(edit.Check(s.Changes...)))
	return faults.Err()
}

const mebibyte = 1 << 20

// options turns the specification into options of an image, as far as nothing needs to be read.
func (s *Spec) options() (*image.Options, error) {
	m := s.Manifest
	if m.Base != nil {
		m.Base, _ = manifest.Template(m.Base)
	}
	if s.NameVersion != "" {
		var err error
		if m.Name, m.Version, err = m.Base.SplitNameVersion(s.NameVersion); err != nil {
			return nil, fault.With(fault.Asked(err), WayNameVersion)
		}
	}
	if m.Bootrom != "" && m.Brand == "" && (m.Base == nil || m.Base.Requirements == nil || m.Base.Requirements.Brand == "") {
		m.Brand = "bhyve"
	}
	compression, err := compress.ParseFormat(cmp.Or(string(s.Output.Compression), string(compress.Gzip)))
	if err != nil {
		return nil, fault.Asked(err)
	}
	out := &image.Options{
		Dir: s.Output.Dir, Force: s.Output.Force, Compression: compression, Now: cmp.Or(s.Now, time.Now()),
		FileSystem: zpl.Options{Version: s.FileSystem, Created: s.Created},
		Volume:     zvol.Options{BlockSize: s.BlockSize},
		Manifest:   m,
		Note:       s.Log.Warn,
	}
	if s.FileSystem == 0 && len(s.Origin) == 0 {
		out.FileSystem.Version = 5
	}
	if s.XattrNames == XattrNamesIllumos {
		out.FileSystem.XattrNames = zpl.XattrNamesIllumos
	}
	if t := manifest.New(m).Type; !isImageType(t) {
		return nil, fault.Askedf("type %q: a tree makes a %s or a %s, a volume or disk a %s", t, manifest.TypeZone, manifest.TypeLX, manifest.TypeZvol)
	}
	return out, nil
}

// tellTemplate tells what is not taken from the manifest to start from.
func (s *Spec) tellTemplate() {
	if s.Manifest.Base == nil {
		return
	}
	if _, left := manifest.Template(s.Manifest.Base); len(left) > 0 {
		s.Log.note("%s is the manifest of the image %s; the new image does not inherit its %s", s.called("Base"), s.Manifest.Base.UUID, strings.Join(left, ", "))
	}
}

// isImageType tells whether images of a type are made here.
func isImageType(t string) bool {
	return t == manifest.TypeZone || t == manifest.TypeLX || t == manifest.TypeZvol
}

// Run makes the image: it is [Spec.Plan] and [Plan.Run].
func (s *Spec) Run(ctx context.Context) (res *Result, err error) {
	plan, err := s.Plan(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, plan.Close()) }()
	return plan.Run(ctx)
}

// withWay adds ways out to what the image package refuses.
func withWay(err error) error {
	switch {
	case errors.Is(err, image.ErrOrigin), errors.Is(err, image.ErrSource):
		return fault.With(err, WayDir)
	case errors.Is(err, image.ErrExists):
		return fault.With(err, WayForce)
	case errors.Is(err, zpl.ErrLater), errors.Is(err, zvol.ErrLater):
		return fault.With(err, WayCreated)
	}
	return err
}
