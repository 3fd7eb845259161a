// Package check examines the files of a dataset: whether zones can be created from an image with it and
// boot, and whether it contains private data. The same rules apply to a tree that is written and to a
// stream that was read.
//
//	for _, f := range check.Zone(check.Tree(t), check.Options{Type: manifest.TypeLX}) {
//		fmt.Println(f.Path, f.Message)
//	}
//	check.Leaks(t, func(path, what string) { ... })
//
// # Rules
//
// The rules have three sources, in platforms since 2012:
//
//   - what vmadm refuses when it creates a zone (VM.js),
//   - what zoneadmd needs to mount the platform (vplat.c),
//   - what the boot scripts of the brand lx look for.
//
// Symbolic links are followed as the program concerned follows them: a zone stays in its root, the global
// zone leaves it.
//
// # Limits
//
// Contents are examined only where they can be read ([FS.ReadFile]). Files cannot tell whether services
// are enabled and whether an init works.
package check

import (
	"errors"
	"io/fs"

	"imagetools/manifest"
	"imagetools/tree"
)

// A Finding is why zones made of an image do not boot, or not as they should.
type Finding struct {
	Path    string // in the dataset, without a slash in front
	Message string
	Fatal   bool // there is no root file system, so that no zone of any brand boots
}

// Options say what the image is for.
type Options struct {
	Type  string // of the manifest; empty if there is none, and then only the place of the root is judged
	Brand string // of its requirements; empty for none
}

// Node is what is known of a name.
type Node struct {
	Mode   tree.Mode
	UID    uint32
	Size   int64
	Target string // of a symbolic link
}

// Entry is a name in a directory.
type Entry struct {
	Name string
	Dir  bool // of a directory
}

// FS is the file system of a dataset. Paths are slash-separated, without a slash in front; links
// on their way are not followed.
type FS interface {
	// Lookup says what a path is. The error for one that is not there is fs.ErrNotExist, or
	// [tree.ErrNotDir] where it leads through something else.
	Lookup(path string) (Node, error)
	// ReadDir returns what is in a directory.
	ReadDir(path string) ([]Entry, error)
	// ReadFile returns the content of a regular file of at most limit bytes. The error for a larger
	// one, and for contents that are not at hand, is errors.ErrUnsupported.
	ReadFile(path string, limit int64) ([]byte, error)
}

// Brands of zones.
const (
	joyent  = "joyent"
	builder = "builder"
	minimal = "joyent-minimal"
	lx      = "lx"
)

// brand is that of the zones that an image is for; empty for one that is for none.
func (o Options) brand() string {
	switch {
	case o.Type == manifest.TypeLX && (o.Brand == "" || o.Brand == lx):
		return lx
	case o.Type == manifest.TypeZone && o.Brand == "":
		return joyent
	case o.Type == manifest.TypeZone:
		return o.Brand
	}
	return ""
}

// Zone judges the dataset of an image for zones. What cannot be looked at, because the file system
// is damaged, is not judged. It returns nil for images of other types.
func Zone(dataset FS, o Options) []Finding {
	if o.Type != "" && o.Type != manifest.TypeZone && o.Type != manifest.TypeLX {
		return nil
	}
	c := &checker{fs: dataset, brand: o.brand()}
	if !c.place() {
		return c.found
	}
	switch c.brand {
	case joyent, builder, minimal:
		if c.isLinux() && !c.has(root+zoneinitJSON) {
			c.add(root, "this is the root of a Linux: zones of brand "+c.brand+" will not boot; the type for it is lx-dataset")
			return c.found
		}
		c.native()
	case lx:
		c.linux()
	}
	c.mountPoints()
	return c.found
}

// checker collects findings.
type checker struct {
	fs    FS
	brand string
	found []Finding
}

func (c *checker) add(path, message string) {
	c.found = append(c.found, Finding{Path: path, Message: message})
}

func (c *checker) fatal(path, message string) {
	c.found = append(c.found, Finding{Path: path, Message: message, Fatal: true})
}

// has tells whether there is something at a path.
func (c *checker) has(path string) bool {
	_, err := c.fs.Lookup(path)
	return err == nil
}

func (c *checker) isDir(path string) bool {
	n, err := c.fs.Lookup(path)
	return err == nil && n.Mode.Type() == tree.TypeDir
}

// missing tells whether err says that a path does not exist.
func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, tree.ErrNotDir)
}

// Image judges a tree that is, or becomes, the image of a manifest: first by [Zone], then by
// [Leaks].
func Image(t *tree.Tree, m *manifest.Manifest) (zone, leaks []Finding) {
	zone = Zone(Tree(t), Of(m))
	if Of(m).brand() == lx {
		zone = append(zone, capabilities(t)...)
	}
	Leaks(t, func(path, what string) { leaks = append(leaks, Finding{Path: path, Message: what}) })
	return zone, leaks
}
