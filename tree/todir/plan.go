package todir

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"

	"imagetools/tree"
)

// choice is the part of a tree that is written.
type choice struct {
	whole map[string]bool // paths with all that lies below; nil for the whole tree
	above map[string]bool // directories above them
}

// choose finds the paths, and reports all that are missing.
func choose(t *tree.Tree, paths []string) (*choice, error) {
	c := &choice{}
	if len(paths) > 0 {
		c.whole, c.above = make(map[string]bool), map[string]bool{".": true}
	}
	var faults []error
	for _, given := range paths {
		var parts []string
		for part := range strings.SplitSeq(given, "/") {
			if part != "" && part != "." {
				parts = append(parts, part)
			}
		}
		if len(parts) == 0 {
			return &choice{}, errors.Join(faults...)
		}
		path := strings.Join(parts, "/")
		if t.Lookup(path) == nil {
			faults = append(faults, fmt.Errorf("%q: not in the tree", given))
			continue
		}
		c.whole[path] = true
		for i, b := range []byte(path) {
			if b == '/' {
				c.above[path[:i]] = true
			}
		}
	}
	return c, errors.Join(faults...)
}

// all walks what is chosen of t, as [tree.Tree.All] does.
func (c *choice) all(t *tree.Tree) iter.Seq2[string, *tree.Node] {
	if c.whole == nil {
		return t.All()
	}
	return func(yield func(string, *tree.Node) bool) {
		within := "" // the chosen directory that the walk is in, with a slash
		for path, n := range t.All() {
			switch {
			case within != "" && strings.HasPrefix(path, within):
			case c.whole[path]:
				within = path + "/"
			case !c.above[path]:
				continue
			}
			if !yield(path, n) {
				return
			}
		}
	}
}

// dir is a directory to be made.
type dir struct {
	parent *dir // nil for the root
	name   string
	node   *tree.Node
}

func (d *dir) path() string {
	if d.parent == nil {
		return "."
	}
	return d.parent.join(d.name)
}

// join is the path of a name in d.
func (d *dir) join(name string) string {
	parts := []string{name}
	for ; d.parent != nil; d = d.parent {
		parts = append(parts, d.name)
	}
	slices.Reverse(parts)
	return strings.Join(parts, "/")
}

// entry is a name of a node that is no directory.
type entry struct {
	dir  *dir
	name string
	node *tree.Node
}

func (e entry) path() string { return e.dir.join(e.name) }

// plan is all that is to be made.
type plan struct {
	dirs    []*dir // in walk order, the root first
	entries []entry
	links   []link
	names   map[*tree.Node]int // of nodes with several in the tree: how many were chosen
}

// link is a further name of a node.
type link struct {
	entry
	first entry
}

func newPlan(t *tree.Tree, c *choice, opts Options) *plan {
	p := &plan{names: make(map[*tree.Node]int)}
	byPath := map[string]*dir{".": nil}
	first := make(map[*tree.Node]entry)
	for path, n := range c.all(t) {
		i := strings.LastIndexByte(path, '/')
		parent, name := byPath[cmp.Or(path[:max(i, 0)], ".")], path[i+1:]
		if n.IsDir() {
			d := &dir{parent: parent, name: name, node: n}
			byPath[path] = d
			p.dirs = append(p.dirs, d)
			continue
		}
		e := entry{parent, name, n}
		if n.Links > 1 {
			p.names[n]++
			if f, ok := first[n]; ok {
				p.links = append(p.links, link{e, f})
				continue
			}
			first[n] = e
		}
		p.entries = append(p.entries, e)
	}
	if len(opts.Order) > 0 {
		rank := make(map[*tree.Node]int, len(opts.Order))
		for i, n := range opts.Order {
			rank[n] = i
		}
		place := func(e entry) int {
			if i, ok := rank[e.node]; ok {
				return i
			}
			return math.MaxInt
		}
		slices.SortStableFunc(p.entries, func(a, b entry) int { return cmp.Compare(place(a), place(b)) })
	}
	return p
}

// count fills in the report what does not depend on the host.
func (p *plan) count(x *extractor) {
	c := &x.report.Counts
	node := func(n *tree.Node) {
		if !x.opts.SameOwner && (n.UID != 0 || n.GID != 0) {
			x.report.Owners++
		}
		if !x.opts.SameOwner && n.Mode.Type() == tree.TypeFile && n.Mode&(tree.SetUID|tree.SetGID) != 0 {
			x.report.SetIDs++
		}
		if n.Attrs != nil && len(n.Attrs.ACL) > 0 {
			x.report.ACLs++
		}
	}
	for _, d := range p.dirs {
		c.Dirs++
		node(d.node)
	}
	for _, e := range p.entries {
		switch e.node.Mode.Type() {
		case tree.TypeFile:
			c.Files++
			c.Bytes += e.node.Size
		case tree.TypeSymlink:
			c.Symlinks++
		case tree.TypeFIFO:
			c.FIFOs++
		case tree.TypeSocket:
			c.Sockets++
		default:
			c.Devices++
		}
		node(e.node)
	}
	c.HardLinks = len(p.links)
}
