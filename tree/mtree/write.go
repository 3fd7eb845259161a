package mtree

import (
	"encoding/base64"
	"fmt"
	"strconv"

	"imagetools/tree"
)

// Header is the first line of a file in this form, by which other programs know it.
const Header = "#mtree v2.0\n"

// Of returns the entry that says all a specification can say about n at path.
func Of(path string, n *tree.Node) Entry {
	e := Entry{
		Path: path,
		Has:  HasType | HasMode | HasUID | HasGID | HasTime,
		Type: n.Mode.Type(), Mode: n.Mode.Perm(),
		UID: n.UID, GID: n.GID,
		Time: n.ModTime,
	}
	switch {
	case e.Type == tree.TypeFile:
		e.Size = n.Size
		e.Has |= HasSize
	case e.Type == tree.TypeSymlink:
		e.Link = n.Target
		e.Has |= HasLink
	case n.Device != nil:
		e.Device = *n.Device
		e.Has |= HasDevice
	}
	if n.Attrs != nil {
		e.Xattrs = n.Attrs.Xattrs
		e.ACL = n.Attrs.ACL
	}
	return e
}

// Append appends the line of e in the full-path form, read back equal by [Reader] and
// understood by mtree(8) of the BSDs and by bsdtar. Keywords come in a fixed order.
func (e *Entry) Append(dst []byte) []byte {
	dst = append(dst, '.')
	if e.Path != "." {
		dst = appendVis(append(dst, '/'), e.Path, "")
	}
	if e.Has&HasType != 0 {
		dst = append(append(dst, " type="...), e.Type.TypeName()...)
	}
	if e.Has&HasUname != 0 {
		dst = appendVis(append(dst, " uname="...), e.Uname, "")
	}
	if e.Has&HasUID != 0 {
		dst = strconv.AppendUint(append(dst, " uid="...), uint64(e.UID), 10)
	}
	if e.Has&HasGname != 0 {
		dst = appendVis(append(dst, " gname="...), e.Gname, "")
	}
	if e.Has&HasGID != 0 {
		dst = strconv.AppendUint(append(dst, " gid="...), uint64(e.GID), 10)
	}
	if e.Has&HasMode != 0 {
		dst = fmt.Appendf(dst, " mode=%04o", uint32(e.Mode.Perm()))
	}
	if e.Has&HasSize != 0 {
		dst = strconv.AppendInt(append(dst, " size="...), e.Size, 10)
	}
	if e.Has&HasTime != 0 {
		dst = fmt.Appendf(dst, " time=%d.%09d", e.Time.Sec, e.Time.Nsec)
	}
	if e.Has&HasLink != 0 {
		dst = appendVis(append(dst, " link="...), e.Link, "")
	}
	if e.Has&HasDevice != 0 {
		dst = fmt.Appendf(dst, " device=native,%d,%d", e.Device.Major, e.Device.Minor)
	}
	for _, x := range e.Xattrs {
		dst = append(appendVis(append(dst, " xattr."...), x.Name, "="), '=')
		dst = base64.StdEncoding.AppendEncode(dst, x.Value)
	}
	if len(e.ACL) > 0 {
		dst = AppendACL(append(dst, " acl="...), e.ACL)
	}
	if e.Has&Optional != 0 {
		dst = append(dst, " optional"...)
	}
	if e.Has&NoChange != 0 {
		dst = append(dst, " nochange"...)
	}
	return append(dst, '\n')
}
