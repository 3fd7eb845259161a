package base

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"imagetools/overlay"
	"imagetools/tree"
	"imagetools/tree/source"
)

// builtin are the directories of the overlay, each with a METALOG beside it, for neither git
// nor Go keep owners and modes.
//
//go:embed all:overlay
var builtin embed.FS

// What the overlay brings into a zone, and where its scripts expect what is handed to them.
const (
	FirstScript  = "/root/customize/first"
	SecondScript = "/root/customize/second"
	WorkDir      = "/var/tmp/basesetup"
	LogFile      = WorkDir + "/basesetup.log"
	CACertFile   = WorkDir + "/cacert.pem" // root certificates for the first packages; may be absent
)

// BootstrapFile is where the first script expects the bootstrap.
func (img *Image) BootstrapFile() string { return WorkDir + "/" + img.Variables["PKGSRC_BOOTSTRAP"] }

// Shell is the program that runs the scripts in the zone.
func (img *Image) Shell() string { return img.Variables["ZONE_SHELL"] }

// OverlayDirs are the directories that an overlay may have, sorted, and where each of them lies
// in an image.
var OverlayDirs = []struct{ Name, Target string }{
	{"data", "/data"},
	{"etc", "/etc"},
	{"root", "/root"},
	{"sysconfdir", "@IMAGE_SYSCONFDIR@"},
}

// target is where a directory of an overlay lies in the image.
func (img *Image) target(dir string) string {
	for _, d := range OverlayDirs {
		if d.Name == dir {
			return strings.ReplaceAll(d.Target, "@IMAGE_SYSCONFDIR@", img.Variables["IMAGE_SYSCONFDIR"])
		}
	}
	return "/" + dir
}

const metalogSuffix = ".mtree"

// readBuiltin reads a directory of the built-in overlay.
func readBuiltin(dir string) (layer *overlay.Layer, metalog []byte, err error) {
	top, err := fs.Sub(builtin, "overlay/"+dir)
	if err != nil {
		return nil, nil, err
	}
	if metalog, err = builtin.ReadFile("overlay/" + dir + metalogSuffix); err != nil {
		return nil, nil, err
	}
	layer, err = overlay.ReadFS("built-in "+dir, top, string(metalog))
	return layer, metalog, err
}

// Overlay returns the layers of the built-in overlay that are laid over the image.
func (img *Image) Overlay() ([]*overlay.Layer, error) {
	var layers []*overlay.Layer
	for _, dir := range img.Dirs {
		l, _, err := readBuiltin(dir)
		if err != nil {
			return nil, err
		}
		l.At = img.target(dir)
		layers = append(layers, l)
	}
	return layers, nil
}

// ReadOverlay returns the layers in a folder of a user's that are laid over the image: it is
// made like the one that [BuiltinTree] is, and has some of its directories. The METALOG of a
// directory, such as etc.mtree, may be missing.
func (img *Image) ReadOverlay(ctx context.Context, folder string) ([]*overlay.Layer, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("overlay: %w", err)
	}
	known := map[string]bool{}
	var names []string
	for _, d := range OverlayDirs {
		known[d.Name], known[d.Name+metalogSuffix] = true, true
		names = append(names, d.Name)
	}
	var faults source.Faults
	for _, e := range entries {
		if !known[e.Name()] {
			faults.Add(e.Name(), fmt.Errorf("overlay %q: %q: unknown directory; there are %s", folder, e.Name(), strings.Join(names, ", ")))
		}
	}
	var layers []*overlay.Layer
	for _, dir := range img.Dirs {
		if !slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Name() == dir }) {
			continue
		}
		l, err := overlay.ReadDir(ctx, filepath.Join(folder, dir))
		if err != nil {
			faults.Add(dir, err)
			continue
		}
		l.At = img.target(dir)
		layers = append(layers, l)
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	return layers, nil
}

// BuiltinTree is the built-in overlay as a folder: each directory, with its METALOG beside it.
func BuiltinTree() (*tree.Tree, error) {
	t := tree.New()
	for _, d := range OverlayDirs {
		l, metalog, err := readBuiltin(d.Name)
		if err != nil {
			return nil, err
		}
		l.Tree.Unseal()
		log := &tree.Node{Mode: tree.TypeFile | 0o644, Size: int64(len(metalog)), Content: tree.Bytes(metalog)}
		if err := errors.Join(t.Root.Add(d.Name, l.Tree.Root), t.Root.Add(d.Name+metalogSuffix, log)); err != nil {
			return nil, err
		}
	}
	return t, t.Seal()
}
