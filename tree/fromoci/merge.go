package fromoci

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"imagetools/internal/budget"
	"imagetools/internal/plain"
	"imagetools/tree"
)

// merger lays layers over each other, the lowest first.
type merger struct {
	tree    *tree.Tree
	implied map[*tree.Node]bool // directories that no layer has an entry for
	linked  map[*tree.Node]bool // nodes that got several names
	through int                 // names that lie below links

	dirPath string // the directory of the change before, since the next one is likely there
	dir     *tree.Node

	whiteouts *whiteouts // of the present layer
	meter     meter      // of what stays
}

func newMerger(b *budget.Budget) *merger {
	t := tree.New()
	return &merger{tree: t, meter: meter{budget: b}, implied: map[*tree.Node]bool{t.Root: true}, linked: make(map[*tree.Node]bool)}
}

// apply lays a layer over what is there, in the order of the archive: where a path leads through
// links, those count that are there when its turn comes, as for any program that unpacks layer
// after layer.
//
// An error is one of the budget.
func (m *merger) apply(changes []change, fault func(c *change, err error)) error {
	layer := meter{budget: m.meter.budget}
	defer layer.release()
	m.whiteouts = newWhiteouts(changes, &layer)
	beside := make(map[string]*tree.Node)
	for i := range changes {
		if c := &changes[i]; c.kind == besideTree {
			beside[c.path] = c.node
		}
	}
	m.forget()
	for i := range changes {
		c := &changes[i]
		if c.path == "" {
			continue
		}
		var err error
		switch c.kind {
		case addNode:
			err = m.add(c.path, c.node)
		case addLink:
			err = m.link(c, beside)
		case takeAway, takeBelow:
			err = m.take(c)
			m.whiteouts.left--
		}
		if err != nil {
			fault(c, err)
		}
		if err := cmp.Or(m.meter.err, layer.err); err != nil {
			return fmt.Errorf("%s: %w", plain.Name(c.path), err)
		}
	}
	m.whiteouts = nil
	return cmp.Or(m.meter.err, layer.err)
}

// forget drops the directory at hand, which may be no more.
func (m *merger) forget() { m.dirPath, m.dir = "", m.tree.Root }

// maxFollowed bounds the links on the way to one name, as kernels do.
const maxFollowed = 40

// maxDepth bounds the nesting of directories, as tree.Seal does.
const maxDepth = 4096

var errNowhere = errors.New("there is no such directory")

// walk returns the directory of a path. Links on the way are followed, within the image. With
// make, directories that are missing are made.
func (m *merger) walk(dirPath string, makeDirs bool) (*tree.Node, error) {
	if dirPath == m.dirPath {
		return m.dir, nil
	}
	at := []*tree.Node{m.tree.Root}
	followed := 0
	for rest := dirPath; rest != ""; {
		var part string
		part, rest, _ = strings.Cut(rest, "/")
		switch part {
		case "", ".":
			continue
		case "..":
			at = at[:max(1, len(at)-1)]
			continue
		}
		dir := at[len(at)-1]
		child := dir.Lookup(part)
		switch {
		case child == nil && !makeDirs:
			return nil, errNowhere
		case child == nil:
			child = tree.NewDir(0o755)
			if err := dir.Add(part, child); err != nil {
				return nil, err
			}
			m.implied[child] = true
			if m.meter.hold(child.Cost()+tree.NameCost(part)+entryCost, "directories of layers"); m.meter.err != nil {
				return nil, m.meter.err
			}
		case child.Mode.Type() == tree.TypeSymlink:
			if followed++; followed > maxFollowed {
				return nil, fmt.Errorf("%q: too many links on the way", part)
			}
			if strings.HasPrefix(child.Target, "/") {
				at = at[:1]
			}
			rest = child.Target + "/" + rest
			continue
		case !child.IsDir():
			return nil, fmt.Errorf("it lies below %q, which is a %s", part, child.Mode.TypeName())
		}
		if len(at) > maxDepth {
			return nil, fmt.Errorf("directories nested deeper than %d", maxDepth)
		}
		at = append(at, child)
	}
	if followed > 0 && makeDirs {
		m.through++
	}
	m.dirPath, m.dir = dirPath, at[len(at)-1]
	return m.dir, nil
}

func split(path string) (dir, name string) {
	i := strings.LastIndexByte(path, '/')
	return path[:max(i, 0)], path[i+1:]
}

// add puts a node in the place of what has the path. A directory stays, with what is in it, and
// gets the metadata of the node.
func (m *merger) add(path string, n *tree.Node) error {
	if path == "." {
		m.become(m.tree.Root, n)
		return nil
	}
	dirPath, name := split(path)
	dir, err := m.walk(dirPath, true)
	if err != nil {
		return err
	}
	if old := dir.Lookup(name); old != nil && old.IsDir() && n.IsDir() {
		m.become(old, n)
		m.whiteouts.touch(dir, name)
		return nil
	}
	return m.put(dir, name, n)
}

// put gives a node a name, in the place of what has it.
func (m *merger) put(dir *tree.Node, name string, n *tree.Node) error {
	if old := dir.Lookup(name); old != nil {
		if err := m.remove(dir, name, old); err != nil {
			return err
		}
	}
	if err := dir.Add(name, n); err != nil {
		return err
	}
	m.whiteouts.touch(dir, name)
	return nil
}

// become gives a directory the metadata of another.
func (m *merger) become(dir, n *tree.Node) {
	dir.Mode, dir.UID, dir.GID, dir.ModTime, dir.Attrs = n.Mode, n.UID, n.GID, n.ModTime, n.Attrs
	delete(m.implied, dir)
}

// remove takes a name away.
func (m *merger) remove(dir *tree.Node, name string, old *tree.Node) error {
	if old.IsDir() || old.Mode.Type() == tree.TypeSymlink { // paths through it lead elsewhere now
		m.forget()
	}
	return dir.Remove(name)
}

// link gives a file a further name: a file of this layer or of lower ones, even if this layer takes
// that away.
func (m *merger) link(c *change, beside map[string]*tree.Node) error {
	n := beside[c.link]
	if n == nil {
		var err error
		if n, err = m.target(c.link); err != nil {
			return fmt.Errorf("hard link to %q: %w", c.link, err)
		}
	}
	if n.IsDir() {
		return fmt.Errorf("hard link to %q, which is a directory", c.link)
	}
	dirPath, name := split(c.path)
	dir, err := m.walk(dirPath, true)
	if err != nil {
		return err
	}
	if dir.Lookup(name) == n {
		m.whiteouts.touch(dir, name)
		return nil
	}
	if n.Parent() != nil {
		m.linked[n] = false
		m.meter.hold(entryCost, "hard links of layers")
	}
	return m.put(dir, name, n)
}

// target returns what a hard link leads to.
func (m *merger) target(path string) (*tree.Node, error) {
	dirPath, name := split(path)
	var n *tree.Node
	at, atPath := m.dir, m.dirPath
	dir, err := m.walk(dirPath, false)
	m.dir, m.dirPath = at, atPath
	if err == nil {
		n = dir.Lookup(name)
	}
	if path == "." {
		n = m.tree.Root
	}
	if n != nil {
		return n, nil
	}
	for n, rest := range m.whiteouts.gone.along(path) {
		for part := range strings.SplitSeq(rest, "/") {
			if part != "" && n != nil {
				n = n.Lookup(part)
			}
		}
		if n != nil {
			return n, nil
		}
	}
	if err == nil || errors.Is(err, errNowhere) {
		err = errors.New("neither this layer before it nor a lower one has that")
	}
	return nil, err
}
