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

// What is looked at for a root file system: directories of a level, and names in all.
const (
	maxPlaces = 1000
	maxNames  = 1 << 20
)

// elsewhere says where a root file system lies instead; empty if none is found. Each directory is
// read once.
func (c *checker) elsewhere() string {
	places, names := []string{"."}, 0
	for level := 0; level < 4; level++ {
		var below []string
		for _, dir := range places {
			list, err := c.fs.ReadDir(dir)
			if err != nil {
				continue
			}
			if names += len(list); names > maxNames {
				return ""
			}
			if dir != root && looksLikeRoot(list) {
				if dir == "." {
					return "; the root file system is at the top of the dataset, and belongs into root/"
				}
				return fmt.Sprintf("; the root file system is in %q: use that directory as the source", dir)
			}
			for _, e := range list {
				if e.Dir && len(below) < maxPlaces && !partOfRoot[e.Name] {
					below = append(below, path.Join(dir, e.Name))
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
func looksLikeRoot(list []Entry) bool {
	etc, other := false, false
	for _, e := range list {
		switch e.Name {
		case "etc":
			etc = e.Dir
		case "usr", "var", "bin", "sbin", "lib", "opt":
			other = true
		}
	}
	return etc && other
}
