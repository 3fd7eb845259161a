// Package posixacl reads and writes POSIX.1e access control lists in two forms:
//
//   - the binary form of the Linux attributes system.posix_acl_access and system.posix_acl_default,
//   - the text form that star, GNU tar and bsdtar put into archives.
//
// It also reads the NFSv4 lists that bsdtar writes, and converts them to the entries of ZFS.
package posixacl

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"imagetools/tree"
)

// The attributes that hold an ACL on Linux.
const (
	Access  = "system.posix_acl_access"
	Default = "system.posix_acl_default"
)

// Tag says whom an entry is about.
type Tag uint16

// Tags (linux/posix_acl.h).
const (
	UserObj  Tag = 0x01 // ACL_USER_OBJ: the owner
	User     Tag = 0x02 // ACL_USER: a named user
	GroupObj Tag = 0x04 // ACL_GROUP_OBJ: the owning group
	Group    Tag = 0x08 // ACL_GROUP: a named group
	Mask     Tag = 0x10 // ACL_MASK: the most that all but owner and others get
	Other    Tag = 0x20 // ACL_OTHER
)

func (t Tag) hasID() bool { return t == User || t == Group }

// Entry is one entry of an ACL. ID is that of a named user or group, else [NoID].
type Entry struct {
	Tag  Tag
	Perm uint16 // 4 read, 2 write, 1 execute
	ID   uint32
}

// NoID stands in entries that are about nobody by number (ACL_UNDEFINED_ID).
const NoID = 1<<32 - 1

const (
	version    = 2 // POSIX_ACL_XATTR_VERSION (linux/posix_acl_xattr.h)
	headerSize = 4
	entrySize  = 8
)

// ErrFormat is wrapped by every error about the form of an ACL.
var ErrFormat = errors.New("malformed ACL")

// Decode reads the binary form. The result keeps the rules of [Validate].
func Decode(b []byte) ([]Entry, error) {
	if len(b) < headerSize || (len(b)-headerSize)%entrySize != 0 {
		return nil, fmt.Errorf("%w: %d bytes", ErrFormat, len(b))
	}
	if v := binary.LittleEndian.Uint32(b); v != version {
		return nil, fmt.Errorf("%w: version %d", ErrFormat, v)
	}
	var acl []Entry
	for b = b[headerSize:]; len(b) > 0; b = b[entrySize:] {
		e := Entry{
			Tag:  Tag(binary.LittleEndian.Uint16(b)),
			Perm: binary.LittleEndian.Uint16(b[2:]),
			ID:   binary.LittleEndian.Uint32(b[4:]),
		}
		if !e.Tag.hasID() {
			e.ID = NoID // the kernel ignores it
		}
		acl = append(acl, e)
	}
	if err := Validate(acl); err != nil {
		return nil, err
	}
	return acl, nil
}

// Encode writes the binary form, with the entries in the order in which the kernel returns
// them.
func Encode(acl []Entry) ([]byte, error) {
	acl = slices.Clone(acl)
	slices.SortStableFunc(acl, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(a.Tag, b.Tag), cmp.Compare(a.ID, b.ID))
	})
	if err := Validate(acl); err != nil {
		return nil, err
	}
	b := binary.LittleEndian.AppendUint32(make([]byte, 0, headerSize+entrySize*len(acl)), version)
	for _, e := range acl {
		b = binary.LittleEndian.AppendUint16(b, uint16(e.Tag))
		b = binary.LittleEndian.AppendUint16(b, e.Perm)
		b = binary.LittleEndian.AppendUint32(b, e.ID)
	}
	return b, nil
}

// Validate checks what the kernel checks (posix_acl_valid, fs/posix_acl.c): the order of the
// tags, one entry for owner, owning group and others, a mask where anyone is named.
func Validate(acl []Entry) error {
	var last Tag
	var named, mask bool
	var count [Other + 1]int
	for _, e := range acl {
		switch e.Tag {
		case UserObj, User, GroupObj, Group, Mask, Other:
		default:
			return fmt.Errorf("%w: tag %#x", ErrFormat, uint16(e.Tag))
		}
		if e.Tag < last {
			return fmt.Errorf("%w: entries out of order", ErrFormat)
		}
		last = e.Tag
		if e.Perm > 7 {
			return fmt.Errorf("%w: permission %#o", ErrFormat, e.Perm)
		}
		if e.Tag.hasID() && e.ID > tree.MaxOwner {
			return fmt.Errorf("%w: id %d: the largest id is %d", ErrFormat, e.ID, tree.MaxOwner)
		}
		count[e.Tag]++
		named = named || e.Tag.hasID()
		mask = mask || e.Tag == Mask
	}
	if count[UserObj] != 1 || count[GroupObj] != 1 || count[Other] != 1 || count[Mask] > 1 {
		return fmt.Errorf("%w: owner, owning group and others must have one entry each", ErrFormat)
	}
	if named && !mask {
		return fmt.Errorf("%w: users or groups are named, but there is no mask", ErrFormat)
	}
	return nil
}

// Names resolves the names in a text.
type Names interface {
	User(name string) (uint32, error)
	Group(name string) (uint32, error)
}

// maxEntries bounds the entries of a list that is read from text.
const maxEntries = 8191 // what fits into an attribute of 64 KiB

// Parse reads the text of SCHILY.acl.access or SCHILY.acl.default: entries
// tag:qualifier:permissions[:id], apart by commas or newlines, as star(1), GNU tar and
// bsdtar write them. Names without a number are looked up in names, which may be nil. A
// list without a mask that names anyone gets the mask that setfacl(1) would compute.
func Parse(text string, names Names) ([]Entry, error) {
	var acl []Entry
	for part := range splitEntries(text) {
		fields := strings.Split(part, ":")
		if len(fields) > 0 && (fields[0] == "default" || fields[0] == "d") {
			fields = fields[1:]
		}
		if len(fields) == 2 && (fields[0] == "mask" || fields[0] == "m" || fields[0] == "other" || fields[0] == "o") {
			fields = []string{fields[0], "", fields[1]} // Solaris: no second colon
		}
		if len(fields) < 3 || len(fields) > 4 {
			return nil, fmt.Errorf("%w: entry %q", ErrFormat, part)
		}
		e := Entry{ID: NoID}
		who := fields[1]
		switch fields[0] {
		case "user", "u":
			e.Tag = UserObj
			if who != "" {
				e.Tag = User
			}
		case "group", "g":
			e.Tag = GroupObj
			if who != "" {
				e.Tag = Group
			}
		case "mask", "m":
			e.Tag = Mask
		case "other", "o":
			e.Tag = Other
		default:
			return nil, fmt.Errorf("%w: entry %q: tag %q", ErrFormat, part, fields[0])
		}
		if who != "" && !e.Tag.hasID() {
			return nil, fmt.Errorf("%w: entry %q: nobody can be named here", ErrFormat, part)
		}
		perm, err := parsePerm(fields[2])
		if err != nil {
			return nil, fmt.Errorf("%w: entry %q: %w", ErrFormat, part, err)
		}
		e.Perm = perm
		if e.Tag.hasID() {
			id := ""
			if len(fields) == 4 {
				id = fields[3]
			}
			if e.ID, err = resolve(who, id, e.Tag == Group, names); err != nil {
				return nil, fmt.Errorf("ACL entry %q: %w", part, err)
			}
		}
		if len(acl) == maxEntries {
			return nil, fmt.Errorf("%w: more than %d entries", ErrFormat, maxEntries)
		}
		acl = append(acl, e)
	}
	acl = withMask(acl)
	slices.SortStableFunc(acl, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(a.Tag, b.Tag), cmp.Compare(a.ID, b.ID))
	})
	if err := Validate(acl); err != nil {
		return nil, err
	}
	return acl, nil
}

// splitEntries yields the entries of a text without blanks and comments.
func splitEntries(text string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for part := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' || r == '\n' }) {
			part, _, _ = strings.Cut(part, "#")
			if part = strings.TrimSpace(part); part != "" && !yield(part) {
				return
			}
		}
	}
}

func resolve(name, id string, group bool, names Names) (uint32, error) {
	if id == "" {
		id = name // a number may stand where the name would
	}
	if n, err := strconv.ParseUint(id, 10, 32); err == nil {
		return uint32(n), nil
	}
	if id != name {
		return 0, fmt.Errorf("id %q: not a number", id)
	}
	switch {
	case names == nil && group:
		return 0, fmt.Errorf("unknown group %q", name)
	case names == nil:
		return 0, fmt.Errorf("unknown user %q", name)
	case group:
		return names.Group(name)
	}
	return names.User(name)
}

// parsePerm reads "rwx" with any of the letters as '-' or left out, or one octal digit.
func parsePerm(s string) (uint16, error) {
	if len(s) == 1 && s[0] >= '0' && s[0] <= '7' {
		return uint16(s[0] - '0'), nil
	}
	var perm uint16
	for _, c := range []byte(s) {
		switch c {
		case 'r':
			perm |= 4
		case 'w':
			perm |= 2
		case 'x':
			perm |= 1
		case '-':
		default:
			return 0, fmt.Errorf("permission %q", s)
		}
	}
	return perm, nil
}

func withMask(acl []Entry) []Entry {
	var union uint16
	named := false
	for _, e := range acl {
		switch e.Tag {
		case Mask:
			return acl
		case User, Group:
			named = true
			union |= e.Perm
		case GroupObj:
			union |= e.Perm
		}
	}
	if !named {
		return acl
	}
	return append(acl, Entry{Mask, union, NoID})
}

// Loose reports what the group bits of mode, which are the mask of an access ACL, grant
// beyond the ACL's own entry for the owning group: what the group gains on a system that
// does not know POSIX ACLs. It is 0 without a mask.
func Loose(mode tree.Mode, acl []Entry) uint16 {
	var group uint16
	mask := false
	for _, e := range acl {
		switch e.Tag {
		case GroupObj:
			group = e.Perm
		case Mask:
			mask = true
		}
	}
	if !mask {
		return 0
	}
	return uint16(mode>>3&7) &^ group
}

// Warning says for a node what has to be known about its access ACL on a system that does
// not read it; empty if nothing.
func Warning(n *tree.Node) string {
	if n.Attrs == nil {
		return ""
	}
	for _, x := range n.Attrs.Xattrs {
		if x.Name != Access {
			continue
		}
		acl, err := Decode(x.Value)
		if err != nil {
			return fmt.Sprintf("%s: %v", Access, err)
		}
		if more := Loose(n.Mode, acl); more != 0 {
			return fmt.Sprintf("without its POSIX ACL, which SmartOS does not read, mode %04o grants the group %s more than the ACL does",
				uint32(n.Mode.Perm()), permString(more))
		}
	}
	return ""
}

func permString(p uint16) string {
	b := []byte("---")
	for i, c := range []byte("rwx") {
		if p&(4>>i) != 0 {
			b[i] = c
		}
	}
	return string(b)
}
