package zpl

import (
	"encoding/binary"
	"errors"
	"fmt"

	"imagetools/tree"
	"imagetools/zfs/nvlist"
	"imagetools/zfs/objset"
	"imagetools/zfs/sa"
	"imagetools/zfs/stream"
)

// Znode is what a file system says of one of its objects: a file, a directory, or a part of
// their extended attributes.
type Znode struct {
	Object   uint64
	Mode     tree.Mode
	UID, GID uint64 // above 32 bits: the number of a domain, for users that Windows knows
	Size     uint64 // of a directory: entries + 2
	Links    uint64 // of a directory: subdirectories + 2
	Parent   uint64 // object of the directory, or one of them
	Gen      uint64
	Flags    uint64 // pflags
	ATime    Time
	MTime    Time
	CTime    Time
	CRTime   Time
	Rdev     uint64 // as the system that made it packs device numbers
	XattrDir uint64 // object of the extended attributes, 0 for none
	Target   string // of a symbolic link
	ACL      []ACE
	Xattrs   []tree.Xattr // those kept in the znode itself (xattr=sa)
	Project  uint64
}

// Time is seconds since 1970 and nanoseconds, as stored: Nsec may be anything in a damaged
// file system.
type Time struct {
	Sec  int64
	Nsec uint64
}

// ACE is an entry of an ACL, with whatever may stand in one.
type ACE struct {
	Type, Flags uint16
	Mask        uint32
	ID          uint64 // of a numbered user or group; above 32 bits its domain
	HasID       bool
	GUIDs       bool // an object type, which has two GUIDs more
}

// IsDir reports whether z is a directory.
func (z *Znode) IsDir() bool { return z.Mode.Type() == tree.TypeDir }

// TrivialACL tells whether the ACL says no more than the mode does.
func (z *Znode) TrivialACL() bool { return z.Flags&flagACLTrivial != 0 || len(z.ACL) == 0 }

// Device splits Rdev. illumos and FreeBSD have 32 bits of major above 32 of minor; what
// fits into 32 bits is taken for the form of Linux, 12 bits above 20.
func (z *Znode) Device() tree.Device {
	if z.Rdev >= 1<<32 {
		return tree.Device{Major: uint32(z.Rdev >> 32), Minor: uint32(z.Rdev)}
	}
	return tree.Device{Major: uint32(z.Rdev >> 20), Minor: uint32(z.Rdev & (1<<20 - 1))}
}

// errNoZnode says that an object is none of a file.
var errNoZnode = errors.New("the object is no file")

// Keep is objset.Options.Keep for file systems: in versions before 5, long targets of
// symbolic links stand where the contents of files do.
func Keep(o *objset.Object, bonus []byte) bool {
	if o.BonusType != stream.ObjZnode || len(bonus) < znodeSize {
		return false
	}
	le, be := binary.LittleEndian.Uint64(bonus[znodeMode:]), binary.BigEndian.Uint64(bonus[znodeMode:])
	return tree.Mode(min(le, be)).Type() == tree.TypeSymlink
}

const (
	znodeMode = 72
	znodeACL  = 176
)

// maxTarget bounds what is read of a link target (MAXPATHLEN is 1024 on illumos, PATH_MAX
// 4096 on Linux).
const maxTarget = 64 << 10

// Znode decodes what the file system says of an object.
func (f *FS) Znode(n uint64) (*Znode, error) {
	o := f.s.Object(n)
	if o == nil {
		return nil, fmt.Errorf("object %d: does not exist", n)
	}
	z, err := f.decode(o)
	if err != nil {
		return nil, fmt.Errorf("object %d: %w", n, err)
	}
	return z, nil
}

func (f *FS) decode(o *objset.Object) (*Znode, error) {
	z := &Znode{Object: o.Number}
	switch o.BonusType {
	case stream.ObjSA:
		return z, f.decodeSA(z, o)
	case stream.ObjZnode:
		return z, f.decodeZnode(z, o)
	}
	return nil, errNoZnode
}

// decodeSA decodes system attributes, from bonus and spill.
func (f *FS) decodeSA(z *Znode, o *objset.Object) error {
	if f.tables == nil {
		return errors.New("system attributes in a file system that has no tables of them")
	}
	var seen [sa.ProjID + 1]bool
	take := func(a sa.Attr, v []byte, order binary.ByteOrder) error {
		if a == sa.Unknown {
			return nil
		}
		if seen[a] {
			return fmt.Errorf("%v is given twice", a)
		}
		seen[a] = true
		switch a {
		case sa.DXattr:
			return z.setXattrs(v)
		case sa.Symlink:
			z.Target = string(v)
		case sa.DACLACEs:
			var err error
			z.ACL, err = decodeACL(v, order)
			return err
		case sa.ZnodeACL, sa.Scanstamp, sa.Pad:
		case sa.ATime, sa.MTime, sa.CTime, sa.CRTime:
			t := Time{int64(order.Uint64(v)), order.Uint64(v[8:])}
			*map[sa.Attr]*Time{sa.ATime: &z.ATime, sa.MTime: &z.MTime, sa.CTime: &z.CTime, sa.CRTime: &z.CRTime}[a] = t
		default:
			if len(v) != 8 {
				return fmt.Errorf("%v of %d bytes", a, len(v))
			}
			z.setNumber(a, order.Uint64(v))
		}
		return nil
	}
	if err := f.tables.Decode(o.Bonus(), take); err != nil {
		return fmt.Errorf("bonus: %w", err)
	}
	if o.HasSpill || f.s.Begin.Flags&stream.FlagSpillBlock == 0 {
		if spill := o.Spill(); spill != nil {
			if err := f.tables.Decode(spill, take); err != nil {
				return fmt.Errorf("spill block: %w", err)
			}
		} else if o.HasSpill {
			return errors.New("its spill block is not in the stream")
		}
	}
	for _, a := range []sa.Attr{sa.Mode, sa.Size, sa.UID, sa.GID, sa.Parent, sa.MTime, sa.Links} {
		if !seen[a] {
			return fmt.Errorf("%v is missing", a)
		}
	}
	return nil
}

func (z *Znode) setNumber(a sa.Attr, v uint64) {
	switch a {
	case sa.Mode:
		z.Mode = tree.Mode(v)
	case sa.Size:
		z.Size = v
	case sa.Gen:
		z.Gen = v
	case sa.UID:
		z.UID = v
	case sa.GID:
		z.GID = v
	case sa.Parent:
		z.Parent = v
	case sa.Flags:
		z.Flags = v
	case sa.Links:
		z.Links = v
	case sa.Rdev:
		z.Rdev = v
	case sa.Xattr:
		z.XattrDir = v
	case sa.ProjID:
		z.Project = v
	}
}

// setXattrs takes the extended attributes from the nvlist in ZPL_DXATTR.
func (z *Znode) setXattrs(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	list, err := nvlist.Decode(b)
	if err != nil {
		return fmt.Errorf("extended attributes: %w", err)
	}
	for _, p := range list {
		v, ok := p.Value.(nvlist.Bytes)
		if !ok {
			return fmt.Errorf("extended attribute %q: %v", p.Name, nvlist.TypeOf(p.Value))
		}
		z.Xattrs = append(z.Xattrs, tree.Xattr{Name: p.Name, Value: v})
	}
	return nil
}

// decodeZnode decodes the znode of ZPL 1 to 4.
func (f *FS) decodeZnode(z *Znode, o *objset.Object) error {
	b := o.Bonus()
	if len(b) < znodeSize {
		return fmt.Errorf("znode of %d bytes", len(b))
	}
	u64 := func(at int) uint64 { return f.s.Order.Uint64(b[at:]) }
	time := func(at int) Time { return Time{int64(u64(at)), u64(at + 8)} }
	z.ATime, z.MTime, z.CTime, z.CRTime = time(0), time(16), time(32), time(48)
	z.Gen, z.Mode, z.Size, z.Parent, z.Links = u64(64), tree.Mode(u64(znodeMode)), u64(80), u64(88), u64(96)
	z.XattrDir, z.Rdev, z.Flags, z.UID, z.GID = u64(104), u64(112), u64(120), u64(128), u64(136)
	if z.Mode.Type() == tree.TypeSymlink {
		if z.Size > maxTarget {
			return fmt.Errorf("link target of %d bytes", z.Size)
		}
		if uint64(len(b)-znodeSize) >= z.Size {
			z.Target = string(b[znodeSize:][:z.Size])
		} else {
			target := make([]byte, z.Size)
			if _, err := f.x.Data(o).ReadAt(target, 0); err != nil {
				return err
			}
			z.Target = string(target)
		}
	}
	if err := f.znodeACL(z, b[znodeACL:znodeSize]); err != nil {
		return fmt.Errorf("ACL: %w", err)
	}
	return nil
}

// znodeACL decodes zfs_acl_phys_t: the object of an ACL that has one, its size in bytes, its
// version and the number of its entries, and room for small ones.
func (f *FS) znodeACL(z *Znode, b []byte) error {
	object, size := f.s.Order.Uint64(b), f.s.Order.Uint32(b[8:])
	version, count := f.s.Order.Uint16(b[12:]), f.s.Order.Uint16(b[14:])
	if version == 0 { // the form of ZPL 1 and 2: size is a count, and entries have 12 bytes
		size *= oldACE
	}
	if size > maxACLBytes {
		return fmt.Errorf("%d bytes", size)
	}
	aces := b[16:]
	if object != 0 {
		o := f.s.Object(object)
		if o == nil {
			return fmt.Errorf("its object %d does not exist", object)
		}
		aces = make([]byte, size)
		if _, err := f.x.Data(o).ReadAt(aces, 0); err != nil {
			return err
		}
	}
	if int(size) > len(aces) {
		return fmt.Errorf("%d bytes where %d have room", size, len(aces))
	}
	var err error
	if version == 0 {
		z.ACL = decodeOldACL(aces[:size], f.s.Order)
		return nil
	}
	if z.ACL, err = decodeACL(aces[:size], f.s.Order); err == nil && len(z.ACL) != int(count) {
		err = fmt.Errorf("%d entries, not %d", len(z.ACL), count)
	}
	return err
}

const (
	oldACE      = 12
	maxACLBytes = 1 << 20 // more than 1024 entries of the largest form take
)

// decodeACL decodes ACEs in the FUID form: see appendACL. Types from 5 to 8 are those of
// objects, with two GUIDs of 16 bytes.
func decodeACL(b []byte, order binary.ByteOrder) ([]ACE, error) {
	var acl []ACE
	for at := 0; at < len(b); {
		rest := b[at:]
		if len(rest) < 8 {
			return nil, fmt.Errorf("ACL: %d bytes behind entry %d", len(rest), len(acl))
		}
		a := ACE{Type: order.Uint16(rest), Flags: order.Uint16(rest[2:]), Mask: order.Uint32(rest[4:])}
		who := a.Flags & (aceWho | tree.ACEIdentifierGroup)
		a.GUIDs = a.Type >= aceObjectFirst && a.Type <= aceObjectLast
		a.HasID = who != tree.ACEOwner && who != tree.ACEGroup && who != tree.ACEEveryone || a.GUIDs
		n := 8
		if a.HasID {
			n += 8
		}
		if a.GUIDs {
			n += 32
		}
		if len(rest) < n {
			return nil, fmt.Errorf("ACL: entry %d has %d of %d bytes", len(acl), len(rest), n)
		}
		if a.HasID {
			a.ID = order.Uint64(rest[8:])
		}
		acl = append(acl, a)
		at += n
	}
	return acl, nil
}

const (
	aceObjectFirst = 5
	aceObjectLast  = 8
)

// decodeOldACL decodes the ACEs of ZPL 1 and 2: who, mask, flags, type.
func decodeOldACL(b []byte, order binary.ByteOrder) []ACE {
	var acl []ACE
	for ; len(b) >= oldACE; b = b[oldACE:] {
		a := ACE{Type: order.Uint16(b[10:]), Flags: order.Uint16(b[8:]), Mask: order.Uint32(b[4:])}
		if a.Flags&aceWho == 0 {
			a.ID, a.HasID = uint64(order.Uint32(b)), true
		}
		acl = append(acl, a)
	}
	return acl
}
