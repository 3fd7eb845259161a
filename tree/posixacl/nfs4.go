package posixacl

import (
	"fmt"
	"strings"

	"imagetools/tree"
)

// Letters of an NFSv4 ACL as libarchive, FreeBSD and Solaris write them, with the masks of
// ZFS (sys/acl.h: ACE_READ_DATA …).
var nfs4Perms = map[byte]uint32{
	'r': 0x1,      // ACE_READ_DATA
	'w': 0x2,      // ACE_WRITE_DATA
	'p': 0x4,      // ACE_APPEND_DATA
	'R': 0x8,      // ACE_READ_NAMED_ATTRS
	'W': 0x10,     // ACE_WRITE_NAMED_ATTRS
	'x': 0x20,     // ACE_EXECUTE
	'D': 0x40,     // ACE_DELETE_CHILD
	'a': 0x80,     // ACE_READ_ATTRIBUTES
	'A': 0x100,    // ACE_WRITE_ATTRIBUTES
	'd': 0x10000,  // ACE_DELETE
	'c': 0x20000,  // ACE_READ_ACL
	'C': 0x40000,  // ACE_WRITE_ACL
	'o': 0x80000,  // ACE_WRITE_OWNER
	's': 0x100000, // ACE_SYNCHRONIZE
}

var nfs4Flags = map[byte]uint16{
	'f': 0x01, // ACE_FILE_INHERIT_ACE
	'd': 0x02, // ACE_DIRECTORY_INHERIT_ACE
	'n': 0x04, // ACE_NO_PROPAGATE_INHERIT_ACE
	'i': 0x08, // ACE_INHERIT_ONLY_ACE
	'S': 0x10, // ACE_SUCCESSFUL_ACCESS_ACE_FLAG
	'F': 0x20, // ACE_FAILED_ACCESS_ACE_FLAG
	'I': 0x80, // ACE_INHERITED_ACE
}

var nfs4Types = map[string]uint16{"allow": 0, "deny": 1, "audit": 2, "alarm": 3}

// ParseNFS4 reads the text of SCHILY.acl.ace, entries tag[:name]:permissions:flags:type[:id]
// apart by commas or newlines, as bsdtar writes it. Names without a number are looked up in
// names, which may be nil.
func ParseNFS4(text string, names Names) ([]tree.ACE, error) {
	var acl []tree.ACE
	for part := range splitEntries(text) {
		fields := strings.Split(part, ":")
		var ace tree.ACE
		var who string
		named := false
		switch fields[0] {
		case "owner@":
			ace.Flags = tree.ACEOwner
		case "group@":
			ace.Flags = tree.ACEGroup
		case "everyone@":
			ace.Flags = tree.ACEEveryone
		case "group":
			ace.Flags = tree.ACEIdentifierGroup
			named = true
		case "user":
			named = true
		default:
			return nil, fmt.Errorf("%w: entry %q: tag %q", ErrFormat, part, fields[0])
		}
		fields = fields[1:]
		if named && len(fields) > 0 {
			who, fields = fields[0], fields[1:]
		}
		if len(fields) < 3 || len(fields) > 4 || len(fields) == 4 && !named || named && who == "" {
			return nil, fmt.Errorf("%w: entry %q", ErrFormat, part)
		}
		for _, c := range []byte(fields[0]) {
			bit, ok := nfs4Perms[c]
			if !ok && c != '-' {
				return nil, fmt.Errorf("%w: entry %q: permission %q", ErrFormat, part, c)
			}
			ace.Mask |= bit
		}
		for _, c := range []byte(fields[1]) {
			bit, ok := nfs4Flags[c]
			if !ok && c != '-' {
				return nil, fmt.Errorf("%w: entry %q: flag %q", ErrFormat, part, c)
			}
			ace.Flags |= bit
		}
		typ, ok := nfs4Types[fields[2]]
		if !ok {
			return nil, fmt.Errorf("%w: entry %q: type %q", ErrFormat, part, fields[2])
		}
		ace.Type = typ
		if named {
			id := ""
			if len(fields) == 4 {
				id = fields[3]
			}
			n, err := resolve(who, id, ace.Flags&tree.ACEIdentifierGroup != 0, names)
			if err != nil {
				return nil, fmt.Errorf("ACL entry %q: %w", part, err)
			}
			if n > tree.MaxOwner {
				return nil, fmt.Errorf("%w: entry %q: the largest id is %d", ErrFormat, part, tree.MaxOwner)
			}
			ace.ID = n
		}
		if len(acl) == maxEntries {
			return nil, fmt.Errorf("%w: more than %d entries", ErrFormat, maxEntries)
		}
		acl = append(acl, ace)
	}
	return acl, nil
}
