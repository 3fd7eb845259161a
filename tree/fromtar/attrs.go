package fromtar

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"imagetools/tree"
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

// unescapeKey undoes what GNU tar does to the name of an attribute so that it can be the
// key of a PAX record (xattr_encode_keyword, xheader.c).
func unescapeKey(name string) string {
	if !strings.Contains(name, "%") {
		return name
	}
	return strings.NewReplacer("%25", "%", "%3D", "=").Replace(name)
}

func libarchiveAttr(name, value string) (tree.Xattr, error) {
	decoded, err := url.PathUnescape(name)
	if err != nil {
		return tree.Xattr{}, fmt.Errorf("extended attribute %q: %w", name, err)
	}
	data, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(value, "=\n"))
	if err != nil {
		return tree.Xattr{}, fmt.Errorf("extended attribute %q: %w", decoded, err)
	}
	return tree.Xattr{Name: decoded, Value: data}, nil
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
