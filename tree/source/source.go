// Package source contains what all sources of a tree share: excludes, the choice of owners, the
// resolution of user names, and the report about what was read.
package source

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"imagetools/tree"
	"imagetools/tree/posixacl"
)

// ErrChanged says that a file, a directory or an archive is not what it was when its
// metadata was read. It comes wrapped with the path.
var ErrChanged = tree.ErrChanged

// Warning is a fact about one path that the user should know, though the image is right.
type Warning struct {
	Path string // below the root of the source; "." is the root
	Text string
}

func (w Warning) String() string { return fmt.Sprintf("%q: %s", w.Path, w.Text) }

// Report is what a source has to say beside the tree.
type Report struct {
	Warnings []Warning // sorted by path
	Notes    []string  // about the source as a whole
	Counts   Counts
	Spool    int64 // bytes of the temporary file the source was unpacked into; 0 if none
}

// Counts are the names in the tree, by what they stand for. Bytes is the size of all
// regular files, each counted once.
type Counts struct {
	Dirs, Files, HardLinks, Symlinks, Devices, FIFOs, Sockets int
	Bytes                                                     int64
}

// Names is the number of all names, the root included.
func (c Counts) Names() int {
	return c.Dirs + c.Files + c.HardLinks + c.Symlinks + c.Devices + c.FIFOs + c.Sockets
}

func (c *Counts) add(n *tree.Node) {
	switch n.Mode.Type() {
	case tree.TypeDir:
		c.Dirs++
	case tree.TypeFile:
		c.Files++
		c.Bytes += n.Size
	case tree.TypeSymlink:
		c.Symlinks++
	case tree.TypeChar, tree.TypeBlock:
		c.Devices++
	case tree.TypeFIFO:
		c.FIFOs++
	case tree.TypeSocket:
		c.Sockets++
	}
}

// Survey counts the names of t, which need not be sealed, and warns of POSIX ACLs that a
// system which does not read them would widen (see [posixacl.Warning]). linked has a key
// for each node with several names; its values are Survey's own.
func (r *Report) Survey(t *tree.Tree, linked map[*tree.Node]bool) {
	var above []string
	var upper upperFolder
	var visit func(name string, n *tree.Node)
	visit = func(name string, n *tree.Node) {
		upper.look(n, above, name)
		if met, ok := linked[n]; ok && met {
			r.Counts.HardLinks++
		} else {
			r.Counts.add(n)
			if ok {
				linked[n] = true
			}
		}
		if n.Attrs != nil {
			if text := posixacl.Warning(n); text != "" {
				r.Warn(path.Join(append(above, name)...), text)
			}
		}
		if n.IsDir() {
			above = append(above, name)
			for _, e := range n.Entries() {
				visit(e.Name, e.Node)
			}
			above = above[:len(above)-1]
		}
	}
	visit(".", t.Root)
	upper.warn(r)
	r.Sort()
}

// upperFolder finds what only the upper directory of an overlay file system has: it is no tree, but
// what changed one.
type upperFolder struct {
	count int
	first string
}

// look counts whiteouts, which are character devices 0:0 (kernel documentation, overlayfs.rst), and
// names with attributes of such a file system.
func (u *upperFolder) look(n *tree.Node, above []string, name string) {
	is := n.Mode.Type() == tree.TypeChar && n.Device != nil && *n.Device == (tree.Device{})
	if n.Attrs != nil {
		is = is || slices.ContainsFunc(n.Attrs.Xattrs, func(x tree.Xattr) bool {
			return strings.HasPrefix(x.Name, "trusted.overlay.") || strings.HasPrefix(x.Name, "user.overlay.")
		})
	}
	if !is {
		return
	}
	if u.count++; u.count == 1 {
		u.first = path.Join(append(slices.Clone(above), name)...)
	}
}

func (u *upperFolder) warn(r *Report) {
	if u.count == 0 {
		return
	}
	count := "1 entry is"
	if u.count > 1 {
		count = fmt.Sprintf("%d entries are", u.count)
	}
	r.Warn(u.first, count+" whiteouts or marks of an overlay file system, this one first: "+
		"it is an upper directory, not a whole root file system; use the merged directory")
}

// Warn adds a warning. Call [Report.Sort] when the last one is in.
func (r *Report) Warn(path, text string) {
	r.Warnings = append(r.Warnings, Warning{path, text})
}

// Note adds a note.
func (r *Report) Note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

// Sort brings the warnings into the order of their paths.
func (r *Report) Sort() {
	slices.SortStableFunc(r.Warnings, func(a, b Warning) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.Text, b.Text))
	})
}
