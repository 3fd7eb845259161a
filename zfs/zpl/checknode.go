package zpl

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"

	"imagetools/tree"
	"imagetools/zfs/objset"
	"imagetools/zfs/sa"
	"imagetools/zfs/stream"
)

// checkObject checks what an object says of itself.
func (c *checker) checkObject(i int) {
	o, n := c.objects[i], &c.nodes[i]
	if o.BlockSize&(o.BlockSize-1) != 0 && o.End() > uint64(o.BlockSize) {
		c.fault(i, Damage, "it has several blocks of %d bytes, which is no power of two: kernels stop when they read it", o.BlockSize)
	}
	file := o.Type == stream.ObjPlainFile || o.Type == stream.ObjDirectory
	if o.BonusType != stream.ObjSA && o.BonusType != stream.ObjZnode {
		if file {
			c.fault(i, Damage, "it is of type %s, and has no attributes of a file", stream.ObjTypeName(o.Type))
			n.set(isBroken)
		}
		return
	}
	if !file {
		c.fault(i, Damage, "it has the attributes of a file, and is of type %s", stream.ObjTypeName(o.Type))
		n.set(isBroken)
		return
	}
	if o.BonusType == stream.ObjSA && c.f.version < 5 {
		c.fault(i, Damage, "it has system attributes, in version %d of the file system: kernels do not read them", c.f.version)
	}
	z, err := c.f.decode(o)
	var raw rawNode
	if err == nil {
		raw, err = c.readRaw(o)
	}
	if err != nil {
		c.fault(i, Damage, "%v", err)
		n.set(isBroken)
		return
	}
	n.parent, n.links, n.mode = z.Parent, z.Links, z.Mode
	n.set(isNode)
	if z.Flags&flagXattr != 0 {
		n.set(isXattr)
	}
	if z.Gen == 0 {
		c.fault(i, Damage, "its generation is 0: no kernel opens it")
	}
	c.checkMode(i, z, raw)
	c.checkOwners(i, z)
	for _, t := range []struct {
		name string
		Time
	}{{"access", z.ATime}, {"modification", z.MTime}, {"change", z.CTime}, {"creation", z.CRTime}} {
		if t.Nsec >= 1e9 {
			c.fault(i, Damage, "its %s time has %d nanoseconds", t.name, t.Nsec)
		}
	}
	c.checkSize(i, z, raw)
	c.checkACL(i, z, raw)
	if z.XattrDir != 0 {
		if dir := c.index(z.XattrDir); dir < 0 {
			c.fault(i, Damage, "its extended attributes are object %d, which does not exist", z.XattrDir)
		} else {
			c.addEdge(&c.xattrs, edge{int32(i), int32(dir)})
		}
	}
	names := make(map[string]bool, len(z.Xattrs))
	for _, x := range z.Xattrs {
		if names[x.Name] || x.Name == "" {
			c.fault(i, Damage, "it has the extended attribute %q twice, or it has no name", x.Name)
		}
		names[x.Name] = true
	}
}

// rawNode is what attributes say beyond a Znode.
type rawNode struct {
	mode      uint64
	aces      int // bytes
	aclCount  uint64
	hasCount  bool
	hasACEs   bool
	hasOldACL bool // ZPL_ZNODE_ACL, of a file from before version 5
	hasTarget bool
	hasRdev   bool
	aclObject uint64
	fixed     bool // the attributes that kernels read at fixed places are there
}

// fixedFirst are the attributes that space accounting reads at fixed places in the bonus
// buffer, whatever the layout says.
var fixedFirst = [...]sa.Attr{sa.Mode, sa.Size, sa.Gen, sa.UID, sa.GID, sa.Parent, sa.Flags}

func (c *checker) readRaw(o *objset.Object) (r rawNode, err error) {
	bonus := o.Bonus()
	if o.BonusType == stream.ObjZnode {
		u64 := func(at int) uint64 { return c.f.s.Order.Uint64(bonus[at:]) }
		r.mode, r.aclObject = u64(znodeMode), u64(znodeACL)
		r.aclCount = uint64(c.f.s.Order.Uint16(bonus[znodeACL+14:]))
		if c.f.s.Order.Uint16(bonus[znodeACL+12:]) == 0 {
			r.aclCount = uint64(c.f.s.Order.Uint32(bonus[znodeACL+8:]))
		}
		r.hasCount, r.hasACEs, r.hasTarget, r.hasRdev, r.fixed = true, true, true, true, true
		return r, nil
	}
	place := 0
	r.fixed = true
	take := func(a sa.Attr, v []byte, order binary.ByteOrder) error {
		if place < len(fixedFirst) {
			r.fixed = r.fixed && a == fixedFirst[place]
		}
		place++
		switch a {
		case sa.Mode:
			r.mode = order.Uint64(v)
		case sa.DACLCount:
			r.aclCount, r.hasCount = order.Uint64(v), true
		case sa.DACLACEs:
			r.aces, r.hasACEs = len(v), true
		case sa.ZnodeACL:
			r.hasOldACL, r.aclObject = true, order.Uint64(v)
		case sa.Symlink:
			r.hasTarget = true
		case sa.Rdev:
			r.hasRdev = true
		}
		return nil
	}
	// A header shorter than its own fields would have them read as the first attributes.
	if header := int(headerInfo(bonus)>>10) * 8; header < 8 {
		return r, fmt.Errorf("bonus: header of %d bytes", header)
	}
	if err := c.f.tables.Decode(bonus, take); err != nil {
		return r, fmt.Errorf("bonus: %w", err)
	}
	if place < len(fixedFirst) {
		r.fixed = false
	}
	place = len(fixedFirst)
	if spill := o.Spill(); spill != nil && (o.HasSpill || c.f.s.Begin.Flags&stream.FlagSpillBlock == 0) {
		if header := int(headerInfo(spill)>>10) * 8; header < 8 {
			return r, fmt.Errorf("spill block: header of %d bytes", header)
		}
		if err := c.f.tables.Decode(spill, take); err != nil {
			return r, fmt.Errorf("spill block: %w", err)
		}
	}
	return r, nil
}

// headerInfo is the word of a buffer of attributes that has the number of the layout and the
// size of the header.
func headerInfo(b []byte) uint16 {
	const magic = 0x2F505A
	if len(b) < 8 {
		return 0
	}
	if binary.LittleEndian.Uint32(b) == magic {
		return binary.LittleEndian.Uint16(b[4:])
	}
	return binary.BigEndian.Uint16(b[4:])
}

func (c *checker) checkMode(i int, z *Znode, raw rawNode) {
	dirObject := c.objects[i].Type == stream.ObjDirectory
	switch z.Mode.Type() {
	case tree.TypeDir, tree.TypeFile, tree.TypeSymlink, tree.TypeChar, tree.TypeBlock, tree.TypeFIFO, tree.TypeSocket:
	default:
		c.fault(i, Damage, "its mode %#o is of no type", raw.mode)
	}
	if raw.mode&^uint64(tree.TypeMask|tree.PermMask) != 0 {
		c.fault(i, Damage, "its mode %#o has unknown bits", raw.mode)
	}
	if z.IsDir() != dirObject {
		c.fault(i, Damage, "its mode says %s, its object %s", z.Mode.TypeName(), stream.ObjTypeName(c.objects[i].Type))
	}
	if !raw.fixed {
		c.fault(i, Damage, "its first attributes are not those that kernels read without looking at the layout")
	}
	if t := z.Mode.Type(); (t == tree.TypeChar || t == tree.TypeBlock) && !raw.hasRdev {
		c.fault(i, Damage, "a device without a device number")
	}
	if !z.IsDir() {
		c.files.Add(1)
	}
	if i == c.index(c.f.root) && z.Parent != c.f.root {
		c.fault(i, Damage, "it is the root directory, and its parent is object %d", z.Parent)
	}
}

func (c *checker) checkOwners(i int, z *Znode) {
	for _, id := range []uint64{z.UID, z.GID} {
		if domain := id >> 32; domain != 0 && !c.domains[domain] {
			c.fault(i, Damage, "owner %#x is of domain %d, which the file system does not have", id, domain)
		}
	}
}

func (c *checker) checkSize(i int, z *Znode, raw rawNode) {
	o := c.objects[i]
	block := uint64(o.BlockSize)
	powerOfTwo := block&(block-1) == 0
	switch z.Mode.Type() {
	case tree.TypeFile:
		if z.Size > math.MaxInt64 {
			c.fault(i, Damage, "its size is %d", z.Size)
			return
		}
		if z.Size > block && !powerOfTwo {
			c.fault(i, Damage, "its size is %d, and its only block has %d bytes: kernels stop when they read it", z.Size, block)
		}
		last := block
		if powerOfTwo && block > 0 {
			last = (max(z.Size, 1) + block - 1) / block * block
		}
		if sent := uint64(o.Announced); sent > block {
			last = max(last, (max(z.Size, 1)+sent-1)/sent*sent)
		}
		if o.Announced == stream.OldMaxBlock { // the blocks may have been larger before they were sent
			last = (max(z.Size, 1) + stream.MaxBlock - 1) / stream.MaxBlock * stream.MaxBlock
		}
		if end := o.End(); end > last {
			c.fault(i, Warning, "it has blocks up to %d, but its size is %d", end, z.Size)
		}
	case tree.TypeSymlink:
		switch {
		case !raw.hasTarget:
			c.fault(i, Damage, "a symbolic link without a target")
		case uint64(len(z.Target)) != z.Size || z.Size == 0:
			c.fault(i, Damage, "its target has %d bytes, its size is %d", len(z.Target), z.Size)
		case strings.Contains(z.Target, "\x00"):
			c.fault(i, Damage, "its target has a zero byte")
		}
	case tree.TypeChar, tree.TypeBlock, tree.TypeFIFO, tree.TypeSocket:
		if z.Size > math.MaxInt64 {
			c.fault(i, Damage, "its size is %d", z.Size)
		} else if z.Size != 0 {
			c.fault(i, Warning, "a %s of %d bytes", z.Mode.TypeName(), z.Size)
		}
	}
}

// What is known of ACEs: types without 4, flags, masks.
const (
	aceTypes    = 1<<0 | 1<<1 | 1<<2 | 1<<3 | 1<<5 | 1<<6 | 1<<7 | 1<<8
	aceMaskBits = 0x1F01FF
)

func (c *checker) checkACL(i int, z *Znode, raw rawNode) {
	switch {
	case !raw.hasCount && !raw.hasACEs:
		if !raw.hasOldACL {
			c.fault(i, Warning, "it has no ACL")
		}
		return
	case raw.hasCount != raw.hasACEs:
		c.fault(i, Damage, "it has an ACL without a count, or a count without an ACL")
		return
	case raw.aclCount != uint64(len(z.ACL)):
		c.fault(i, Damage, "its ACL has %d entries, its count says %d", len(z.ACL), raw.aclCount)
	case len(z.ACL) == 0:
		c.fault(i, Damage, "its ACL is empty")
	}
	if raw.aclObject != 0 {
		if err := c.useACL(i, raw.aclObject); err != nil {
			c.fault(i, Damage, "its ACL is object %d: %v", raw.aclObject, err)
		}
	}
	for k, a := range z.ACL {
		who := a.Flags & aceWho
		switch {
		case a.Type > 8 || aceTypes>>a.Type&1 == 0:
			c.fault(i, Damage, "ACL: entry %d of type %d", k, a.Type)
		case a.Flags&^(aceFlags) != 0:
			c.fault(i, Warning, "ACL: entry %d has unknown flags in %#x", k, a.Flags)
		case who != 0 && who != tree.ACEIdentifierGroup && who != tree.ACEOwner && who != tree.ACEGroup && who != tree.ACEEveryone:
			c.fault(i, Warning, "ACL: entry %d is for more than one of owner, group and everyone: flags %#x", k, a.Flags)
		case a.Mask&^aceMaskBits != 0:
			c.fault(i, Warning, "ACL: entry %d has unknown permissions in %#x", k, a.Mask)
		case a.HasID && a.ID>>32 != 0 && !c.domains[a.ID>>32]:
			c.fault(i, Damage, "ACL: entry %d is for %#x, of domain %d, which the file system does not have", k, a.ID, a.ID>>32)
		}
	}
}

// useACL notes that an object holds the ACL of a file.
func (c *checker) useACL(i int, object uint64) error {
	at := c.index(object)
	if at < 0 {
		return errors.New("it does not exist")
	}
	const oldACL = 18 // DMU_OT_OLDACL
	if t := c.objects[at].Type; t != stream.ObjACL && t != oldACL {
		return fmt.Errorf("it is of type %s", stream.ObjTypeName(t))
	}
	if c.nodes[at].state.Or(isUsed)&isUsed != 0 {
		return errors.New("it is another file's as well")
	}
	return nil
}
