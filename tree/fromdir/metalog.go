package fromdir

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"imagetools/fault"

	"imagetools/internal/plain"
	"imagetools/tree"
	"imagetools/tree/mtree"
	"imagetools/tree/source"
)

// maxMetalogFaults is how many faults of a METALOG are told: all of them, but for input
// that is no METALOG.
const maxMetalogFaults = 1000

// metalog is the work of applying a METALOG to the tree.
type metalog struct {
	w       *walker
	name    string
	names   *source.Names
	setids  map[*tree.Node]*setID
	xattrs  map[*tree.Node]*mtree.Xattrs // of nodes that have some by the METALOG
	missing map[string]*missing          // paths that are not on disk
	order   []string                     // of missing
	open    []openEntry                  // devices and links that may still get their number or target
	faults  fault.Faults
}

// missing is what lines say of a path that is not on disk.
type missing struct {
	*mtree.Entry
	xattrs *mtree.Xattrs
}

func (m *missing) merge(e *mtree.Entry) {
	later := *e
	later.Xattrs = nil
	m.Merge(&later)
	m.xattrs.Set(e.Xattrs)
	m.Xattrs = m.xattrs.List()
}

type openEntry struct {
	entry *mtree.Entry
	node  *tree.Node
}

// metalog applies the specification in r. faults are those of its lines and of set-id
// files; err is one that ended it.
func (w *walker) metalog(r io.Reader, name, prefix string, owners source.Owners) (faults, err error) {
	m := &metalog{
		w: w, name: name, names: source.NewNames(w.tree),
		setids:  make(map[*tree.Node]*setID),
		xattrs:  make(map[*tree.Node]*mtree.Xattrs),
		missing: make(map[string]*missing),
	}
	m.faults.Limit = maxMetalogFaults
	w.setids = slices.DeleteFunc(w.setids, func(s setID) bool { // one for all names of a file
		n := w.tree.Lookup(s.path)
		_, known := m.setids[n]
		m.setids[n] = nil
		return known
	})
	for i := range w.setids {
		m.setids[w.tree.Lookup(w.setids[i].path)] = &w.setids[i]
	}
	if owners != source.OwnersDisk {
		w.own()
	}
	lines := mtree.NewReader(r, name)
	for {
		e, err := lines.Next()
		if err == io.EOF {
			break
		}
		if bad, ok := errors.AsType[*mtree.LineError](err); ok {
			m.fault(bad.Line, err)
			continue
		}
		if err == nil {
			err = m.hold(e)
		}
		if err != nil {
			return nil, err
		}
		if below(e, prefix) {
			m.entry(e)
		}
	}
	for _, path := range m.order {
		m.create(m.missing[path].Entry)
	}
	for _, o := range m.open {
		switch o.node.Mode.Type() {
		case tree.TypeSymlink:
			if o.node.Target == "" {
				m.lineFault(o.entry, "a link without link=TARGET")
			}
		case tree.TypeChar, tree.TypeBlock:
			if o.node.Device == nil {
				m.lineFault(o.entry, "a device without device=FORMAT,MAJOR,MINOR")
			}
		}
	}
	if owners == source.OwnersDisk {
		return m.faults.Err(), nil
	}
	return errors.Join(m.faults.Err(), w.checkSetIDs()), nil
}

// lineCost is what may be held of a line, beside its path and attributes.
const lineCost = 400

// hold counts what may be held of an entry. Attributes that it has in common with others count
// for each.
func (m *metalog) hold(e *mtree.Entry) error {
	attrs := tree.Attrs{Xattrs: e.Xattrs, ACL: e.ACL}
	if err := m.w.budget.Hold(lineCost+2*int64(len(e.Path))+int64(len(e.Link))+attrs.Cost(), "lines of the METALOG"); err != nil {
		return &mtree.LineError{Name: m.name, Line: e.Line, Err: err}
	}
	return nil
}

// below makes the path of an entry one below prefix, and tells whether it is.
func below(e *mtree.Entry, prefix string) bool {
	if prefix == "" || prefix == "." {
		return true
	}
	rest, ok := strings.CutPrefix(e.Path, prefix)
	if !ok || rest != "" && rest[0] != '/' {
		return false
	}
	e.Path = cmp.Or(strings.TrimPrefix(rest, "/"), ".")
	return true
}

func (m *metalog) fault(line int, err error) { m.faults.Add(fmt.Sprintf("%012d", line), err) }

// lineFault reports what is wrong about an entry.
func (m *metalog) lineFault(e *mtree.Entry, format string, args ...any) {
	err := fmt.Errorf("%s: %w", plain.Name(e.Path), fmt.Errorf(format, args...))
	m.fault(e.Line, &mtree.LineError{Name: m.name, Line: e.Line, Err: err})
}

func (m *metalog) entry(e *mtree.Entry) {
	n := m.w.tree.Lookup(e.Path)
	if n != nil {
		m.apply(e, n)
		return
	}
	isDir := e.Has&mtree.HasType != 0 && e.Type == tree.TypeDir
	if m.w.excludes.Covers(e.Path, isDir) {
		return
	}
	if known := m.missing[e.Path]; known != nil {
		known.merge(e)
		return
	}
	m.missing[e.Path] = &missing{e, mtree.NewXattrs(e.Xattrs)}
	m.order = append(m.order, e.Path)
}

// create makes a node of an entry that is not on disk.
func (m *metalog) create(e *mtree.Entry) {
	if m.w.tree.Lookup(e.Path) != nil {
		return
	}
	if e.Has&mtree.HasType == 0 {
		if e.Has&mtree.Optional == 0 {
			m.lineFault(e, "not on disk, and its line has no type")
		}
		return
	}
	switch e.Type {
	case tree.TypeFile, tree.TypeDir:
		if e.Has&mtree.Optional == 0 {
			m.lineFault(e, "%s: not on disk", e.Type.TypeName())
		}
		return
	}
	dir, name := path.Split(e.Path)
	parent := m.w.tree.Lookup(dir)
	if parent == nil || !parent.IsDir() {
		m.lineFault(e, "%s: its directory is not on disk", e.Type.TypeName())
		return
	}
	n := &tree.Node{Mode: e.Type | 0o644, ModTime: parent.ModTime}
	if e.Type == tree.TypeSymlink {
		n.Mode = e.Type | 0o777
	}
	if err := parent.Add(name, n); err != nil {
		m.lineFault(e, "%w", err)
		return
	}
	m.apply(e, n)
}

// apply brings a node in line with an entry.
func (m *metalog) apply(e *mtree.Entry, n *tree.Node) {
	if e.Has&mtree.HasType != 0 && !m.retype(e, n) {
		return
	}
	switch n.Mode.Type() {
	case tree.TypeSymlink:
		if e.Has&mtree.HasLink != 0 {
			n.Target = e.Link
		} else if n.Target == "" {
			m.open = append(m.open, openEntry{e, n})
		}
	case tree.TypeChar, tree.TypeBlock:
		if e.Has&mtree.HasDevice != 0 {
			n.Device = new(e.Device)
		} else if n.Device == nil {
			m.open = append(m.open, openEntry{e, n})
		}
	}
	if e.Has&mtree.HasMode != 0 {
		n.Mode = n.Mode.Type() | e.Mode
	}
	if e.Has&mtree.HasTime != 0 {
		n.ModTime = e.Time
	}
	user, group := m.owner(e, n)
	if s := m.setids[n]; s != nil {
		stated := e.Has&mtree.HasMode != 0
		s.user = s.user || user || stated
		s.group = s.group || group || stated
	}
	if len(e.Xattrs) > 0 {
		attrs := &tree.Attrs{}
		if n.Attrs != nil {
			*attrs = *n.Attrs
		}
		attrs.Xattrs = m.setXattrs(n, e.Xattrs)
		n.Attrs = attrs
	}
	if e.ACL != nil {
		attrs := &tree.Attrs{}
		if n.Attrs != nil {
			*attrs = *n.Attrs
		}
		attrs.ACL = e.ACL
		n.Attrs = attrs
	}
}

// setXattrs returns the attributes of a node with those of an entry. A node without any has
// those of the entry in common with others, as lines below a /set have.
func (m *metalog) setXattrs(n *tree.Node, list []tree.Xattr) []tree.Xattr {
	all := m.xattrs[n]
	if all == nil {
		if n.Attrs == nil || len(n.Attrs.Xattrs) == 0 {
			all = mtree.NewXattrs(list)
		} else {
			all = mtree.NewXattrs(n.Attrs.Xattrs)
		}
		m.xattrs[n] = all
	}
	all.Set(list)
	return all.List()
}

// owner sets the owner that the entry names, and tells which halves of it. Numbers win over
// names in one line.
func (m *metalog) owner(e *mtree.Entry, n *tree.Node) (user, group bool) {
	var err error
	switch {
	case e.Has&mtree.HasUID != 0:
		n.UID, user = e.UID, true
	case e.Has&mtree.HasUname != 0:
		if n.UID, err = m.names.User(e.Uname); err != nil {
			m.lineFault(e, "%w", err)
		}
		user = true
	}
	switch {
	case e.Has&mtree.HasGID != 0:
		n.GID, group = e.GID, true
	case e.Has&mtree.HasGname != 0:
		if n.GID, err = m.names.Group(e.Gname); err != nil {
			m.lineFault(e, "%w", err)
		}
		group = true
	}
	return user, group
}

// retype gives a node the type of the entry where the disk can stand for it.
func (m *metalog) retype(e *mtree.Entry, n *tree.Node) bool {
	have, want := n.Mode.Type(), e.Type
	if have == want {
		return true
	}
	switch {
	case have == tree.TypeDir || want == tree.TypeDir || want == tree.TypeFile:
		m.lineFault(e, "is a %s on disk, not a %s", have.TypeName(), want.TypeName())
		return false
	case have == tree.TypeFile && n.Size > 0:
		m.lineFault(e, "is a file of %d bytes on disk: only an empty one can stand for a %s", n.Size, want.TypeName())
		return false
	}
	n.Mode = want | n.Mode.Perm()
	n.Content, n.Target, n.Device = nil, "", nil
	return true
}
