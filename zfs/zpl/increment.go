package zpl

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"imagetools/tree"
	"imagetools/zfs/sa"
	"imagetools/zfs/stream"
)

// increment is what a plan knows of its origin. The tree is laid over it by path: what has the
// same type there keeps its object, unless that has a form we do not write. No object number
// of the origin is given to another file, so that no receiver has to tell the two apart.
type increment struct {
	state   []state // by node ID
	tables  *sa.Tables
	created int64    // of the origin
	gen     uint64   // of what is new
	gone    []uint64 // objects that are to be freed
	count   Changes

	changes []change // in the order of their objects
	frees   []freed
	files   []*file // those of p.files of which contents are read again, in the order of their objects
}

// state is what is known of a node on the origin.
type state uint16

const (
	isKept       state = 1 << iota // it has the object that the origin has under its name
	isKnown                        // the origin has its name
	isChanged                      // what its dnode says differs, or the blocks of its object
	isResized                      // of a file
	isRewritten                    // its blocks are of another size
	isReplaced                     // it had an object of a form that is not written
	hasParent                      // the directory that its object says it is in has it
	hasOldXattrs                   // its extended attributes are as they were, in objects of their own
	isOtherEntry                   // of a directory: names differ, or the objects they lead to
)

func (inc *increment) is(id uint32, s state) bool { return inc.state[id]&s != 0 }
func (inc *increment) set(id uint32, s state)     { inc.state[id] |= s }

// Changes say how a tree differs from its origin.
type Changes struct {
	Added, Changed, Removed int   // names
	Bytes                   int64 // of contents that are written
}

// Changes are those of a plan that has an origin.
func (p *Plan) Changes() Changes {
	if p.inc == nil {
		return Changes{}
	}
	return p.inc.count
}

// ErrLater says that an Origin is later than what is to build on it.
var ErrLater = errors.New("it is later than what builds on it")

// ErrOrigin says that it is the origin that a fault is of.
var ErrOrigin = errors.New("origin")

// Errors of an Origin that nothing can be built on.
var (
	errByteOrder = errors.New("a big-endian stream: an increment on it is not possible")
	errRedacted  = errors.New("a redacted stream: what is left of it is not a whole file system")
)

// setOrigin looks whether the origin is one that we can build on.
func (p *Plan) setOrigin() error {
	f := p.opts.Origin
	if f == nil {
		p.encode = sa.Encode
		return nil
	}
	var err error
	switch {
	case f.version < 4:
		err = fmt.Errorf("%w version %d of the file system: 4 and 5 are possible", stream.ErrUnsupported, f.version)
	case p.opts.Version != 0 && uint64(p.opts.Version) != f.version:
		err = fmt.Errorf("version %d of the file system: it has %d, which an increment keeps", p.opts.Version, f.version)
	case f.version == 5 && f.tables == nil:
		err = fmt.Errorf("%w version 5 of the file system without system attributes", stream.ErrUnsupported)
	case f.s.Order != binary.LittleEndian:
		err = errByteOrder
	case f.master["normalization"] != 0 || f.master["casesensitivity"] != 0:
		err = fmt.Errorf("%w file system that does not take names as they are: normalization %#x, casesensitivity %d",
			stream.ErrUnsupported, f.master["normalization"], f.master["casesensitivity"])
	case !f.s.Complete:
		err = fmt.Errorf("the stream of %q: it ends too early", f.s.Begin.ToName)
	case f.s.Begin.ToGUID == 0:
		err = fmt.Errorf("the stream of %q: its guid is 0, which nothing can build on", f.s.Begin.ToName)
	case f.s.Begin.CreationTime > 1<<62:
		err = fmt.Errorf("the stream of %q: created at %d", f.s.Begin.ToName, f.s.Begin.CreationTime)
	case p.opts.Created != nil && uint64(*p.opts.Created) < f.s.Begin.CreationTime && *p.opts.Created >= 0:
		err = fmt.Errorf("%w: it was made at %d, the new snapshot at %d", ErrLater, f.s.Begin.CreationTime, *p.opts.Created)
	}
	for s := f.s; s != nil && err == nil; s = s.Origin {
		if s.Begin.Features&stream.FeatureRedacted != 0 {
			err = errRedacted
		}
	}
	if err != nil {
		return err
	}
	p.opts.Version = int(f.version)
	p.inc = &increment{created: int64(f.s.Begin.CreationTime)}
	if f.tables != nil {
		p.inc.tables = f.tables.Clone()
		p.encode = p.inc.tables.Encode
	}
	return nil
}

// begin says that the stream becomes a clone of the origin. Receivers want it to have the same
// blocks and dnodes as that.
func (inc *increment) begin(b *stream.Begin, origin *stream.Begin) {
	b.Flags |= stream.FlagClone
	b.FromGUID = origin.ToGUID
	b.Features |= origin.Features & (stream.FeatureLargeBlocks | stream.FeatureLargeDnode)
}

// generation of objects that are new.
func (p *Plan) generation() uint64 {
	if p.inc != nil {
		return p.inc.gen
	}
	return firstGeneration
}

// compared takes the result of comparing a file. It returns how much of n, the bytes that
// differ, is written.
func (p *Plan) compared(f *file, b *basis, n int64) int64 {
	if b == nil {
		return n
	}
	id := f.node.ID
	if !b.differs && !p.inc.is(id, isResized) {
		f.digest, f.print = digest{}, 0 // the guid of the origin stands for the contents
		return 0
	}
	p.inc.set(id, isChanged)
	if b.whole {
		p.inc.set(id, isReplaced)
		p.inc.state[id] &^= isKept
		return n
	}
	f.base = b
	end := roundUp(f.node.Size, b.block)
	if old := roundUp(int64(min(b.object.End(), 1<<62)), b.block); old > end {
		b.changed = appendSpan(b.changed, span{end, old, true})
	}
	return n
}

// settle decides what is written, now that all differences are known, and numbers it.
func (p *Plan) settle(ctx context.Context) error {
	slices.SortFunc(p.files, order)
	p.findChanged()
	if err := p.splitParts(ctx); err != nil {
		return err
	}
	if err := p.numberNew(); err != nil {
		return err
	}
	if err := p.findLayouts(); err != nil {
		return err
	}
	return p.list()
}

// findChanged finds the objects that differ because of others: their directory is another one,
// or they are a directory with other names or objects in it.
func (p *Plan) findChanged() {
	inc := p.inc
	for _, n := range p.nodes {
		for _, e := range n.Entries() {
			if !inc.is(e.Node.ID, isKept) {
				inc.set(n.ID, isOtherEntry)
				break
			}
		}
		if !inc.is(n.ID, hasParent) || inc.is(n.ID, isOtherEntry) {
			inc.set(n.ID, isChanged)
		}
		if inc.is(n.ID, isKnown) && inc.is(n.ID, isChanged) {
			inc.count.Changed++
		}
	}
}

// isNew tells whether a node has no object on the origin.
func (p *Plan) isNew(n *tree.Node) bool { return !p.inc.is(n.ID, isKept) }

// isWritten tells whether the stream has the object of a node.
func (p *Plan) isWritten(n *tree.Node) bool { return p.isNew(n) || p.inc.is(n.ID, isChanged) }

// splitParts says, of what is written, which extended attributes and ACLs stay in the objects
// that they are in; for the others there will be new ones.
func (p *Plan) splitParts(ctx context.Context) error {
	for _, n := range p.nodes {
		if n.ID%1024 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !p.isWritten(n) {
			continue
		}
		kept, err := p.keepXattrs(n)
		if err != nil {
			return fmt.Errorf("%q: %w", n.Path(), err)
		}
		if kept {
			continue
		}
		if n.Attrs != nil && len(n.Attrs.Xattrs) > 0 {
			p.xattrs = append(p.xattrs, xattrDir{node: n})
		}
	}
	if p.opts.Version == 4 {
		for _, n := range p.nodes {
			if p.isWritten(n) && n.Attrs != nil && len(appendACL(nil, n.Attrs.ACL)) > inlineACLLength {
				p.acls = append(p.acls, n)
			}
		}
	}
	return nil
}

// keepXattrs lets a node keep the objects of its extended attributes if they are as they were,
// and gives up those of its old attributes and ACL otherwise.
func (p *Plan) keepXattrs(n *tree.Node) (kept bool, err error) {
	if !p.inc.is(n.ID, isKept|isReplaced) {
		return false, nil
	}
	f := p.opts.Origin
	z, err := f.Znode(uint64(p.objects[n.ID]))
	switch {
	case err != nil:
		return false, err
	case p.inc.is(n.ID, isReplaced):
		return false, p.free(z)
	}
	if kept = p.inc.is(n.ID, hasOldXattrs); kept {
		p.xattrOf[n.ID] = z.XattrDir
		acl, err := f.aclObject(z.Object)
		if acl != 0 {
			p.inc.gone = append(p.inc.gone, acl)
		}
		return true, err
	}
	parts, err := f.parts(z)
	p.inc.gone = append(p.inc.gone, parts...)
	return false, err
}

// numberNew numbers what is new behind all objects of the origin, in the order of full streams.
func (p *Plan) numberNew() error {
	next := uint64(0)
	for o := range p.opts.Origin.s.Objects() {
		next = max(next, o.Number+uint64(o.Slots))
	}
	give := func() uint64 { next++; return next - 1 }
	for _, n := range p.special {
		if p.isNew(n) {
			p.objects[n.ID] = uint32(give())
		}
	}
	for i := range p.xattrs {
		x := &p.xattrs[i]
		x.object = give()
		next += uint64(len(x.node.Attrs.Xattrs))
		p.xattrOf[x.node.ID] = x.object
	}
	for _, n := range p.acls {
		p.aclOf[n.ID] = give()
	}
	for _, f := range p.files {
		if p.isNew(f.node) {
			p.objects[f.node.ID] = uint32(give())
		}
	}
	if next > maxObjects {
		return errors.New("its objects have too large numbers")
	}
	return nil
}

// findLayouts has the tables of attributes hold all layouts that are needed.
func (p *Plan) findLayouts() error {
	if p.opts.Version < 5 {
		return nil
	}
	for _, n := range p.nodes {
		if p.isWritten(n) {
			if _, _, err := p.encode(p.inode(n).attributes()); err != nil {
				return fmt.Errorf("%q: %w", n.Path(), err)
			}
		}
	}
	if len(p.xattrs) > 0 {
		_, _, err := p.encode((&inode{acl: trivialACL(xattrFileMode)}).attributes())
		return err
	}
	return nil
}

// change is an object that is written, or several.
type change struct {
	object uint64 // the first
	what   changeOf
	at     int32 // where to find it
}

// changeOf tells what a change is, and what [change.at] counts.
type changeOf uint8

const (
	changeNode    changeOf = iota // directory or special file: node by ID
	changeFile                    // regular file: Plan.files
	changeXattrs                  // extended attributes: Plan.xattrs
	changeACL                     // Plan.acls
	changeFree                    // increment.frees
	changeLayouts                 // the table of layouts; of nothing
)

// freed is a run of objects that are no more.
type freed struct{ first, count uint64 }

// list makes the list of changes.
func (p *Plan) list() error {
	inc := p.inc
	add := func(object uint64, what changeOf, at int) {
		inc.changes = append(inc.changes, change{object, what, int32(at)})
	}
	for _, n := range p.special {
		if p.isWritten(n) {
			add(uint64(p.objects[n.ID]), changeNode, int(n.ID))
		}
	}
	for i, f := range p.files {
		if p.isWritten(f.node) {
			add(uint64(p.objects[f.node.ID]), changeFile, i)
			if p.isReadAgain(f) {
				inc.files = append(inc.files, f)
			}
		}
	}
	slices.SortFunc(inc.files, func(a, b *file) int {
		return cmp.Compare(p.objects[a.node.ID], p.objects[b.node.ID])
	})
	for i, x := range p.xattrs {
		add(x.object, changeXattrs, i)
	}
	for i, n := range p.acls {
		add(p.aclOf[n.ID], changeACL, i)
	}
	if inc.tables != nil && inc.tables.Added() > 0 {
		object, err := p.opts.Origin.layoutsObject()
		if err != nil {
			return err
		}
		add(object, changeLayouts, 0)
	}
	slices.Sort(inc.gone)
	for i, object := range inc.gone {
		if last := len(inc.frees) - 1; i > 0 && inc.frees[last].first+inc.frees[last].count == object {
			inc.frees[last].count++
		} else {
			inc.frees = append(inc.frees, freed{object, 1})
		}
	}
	for i, f := range inc.frees {
		add(f.first, changeFree, i)
	}
	slices.SortFunc(inc.changes, func(a, b change) int { return cmp.Compare(a.object, b.object) })
	return inc.checkOnce()
}

// checkOnce refuses origins in which two files have the same object: what is freed of one
// would be missing in the other.
func (inc *increment) checkOnce() error {
	last := uint64(0)
	for _, c := range inc.changes {
		if c.object <= last {
			return fmt.Errorf("it is damaged: object %d has two uses", c.object)
		}
		last = c.object
		if c.what == changeFree {
			last += inc.frees[c.at].count - 1
		}
	}
	return nil
}

// isReadAgain tells whether contents of a file go into the stream.
func (p *Plan) isReadAgain(f *file) bool {
	switch {
	case f.base != nil:
		return slices.ContainsFunc(f.base.changed, func(s span) bool { return !s.hole })
	case p.isNew(f.node):
		return true
	}
	return p.inc.is(f.node.ID, isRewritten)
}
