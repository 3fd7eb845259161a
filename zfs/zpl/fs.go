package zpl

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"imagetools/tree"
	"imagetools/zfs/objset"
	"imagetools/zfs/sa"
	"imagetools/zfs/stream"
	"imagetools/zfs/zap"
)

// FS is a file system read from a stream. It is safe for concurrent use.
type FS struct {
	x       *objset.Index
	s       *objset.Snapshot
	master  map[string]uint64
	version uint64
	root    uint64
	tables  *sa.Tables // nil before version 5
}

// Errors that [Open] wraps.
var (
	ErrNotFileSystem = errors.New("not a file system")
	ErrPartial       = errors.New("the stream is incremental, and its source was not read")
)

// Versions of the ZPL that are read.
const (
	minVersion = 1
	maxVersion = 5
)

// Open returns the file system of a snapshot of x. It reads the master node and the tables
// of attributes; a raw (encrypted) stream gives objset.ErrEncrypted, the rest of an interrupted one
// objset.ErrResumed.
func Open(x *objset.Index, s *objset.Snapshot) (*FS, error) {
	f := &FS{x: x, s: s}
	if err := f.open(); err != nil {
		return nil, fmt.Errorf("snapshot %q: %w", s.Begin.ToName, err)
	}
	return f, nil
}

func (f *FS) open() (err error) {
	switch {
	case f.s.Begin.Objset != stream.ObjsetZFS:
		return ErrNotFileSystem
	case f.s.Encrypted():
		return objset.ErrEncrypted
	case f.s.Resumed():
		return objset.ErrResumed
	case f.s.Partial():
		return ErrPartial
	}
	if f.master, err = f.numbers(masterNode); err != nil {
		return fmt.Errorf("master node: %w", err)
	}
	f.version, f.root = f.master["VERSION"], f.master["ROOT"]
	if f.version < minVersion || f.version > maxVersion {
		return fmt.Errorf("master node: %w version %d of the file system", stream.ErrUnsupported, f.version)
	}
	if master := f.master["SA_ATTRS"]; master != 0 {
		if f.tables, err = f.openTables(master); err != nil {
			return fmt.Errorf("system attributes: %w", err)
		}
	}
	z, err := f.Znode(f.root)
	if err == nil && !z.IsDir() {
		err = fmt.Errorf("object %d: a %s", f.root, z.Mode.TypeName())
	}
	if err != nil {
		return fmt.Errorf("root directory: %w", err)
	}
	return nil
}

func (f *FS) openTables(master uint64) (*sa.Tables, error) {
	tables, err := f.numbers(master)
	if err != nil {
		return nil, err
	}
	var lists [2][]zap.Entry
	for i, name := range []string{"REGISTRY", "LAYOUTS"} {
		err := f.zap(tables[name], func(e zap.Entry) error { lists[i] = append(lists[i], e); return nil })
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return sa.NewTables(lists[0], lists[1])
}

// Snapshot is the snapshot of the file system.
func (f *FS) Snapshot() *objset.Snapshot { return f.s }

// Version of the ZPL.
func (f *FS) Version() int { return int(f.version) }

// Root is the object of the root directory.
func (f *FS) Root() uint64 { return f.root }

// zap calls fn for the entries of a ZAP object.
func (f *FS) zap(n uint64, fn func(zap.Entry) error) error {
	o := f.s.Object(n)
	if o == nil {
		return fmt.Errorf("object %d: does not exist", n)
	}
	if err := zap.Read(f.x.Data(o).Block, f.s.Order, fn); err != nil {
		return fmt.Errorf("object %d: %w", n, err)
	}
	return nil
}

// numbers are the entries of a ZAP that have one number each, which is all that matter in
// the tables read so.
func (f *FS) numbers(n uint64) (map[string]uint64, error) {
	m := make(map[string]uint64)
	return m, f.zap(n, func(e zap.Entry) error {
		if e.IntSize == 8 && len(e.Values) == 1 {
			m[e.Name] = e.Values[0]
		}
		return nil
	})
}

// DirEntry is a name in a directory.
type DirEntry struct {
	Name   string
	Object uint64
	Type   tree.Mode // as the entry has it; 0 in version 1
}

func dirEntry(e zap.Entry) (DirEntry, error) {
	if e.IntSize != 8 || len(e.Values) != 1 {
		return DirEntry{}, fmt.Errorf("entry %q: no number", e.Name)
	}
	v := e.Values[0]
	return DirEntry{e.Name, v & stream.MaxObject, tree.Mode(v >> 60 << 12)}, nil
}

// Dir returns the entries of directory n, sorted by name. Names that no directory can have
// (with '/', "..") are errors.
func (f *FS) Dir(n uint64) ([]DirEntry, error) {
	var list []DirEntry
	err := f.zap(n, func(e zap.Entry) error {
		d, err := dirEntry(e)
		if err == nil && (d.Name == "." || d.Name == ".." || strings.Contains(d.Name, "/")) {
			err = fmt.Errorf("entry %q: %w", d.Name, tree.ErrBadName)
		}
		list = append(list, d)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("directory: %w", err)
	}
	slices.SortFunc(list, func(a, b DirEntry) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// Lookup returns what a slash-separated path below the root leads to. Symbolic links are
// not followed. The error for a name that is not there is fs.ErrNotExist.
func (f *FS) Lookup(path string) (*Znode, error) {
	z, err := f.Znode(f.root)
	if err != nil {
		return nil, err
	}
	at := ""
	for name := range strings.SplitSeq(path, "/") {
		if name == "" || name == "." {
			continue
		}
		if !z.IsDir() {
			return nil, fmt.Errorf("%q: %w", at, tree.ErrNotDir)
		}
		at += "/" + name
		object := uint64(0)
		err := f.zap(z.Object, func(e zap.Entry) error {
			if e.Name == name && len(e.Values) == 1 {
				object = e.Values[0] & stream.MaxObject
			}
			return nil
		})
		if err == nil && object == 0 {
			err = fs.ErrNotExist
		}
		if err == nil {
			z, err = f.Znode(object)
		}
		if err != nil {
			return nil, fmt.Errorf("%q: %w", at, err)
		}
	}
	return z, nil
}

// XattrDir are the names of the extended attributes that stand in a directory of their own,
// with the objects of their values.
func (f *FS) XattrDir(z *Znode) ([]DirEntry, error) {
	if z.XattrDir == 0 {
		return nil, nil
	}
	list, err := f.Dir(z.XattrDir)
	if err != nil {
		return nil, fmt.Errorf("extended attributes: %w", err)
	}
	return list, nil
}

// maxXattrValue bounds what is read into memory as the value of one attribute; Linux knows
// 64 KiB, illumos any size.
const maxXattrValue = 16 << 20

// Xattrs reads all extended attributes, sorted by name. Where one is in the znode and in the
// directory, that in the znode counts, as it does for OpenZFS.
func (f *FS) Xattrs(z *Znode) ([]tree.Xattr, error) {
	all := slices.Clone(z.Xattrs)
	list, err := f.XattrDir(z)
	if err != nil {
		return nil, err
	}
	for _, e := range list {
		if slices.ContainsFunc(z.Xattrs, func(x tree.Xattr) bool { return x.Name == e.Name }) {
			continue
		}
		v, err := f.Znode(e.Object)
		if err == nil && v.Mode.Type() != tree.TypeFile {
			err = fmt.Errorf("object %d: a %s", e.Object, v.Mode.TypeName())
		}
		if err == nil && v.Size > maxXattrValue {
			err = fmt.Errorf("object %d: %d bytes, the limit is %d", e.Object, v.Size, maxXattrValue)
		}
		var value []byte
		if err == nil {
			value = make([]byte, v.Size)
			_, err = f.x.Data(f.s.Object(e.Object)).ReadAt(value, 0)
		}
		if err != nil {
			return nil, fmt.Errorf("extended attribute %q: %w", e.Name, err)
		}
		all = append(all, tree.Xattr{Name: e.Name, Value: value})
	}
	slices.SortFunc(all, func(a, b tree.Xattr) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// maxDepth bounds the nesting of directories.
const maxDepth = 4096

// Walk calls fn for every name below directory n, which has the path prefix, directories
// before what they hold and names in byte order. A directory that is met a second time is an
// error: it is in two places, or in itself. fn may return fs.SkipDir.
func (f *FS) Walk(n uint64, prefix string, fn func(path string, e DirEntry, z *Znode) error) error {
	w := walker{f: f, fn: fn, seen: map[uint64]bool{n: true}}
	return w.walk(n, prefix, 1)
}

type walker struct {
	f    *FS
	fn   func(path string, e DirEntry, z *Znode) error
	seen map[uint64]bool
}

func (w *walker) walk(n uint64, prefix string, depth int) error {
	list, err := w.f.Dir(n)
	if err != nil {
		return fmt.Errorf("%q: %w", prefix, err)
	}
	if depth > maxDepth {
		return fmt.Errorf("%q: directories nested deeper than %d", prefix, maxDepth)
	}
	for _, e := range list {
		path := e.Name
		if prefix != "" {
			path = prefix + "/" + e.Name
		}
		z, err := w.f.Znode(e.Object)
		if err != nil {
			return fmt.Errorf("%q: %w", path, err)
		}
		if z.IsDir() {
			if w.seen[e.Object] {
				return fmt.Errorf("%q: directory object %d has a second name", path, e.Object)
			}
			w.seen[e.Object] = true
		}
		err = w.fn(path, e, z)
		if err == fs.SkipDir {
			continue
		}
		if err == nil && z.IsDir() {
			err = w.walk(e.Object, path, depth+1)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
