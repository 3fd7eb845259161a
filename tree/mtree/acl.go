package mtree

import (
	"fmt"
	"strconv"
	"strings"

	"imagetools/tree"
)

// maxACL is the most entries of an ACL, as in a sealed tree (MAX_ACL_ENTRIES, sys/acl.h of
// illumos).
const maxACL = 1024

// AppendACL appends an NFSv4 ACL as text: entries TYPE:FLAGS:MASK:ID apart by commas, type
// and id in decimal, flags and mask in hexadecimal after 0x. No bit is lost.
func AppendACL(dst []byte, acl []tree.ACE) []byte {
	for i, a := range acl {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = fmt.Appendf(dst, "%d:%#x:%#x:%d", a.Type, a.Flags, a.Mask, a.ID)
	}
	return dst
}

// ParseACL reads what [AppendACL] writes: 1 to 1024 entries.
func ParseACL(text string) ([]tree.ACE, error) {
	if n := strings.Count(text, ",") + 1; n > maxACL {
		return nil, fmt.Errorf("ACL of %d entries: the limit is %d", n, maxACL)
	}
	var acl []tree.ACE
	for part := range strings.SplitSeq(text, ",") {
		fields := strings.Split(part, ":")
		if len(fields) != 4 {
			return nil, fmt.Errorf("ACL entry %d: %q: TYPE:FLAGS:MASK:ID is expected", len(acl)+1, clip(part))
		}
		var n [4]uint64
		for i, bits := range [4]int{16, 16, 32, 32} {
			var err error
			if n[i], err = strconv.ParseUint(fields[i], 0, bits); err != nil {
				return nil, fmt.Errorf("ACL entry %d: %q: TYPE:FLAGS:MASK:ID are numbers of 16, 16, 32 and 32 bits", len(acl)+1, clip(part))
			}
		}
		acl = append(acl, tree.ACE{Type: uint16(n[0]), Flags: uint16(n[1]), Mask: uint32(n[2]), ID: uint32(n[3])})
	}
	return acl, nil
}

func (e *Entry) acl(text string) error {
	acl, err := ParseACL(text)
	if err != nil {
		return err
	}
	e.ACL = acl
	return nil
}
