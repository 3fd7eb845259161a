package fromtar

import (
	"archive/tar"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"imagetools/internal/plain"
	"imagetools/tree"
	"imagetools/tree/mtree"
	"imagetools/tree/posixacl"
)

// PAX records that hold attributes.
const (
	schilyXattr     = "SCHILY.xattr."     // star, GNU tar, bsdtar: the value as it is
	libarchiveXattr = "LIBARCHIVE.xattr." // bsdtar: name in URL, value in base64 encoding
	aclAccess       = "SCHILY.acl.access"
	aclDefault      = "SCHILY.acl.default"
	aclACE          = "SCHILY.acl.ace"
)

// Records of package totar.
const (
	vendorPrefix = "IMAGETOOLS."
	vendorType   = vendorPrefix + "type"
	vendorXattr  = vendorPrefix + "xattr."
	vendorACL    = vendorPrefix + "acl"
)

// maxAhead bounds the attributes in global headers, which are held until their member comes.
const maxAhead = 64 << 20

// ahead are attributes that did not fit into the header of their member and came in global
// headers before it.
type ahead struct {
	records map[string]string
	size    int
}

// take keeps a record of a global header, and tells whether it is one of ours.
func (a *ahead) take(key, value string) (ours bool, err error) {
	if key != vendorACL && !strings.HasPrefix(key, vendorXattr) {
		return false, nil
	}
	if a.size += len(key) + len(value); a.size > maxAhead {
		return true, fmt.Errorf("more than %d bytes of extended attributes before one member", maxAhead)
	}
	if a.records == nil {
		a.records = make(map[string]string)
	}
	a.records[key] = value
	return true, nil
}

// vendorAttrs are the attributes and the ACL in records of package totar.
func vendorAttrs(before ahead, own map[string]string) (*tree.Attrs, error) {
	var found tree.Attrs
	for _, records := range []map[string]string{before.records, own} {
		for key, value := range records {
			if key == vendorACL {
				acl, err := mtree.ParseACL(value)
				if err != nil {
					return nil, fmt.Errorf("record %s: %w", vendorACL, err)
				}
				found.ACL = acl
			} else if name, ok := strings.CutPrefix(key, vendorXattr); ok {
				found.Xattrs = append(found.Xattrs, tree.Xattr{Name: unescapeKey(name), Value: []byte(value)})
			}
		}
	}
	return &found, nil
}

// merge joins lists of attributes; names in an earlier one win.
func merge(lists ...[]tree.Xattr) []tree.Xattr {
	var all []tree.Xattr
	taken := make(map[string]bool)
	for _, list := range lists {
		from := len(all)
		for _, x := range list {
			if !taken[x.Name] {
				all = append(all, x)
			}
		}
		for _, x := range all[from:] { // a name twice in one list is for tree.Seal to tell
			taken[x.Name] = true
		}
	}
	return all
}

// clip keeps what an error message quotes short.
func clip(s string) string { return s[:min(len(s), 32)] }

// Keys and values of PAX records are parts of their header, of up to a MiB: what is held of them is
// copied.

// unescapeKey undoes what GNU tar does to the name of an attribute so that it can be the
// key of a PAX record (xattr_encode_keyword, xheader.c).
func unescapeKey(name string) string {
	if !strings.Contains(name, "%") {
		return strings.Clone(name)
	}
	return strings.NewReplacer("%25", "%", "%3D", "=").Replace(name)
}

func libarchiveAttr(name, value string) (tree.Xattr, error) {
	decoded, err := url.PathUnescape(name)
	if err != nil {
		return tree.Xattr{}, fmt.Errorf("extended attribute %s: %w", plain.Name(name), err)
	}
	data, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(value, "=\n"))
	if err != nil {
		return tree.Xattr{}, fmt.Errorf("extended attribute %s: %w", plain.Name(decoded), err)
	}
	return tree.Xattr{Name: strings.Clone(decoded), Value: data}, nil
}

// attrs reads extended attributes and ACLs from PAX records.
func (d *decoder) attrs(n *tree.Node, hdr *tar.Header, before ahead) error {
	ours, err := vendorAttrs(before, hdr.PAXRecords)
	if err != nil {
		return err
	}
	var schily, libarchive []tree.Xattr
	for key, value := range hdr.PAXRecords {
		if name, ok := strings.CutPrefix(key, schilyXattr); ok && name != "security.selinux" {
			schily = append(schily, tree.Xattr{Name: unescapeKey(name), Value: []byte(value)})
		} else if name, ok := strings.CutPrefix(key, libarchiveXattr); ok {
			x, err := libarchiveAttr(name, value)
			if err != nil {
				return err
			}
			if x.Name != "security.selinux" {
				libarchive = append(libarchive, x)
			}
		}
	}
	if list := merge(ours.Xattrs, schily, libarchive); len(list) > 0 || len(ours.ACL) > 0 {
		n.Attrs = &tree.Attrs{Xattrs: list, ACL: ours.ACL}
		if err := d.hold(n.Attrs.Cost(), "extended attributes and ACLs"); err != nil {
			return err
		}
	}
	for _, key := range []string{aclAccess, aclDefault, aclACE} {
		text := hdr.PAXRecords[key]
		if text == "" || key == aclACE && len(ours.ACL) > 0 {
			continue
		}
		if err := d.hold(2*int64(len(text)), "extended attributes and ACLs"); err != nil {
			return err
		}
		err := setACL(n, key, text, nil)
		switch {
		case errors.Is(err, posixacl.ErrFormat):
			return err
		case err != nil: // names: wait for etc/passwd
			d.acls = append(d.acls, namedACL{n, key, strings.Clone(text), strings.Clone(hdr.Name), d.at})
		}
	}
	return nil
}

func hasXattr(a *tree.Attrs, name string) bool {
	return a != nil && slices.ContainsFunc(a.Xattrs, func(x tree.Xattr) bool { return x.Name == name })
}

// setACL gives n the ACL in text, unless it has it as an attribute already. A POSIX access
// ACL that says no more than the mode is none, as it is for the kernel, and only
// directories have default ACLs.
func setACL(n *tree.Node, key, text string, names posixacl.Names) error {
	if key == aclACE {
		acl, err := posixacl.ParseNFS4(text, names)
		if err == nil && len(acl) > 0 {
			attrs(n).ACL = acl
		}
		return err
	}
	acl, err := posixacl.Parse(text, names)
	if err != nil {
		return err
	}
	name := posixacl.Access
	if key == aclDefault {
		name = posixacl.Default
	}
	const minimal = 3 // owner, owning group, others
	if hasXattr(n.Attrs, name) || key == aclAccess && len(acl) == minimal || key == aclDefault && !n.IsDir() {
		return nil
	}
	value, err := posixacl.Encode(acl)
	if err != nil {
		return err
	}
	a := attrs(n)
	a.Xattrs = append(a.Xattrs, tree.Xattr{Name: name, Value: value})
	return nil
}

func attrs(n *tree.Node) *tree.Attrs {
	if n.Attrs == nil {
		n.Attrs = &tree.Attrs{}
	}
	return n.Attrs
}
