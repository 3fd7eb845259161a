package zpl

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"imagetools/tree"
	"imagetools/zfs/stream"
)

// match lays the tree over the origin, path by path.
func (p *Plan) match(ctx context.Context) error {
	f := p.opts.Origin
	p.inc.state = make([]state, len(p.nodes))
	m := &matcher{
		p: p, f: f, ctx: ctx,
		seen: map[uint64]bool{f.root: true}, owners: make(map[uint64]*tree.Node), linked: make(map[uint64]bool),
	}
	root := p.tree.Root
	z, err := f.Znode(f.root)
	if err == nil {
		p.inc.set(root.ID, isKnown)
		err = m.keep(root, z)
	}
	if err == nil {
		if z.Parent == f.root {
			p.inc.set(root.ID, hasParent)
		}
		err = m.dir(root, z, "", 1)
	}
	if err == nil {
		err = m.rename()
	}
	if err == nil {
		err = m.freeLinked()
	}
	p.inc.gen = m.gen + 1
	return err
}

type matcher struct {
	p      *Plan
	f      *FS
	ctx    context.Context
	seen   map[uint64]bool       // directories of the origin
	owners map[uint64]*tree.Node // who has an object of the origin with several names
	linked map[uint64]bool       // such objects of which a name is gone
	files  []lostFile            // regular files with one name, which is gone
	gen    uint64                // the latest of the origin
	count  int
}

// dir compares the names in a directory with those that it had.
func (m *matcher) dir(n *tree.Node, z *Znode, path string, depth int) error {
	old, err := m.f.Dir(z.Object)
	if err != nil {
		return fmt.Errorf("%q: %w", path, err)
	}
	if depth > maxDepth {
		return fmt.Errorf("%q: directories nested deeper than %d", path, maxDepth)
	}
	now := n.Entries()
	for len(old) > 0 || len(now) > 0 {
		if m.count++; m.count%1024 == 0 && m.ctx.Err() != nil {
			return context.Cause(m.ctx)
		}
		switch {
		case len(now) == 0 || len(old) > 0 && old[0].Name < now[0].Name:
			m.p.inc.set(n.ID, isOtherEntry)
			m.p.inc.count.Removed++
			below := join(path, old[0].Name)
			var z *Znode
			if z, err = m.znode(old[0], below); err == nil {
				err = m.lost(z, below, depth)
			}
			old = old[1:]
		case len(old) == 0 || now[0].Name < old[0].Name:
			m.p.inc.set(n.ID, isOtherEntry)
			err = m.added(now[0], path)
			now = now[1:]
		default:
			err = m.pair(n, old[0], now[0].Node, join(path, now[0].Name), depth)
			old, now = old[1:], now[1:]
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "/" + name
}

// added counts a name that the origin has not, and those below it.
func (m *matcher) added(e tree.Entry, path string) error {
	m.p.inc.count.Added++
	if m.f.master["utf8only"] != 0 && !utf8.ValidString(e.Name) {
		return fmt.Errorf("%q: it takes names in UTF-8 alone", join(path, e.Name))
	}
	for _, below := range e.Node.Entries() {
		if err := m.added(below, join(path, e.Name)); err != nil {
			return err
		}
	}
	return nil
}

// pair compares what a name stands for with what it stood for.
func (m *matcher) pair(dir *tree.Node, e DirEntry, n *tree.Node, path string, depth int) error {
	inc := m.p.inc
	z, err := m.znode(e, path)
	if err != nil {
		return err
	}
	inc.set(n.ID, isKnown)
	linked := z.Links > 1 && !z.IsDir()
	switch {
	case inc.is(n.ID, isKept): // by another name
		if uint64(m.p.objects[n.ID]) == e.Object {
			break
		}
		inc.set(dir.ID, isOtherEntry)
		return m.lost(z, path, depth)
	case z.Mode.Type() != n.Mode.Type(), linked && m.owners[e.Object] != nil:
		inc.set(dir.ID, isOtherEntry)
		if err := m.lost(z, path, depth); err != nil {
			return err
		}
		for _, below := range n.Entries() {
			if err := m.added(below, path); err != nil {
				return err
			}
		}
		return nil
	default:
		if linked {
			m.owners[e.Object] = n
		}
		if err := m.keep(n, z); err != nil {
			return fmt.Errorf("%q: %w", path, err)
		}
	}
	if z.Parent == uint64(m.p.objects[dir.ID]) {
		inc.set(n.ID, hasParent)
	}
	if z.IsDir() {
		return m.dir(n, z, path, depth+1)
	}
	return nil
}

// znode reads what a name of the origin stands for.
func (m *matcher) znode(e DirEntry, path string) (*Znode, error) {
	z, err := m.f.Znode(e.Object)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", path, err)
	}
	if z.IsDir() {
		if m.seen[e.Object] {
			return nil, fmt.Errorf("%q: directory object %d has a second name", path, e.Object)
		}
		m.seen[e.Object] = true
	}
	m.gen = max(m.gen, z.Gen)
	return z, nil
}

// keep gives a node the object that it has on the origin, and compares all but contents.
func (m *matcher) keep(n *tree.Node, z *Znode) error {
	p, inc := m.p, m.p.inc
	m.gen = max(m.gen, z.Gen)
	if z.Object > maxObjects {
		return fmt.Errorf("object %d: larger numbers than %d are not possible", z.Object, uint32(maxObjects))
	}
	p.objects[n.ID] = uint32(z.Object)
	inc.set(n.ID, isKept)
	same, err := m.sameAttrs(n, z)
	if err != nil {
		return err
	}
	t := p.time(n)
	same = same && z.Mode == n.Mode && z.UID == uint64(n.UID) && z.GID == uint64(n.GID) && z.Links == uint64(n.Links) &&
		z.MTime.Sec == t.Sec && z.MTime.Nsec == uint64(t.Nsec) && z.Target == n.Target
	switch n.Mode.Type() {
	case tree.TypeFile:
		if z.Size != uint64(n.Size) {
			inc.set(n.ID, isResized|isChanged)
			if m.otherBlocks(z.Object, n.Size) {
				inc.set(n.ID, isRewritten)
			}
		}
	case tree.TypeDir:
		same = same && z.Size == uint64(len(n.Entries()))+2
	case tree.TypeChar, tree.TypeBlock:
		same = same && z.Device() == *n.Device
	}
	if !same {
		inc.set(n.ID, isChanged)
	}
	return nil
}

// otherBlocks tells whether a file of a size must have larger blocks than its object has. One
// that has or had several keeps theirs: receivers would keep the old data.
func (m *matcher) otherBlocks(number uint64, size int64) bool {
	block := m.f.s.Object(number).BlockSize
	if size <= int64(block) || block >= blockSize {
		return false
	}
	for s := m.f.s; s != nil; s = s.Origin {
		if o := s.Object(number); o != nil && o.BlockSize == block && o.End() > uint64(block) {
			return false
		}
	}
	return true
}

// sameAttrs compares extended attributes and ACL. Those attributes that are the same and have
// objects of their own can be kept there.
func (m *matcher) sameAttrs(n *tree.Node, z *Znode) (bool, error) {
	var attrs tree.Attrs
	if n.Attrs != nil {
		attrs = *n.Attrs
	}
	same := true
	if z.XattrDir != 0 || len(z.Xattrs) > 0 || len(attrs.Xattrs) > 0 {
		old, err := m.f.Xattrs(z)
		if err != nil {
			return false, err
		}
		now := make([]tree.Xattr, len(attrs.Xattrs))
		for i, x := range attrs.Xattrs {
			now[i] = tree.Xattr{Name: m.p.xattrName(x.Name), Value: x.Value}
		}
		slices.SortFunc(now, func(a, b tree.Xattr) int { return strings.Compare(a.Name, b.Name) })
		same = slices.EqualFunc(old, now, func(a, b tree.Xattr) bool { return a.Name == b.Name && bytes.Equal(a.Value, b.Value) })
		if same && len(z.Xattrs) == 0 && z.UID == uint64(n.UID) && z.GID == uint64(n.GID) {
			m.p.inc.set(n.ID, hasOldXattrs)
		}
	}
	var acl []ACE
	if !z.TrivialACL() {
		acl = z.ACL
	}
	return same && slices.EqualFunc(acl, attrs.ACL, func(a ACE, b tree.ACE) bool {
		return !a.GUIDs && a.Type == b.Type && a.Flags == b.Flags && a.Mask == b.Mask && a.ID == uint64(b.ID)
	}), nil
}

// lost frees what a name of the origin stood for, and all below it.
func (m *matcher) lost(z *Znode, path string, depth int) error {
	if z.Links > 1 && !z.IsDir() {
		m.linked[z.Object] = true
		return nil
	}
	if z.Mode.Type() == tree.TypeFile && z.Size > 0 {
		m.files = append(m.files, lostFile{object: z.Object, like: sameFile{z.Size, z.MTime, path[strings.LastIndexByte(path, '/')+1:]}})
		return nil
	}
	if err := m.p.free(z); err != nil {
		return fmt.Errorf("%q: %w", path, err)
	}
	if !z.IsDir() {
		return nil
	}
	list, err := m.f.Dir(z.Object)
	if err != nil {
		return fmt.Errorf("%q: %w", path, err)
	}
	if depth > maxDepth {
		return fmt.Errorf("%q: directories nested deeper than %d", path, maxDepth)
	}
	for _, e := range list {
		if m.count++; m.count%1024 == 0 && m.ctx.Err() != nil {
			return context.Cause(m.ctx)
		}
		m.p.inc.count.Removed++
		below := join(path, e.Name)
		z, err := m.znode(e, below)
		if err == nil {
			err = m.lost(z, below, depth+1)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// lostFile is a file of the origin whose only name is gone.
type lostFile struct {
	object uint64
	like   sameFile
	taken  bool
}

// sameFile is by what a file is known again under another name. Contents are compared later, as
// those of all files: this only says that it is worth trying.
type sameFile struct {
	size uint64
	time Time
	name string // the last part of its path; empty if any will do
}

// rename lets files that have other names than on the origin keep their objects, first those
// that are in another directory under the same name, and frees the files that are gone.
func (m *matcher) rename() error {
	if len(m.files) == 0 {
		return nil
	}
	for _, anyName := range []bool{false, true} {
		lost := make(map[sameFile][]*lostFile)
		for i := range m.files {
			f := &m.files[i]
			if anyName {
				f.like.name = ""
			}
			if !f.taken {
				lost[f.like] = append(lost[f.like], f)
			}
		}
		for _, f := range m.p.files {
			if n := f.node; n.Size > 0 && !m.p.inc.is(n.ID, isKept) {
				t := m.p.time(n)
				like := sameFile{size: uint64(n.Size), time: Time{t.Sec, uint64(t.Nsec)}}
				if !anyName {
					like.name = f.name
				}
				if left := lost[like]; len(left) > 0 {
					lost[like] = left[1:]
					if err := m.take(n, left[0]); err != nil {
						return fmt.Errorf("%q: %w", n.Path(), err)
					}
				}
			}
		}
	}
	for _, f := range m.files {
		if f.taken {
			continue
		}
		z, err := m.f.Znode(f.object)
		if err == nil {
			err = m.p.free(z)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// take gives a node the object of a file whose name is gone.
func (m *matcher) take(n *tree.Node, f *lostFile) error {
	f.taken = true
	z, err := m.f.Znode(f.object)
	if err == nil {
		err = m.keep(n, z)
	}
	if dir := n.Parent(); m.p.inc.is(dir.ID, isKept) && err == nil && uint64(m.p.objects[dir.ID]) == z.Parent {
		m.p.inc.set(n.ID, hasParent)
	}
	return err
}

// freeLinked frees the files all of whose names are gone.
func (m *matcher) freeLinked() error {
	for _, object := range slices.Sorted(maps.Keys(m.linked)) {
		if m.owners[object] != nil {
			continue
		}
		z, err := m.f.Znode(object)
		if err == nil {
			err = m.p.free(z)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// free frees a file of the origin and what it has in objects of its own.
func (p *Plan) free(z *Znode) error {
	parts, err := p.opts.Origin.parts(z)
	p.inc.gone = append(append(p.inc.gone, z.Object), parts...)
	return err
}

// parts are the objects in which a file has its extended attributes and its ACL.
func (f *FS) parts(z *Znode) ([]uint64, error) {
	list, err := f.XattrDir(z)
	if err != nil {
		return nil, err
	}
	var parts []uint64
	if z.XattrDir != 0 {
		parts = append(parts, z.XattrDir)
	}
	for _, e := range list {
		if _, err := f.Znode(e.Object); err != nil {
			return nil, fmt.Errorf("extended attribute %q: %w", e.Name, err)
		}
		parts = append(parts, e.Object)
	}
	acl, err := f.aclObject(z.Object)
	if acl != 0 {
		parts = append(parts, acl)
	}
	return parts, err
}

// aclObject is the object in which a file of version 4 has its ACL, 0 for none.
func (f *FS) aclObject(number uint64) (uint64, error) {
	o := f.s.Object(number)
	if o.BonusType != stream.ObjZnode {
		return 0, nil
	}
	acl := f.s.Order.Uint64(o.Bonus()[znodeACL:])
	if acl == 0 {
		return 0, nil
	}
	if a := f.s.Object(acl); a == nil || a.Type != stream.ObjACL {
		return 0, fmt.Errorf("ACL: object %d is none", acl)
	}
	return acl, nil
}

// layoutsObject is the object with the layouts of attributes.
func (f *FS) layoutsObject() (uint64, error) {
	tables, err := f.numbers(f.master["SA_ATTRS"])
	return tables["LAYOUTS"], err
}
