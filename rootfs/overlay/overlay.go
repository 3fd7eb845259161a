// Package overlay puts trees of files with variables into a root file system: the base files
// of an image, and what a user adds to them or has instead.
//
//	base, err := overlay.ReadDir(ctx, "overlay")
//	...
//	plan, err := overlay.NewPlan(root, []*overlay.Layer{base}, overlay.Options{
//		Vars: map[string]string{"IMAGE_NAME": "base"},
//	})
//	...
//	err = plan.Apply(ctx, func(c overlay.Change) { fmt.Println(c) })
//
// The root is a [rootfs.FS]: a zone root on disk, or a tree. NewPlan finds all faults of the
// layers and all that is in their way; only Apply changes anything. A second plan after that
// has no changes.
//
// # Variables
//
// In a regular file @NAME@ stands for the value of a variable, NAME being [A-Z][A-Z0-9_]*. One
// that is not defined is a fault, but for PUBLIC_IP and PRIVATE_IP, which zoneinit puts in
// later, and names in [Options.Keep]. @@NAME@@ is the text @NAME@. Values are put in as they
// are. A file with a NUL byte in it is binary, and kept as it is; any other is text in whatever
// encoding. Names, link targets and METALOGs have no variables.
//
// # What is carried
//
// Files with their modes, directories, empty ones too, and symbolic links. Owners are root, or
// those of a METALOG beside the layer. A hard link is a file of its own. Times are not carried.
// FIFOs, sockets, devices, extended attributes and ACLs are faults.
//
// Of several layers the later one wins, name by name: a file there takes the place of a
// directory with all that earlier layers have in it, and the reverse.
//
// # What is in the root already
//
// A file is replaced by a file or link, a link by either, with mode and owner of the layer. A
// directory stays; it gets mode and owner of the layer only if a METALOG states them, since
// those of a folder on disk are mostly accidents. A link to a directory stays where the layer
// has a directory, and leads the way. A directory where the layer has none, and devices, FIFOs
// and sockets are faults.
//
// What a layer has on disk may be writable by group or others, since a checkout under umask 002 is.
// Such modes are carried unless a METALOG states others, and [Plan.Warnings] names them.
//
// # Limits
//
// A file has at most 256 MiB, before and after its variables are filled in.
package overlay

import (
	"fmt"
	"regexp"
	"slices"

	"imagetools/fault"
)

// Options say how layers are put in.
type Options struct {
	Vars map[string]string // by name, without the signs
	Keep []string          // names that stay as they are

	// Scripts are paths in the root at which the layers must have regular files, since they are run
	// there, and Dirs those of directories that somebody else makes and uses. It is a fault if a
	// later layer has something else there, or on the way.
	Scripts, Dirs []string
}

// zoneinit has its own placeholders, filled in when a zone of the image starts first.
var zoneinit = []string{"PUBLIC_IP", "PRIVATE_IP"}

var validName = regexp.MustCompile(`^[A-Z][A-Z0-9_]*$`)

// expander is o in the form that files are expanded with.
func (o Options) expander() (*expander, error) {
	x := &expander{values: o.Vars, keep: make(map[string]bool)}
	var faults fault.Faults
	for _, name := range slices.Concat(zoneinit, o.Keep) {
		x.keep[name] = true
		if !validName.MatchString(name) {
			faults.Add("keep "+name, fmt.Errorf("variable %q to keep: not of the form [A-Z][A-Z0-9_]*", name))
		}
	}
	for name := range o.Vars {
		switch {
		case !validName.MatchString(name):
			faults.Add("vars "+name, fmt.Errorf("variable %q: not of the form [A-Z][A-Z0-9_]*", name))
		case x.keep[name]:
			faults.Add("vars "+name, fmt.Errorf("variable %q: defined, and to be kept as well", name))
		}
	}
	return x, faults.Err()
}
