package zpl

import (
	"encoding/binary"

	"imagetools/tree"
	"imagetools/zfs/sa"
	"imagetools/zfs/stream"
)

// pflags of a file (zfs_znode.h, ZFS_*).
const (
	flagXattr         = 0x1 // part of the extended attributes of another file
	flagInheritACE    = 0x2
	flagACLTrivial    = 0x4
	flagNoExecsDenied = 0x100
	flagArchive       = 1 << 35
	flagAVModified    = 1 << 42
)

const allExecute = 0o111

// inode is what a file's dnode says of it, in any version of the ZPL.
type inode struct {
	mode      tree.Mode
	gen       uint64 // tells files apart that have the same object one after the other
	uid, gid  uint32
	time      tree.Time
	size      uint64
	links     uint64
	parent    uint64 // object of a directory it is in
	xattrDir  uint64 // object of its extended attributes, 0 for none
	rdev      uint64 // of a device
	target    string // of a symbolic link
	acl       []tree.ACE
	trivial   bool // the ACL says no more than the mode
	isXattr   bool
	aclObject uint64 // of an ACL that a version 4 znode has no room for
}

// firstGeneration is that of every object in a full stream.
const firstGeneration = 1

func (n *inode) isDevice() bool {
	return n.mode.Type() == tree.TypeChar || n.mode.Type() == tree.TypeBlock
}

func (n *inode) pflags() uint64 {
	flags := uint64(flagArchive | flagAVModified)
	if n.isXattr {
		flags |= flagXattr
	}
	if n.trivial {
		flags |= flagACLTrivial
		if n.mode&allExecute == allExecute {
			flags |= flagNoExecsDenied
		}
	} else if n.mode.Type() == tree.TypeDir && inheritable(n.acl) {
		flags |= flagInheritACE
	}
	return flags
}

func u64s(v ...uint64) []byte {
	b := make([]byte, 0, 8*len(v))
	for _, x := range v {
		b = binary.LittleEndian.AppendUint64(b, x)
	}
	return b
}

// attributes lists the inode as system attributes.
func (n *inode) attributes() []sa.Value {
	t := u64s(uint64(n.time.Sec), uint64(n.time.Nsec))
	values := append(make([]sa.Value, 0, 18),
		sa.Value{Attr: sa.Mode, Data: u64s(uint64(n.mode))},
		sa.Value{Attr: sa.Size, Data: u64s(n.size)},
		sa.Value{Attr: sa.Gen, Data: u64s(n.gen)},
		sa.Value{Attr: sa.UID, Data: u64s(uint64(n.uid))},
		sa.Value{Attr: sa.GID, Data: u64s(uint64(n.gid))},
		sa.Value{Attr: sa.Parent, Data: u64s(n.parent)},
		sa.Value{Attr: sa.Flags, Data: u64s(n.pflags())},
		sa.Value{Attr: sa.ATime, Data: t},
		sa.Value{Attr: sa.MTime, Data: t},
		sa.Value{Attr: sa.CTime, Data: t},
		sa.Value{Attr: sa.CRTime, Data: t},
		sa.Value{Attr: sa.Links, Data: u64s(n.links)})
	if n.isDevice() {
		values = append(values, sa.Value{Attr: sa.Rdev, Data: u64s(n.rdev)})
	}
	values = append(values,
		sa.Value{Attr: sa.DACLCount, Data: u64s(uint64(len(n.acl)))},
		sa.Value{Attr: sa.DACLACEs, Data: appendACL(nil, n.acl)})
	if n.target != "" {
		values = append(values, sa.Value{Attr: sa.Symlink, Data: []byte(n.target)})
	}
	if n.xattrDir != 0 {
		values = append(values, sa.Value{Attr: sa.Xattr, Data: u64s(n.xattrDir)})
	}
	return values
}

// Sizes in a version 4 znode (znode_phys_t).
const (
	znodeSize       = 264
	znodeMaxTarget  = 56 // bytes of a link target that follow the znode in the bonus
	znodeACLVersion = 1  // ACEs in the FUID form
)

// znode encodes the inode as the znode of ZPL 4.
func (n *inode) znode() []byte {
	t := u64s(uint64(n.time.Sec), uint64(n.time.Nsec))
	b := make([]byte, 0, znodeSize+znodeMaxTarget)
	for range 4 { // atime, mtime, ctime, crtime
		b = append(b, t...)
	}
	b = append(b, u64s(n.gen, uint64(n.mode), n.size, n.parent, n.links, n.xattrDir, n.rdev,
		n.pflags(), uint64(n.uid), uint64(n.gid), 0, 0, 0, 0)...) // zap, pad[3]
	b = append(b, make([]byte, 176-len(b))...)
	aces := appendACL(nil, n.acl)
	b = append(b, u64s(n.aclObject)...)
	le := binary.LittleEndian
	b = le.AppendUint32(b, uint32(len(aces)))
	b = le.AppendUint16(b, znodeACLVersion)
	b = le.AppendUint16(b, uint16(len(n.acl)))
	if n.aclObject == 0 {
		b = append(b, aces...)
	}
	b = append(b, make([]byte, znodeSize-len(b))...)
	if len(n.target) <= znodeMaxTarget {
		b = append(b, n.target...)
	}
	return b
}

// objectType is the DMU type of the object that holds the file.
func (n *inode) objectType() uint32 {
	if n.mode.Type() == tree.TypeDir {
		return stream.ObjDirectory
	}
	return stream.ObjPlainFile
}

// illumosDevice packs a device number as illumos stores it: 32 bits of major, 32 of minor.
// Linux packs otherwise and shows another number for it; SmartOS images are for illumos.
func illumosDevice(d *tree.Device) uint64 {
	if d == nil {
		return 0
	}
	return uint64(d.Major)<<32 | uint64(d.Minor)
}
