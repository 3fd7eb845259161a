package source

import (
	"fmt"

	"imagetools/fault"
	"imagetools/tree"
)

// Owners says who owns the files of the tree.
type Owners string

const (
	// OwnersAuto keeps the owners of the source. A directory (without METALOG) whose whole
	// tree belongs to one user other than root is taken for the work of an unprivileged
	// build: its owners become 0:0.
	OwnersAuto Owners = "auto"
	// OwnersDisk keeps the owners of the source, whatever they are.
	OwnersDisk Owners = "disk"
	// OwnersRoot makes every owner 0:0.
	OwnersRoot Owners = "root"
)

// ParseOwners reads the name of a rule; the empty string is [OwnersAuto].
func ParseOwners(s string) (Owners, error) {
	switch o := Owners(s); o {
	case "":
		return OwnersAuto, nil
	case OwnersAuto, OwnersDisk, OwnersRoot:
		return o, nil
	}
	return "", fmt.Errorf("owners %q: auto, disk or root are possible", s)
}

// SetIDChange reports whether a file of this mode would mean another user or group once it
// belongs to uid:gid instead of its present owner: a set-user-ID file with another user, a
// set-group-ID file with another group. Directories do not count: there the bit only says
// which group new files get.
func SetIDChange(mode tree.Mode, olduid, oldgid, uid, gid uint32) bool {
	return mode.Type() == tree.TypeFile &&
		(mode&tree.SetUID != 0 && olduid != uid || mode&tree.SetGID != 0 && oldgid != gid)
}

// WayOwners is to keep the owners, or to name them.
var WayOwners = fault.NewWay("tree.owners")

// WayRoom is to choose a larger place for temporary files.
var WayRoom = fault.NewWay("tree.room")

// SetIDError is the error for a file that [SetIDChange] is about.
func SetIDError(path string, mode tree.Mode, olduid, oldgid uint32) error {
	return fault.With(
		fmt.Errorf("%q: set-id file (mode %04o, owner %d:%d) would become root's", path, uint32(mode.Perm()), olduid, oldgid),
		WayOwners)
}
