package zpl

import (
	"encoding/binary"
	"fmt"
	"slices"

	"imagetools/tree"
)

// Access mask bits of an ACE (acl.h, ACE_*).
const (
	aceReadData   = 0x1
	aceWriteData  = 0x2
	aceAppendData = 0x4
	aceExecute    = 0x20
	aceAlways     = 0x120088 // read xattrs, attributes and ACL; synchronize
	aceOwnerAlso  = 0xC0110  // write xattrs, attributes and ACL; take ownership
)

// Types and inheritance flags of an ACE.
const (
	aceAllow        = 0
	aceDeny         = 1
	aceInheritFile  = 0x1
	aceInheritDir   = 0x2
	aceAlarm        = 3 // the last type without GUIDs, which the tree has not
	aceFlags        = 0xFF | aceWho
	aceWho          = tree.ACEOwner | tree.ACEGroup | tree.ACEEveryone
	inlineACLLength = 72 // bytes of ACEs in a version 4 znode
)

// trivialACL is the ACL that chmod makes of a mode. Directories get no DELETE_CHILD: kernels
// before 2016 would take the ACL for a non-trivial one, and all let writers delete anyway.
func trivialACL(mode tree.Mode) []tree.ACE {
	owner, group, everyone := permMask(mode>>6), permMask(mode>>3), permMask(mode)
	deny1 := ^owner & (group | everyone)
	deny2 := ^group & everyone
	allow0 := owner &^ group & everyone
	acl := make([]tree.ACE, 0, 6)
	if allow0 != 0 {
		acl = append(acl, tree.ACE{Type: aceAllow, Flags: tree.ACEOwner, Mask: allow0})
	}
	if deny1 != 0 {
		acl = append(acl, tree.ACE{Type: aceDeny, Flags: tree.ACEOwner, Mask: deny1})
	}
	if deny2 != 0 {
		acl = append(acl, tree.ACE{Type: aceDeny, Flags: tree.ACEGroup, Mask: deny2})
	}
	return append(acl,
		tree.ACE{Type: aceAllow, Flags: tree.ACEOwner, Mask: aceAlways | aceOwnerAlso | owner},
		tree.ACE{Type: aceAllow, Flags: tree.ACEGroup, Mask: aceAlways | group},
		tree.ACE{Type: aceAllow, Flags: tree.ACEEveryone, Mask: aceAlways | everyone})
}

// permMask is the access mask of one rwx triple.
func permMask(rwx tree.Mode) (mask uint32) {
	if rwx&4 != 0 {
		mask |= aceReadData
	}
	if rwx&2 != 0 {
		mask |= aceWriteData | aceAppendData
	}
	if rwx&1 != 0 {
		mask |= aceExecute
	}
	return mask
}

// appendACL encodes ACEs in the FUID form of ZPL 3 and later (zfs_ace_hdr_t): 8 bytes, and
// 8 more for the id where the entry is about a numbered user or group.
func appendACL(b []byte, acl []tree.ACE) []byte {
	le := binary.LittleEndian
	for _, a := range acl {
		b = le.AppendUint16(b, a.Type)
		b = le.AppendUint16(b, a.Flags)
		b = le.AppendUint32(b, a.Mask)
		if a.HasID() {
			b = le.AppendUint64(b, uint64(a.ID))
		}
	}
	return b
}

// checkACE refuses entries that kernels would read otherwise than they are written: whether
// there is an id behind an entry follows from its type and from who it is about.
func checkACE(a tree.ACE) error {
	switch who := a.Flags & aceWho; {
	case a.Type > aceAlarm:
		return fmt.Errorf("type %d", a.Type)
	case a.Flags&^aceFlags != 0:
		return fmt.Errorf("flags %#x", a.Flags)
	case who != 0 && who != tree.ACEIdentifierGroup && who != tree.ACEOwner && who != tree.ACEGroup && who != tree.ACEEveryone:
		return fmt.Errorf("flags %#x: more than one identity", a.Flags)
	case a.HasID() && a.ID > tree.MaxOwner:
		return fmt.Errorf("id %d: the largest is %d", a.ID, tree.MaxOwner)
	}
	return nil
}

func inheritable(acl []tree.ACE) bool {
	return slices.ContainsFunc(acl, func(a tree.ACE) bool { return a.Flags&(aceInheritFile|aceInheritDir) != 0 })
}
