package check

import (
	"fmt"
	"path"

	"imagetools/tree"
)

// root is where a dataset has the root file system of its zone.
const root = "root"

// place judges where the root file system lies, and whether users can reach it. It tells whether
// there is any.
func (c *checker) place() bool {
	n, err := c.fs.Lookup(root)
	switch {
	case missing(err):
		c.fatal(root, "not found: zones will not boot"+c.elsewhere())
		return false
	case err != nil:
		return false // told as damage
	case n.Mode.Type() != tree.TypeDir:
		c.fatal(root, "not a directory: zones will not boot")
		return false
	}
	names, err := c.fs.ReadDir(root)
	if err != nil {
		return false
	}
	if len(names) == 0 {
		c.add(root, "empty: zones will not boot"+c.elsewhere())
		return false
	}
	if c.brand == "" {
		return true
	}
	if !c.has(root + "/etc") {
		if where := c.elsewhere(); where != "" {
			c.add(root, "no etc in it: zones will not boot"+where)
			return false
		}
	}
	if n.Mode&0o001 == 0 {
		c.add(root, fmt.Sprintf("mode %04o: only its owner can reach files in zones; use mode 0755", uint32(n.Mode.Perm())))
	}
	if n.UID != 0 {
		c.add(root, fmt.Sprintf("owner %d is not root: that user can replace any file in zones", n.UID))
	}
	return true
}

// maxPlaces bounds how many directories are looked at for a root file system.
const maxPlaces = 1000

// elsewhere says where a root file system lies instead; empty if none is found.
func (c *checker) elsewhere() string {
	places := []string{"."}
	for level := 0; level < 4; level++ {
		var below []string
		for _, dir := range places {
			if dir != root && c.looksLikeRoot(dir) {
				if dir == "." {
					return "; the root file system is at the top of the dataset, and belongs into root/"
				}
				return fmt.Sprintf("; the root file system is in %q: use that directory as the source", dir)
			}
			names, err := c.fs.ReadDir(dir)
			if err != nil {
				continue
			}
			for _, name := range names {
				if p := path.Join(dir, name); len(below) < maxPlaces && !partOfRoot[name] && c.isDir(p) {
					below = append(below, p)
				}
			}
		}
		places = below
	}
	return ""
}

// partOfRoot are directories of a root file system that may look like one.
var partOfRoot = map[string]bool{"usr": true, "opt": true, "native": true}

// looksLikeRoot tells whether a directory has what a root file system has.
func (c *checker) looksLikeRoot(dir string) bool {
	if !c.isDir(path.Join(dir, "etc")) {
		return false
	}
	for _, name := range []string{"usr", "var", "bin", "sbin", "lib", "opt"} {
		if c.has(path.Join(dir, name)) {
			return true
		}
	}
	return false
}
