package fromdir

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"imagetools/tree"
	"imagetools/tree/posixacl"
)

func device(dev uint64) *tree.Device {
	return &tree.Device{Major: unix.Major(dev), Minor: unix.Minor(dev)}
}

func readlinkAt(fd int, _, name string, size int64) (string, error) {
	return readlink(size, func(b []byte) (int, error) { return unix.Readlinkat(fd, name, b) })
}

const haveXattrs = true

// pathMax is the longest path that a system call takes, with its NUL.
const pathMax = 4096 // PATH_MAX

// readXattrs reads the attributes of a file, not following a link. fd is the directory that
// name lies in, for paths too long to be used.
func readXattrs(path string, fd int, name string) (*tree.Attrs, error) {
	if len(path) >= pathMax {
		path = fmt.Sprintf("/proc/self/fd/%d/%s", fd, name)
	}
	var small [512]byte
	list, err := grow(small[:], func(b []byte) (int, error) { return unix.Llistxattr(path, b) })
	if err == unix.ENOTSUP || err == nil && len(list) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list extended attributes: %w", err)
	}
	var attrs *tree.Attrs
	for attr := range strings.SplitSeq(strings.TrimSuffix(string(list), "\x00"), "\x00") {
		if !keepXattr(attr) {
			continue
		}
		var small [512]byte
		value, err := grow(small[:], func(b []byte) (int, error) { return unix.Lgetxattr(path, attr, b) })
		if errors.Is(err, unix.ENODATA) {
			continue // gone since it was listed
		}
		if err != nil {
			return nil, fmt.Errorf("extended attribute %q: %w", attr, err)
		}
		if attrs == nil {
			attrs = &tree.Attrs{}
		}
		attrs.Xattrs = append(attrs.Xattrs, tree.Xattr{Name: attr, Value: append([]byte{}, value...)})
	}
	return attrs, nil
}

// keepXattr tells the attributes of the tree from those of the host; see the package
// comment.
func keepXattr(name string) bool {
	switch {
	case name == "security.selinux":
		return false
	case name == posixacl.Access, name == posixacl.Default:
		return true
	}
	return strings.HasPrefix(name, "user.") || strings.HasPrefix(name, "security.") || strings.HasPrefix(name, "trusted.")
}

// grow calls read with buf, and with larger ones while it says ERANGE.
func grow(buf []byte, read func([]byte) (int, error)) ([]byte, error) {
	for {
		n, err := read(buf)
		switch {
		case err == nil:
			return buf[:n], nil
		case err == unix.EINTR:
		case err == unix.ERANGE && len(buf) < 1<<20:
			buf = make([]byte, 16*len(buf))
		default:
			return nil, err
		}
	}
}
