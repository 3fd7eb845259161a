package seed

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"imagetools/fault"

	"imagetools/tree"
	"imagetools/tree/fromdir"
	"imagetools/tree/source"
)

// parts are what was read of a build.
type parts struct {
	proto, overlay *tree.Tree // overlay is nil if there is none
	manifests      []*Manifest
	newest         tree.Time // of all files, those of directories do not count
	setIDs         map[*tree.Node]diskOwner
	warnings       []source.Warning
}

// diskOwner is whom a set-id file belongs to on disk.
type diskOwner struct{ uid, gid uint32 }

// readParts reads all of the build that is needed.
func readParts(ctx context.Context, places Places, progress func(int)) (*parts, error) {
	p := &parts{setIDs: make(map[*tree.Node]diskOwner)}
	var err error
	if p.proto, err = p.read(ctx, places.Proto, []string{"etc", "var"}, progress); err != nil {
		return nil, fmt.Errorf("proto: %w", err)
	}
	if places.Overlay != "" {
		if p.overlay, err = p.read(ctx, places.Overlay, []string{"etc"}, progress); err != nil {
			return nil, fmt.Errorf("overlay: %w", err)
		}
	}
	var faults fault.Faults
	faults.Limit = maxManifestFaults
	lines := 0
	for i, path := range places.Manifests {
		m, modified, err := readManifest(path)
		if err != nil {
			faults.Add(fmt.Sprintf("%06d", i), err)
			continue
		}
		if lines += len(m.Entries); lines > maxManifestLines {
			return nil, fmt.Errorf("manifest %q: with those before it over %d lines, far more than any build's", path, maxManifestLines)
		}
		p.manifests = append(p.manifests, m)
		p.newest = later(p.newest, modified)
	}
	return p, faults.Err()
}

// read reads some directories that lie in dir.
func (p *parts) read(ctx context.Context, dir string, wanted []string, progress func(int)) (*tree.Tree, error) {
	exclude, err := allBut(dir, wanted)
	if err != nil {
		return nil, err
	}
	t, rep, err := fromdir.Read(ctx, dir, fromdir.Options{Owners: source.OwnersDisk, NoXattrs: true, Exclude: exclude, Progress: progress})
	if err != nil {
		return nil, err
	}
	for _, w := range rep.Warnings {
		p.warnings = append(p.warnings, source.Warning{Path: filepath.Join(dir, w.Path), Text: w.Text})
	}
	for _, name := range wanted {
		if n := t.Root.Lookup(name); n == nil || !n.IsDir() {
			return nil, fmt.Errorf("%q: no directory, but perhaps a link to one, which is not followed", filepath.Join(dir, name))
		}
	}
	p.survey(t.Root)
	return t, nil
}

// survey makes everything root's, gives links the mode that all systems but darwin have for them,
// and finds the newest file.
func (p *parts) survey(n *tree.Node) {
	if n.Mode.Type() == tree.TypeFile && n.Mode&(tree.SetUID|tree.SetGID) != 0 {
		if _, known := p.setIDs[n]; !known {
			p.setIDs[n] = diskOwner{n.UID, n.GID}
		}
	}
	n.UID, n.GID = 0, 0
	if n.Mode.Type() == tree.TypeSymlink {
		n.Mode = tree.TypeSymlink | 0o777
	}
	if !n.IsDir() {
		p.newest = later(p.newest, n.ModTime)
	}
	for _, e := range n.Entries() {
		p.survey(e.Node)
	}
}

// allBut are globs for all that lies in dir, except for some names.
func allBut(dir string, wanted []string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var globs []string
	for _, e := range entries {
		if !slices.Contains(wanted, e.Name()) {
			globs = append(globs, "/"+globEscape(e.Name()))
		}
	}
	return globs, nil
}

// globEscape returns the glob that matches s alone.
func globEscape(s string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`).Replace(s)
}
