package fromoci

import (
	"slices"

	"imagetools/tree"
)

// whiteouts are those of one layer, while it is laid over the ones below. They take away what
// lower layers have only: what the layer itself has brought before them stays, with the
// directories that lead there.
type whiteouts struct {
	left int                    // that are still to come: without them nothing needs to be noted
	own  map[string]bool        // paths of opaque marks that the layer has an entry for, too
	gone *pathMap[*tree.Node]   // what was taken away, for hard links to it
	dirs map[*tree.Node]state   // directories that the layer has touched
	rest map[directoryName]bool // names of other nodes that it has

	meter *meter
}

type directoryName struct {
	dir  *tree.Node
	name string
}

type state uint8

const (
	touched state = 1 << iota // it, or something below it, is of this layer
	cleared                   // what lower layers had below it was taken away
)

func newWhiteouts(changes []change, m *meter) *whiteouts {
	w := &whiteouts{
		own: make(map[string]bool), gone: new(pathMap[*tree.Node]),
		dirs: make(map[*tree.Node]state), rest: make(map[directoryName]bool),
		meter: m,
	}
	for i := range changes {
		switch c := &changes[i]; c.kind {
		case takeAway:
			w.left++
		case takeBelow:
			w.left++
			w.own[c.path] = false
			m.hold(entryCost, "whiteouts of a layer")
		}
	}
	for i := range changes {
		if c := &changes[i]; c.kind == addNode || c.kind == addLink {
			if _, opaque := w.own[c.path]; opaque {
				w.own[c.path] = true
			}
		}
	}
	return w
}

// touch notes that the layer has a name.
func (w *whiteouts) touch(dir *tree.Node, name string) {
	if w.left == 0 {
		return
	}
	if n := dir.Lookup(name); n.IsDir() {
		dir = n
	} else {
		w.rest[directoryName{dir, name}] = true
		w.meter.hold(entryCost, "names of a layer")
	}
	for ; dir != nil && w.dirs[dir]&touched == 0; dir = dir.Parent() {
		w.dirs[dir] |= touched
		w.meter.hold(entryCost, "names of a layer")
	}
}

func (w *whiteouts) touched(dir *tree.Node, name string, n *tree.Node) bool {
	if n.IsDir() {
		return w.dirs[n]&touched != 0
	}
	return w.rest[directoryName{dir, name}]
}

// take takes away what a whiteout says, if it is there.
func (m *merger) take(c *change) error {
	w := m.whiteouts
	n, dir, name := m.tree.Root, m.tree.Root, ""
	if c.path != "." {
		var dirPath string
		var err error
		dirPath, name = split(c.path)
		if dir, err = m.walk(dirPath, false); err != nil {
			return nil // so there is nothing to take away
		}
		n = dir.Lookup(name)
	}
	if n != nil && c.kind == takeBelow && n.Mode.Type() == tree.TypeSymlink {
		if w.own[c.path] { // what the link leads to is not what the layer has there
			return nil
		}
		n, _ = m.walk(c.path, false)
	}
	switch {
	case n == nil:
		return nil
	case c.kind == takeBelow || w.touched(dir, name, n):
		return m.clear(n, w.gone.below(c.path, w.meter))
	}
	w.gone.below(c.path, w.meter).value = n
	return m.remove(dir, name, n)
}

// clear takes away what lower layers have below a directory. It looks at each directory once in a
// layer, since nothing of lower layers can come below it any more.
func (m *merger) clear(dir *tree.Node, gone *pathMap[*tree.Node]) error {
	w := m.whiteouts
	if !dir.IsDir() || w.dirs[dir]&cleared != 0 {
		return nil
	}
	w.dirs[dir] |= cleared
	for _, e := range slices.Clone(dir.Entries()) {
		var err error
		if below := gone.child(e.Name, w.meter); w.touched(dir, e.Name, e.Node) {
			err = m.clear(e.Node, below)
		} else {
			below.value = e.Node
			err = m.remove(dir, e.Name, e.Node)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
