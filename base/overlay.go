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

	"imagetools/fault"
	"imagetools/host"
	"imagetools/rootfs/overlay"
	"imagetools/source/content"
	"imagetools/tree"
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

// IsLaidOut tells whether a folder is an overlay in the layout of the built-in one: it has sysconfdir,
// or a METALOG such as etc.mtree beside a directory.
func IsLaidOut(folder string) bool {
	for _, d := range OverlayDirs {
		info, err := os.Lstat(filepath.Join(folder, d.Name+metalogSuffix))
		if err == nil && info.Mode().IsRegular() {
			return true
		}
	}
	info, err := os.Lstat(filepath.Join(folder, "sysconfdir"))
	return err == nil && info.IsDir()
}

// ErrNoConfig says that an overlay is laid out as the built-in one, and no base image is known that
// would say where its directories land.
var ErrNoConfig = errors.New("laid out as the overlay of base images, and the CONFIG of the image is not known")

// ReadOverlay returns the layers in a folder of a user's that are laid over the image. One that is
// laid out as the built-in overlay ([IsLaidOut]) has nothing but directories of that, which land
// where those do; notes name the ones that images of this kind do not have. Any other folder is
// laid over the root as it is.
func (img *Image) ReadOverlay(ctx context.Context, folder string) (layers []*overlay.Layer, notes []string, err error) {
	if err := checkRecipe(folder); err != nil {
		return nil, nil, err
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, nil, fmt.Errorf("overlay %q: %w", folder, errors.Unwrap(err))
	}
	known := map[string]bool{}
	var names []string
	for _, d := range OverlayDirs {
		known[d.Name], known[d.Name+metalogSuffix] = true, true
		names = append(names, d.Name)
	}
	var faults fault.Faults
	laidOut := IsLaidOut(folder)
	for _, e := range entries {
		switch {
		case known[e.Name()]:
		case !laidOut:
			l, err := overlay.ReadDir(ctx, folder)
			if err != nil {
				return nil, nil, err
			}
			return []*overlay.Layer{l}, nil, nil
		default:
			faults.Add(e.Name(), fmt.Errorf("overlay %q: %q: unknown directory; there are %s", folder, e.Name(), strings.Join(names, ", ")))
		}
	}
	if laidOut && img.Branch == "" {
		return nil, nil, fault.With(fmt.Errorf("overlay %q: %w", folder, ErrNoConfig), WayConfig)
	}
	if log, err := host.Metalog(folder); laidOut && (err != nil || log != "") {
		faults.Add("", errors.Join(err, fmt.Errorf("overlay %q: the METALOG %q describes the whole folder; each directory in it must have its own", folder, log)))
	}
	for _, e := range entries {
		dir := e.Name()
		if !slices.Contains(names, dir) {
			continue
		}
		if laidOut && !slices.Contains(img.Dirs, dir) {
			notes = append(notes, fmt.Sprintf("overlay %q: %q is left out: images of this kind do not have it", folder, dir))
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
		return nil, nil, err
	}
	return layers, notes, nil
}

// checkRecipe refuses a folder that is a mibe repository.
func checkRecipe(folder string) error {
	level, err := content.LevelOfDir(folder)
	if err != nil || level.Kind != content.Mibe {
		return nil // reading the folder says what is wrong
	}
	return fault.WithHint(fmt.Errorf("overlay %q: a mibe repository, not an overlay", folder), "use "+filepath.Join(folder, level.Path, "copy"))
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
