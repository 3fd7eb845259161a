package compare

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"time"

	"imagetools/tree"
	"imagetools/tree/mtree"
)

// metadata lists what differs about two nodes besides their contents.
func (d *differ) metadata(path string, a, b *tree.Node) []Field {
	var fields []Field
	differ := func(name, x, y string) { fields = append(fields, Field{Name: name, Old: x, New: y}) }
	if a.Mode.Type() != b.Mode.Type() {
		differ("type", a.Mode.TypeName(), b.Mode.TypeName())
	}
	if a.Mode.Perm() != b.Mode.Perm() {
		differ("mode", octal(a.Mode), octal(b.Mode))
	}
	if !d.opts.IgnoreOwners && (a.UID != b.UID || a.GID != b.GID) {
		differ("owner", fmt.Sprintf("%d:%d", a.UID, a.GID), fmt.Sprintf("%d:%d", b.UID, b.GID))
	}
	if !d.opts.IgnoreTimes && a.ModTime != b.ModTime {
		differ("mtime", moment(a.ModTime), moment(b.ModTime))
	}
	if a.Size != b.Size && a.Mode.Type() == b.Mode.Type() {
		differ("size", strconv.FormatInt(a.Size, 10), strconv.FormatInt(b.Size, 10))
	}
	if a.Target != b.Target {
		differ("target", a.Target, b.Target)
	}
	if x, y := device(a), device(b); x != y {
		differ("device", x, y)
	}
	if a.Attrs != nil || b.Attrs != nil {
		fields = attrs(fields, a.Attrs, b.Attrs)
	}
	if !a.IsDir() && !b.IsDir() {
		if x, y := d.firstName(0, a, path), d.firstName(1, b, path); x != y {
			differ("links", other(x, path), other(y, path))
		}
	}
	return fields
}

// firstName stands for the file that a name belongs to, so that two names are the same file
// if it is the same for both.
func (d *differ) firstName(i int, n *tree.Node, path string) string {
	if n.Links > 1 {
		return d.first[i][n]
	}
	return path
}

func octal(m tree.Mode) string { return fmt.Sprintf("%04o", uint32(m.Perm())) }

// other is a first name, "" if it is path itself.
func other(first, path string) string {
	if first == path {
		return ""
	}
	return first
}

// moment is t as in RFC 3339, which has years from 0 to 9999.
func moment(t tree.Time) string {
	u := time.Unix(t.Sec, int64(t.Nsec)).UTC()
	if t.Sec < -1<<40 || t.Sec > 1<<40 || u.Year() < 0 || u.Year() > 9999 {
		return fmt.Sprintf("%d.%09d", t.Sec, t.Nsec)
	}
	return u.Format(time.RFC3339Nano)
}

func device(n *tree.Node) string {
	if n.Device == nil {
		return ""
	}
	return fmt.Sprintf("%d,%d", n.Device.Major, n.Device.Minor)
}

// attrs adds the extended attributes that differ, in the order of their names, and the ACL.
func attrs(fields []Field, a, b *tree.Attrs) []Field {
	var none tree.Attrs
	if a == nil {
		a = &none
	}
	if b == nil {
		b = &none
	}
	left, right := a.Xattrs, b.Xattrs
	for len(left) > 0 || len(right) > 0 {
		switch {
		case len(right) == 0, len(left) > 0 && left[0].Name < right[0].Name:
			fields = append(fields, Field{Name: "xattr", Key: left[0].Name, Old: quote(left[0].Value)})
			left = left[1:]
		case len(left) == 0, right[0].Name < left[0].Name:
			fields = append(fields, Field{Name: "xattr", Key: right[0].Name, New: quote(right[0].Value)})
			right = right[1:]
		default:
			if x, y := left[0].Value, right[0].Value; !bytes.Equal(x, y) {
				fields = append(fields, Field{Name: "xattr", Key: left[0].Name, Old: quote(x), New: quote(y)})
			}
			left, right = left[1:], right[1:]
		}
	}
	if !slices.Equal(a.ACL, b.ACL) {
		fields = append(fields, Field{Name: "acl", Old: string(mtree.AppendACL(nil, a.ACL)), New: string(mtree.AppendACL(nil, b.ACL))})
	}
	return fields
}

// maxQuote is how many bytes of a value are shown.
const maxQuote = 64

func quote(value []byte) string {
	if len(value) > maxQuote {
		return fmt.Sprintf("%+q... (%d bytes)", value[:maxQuote], len(value))
	}
	return fmt.Sprintf("%+q", value)
}
