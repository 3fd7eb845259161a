package tree

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// FS is a tree as a file system, for [fs.WalkDir], [fs.ReadFile], net/http and the like. It is safe
// for concurrent use, as long as nobody changes the tree.
//
// The [fs.FileInfo] of its files implements [OwnerInfo], [LinkInfo], [DeviceInfo], [XattrInfo],
// [ACLInfo] and [ContentInfo]; Sys returns the *[Node], which must not be changed. Files implement
// [File], [io.Seeker] and [io.ReaderAt].
//
// # Names
//
// A name may hold any bytes except '/' and NUL, also such that are not UTF-8, which [fs.ValidPath]
// refuses.
//
// # Symbolic links
//
// Open, Stat, ReadFile, ReadDir and Sub follow symbolic links, Lstat and ReadLink do not. A path
// never leaves the file system: absolute targets begin at its root, and ".." ends there. Use [fs.Sub]
// to make the root file system within a dataset the root for absolute targets.
//
// A link that leads nowhere, or in a circle, is opened as the link itself: Stat describes the link,
// and Read fails with [fs.ErrNotExist]. Devices, FIFOs and sockets read as empty files.
type FS struct {
	root *Node
}

var (
	_ fs.ReadDirFS  = (*FS)(nil)
	_ fs.ReadFileFS = (*FS)(nil)
	_ fs.StatFS     = (*FS)(nil)
	_ fs.ReadLinkFS = (*FS)(nil)
	_ fs.SubFS      = (*FS)(nil)
)

// What the [fs.FileInfo] of a file may tell beyond what fs.FileInfo asks for. [FS] implements all,
// and package fromfs asks for them.
type (
	// OwnerInfo tells the numbers of user and group.
	OwnerInfo interface {
		UID() uint32
		GID() uint32
	}
	// LinkInfo tells hard links: the names of one file have the same inode. Links is the number of
	// names.
	LinkInfo interface {
		Inode() uint64
		Links() uint32
	}
	// DeviceInfo tells the number of a device; ok is false for what is no device.
	DeviceInfo interface {
		Rdev() (d Device, ok bool)
	}
	// XattrInfo tells extended attributes, under their full Linux names. The result must not be
	// changed.
	XattrInfo interface {
		Xattrs() []Xattr
	}
	// ACLInfo tells the NFSv4 ACL; empty if it is what the mode says. The result must not be changed.
	ACLInfo interface {
		ACL() []ACE
	}
	// ContentInfo tells the contents of a regular file; nil for an empty file, and for what is none.
	ContentInfo interface {
		Content() Content
	}
)

// FS returns the tree as a file system. A tree that is not sealed is sealed, and what [Tree.Seal]
// reports is the error.
func (t *Tree) FS() (*FS, error) {
	if t.CheckSealed() != nil {
		if err := t.Seal(); err != nil {
			return nil, err
		}
	}
	return &FS{t.Root}, nil
}

// Open opens a file or a directory, as [fs.FS] describes.
func (f *FS) Open(name string) (fs.File, error) {
	n, err := f.walk("open", name, true)
	if err != nil {
		return nil, err
	}
	info := fileInfo{path.Base(name), n}
	switch n.Mode.Type() {
	case TypeDir:
		return &openDir{info: info, path: name}, nil
	case TypeFile:
		file, err := openContent(n)
		if err != nil {
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		}
		return &openFile{info: info, path: name, file: file}, nil
	case TypeSymlink:
		return &openFile{info: info, path: name, bad: fs.ErrNotExist}, nil
	}
	return &openFile{info: info, path: name}, nil
}

// Stat describes a file; links are followed.
func (f *FS) Stat(name string) (fs.FileInfo, error) {
	n, err := f.walk("stat", name, true)
	if err != nil {
		return nil, err
	}
	return fileInfo{path.Base(name), n}, nil
}

// Lstat describes a file, which may be a symbolic link.
func (f *FS) Lstat(name string) (fs.FileInfo, error) {
	n, err := f.walk("lstat", name, false)
	if err != nil {
		return nil, err
	}
	return fileInfo{path.Base(name), n}, nil
}

// ReadLink returns the target of a symbolic link.
func (f *FS) ReadLink(name string) (string, error) {
	n, err := f.walk("readlink", name, false)
	if err == nil && n.Mode.Type() != TypeSymlink {
		err = &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
	}
	if err != nil {
		return "", err
	}
	return n.Target, nil
}

// ReadDir returns the entries of a directory in byte order.
func (f *FS) ReadDir(name string) ([]fs.DirEntry, error) {
	n, err := f.walk("readdir", name, true)
	if err == nil && !n.IsDir() {
		err = &fs.PathError{Op: "readdir", Path: name, Err: ErrNotDir}
	}
	if err != nil {
		return nil, err
	}
	return dirEntries(n.Entries()), nil
}

// maxReadFile is the largest file that ReadFile reads into memory.
const maxReadFile = 1 << 30

// ReadFile returns the contents of a file of at most 1 GiB.
func (f *FS) ReadFile(name string) ([]byte, error) {
	file, err := f.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	o, ok := file.(*openFile)
	switch {
	case !ok:
		return nil, &fs.PathError{Op: "read", Path: name, Err: errIsDir}
	case o.bad != nil:
		return nil, o.fail(o.bad)
	case o.info.Size() > maxReadFile:
		return nil, o.fail(fmt.Errorf("%d bytes: larger than %d", o.info.Size(), maxReadFile))
	}
	data := make([]byte, o.info.Size())
	n, err := o.ReadAt(data, 0)
	if n == len(data) {
		err = nil
	}
	return data[:n], err
}

// Sub returns the file system below a directory. Absolute links and ".." do not leave it.
func (f *FS) Sub(dir string) (fs.FS, error) {
	n, err := f.walk("sub", dir, true)
	if err == nil && !n.IsDir() {
		err = &fs.PathError{Op: "sub", Path: dir, Err: ErrNotDir}
	}
	if err != nil {
		return nil, err
	}
	return &FS{n}, nil
}

var (
	errIsDir = errors.New("is a directory")
	errLoop  = errors.New("too many symbolic links")
)

// maxFollow is how many symbolic links are followed on one path, as on Linux.
const maxFollow = 40

// validPath is fs.ValidPath for names of any bytes.
func validPath(name string) bool {
	if name == "." {
		return true
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part == "." || part == ".." {
			return false
		}
	}
	return true
}

// walk finds what a path leads to. With follow, a link at its end is followed too, unless it leads
// nowhere.
func (f *FS) walk(op, name string, follow bool) (*Node, error) {
	fail := func(err error) (*Node, error) { return nil, &fs.PathError{Op: op, Path: name, Err: err} }
	if !validPath(name) {
		return fail(fs.ErrInvalid)
	}
	w := walkState{root: f.root, dirs: []*Node{f.root}}
	n, err := w.walk(name)
	if err != nil {
		return fail(err)
	}
	if !follow || n.Mode.Type() != TypeSymlink {
		return n, nil
	}
	target, err := w.follow(n)
	if err != nil {
		return n, nil // the link itself
	}
	return target, nil
}

// walkState is where a walk is: in the last of dirs, which lie below each other.
type walkState struct {
	root     *Node
	dirs     []*Node
	followed int
}

// walk follows all parts of a path but a link at its end, in whose directory it stays.
func (w *walkState) walk(name string) (*Node, error) {
	parts := strings.Split(name, "/")
	n := w.dirs[len(w.dirs)-1]
	for i, part := range parts {
		switch part {
		case "", ".":
			n = w.dirs[len(w.dirs)-1]
			continue
		case "..":
			w.dirs = w.dirs[:max(1, len(w.dirs)-1)]
			n = w.dirs[len(w.dirs)-1]
			continue
		}
		if n = w.dirs[len(w.dirs)-1].Lookup(part); n == nil {
			return nil, fs.ErrNotExist
		}
		last := i == len(parts)-1
		if n.Mode.Type() == TypeSymlink && !last {
			var err error
			if n, err = w.follow(n); err != nil {
				return nil, err
			}
			if n.IsDir() {
				continue // the walk is in it
			}
		}
		switch {
		case n.IsDir():
			w.dirs = append(w.dirs, n)
		case !last:
			return nil, ErrNotDir
		}
	}
	return n, nil
}

// follow goes where a link in the present directory leads, to its end. Where that is a directory, the
// walk is in it afterwards.
func (w *walkState) follow(link *Node) (*Node, error) {
	for n := link; ; {
		if w.followed++; w.followed > maxFollow {
			return nil, errLoop
		}
		if strings.HasPrefix(n.Target, "/") {
			w.dirs = []*Node{w.root}
		}
		var err error
		if n, err = w.walk(n.Target); err != nil || n.Mode.Type() != TypeSymlink {
			return n, err
		}
	}
}
