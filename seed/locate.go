package seed

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"imagetools/fault"
)

// Places are where a build keeps what a seed is made of.
type Places struct {
	Proto   string // install root of the build: its etc and var are taken
	Overlay string // its etc is laid over that; "" where the build has none
	Smartos string // a further overlay, of which only SMF manifests are of interest; "" for none

	// Manifests have the owners and modes of all that the build installs: manifest.gen, or
	// the files that it is the sum of, in order. None leave everything to root, with the
	// modes on disk.
	Manifests []string

	Notes []string // on what was found where one may not expect it
}

// LocateOptions override what [Locate] finds. Paths are the caller's, not below the build.
type LocateOptions struct {
	Proto, Overlay, Smartos string
	Manifest                string // manifest.gen, or a folder of *.manifest files

	WithoutOverlay, WithoutManifest bool // the build has none, and that is right
}

// mergedMark is a file that lay in overlay/generic, and since 2019 lies in proto: where it is in
// proto, so is all of the overlay.
const mergedMark = "lib/svc/manifest/system/mdata.xml"

// Locate finds the parts of a build of any generation:
//
//	etc, var        proto
//	overlay         overlay/generic; in the oldest builds overlay itself; since 2019 proto holds its files
//	second overlay  overlay/smartos, if there is one (old and derived trees)
//	owners, modes   manifest.gen; else manifest.d, whose files make it up
//
// What is missing is reported together, each with the option that names it.
func Locate(build string, opts LocateOptions) (*Places, error) {
	info, err := os.Stat(build)
	if err != nil {
		return nil, fmt.Errorf("smartos-live build: %w", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("smartos-live build %q: not a folder", build)
	}
	p := &Places{}
	var faults []error
	for _, part := range []func(*Places, string, LocateOptions) error{locateProto, locateOverlay, locateManifest} {
		if err := part(p, build, opts); err != nil {
			faults = append(faults, err)
		}
	}
	if p.Smartos = opts.Smartos; p.Smartos != "" {
		if !isDir(p.Smartos) {
			faults = append(faults, fmt.Errorf("second overlay %q: not a folder", p.Smartos))
		}
	} else if dir := filepath.Join(build, "overlay", "smartos"); isDir(dir) {
		p.Smartos = dir
	}
	if len(faults) > 0 {
		return nil, fmt.Errorf("smartos-live build %q: %w", build, errors.Join(faults...))
	}
	return p, nil
}

func isDir(elem ...string) bool {
	info, err := os.Stat(filepath.Join(elem...))
	return err == nil && info.IsDir()
}

func isFile(elem ...string) bool {
	info, err := os.Stat(filepath.Join(elem...))
	return err == nil && info.Mode().IsRegular()
}

// Ways out of a build that lacks a part.
var (
	WayProto        = fault.NewWay("seed.proto")         // name a finished build, or its install root
	WayOverlay      = fault.NewWay("seed.overlay")       // name the overlay, or do without
	WayManifest     = fault.NewWay("seed.manifest")      // name the manifest, or do without
	WayManifestFile = fault.NewWay("seed.manifest-file") // name the file manifest.gen
)

func locateProto(p *Places, build string, opts LocateOptions) error {
	if p.Proto = opts.Proto; p.Proto == "" {
		p.Proto = filepath.Join(build, "proto")
	}
	if isDir(p.Proto, "etc") && isDir(p.Proto, "var") {
		return nil
	}
	err := fmt.Errorf("no folders etc and var in %q, so it is no build, or none that was finished", p.Proto)
	if opts.Proto != "" {
		return err
	}
	return fault.With(err, WayProto)
}

func locateOverlay(p *Places, build string, opts LocateOptions) error {
	switch {
	case opts.WithoutOverlay:
	case opts.Overlay != "":
		if p.Overlay = opts.Overlay; !isDir(p.Overlay, "etc") {
			return fmt.Errorf("overlay %q: no folder etc in it", p.Overlay)
		}
	case isDir(build, "overlay", "generic", "etc"):
		p.Overlay = filepath.Join(build, "overlay", "generic")
	case isDir(build, "overlay", "etc"):
		p.Overlay = filepath.Join(build, "overlay")
		p.Notes = append(p.Notes, fmt.Sprintf("the overlay is %q, as in the oldest builds", p.Overlay))
	case isFile(p.Proto, mergedMark):
		p.Notes = append(p.Notes, "there is no overlay: proto holds its files, as in builds since 2019")
	default:
		return fault.With(errors.New("no overlay/generic, and proto does not hold its files"), WayOverlay)
	}
	return nil
}

func locateManifest(p *Places, build string, opts LocateOptions) (err error) {
	switch {
	case opts.WithoutManifest:
	case opts.Manifest != "" && isDir(opts.Manifest):
		p.Manifests, err = componentManifests(opts.Manifest)
	case opts.Manifest != "":
		p.Manifests = []string{opts.Manifest}
		_, err = os.Stat(opts.Manifest)
	case isFile(build, "manifest.gen"):
		p.Manifests = []string{filepath.Join(build, "manifest.gen")}
	case isDir(build, "manifest.d"):
		if p.Manifests, err = componentManifests(filepath.Join(build, "manifest.d")); err == nil {
			p.Notes = append(p.Notes, fmt.Sprintf("there is no manifest.gen: owners and modes are from the %d files of manifest.d", len(p.Manifests)))
		}
	default:
		return fault.With(errors.New("no manifest.gen, and no manifest.d"), WayManifest)
	}
	return err
}

// componentManifests are the files that manifest.gen is made of.
func componentManifests(dir string) ([]string, error) {
	list, err := filepath.Glob(filepath.Join(globEscape(dir), "*.manifest"))
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, fault.With(fmt.Errorf("no *.manifest in %q", dir), WayManifestFile)
	}
	slices.Sort(list)
	var faults fault.Faults
	for _, path := range list {
		if !isFile(path) { // to open a FIFO would wait for ever
			faults.Add(path, fmt.Errorf("manifest %q: not a file", path))
		}
	}
	return list, faults.Err()
}
