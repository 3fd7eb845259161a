package seed

import (
	"fmt"
	"slices"

	"imagetools/fault"

	"imagetools/tree"
)

// layer lays one tree over another, as rsync -a copies a directory into another: directories
// that both have become one, with the metadata of the upper one; anything else replaces what
// has its name; a directory replaces a link, also one to a directory: links are never followed.
// What cannot be is another thing in place of a directory with something in it.
type layer struct {
	// keepDirs leaves the metadata of directories that are there alone, but for the time of
	// those that get names, which becomes changed.
	keepDirs bool
	changed  tree.Time

	added     int
	replaced  []string // paths
	forLinks  []string // paths of directories that replaced links
	conflicts fault.Faults
}

// lay puts what lies in the directory over into dst. Nodes are shared afterwards, so over must
// not be used any more.
func (l *layer) lay(dst, over *tree.Node, prefix string) error {
	for _, e := range over.Entries() {
		path, have := prefix+e.Name, dst.Lookup(e.Name)
		switch {
		case have != nil && have.IsDir() && e.Node.IsDir():
			if !l.keepDirs {
				copyMetadata(have, e.Node)
			}
			if err := l.lay(have, e.Node, path+"/"); err != nil {
				return err
			}
			continue
		case have != nil && have.IsDir() && len(have.Entries()) > 0:
			l.conflicts.Add(path, fmt.Errorf("%q: a %s cannot replace a directory that is not empty", path, e.Node.Mode.TypeName()))
			continue
		case have != nil:
			l.replaced = append(l.replaced, path)
			if e.Node.IsDir() && have.Mode.Type() == tree.TypeSymlink {
				l.forLinks = append(l.forLinks, path)
			}
			if err := dst.Remove(e.Name); err != nil {
				return err
			}
		default:
			l.added++
		}
		if l.keepDirs {
			dst.ModTime = l.changed
		}
		if err := l.add(dst, e, path); err != nil {
			return err
		}
	}
	return nil
}

// add gives dst a name that it has not.
func (l *layer) add(dst *tree.Node, e tree.Entry, path string) error {
	if !e.Node.IsDir() {
		return dst.Add(e.Name, e.Node)
	}
	dir := tree.NewDir(e.Node.Mode)
	if err := dst.Add(e.Name, dir); err != nil {
		return err
	}
	if err := l.lay(dir, e.Node, path+"/"); err != nil {
		return err
	}
	copyMetadata(dir, e.Node)
	return nil
}

func copyMetadata(dst, src *tree.Node) {
	dst.Mode, dst.UID, dst.GID, dst.ModTime, dst.Attrs = src.Mode, src.UID, src.GID, src.ModTime, src.Attrs
}

// sorted brings the paths into an order that does not depend on that of the directories.
func (l *layer) sorted() *layer {
	slices.Sort(l.replaced)
	slices.Sort(l.forLinks)
	return l
}
