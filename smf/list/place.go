package list

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

//go:embed manifest
var ownManifests embed.FS

// Roots are the folders of a smartos-live build that hold lib/svc/manifest, in the order in
// which these are searched. What a build does not have stays empty.
type Roots struct {
	Own     string // a folder of manifests itself, in place of our own
	Generic string // overlay/generic
	Proto   string // proto
	SmartOS string // overlay/smartos
}

// Places are folders of manifests in the order in which they are searched.
type Places struct {
	list  []place
	roots []*os.Root
}

type place struct {
	name string // as reports call it
	dir  string // as messages call it
	fsys fs.FS
}

// ErrNoManifests says that no root of a build has a folder of manifests.
var ErrNoManifests = errors.New("no lib/svc/manifest")

// manifestDir is where manifests are below a root.
const manifestDir = "lib/svc/manifest"

// Open opens the places to search: our own manifests, then those of the roots. A root without
// lib/svc/manifest is no place; if none has it, the error is ErrNoManifests. Nothing outside of a
// root is ever read, whatever symbolic links there are inside.
func Open(roots Roots) (_ *Places, err error) {
	p := &Places{}
	defer func() {
		if err != nil {
			p.Close()
		}
	}()
	if roots.Own == "" {
		own, err := fs.Sub(ownManifests, "manifest")
		if err != nil {
			return nil, err
		}
		p.list = append(p.list, place{"imagetools", "manifests of imagetools", own})
	} else if err := p.add("manifest-dir", roots.Own, "."); err != nil {
		return nil, err
	}
	own := len(p.list)
	for _, r := range []struct{ name, dir string }{{"generic", roots.Generic}, {"proto", roots.Proto}, {"smartos", roots.SmartOS}} {
		if r.dir == "" {
			continue
		}
		if err := p.add(r.name, r.dir, manifestDir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	if len(p.list) == own {
		return nil, ErrNoManifests
	}
	return p, nil
}

// add opens the folder sub in dir as a place.
func (p *Places) add(name, dir, sub string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	folder, err := root.OpenRoot(sub)
	if err != nil {
		return fmt.Errorf("open %q in %q: %w", sub, dir, err)
	}
	p.roots = append(p.roots, folder)
	p.list = append(p.list, place{name, filepath.Join(dir, sub), folder.FS()})
	return nil
}

// Close releases the folders.
func (p *Places) Close() {
	for _, r := range p.roots {
		r.Close()
	}
}

// maxManifest bounds a manifest; the largest of a platform has 70 KB.
const maxManifest = 4 << 20

// found is a manifest as it is in a place.
type found struct {
	place string
	text  []byte
	time  time.Time
}

// read returns the manifest of a name from the first place that has a regular file of it.
func (p *Places) read(name string) (found, error) {
	for _, at := range p.list {
		info, err := fs.Stat(at.fsys, name)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
			continue
		case err != nil:
			return found{}, at.fail(err)
		case !info.Mode().IsRegular():
			continue
		}
		text, err := readAll(at.fsys, name)
		if err != nil {
			return found{}, at.fail(err)
		}
		return found{at.name, text, info.ModTime()}, nil
	}
	return found{}, fs.ErrNotExist
}

// fail says where an error was met. The name of the file is known to the caller.
func (at place) fail(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		err = pe.Err
	}
	return fmt.Errorf("%s: %w", at.dir, err)
}

func readAll(fsys fs.FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxManifest+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxManifest {
		return nil, fmt.Errorf("more than %d bytes, and so no manifest", maxManifest)
	}
	return text, nil
}
