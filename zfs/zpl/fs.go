package zpl

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"imagetools/internal/plain"
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
		err := f.table(tables[name], func(e zap.Entry) error { lists[i] = append(lists[i], e); return nil })
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

// NameRules are the properties by which the file system does not take names as they are, such as
// "casesensitivity=insensitive, normalization=formD"; empty if it does. What we write does.
func (f *FS) NameRules() string {
	var rules []string
	if n := f.master["casesensitivity"]; n != 0 {
		rules = append(rules, "casesensitivity="+named(n, map[uint64]string{1: "insensitive", 2: "mixed"}))
	}
	if n := f.master["normalization"]; n != 0 {
		rules = append(rules, "normalization="+named(n, map[uint64]string{0x10: "formD", 0x20: "formKD", 0x50: "formC", 0x60: "formKC"}))
	}
	if f.master["utf8only"] != 0 {
		rules = append(rules, "utf8only=on")
	}
	return strings.Join(rules, ", ")
}

// named is the word for a number, or the number.
func named(n uint64, words map[uint64]string) string {
	if word, ok := words[n]; ok {
		return word
	}
	return fmt.Sprintf("%#x", n)
}

// Root is the object of the root directory.
func (f *FS) Root() uint64 { return f.root }

// form is how names in directories are compared.
func (f *FS) form() zap.Form {
	form := zap.Form(f.master["normalization"])
	if f.master["casesensitivity"] != 0 {
		form |= zap.FormUpper
	}
	return form
}

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

// table is zap for tables in which no name may be twice, which all but directories are.
func (f *FS) table(n uint64, fn func(zap.Entry) error) error {
	o := f.s.Object(n)
	if o == nil {
		return fmt.Errorf("object %d: does not exist", n)
	}
	if err := zap.ReadTable(f.x.Data(o).Block, f.s.Order, fn); err != nil {
		return fmt.Errorf("object %d: %w", n, err)
	}
	return nil
}

// numbers are the entries of a ZAP that have one number each, which is all that matter in
// the tables read so.
func (f *FS) numbers(n uint64) (map[string]uint64, error) {
	m := make(map[string]uint64)
	return m, f.table(n, func(e zap.Entry) error {
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
	list, held, err := f.dir(n)
	f.x.Budget().Release(held)
	return list, err
}

// dirEntrySize is what an entry of a list takes, with the room that a growing list wastes;
// and the bytes of its name.
const dirEntrySize = 72

// dir is Dir. held is what the list takes, which the budget counts until it is released.
func (f *FS) dir(n uint64) (list []DirEntry, held int64, err error) {
	budget := f.x.Budget()
	err = f.zap(n, func(e zap.Entry) error {
		d, err := dirEntry(e)
		if err == nil && (d.Name == "." || d.Name == ".." || strings.Contains(d.Name, "/")) {
			err = fmt.Errorf("entry %q: %w", d.Name, tree.ErrBadName)
		}
		if err != nil {
			return err
		}
		size := dirEntrySize + int64(len(d.Name))
		if err := budget.Hold(size, "names in directories"); err != nil {
			return err
		}
		held += size
		list = append(list, d)
		return nil
	})
	if err != nil {
		return nil, held, fmt.Errorf("directory: %w", err)
	}
	slices.SortFunc(list, func(a, b DirEntry) int { return strings.Compare(a.Name, b.Name) })
	return list, held, nil
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
// 64 KiB, illumos any size. maxXattrTotal bounds those of one file.
const (
	maxXattrValue = 16 << 20
	maxXattrTotal = 64 << 20
)

// Xattrs reads all extended attributes, sorted by name. Where one is in the znode and in the
// directory, that in the znode counts, as it does for OpenZFS.
func (f *FS) Xattrs(z *Znode) ([]tree.Xattr, error) { return f.xattrs(z, make(map[uint64][]byte)) }

// xattrs is Xattrs. Values that several names lead to are read once, and are known by their
// object.
func (f *FS) xattrs(z *Znode, values map[uint64][]byte) ([]tree.Xattr, error) {
	all := slices.Clone(z.Xattrs)
	list, err := f.XattrDir(z)
	if err != nil || len(list) == 0 {
		return sortXattrs(all), err
	}
	own := make(map[string]bool, len(z.Xattrs))
	for _, x := range z.Xattrs {
		own[x.Name] = true
	}
	total := 0
	for _, e := range list {
		if own[e.Name] {
			continue
		}
		value, known := values[e.Object]
		if !known {
			if value, err = f.xattr(e.Object); err != nil {
				return nil, fmt.Errorf("extended attribute %q: %w", e.Name, err)
			}
			values[e.Object] = value
		}
		if total += len(value); total > maxXattrTotal {
			return nil, fmt.Errorf("extended attributes: %w: more than %d bytes", objset.ErrTooLarge, maxXattrTotal)
		}
		all = append(all, tree.Xattr{Name: e.Name, Value: value})
	}
	return sortXattrs(all), nil
}

func sortXattrs(list []tree.Xattr) []tree.Xattr {
	slices.SortFunc(list, func(a, b tree.Xattr) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// xattr reads the value of an attribute in an object of its own.
func (f *FS) xattr(object uint64) ([]byte, error) {
	v, err := f.Znode(object)
	switch {
	case err != nil:
		return nil, err
	case v.Mode.Type() != tree.TypeFile:
		return nil, fmt.Errorf("object %d: a %s", object, v.Mode.TypeName())
	case v.Size > maxXattrValue:
		return nil, fmt.Errorf("object %d: %d bytes, the limit is %d", object, v.Size, maxXattrValue)
	}
	value := make([]byte, v.Size)
	_, err = f.x.Data(f.s.Object(object)).ReadAt(value, 0)
	return value, err
}

// maxDepth bounds the nesting of directories.
const maxDepth = 4096

// Path is where a walk is: names below each other. It is valid until the function that it was
// given to returns.
type Path struct {
	above string // path that the walk began at
	names []string
}

// String joins the names with slashes. It is made when it is asked for: the paths of deep
// directories are long.
func (p *Path) String() string {
	if p.above == "" {
		return strings.Join(p.names, "/")
	}
	if len(p.names) == 0 {
		return p.above
	}
	return p.above + "/" + strings.Join(p.names, "/")
}

// Depth is the number of directories between the one that the walk began at and the name.
func (p *Path) Depth() int { return len(p.names) - 1 }

// Walk calls fn for every name below directory n, which has the path prefix, directories
// before what they hold and names in byte order. A directory that is met a second time is an
// error: it is in two places, or in itself. fn may return fs.SkipDir; it must not change z.
func (f *FS) Walk(n uint64, prefix string, fn func(path string, e DirEntry, z *Znode) error) error {
	return f.Visit(n, prefix, func(path *Path, e DirEntry, z *Znode) error { return fn(path.String(), e, z) })
}

// Visit is Walk for those that do not need the path of every name.
func (f *FS) Visit(n uint64, prefix string, fn func(path *Path, e DirEntry, z *Znode) error) error {
	w := walker{f: f, fn: fn, seen: map[uint64]bool{n: true}, path: Path{above: prefix}}
	return w.walk(n)
}

type walker struct {
	f     *FS
	fn    func(path *Path, e DirEntry, z *Znode) error
	seen  map[uint64]bool
	path  Path
	known [64]*Znode // of files with several names, the last ones met
}

// znode decodes a znode, once for names of one file that follow one another.
func (w *walker) znode(n uint64) (*Znode, error) {
	known := &w.known[n%uint64(len(w.known))]
	if *known != nil && (*known).Object == n {
		return *known, nil
	}
	z, err := w.f.Znode(n)
	if err == nil && z.Links > 1 && !z.IsDir() {
		*known = z
	}
	return z, err
}

func (w *walker) walk(n uint64) error {
	list, held, err := w.f.dir(n)
	defer func() { w.f.x.Budget().Release(held) }()
	if err != nil {
		return fmt.Errorf("%s: %w", plain.Name(w.path.String()), err)
	}
	depth := len(w.path.names)
	if depth >= maxDepth {
		return fmt.Errorf("%s: directories nested deeper than %d", plain.Name(w.path.String()), maxDepth)
	}
	for _, e := range list {
		w.path.names = append(w.path.names[:depth], e.Name)
		z, err := w.znode(e.Object)
		if err != nil {
			return fmt.Errorf("%s: %w", plain.Name(w.path.String()), err)
		}
		if z.IsDir() {
			if w.seen[e.Object] {
				return fmt.Errorf("%s: directory object %d has a second name", plain.Name(w.path.String()), e.Object)
			}
			w.seen[e.Object] = true
		}
		err = w.fn(&w.path, e, z)
		if err == fs.SkipDir {
			continue
		}
		if err == nil && z.IsDir() {
			err = w.walk(e.Object)
		}
		if err != nil {
			return err
		}
	}
	w.path.names = w.path.names[:depth]
	return nil
}
