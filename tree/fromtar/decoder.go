package fromtar

import (
	"archive/tar"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"imagetools/fault"

	"imagetools/internal/budget"
	"imagetools/internal/plain"
	"imagetools/tree"
	"imagetools/tree/source"
)

// decoder makes nodes of the headers of an archive, which it must see in order.
type decoder struct {
	headers headers

	owners source.Owners
	xattrs bool
	report *source.Report
	budget *budget.Budget

	member  string // name of the current member, as in the archive
	at      int64  // where its headers begin
	newest  tree.Time
	acls    []namedACL      // ACLs with names, for which etc/passwd is needed
	globals map[string]bool // keys of records in global headers
	ahead   ahead           // attributes of the next member
}

// take looks whether a header is aside of the members: it then has been dealt with. Of a member
// it returns the attributes that came before it.
func (d *decoder) take(hdr *tar.Header) (before ahead, aside bool, err error) {
	switch hdr.Typeflag {
	case tar.TypeXGlobalHeader:
		for k, v := range hdr.PAXRecords {
			if ours, err := d.ahead.take(k, v); ours {
				if err != nil {
					return ahead{}, true, err
				}
			} else if k != "comment" && len(d.globals) < 64 {
				if d.globals == nil {
					d.globals = make(map[string]bool)
				}
				d.globals[clip(k)] = true
			}
		}
		return ahead{}, true, nil
	case 'V': // GNU volume label
		d.report.Note("volume label %s", plain.Name(hdr.Name))
		return ahead{}, true, nil
	}
	before, d.ahead = d.ahead, ahead{}
	return before, false, nil
}

func (d *decoder) noteGlobals() {
	if len(d.globals) == 0 {
		return
	}
	keys := make([]string, 0, len(d.globals))
	for k := range d.globals {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	d.report.Note("global extended headers apply to the members after them: %s", strings.Join(keys, ", "))
}

// memberType is the type a member has in the tree. A hard link counts as a file.
func memberType(hdr *tar.Header) (tree.Mode, error) {
	if text, given := hdr.PAXRecords[vendorType]; given {
		if text != "socket" || hdr.Typeflag != tar.TypeReg || hdr.Size != 0 {
			return 0, fmt.Errorf("record %s=%q in a member of type %q with %d bytes: only an empty file can stand for a socket",
				vendorType, clip(text), hdr.Typeflag, hdr.Size)
		}
		return tree.TypeSocket, nil
	}
	switch hdr.Typeflag {
	case tar.TypeReg: // archive/tar gives the NUL of old archives this type
		switch {
		case !strings.HasSuffix(hdr.Name, "/"):
			return tree.TypeFile, nil
		case hdr.Size > 0:
			return 0, fmt.Errorf("a name that ends in a slash, as those of directories, with %d bytes of contents", hdr.Size)
		}
		return tree.TypeDir, nil // as GNU tar takes it
	case tar.TypeCont, tar.TypeGNUSparse, tar.TypeLink:
		return tree.TypeFile, nil
	case tar.TypeDir, 'D': // GNU: a directory with the names in it
		return tree.TypeDir, nil
	case tar.TypeSymlink:
		return tree.TypeSymlink, nil
	case tar.TypeChar:
		return tree.TypeChar, nil
	case tar.TypeBlock:
		return tree.TypeBlock, nil
	case tar.TypeFifo:
		return tree.TypeFIFO, nil
	case 'M':
		return 0, fault.WithHint(errors.New("continues a file of another volume"), "join the volumes into one archive")
	case 'A', 'E':
		return 0, fault.WithHint(fmt.Errorf("a Solaris header of type %q", hdr.Typeflag), "re-create the archive without tar's options @ and p")
	}
	return 0, fmt.Errorf("unknown member type %q", hdr.Typeflag)
}

// maxDepth bounds the directories in one name, as tree.Seal does.
const maxDepth = 4096

// clean makes the name of a member a path below the root. A slash that it begins with is left out.
func clean(name string) (string, error) {
	if name == "" {
		return "", errors.New("empty name")
	}
	parts := make([]string, 0, 16)
	for part := range strings.SplitSeq(name, "/") {
		switch part {
		case "", ".":
			continue
		case "..":
			return "", fault.WithHint(errors.New(`".." in a name leads out of the root`), "re-create the archive from within its root (tar -C ROOT -c .)")
		}
		if err := tree.CheckName(part); err != nil {
			return "", err
		}
		parts = append(parts, part)
	}
	switch {
	case len(parts) == 0:
		return ".", nil
	case len(parts) > maxDepth:
		return "", fmt.Errorf("directories nested deeper than %d", maxDepth)
	}
	return strings.Clone(strings.Join(parts, "/")), nil // Join returns a single part as it is
}

// fill copies the metadata of a member.
func (d *decoder) fill(n *tree.Node, typ tree.Mode, hdr *tar.Header) error {
	n.Mode = typ | tree.Mode(hdr.Mode)&tree.PermMask
	const maxID = 1<<32 - 1
	if hdr.Uid < 0 || hdr.Gid < 0 || hdr.Uid > maxID || hdr.Gid > maxID {
		return fmt.Errorf("owner %d:%d: the largest id is %d", hdr.Uid, hdr.Gid, tree.MaxOwner)
	}
	n.UID, n.GID = uint32(hdr.Uid), uint32(hdr.Gid)
	if d.owners == source.OwnersRoot {
		if source.SetIDChange(n.Mode, n.UID, n.GID, 0, 0) {
			return source.SetIDError(hdr.Name, n.Mode, n.UID, n.GID)
		}
		n.UID, n.GID = 0, 0
	}
	n.ModTime = tree.Time{Sec: hdr.ModTime.Unix(), Nsec: uint32(hdr.ModTime.Nanosecond())}
	switch typ {
	case tree.TypeFile:
		n.Size = hdr.Size
	case tree.TypeSymlink:
		n.Target = strings.Clone(hdr.Linkname)
	case tree.TypeChar, tree.TypeBlock:
		major, err := deviceNumber(hdr, "devmajor", hdr.Devmajor)
		if err != nil {
			return err
		}
		minor, err := deviceNumber(hdr, "devminor", hdr.Devminor)
		if err != nil {
			return err
		}
		n.Device = &tree.Device{Major: major, Minor: minor}
	}
	return nil
}

// deviceNumber prefers the PAX records that star and Solaris write for large numbers.
func deviceNumber(hdr *tar.Header, key string, n int64) (uint32, error) {
	for _, prefix := range []string{"SCHILY.", "SUN."} {
		if s, ok := hdr.PAXRecords[prefix+key]; ok {
			v, err := strconv.ParseInt(s, 10, 64)
			if err != nil {
				return 0, fmt.Errorf("record %s%s=%q: not a number", prefix, key, s)
			}
			n = v
		}
	}
	if n < 0 || n > 1<<32-1 {
		return 0, fmt.Errorf("%s %d: out of range", key, n)
	}
	return uint32(n), nil
}

// What is held of a member beside its node: its content, a span of one that is sparse, and an
// entry of a map.
const (
	contentCost = 64
	spanCost    = 24
	mapCost     = 64
)

func (d *decoder) hold(n int64, what string) error { return d.budget.Hold(n, what) }

// holdNode counts a new node and its name, without attributes.
func (d *decoder) holdNode(n *tree.Node, path string, spans int) error {
	cost := n.Cost() + tree.NameCost(path) + contentCost + spanCost*int64(spans)
	return d.budget.HoldFile(cost, "files")
}

// namedACL is an ACL in text with names in it.
type namedACL struct {
	node   *tree.Node
	key    string
	text   string
	member string
	at     int64
}

// resolveACLs gives the nodes the ACLs with names, and passes on what is wrong with them.
func (d *decoder) resolveACLs(names *source.Names, fault func(error)) {
	for _, a := range d.acls {
		if err := setACL(a.node, a.key, a.text, names); err != nil {
			d.member, d.at = a.member, a.at
			fault(err)
		}
	}
}

// Twins gives nodes that are copies of those of members what those still get from [Members.Finish].
func (m *Members) Twins(copies map[*tree.Node]*tree.Node) {
	for _, a := range m.acls {
		if n := copies[a.node]; n != nil {
			a.node = n
			m.acls = append(m.acls, a)
		}
	}
}
