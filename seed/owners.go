package seed

import (
	"errors"
	"fmt"
	"iter"
	"strconv"

	"imagetools/fault"

	"imagetools/tree"
	"imagetools/tree/source"
)

// setOwners gives the directories and files that the manifest lists their owners and modes, if
// they are what it says they are. Everything else is root's and has the mode that it had.
//
// Names stand for the numbers that passwd and group of the build have, before the clashing users
// were removed: what belongs to lp keeps its number, as it does on the platform.
func (b *builder) setOwners(s *Step) error {
	if len(b.build.manifests) == 0 {
		s.Did = "no manifest: everything is root's"
		return b.checkSetIDs()
	}
	var faults fault.Faults
	faults.Limit = maxManifestFaults
	lines, set := 0, make(map[string]bool)
	for i, m := range b.build.manifests {
		lines += len(m.Entries)
		for _, e := range m.Entries {
			if e.Type != tree.TypeDir && e.Type != tree.TypeFile {
				continue
			}
			n := b.find(e.Path)
			if n == nil || n.Mode.Type() != e.Type {
				continue
			}
			uid, err := resolve(e.User, b.names.User)
			if err == nil {
				n.GID, err = resolve(e.Group, b.names.Group)
			}
			if err != nil {
				faults.Add(fmt.Sprintf("%06d %012d", i, e.Line), &LineError{m.Name, e.Line, fmt.Errorf("%q: %w", e.Path, err)})
				continue
			}
			n.UID, n.Mode = uid, e.Type|e.Mode
			b.listed[n] = true
			set[e.Path] = true
		}
	}
	s.Did = fmt.Sprintf("%d names as in %d lines of the manifest, everything else root's", len(set), lines)
	if err := faults.Err(); err != nil {
		return fault.WithHint(err, "names are those of the build's own etc/passwd and etc/group; in a manifest, numbers will do as well")
	}
	return b.checkSetIDs()
}

// resolve returns the number of a user or group, whose name may also be a number.
func resolve(name string, lookup func(string) (uint32, error)) (uint32, error) {
	id, err := lookup(name)
	if err == nil {
		return id, nil
	}
	if number, e := strconv.ParseUint(name, 10, 32); e == nil && number <= tree.MaxOwner {
		return uint32(number), nil
	}
	if hinted, ok := errors.AsType[*fault.HintError](err); ok {
		err = hinted.Err // one hint for all
	}
	return 0, err
}

// checkSetIDs refuses set-id files that would become root's only because nobody said whose
// they are.
func (b *builder) checkSetIDs() error {
	var faults fault.Faults
	for path, n := range walk(b.root, "") {
		disk, ok := b.build.setIDs[n]
		if ok && !b.listed[n] && source.SetIDChange(n.Mode, disk.uid, disk.gid, 0, 0) {
			faults.Add(path, fmt.Errorf("%q: set-id file (mode %04o) of %d:%d, which would become root's: the manifest does not list it",
				path, uint32(n.Mode.Perm()), disk.uid, disk.gid))
		}
	}
	if err := faults.Err(); err != nil {
		return fault.WithHint(err, "list it in the manifest, take the set-id bit away, or let root own it")
	}
	return nil
}

// walk gives the names below a directory of a tree that is not sealed, in no particular order.
func walk(dir *tree.Node, prefix string) iter.Seq2[string, *tree.Node] {
	return func(yield func(string, *tree.Node) bool) {
		for _, e := range dir.Entries() {
			if !yield(prefix+e.Name, e.Node) {
				return
			}
			for path, n := range walk(e.Node, prefix+e.Name+"/") {
				if !yield(path, n) {
					return
				}
			}
		}
	}
}
