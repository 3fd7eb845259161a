package rootfs

import (
	"slices"

	"imagetools/tree"
	"imagetools/tree/posixacl"
)

// changed is what became of a file, for the attributes that do not survive it.
type changed struct{ mode, owner, content bool }

func (o Info) changed(attr Attr, content bool) changed {
	return changed{o.Mode.Perm() != attr.Mode, o.UID != attr.UID || o.GID != attr.GID, content}
}

// keeps tells whether an attribute stays. As kernels have it, a capability does not survive a
// new owner or content; as ZFS has it, an ACL does not survive a new mode.
func (c changed) keeps(xattr string) bool {
	switch xattr {
	case "security.capability":
		return !c.owner && !c.content
	case posixacl.Access:
		return !c.mode
	}
	return true
}

// apply returns the attributes that stay.
func (c changed) apply(a *tree.Attrs) *tree.Attrs {
	if a == nil {
		return nil
	}
	kept := &tree.Attrs{Xattrs: slices.Clone(a.Xattrs)}
	kept.Xattrs = slices.DeleteFunc(kept.Xattrs, func(x tree.Xattr) bool { return !c.keeps(x.Name) })
	if !c.mode {
		kept.ACL = a.ACL
	}
	if len(kept.Xattrs) == 0 && len(kept.ACL) == 0 {
		return nil
	}
	return kept
}
