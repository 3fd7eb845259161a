// Package tree is the neutral file tree between sources and sinks. Every source is read into a tree, and
// every sink writes one. A tree has names, owners, modes, times, links, devices, extended attributes and
// ACLs.
//
//	t, _, err := fromdir.Read(ctx, "rootfs", fromdir.Options{})
//	...
//	err = t.Seal()          // sort, count links, check limits
//	for path, n := range t.All() { ... }
//
// A tree holds metadata only. A file's [Content] opens its data where the source has it. Sinks open,
// read and close one file at a time.
//
// [Tree.FS] returns a tree as a file system of package io/fs.
//
// # Limits
//
//   - A name has 1 to 255 bytes: any bytes except '/' and NUL.
//   - The target of a symbolic link has 1 to 4095 bytes.
//   - Owners are 0 to 2³¹−1.
//
// A file takes about 200 bytes of memory.
package tree

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"imagetools/internal/plain"
	"imagetools/internal/steady"
)

// Mode is a POSIX st_mode: file type and permission bits as SmartOS, Linux and the ZPL
// store them.
type Mode uint32

// File types and permission bits of a [Mode].
const (
	TypeMask    Mode = 0o170000
	TypeFIFO    Mode = 0o010000
	TypeChar    Mode = 0o020000
	TypeDir     Mode = 0o040000
	TypeBlock   Mode = 0o060000
	TypeFile    Mode = 0o100000
	TypeSymlink Mode = 0o120000
	TypeSocket  Mode = 0o140000

	SetUID   Mode = 0o4000
	SetGID   Mode = 0o2000
	Sticky   Mode = 0o1000
	PermMask Mode = 0o7777
)

// Type returns the type bits alone.
func (m Mode) Type() Mode { return m & TypeMask }

// Perm returns the permission bits with set-id and sticky bits.
func (m Mode) Perm() Mode { return m & PermMask }

// String names the type and gives the permission in octal, such as "file 0644".
func (m Mode) String() string {
	return fmt.Sprintf("%s %04o", m.TypeName(), uint32(m.Perm()))
}

// TypeName is the type as mtree(5) spells it: file, dir, link, char, block, fifo, socket.
func (m Mode) TypeName() string {
	switch m.Type() {
	case TypeFIFO:
		return "fifo"
	case TypeChar:
		return "char"
	case TypeDir:
		return "dir"
	case TypeBlock:
		return "block"
	case TypeFile:
		return "file"
	case TypeSymlink:
		return "link"
	case TypeSocket:
		return "socket"
	}
	return fmt.Sprintf("type %#o", uint32(m.Type()))
}

// Limits that every node of a sealed tree keeps.
const (
	MaxName   = 255           // bytes of a name
	MaxTarget = 4095          // bytes of a link target
	MaxOwner  = 1<<31 - 1     // largest uid and gid
	MaxSize   = 1<<63 - 1<<20 // bytes of a file
)

// Time is a point in time in seconds and nanoseconds since 1970; Sec is negative before.
type Time struct {
	Sec  int64
	Nsec uint32 // 0 to 999999999, counted forward from Sec
}

// Before reports whether t is earlier than u.
func (t Time) Before(u Time) bool {
	return t.Sec < u.Sec || t.Sec == u.Sec && t.Nsec < u.Nsec
}

// Node is one inode: what a name, or several, stand for.
type Node struct {
	Mode     Mode
	UID, GID uint32
	Links    uint32 // names of a non-directory, 2 + subdirectories of a directory; set by Seal
	ModTime  Time
	Size     int64    // bytes of a regular file; 0 for every other type
	Content  Content  // of a regular file; may be nil if Size is 0
	Target   string   // of a symbolic link
	Device   *Device  // of a character or block device
	Attrs    *Attrs   // nil if there are none
	ID       uint32   // place in walk order, 0 for the root; set by Seal
	parent   *Node    // directory of the first name; the root's is nil
	dir      *entries // of a directory
}

// Device is the number of a device node, in two parts since platforms pack them differently.
type Device struct{ Major, Minor uint32 }

// Attrs are the extended attributes and the NFSv4 ACL of a node.
type Attrs struct {
	Xattrs []Xattr // sorted by name, names unique; set in order by Seal
	ACL    []ACE   // empty: the ACL is what the mode says
}

// Xattr is an extended attribute under its full Linux name, such as "user.note" or
// "security.capability".
type Xattr struct {
	Name  string
	Value []byte
}

// ACE is one entry of an NFSv4 ACL in the terms of ZFS: a type (0 allow, 1 deny, 2 audit,
// 3 alarm), inheritance and identity flags, an access mask, and the uid or gid where the
// flags name no owner@, group@ or everyone@.
type ACE struct {
	Type  uint16
	Flags uint16
	Mask  uint32
	ID    uint32
}

// Identity flags of an [ACE]: whom it is about. Without any of the first three it is the
// user ID, or with ACEIdentifierGroup the group ID.
const (
	ACEOwner           = 0x1000
	ACEGroup           = 0x2000 | ACEIdentifierGroup
	ACEEveryone        = 0x4000
	ACEIdentifierGroup = 0x0040
	aceWho             = 0x7000
)

// HasID reports whether the entry is about a numbered user or group.
func (a ACE) HasID() bool { return a.Flags&aceWho == 0 }

// Entry is a name in a directory.
type Entry struct {
	Name string
	Node *Node
}

// entries are the names in one directory. Names that come in byte order, as most sources give
// them, need nothing but the list. index exists while a directory is built whose names came in
// another order, and that is too large to be searched name by name.
type entries struct {
	list      []Entry
	unordered bool // the list is not in byte order
	index     map[string]int32
	sealed    bool
}

const indexFrom = 16

// position is where a name stands in the list, -1 if it does not.
func (d *entries) position(name string) int {
	switch {
	case d.index != nil:
		if i, ok := d.index[name]; ok {
			return int(i)
		}
	case d.unordered || len(d.list) < indexFrom:
		return slices.IndexFunc(d.list, func(e Entry) bool { return e.Name == name })
	default:
		if i, ok := slices.BinarySearchFunc(d.list, name, func(e Entry, s string) int { return strings.Compare(e.Name, s) }); ok {
			return i
		}
	}
	return -1
}

func (d *entries) find(name string) *Node {
	if i := d.position(name); i >= 0 {
		return d.list[i].Node
	}
	return nil
}

func (d *entries) add(name string, n *Node) {
	if last := len(d.list) - 1; last >= 0 && name < d.list[last].Name {
		d.unordered = true
	}
	d.list = append(d.list, Entry{name, n})
	if d.index != nil {
		d.index[name] = int32(len(d.list) - 1)
	}
	d.makeIndex()
}

// makeIndex makes the index if the directory needs one and has none.
func (d *entries) makeIndex() {
	if d.index != nil || !d.unordered || len(d.list) < indexFrom {
		return
	}
	d.index = make(map[string]int32, 2*len(d.list))
	for i, e := range d.list {
		d.index[e.Name] = int32(i)
	}
}

// remove takes out the name at a position.
func (d *entries) remove(i int) {
	last := len(d.list) - 1
	if d.index != nil {
		delete(d.index, d.list[i].Name)
	}
	if i != last {
		d.list[i], d.unordered = d.list[last], true
		if d.index != nil {
			d.index[d.list[i].Name] = int32(i)
		}
	}
	d.list = slices.Delete(d.list, last, last+1)
	d.makeIndex()
}

// Errors that [Node.Add] reports.
var (
	ErrExists  = errors.New("the name exists already")
	ErrNotDir  = errors.New("not a directory")
	ErrBadName = errors.New("bad name")

	// ErrSealed is also that of [Node.Remove] and [Node.Replace].
	ErrSealed = errors.New("the tree is sealed")
)

// ErrNotSealed is what those who need a sealed tree say of one that is not.
var ErrNotSealed = errors.New("the tree is not sealed")

// NewDir returns an empty directory.
func NewDir(mode Mode) *Node {
	return &Node{Mode: TypeDir | mode.Perm(), dir: &entries{}}
}

// IsDir reports whether n is a directory.
func (n *Node) IsDir() bool { return n.Mode.Type() == TypeDir }

// Parent is the directory of n's first name; nil for the root.
func (n *Node) Parent() *Node { return n.parent }

// Lookup returns the node of a name in directory n, nil if there is none.
func (n *Node) Lookup(name string) *Node {
	if n.dir == nil {
		return nil
	}
	return n.dir.find(name)
}

// Entries are the names in directory n; sorted once the tree is sealed. The slice belongs
// to the tree.
func (n *Node) Entries() []Entry {
	if n.dir == nil {
		return nil
	}
	return n.dir.list
}

// Add gives child a name in directory n. A non-directory that has a name already gets a
// further one, a hard link; a directory has one name. The errors are [ErrExists],
// [ErrNotDir], [ErrBadName] and [ErrSealed], wrapped with the name.
func (n *Node) Add(name string, child *Node) error {
	if err := CheckName(name); err != nil {
		return err
	}
	if n.dir == nil {
		return fmt.Errorf("%q: its parent is %w", name, ErrNotDir)
	}
	if n.dir.sealed {
		return fmt.Errorf("%q: %w", name, ErrSealed)
	}
	if n.dir.find(name) != nil {
		return fmt.Errorf("%q: %w", name, ErrExists)
	}
	if child.IsDir() {
		if child.parent != nil {
			return fmt.Errorf("%q: a directory cannot have a second name", name)
		}
		if child.dir == nil {
			child.dir = &entries{}
		}
		if child.holds(n) {
			return fmt.Errorf("%q: a directory cannot be below itself", name)
		}
	}
	if child.parent == nil {
		child.parent = n
	}
	n.dir.add(name, child)
	return nil
}

// holds tells whether n is dir or above it.
func (n *Node) holds(dir *Node) bool {
	if len(n.dir.list) == 0 {
		return n == dir
	}
	for ; dir != nil; dir = dir.parent {
		if n == dir {
			return true
		}
	}
	return false
}

// CheckName reports why name cannot be a name in a directory: empty, "." or "..", longer
// than [MaxName] bytes, or with '/' or NUL in it.
func CheckName(name string) error {
	switch {
	case name == "" || name == "." || name == "..":
		return fmt.Errorf("%w %q", ErrBadName, name)
	case len(name) > MaxName:
		return fmt.Errorf("%w %q: %d bytes, the limit is %d", ErrBadName, name, len(name), MaxName)
	case strings.ContainsAny(name, "/\x00"):
		return fmt.Errorf("%w %q: '/' and NUL cannot be in a name", ErrBadName, name)
	}
	return nil
}

// Path is the path of n's first name below the root, without a leading slash; "." for the
// root. It searches the directories on the way: for messages, not for loops.
func (n *Node) Path() string {
	if n.parent == nil {
		return "."
	}
	var parts []string
	for ; n.parent != nil; n = n.parent {
		name := "?"
		for _, e := range n.parent.dir.list {
			if e.Node == n {
				name = e.Name
				break
			}
		}
		parts = append(parts, name)
	}
	slices.Reverse(parts)
	return strings.Join(parts, "/")
}

// Tree is a root directory and what lies below it.
type Tree struct {
	Root  *Node
	nodes int // after Seal
}

// New returns a tree whose root is an empty directory with mode 0755, owned by 0:0.
func New() *Tree { return &Tree{Root: NewDir(0o755)} }

// Lookup returns the node at a slash-separated path below the root, nil if there is none.
// It follows no symbolic links. "", "." and "/" are the root.
func (t *Tree) Lookup(path string) *Node {
	n := t.Root
	if n == nil {
		return nil
	}
	for name := range strings.SplitSeq(path, "/") {
		if name == "" || name == "." {
			continue
		}
		if n = n.Lookup(name); n == nil {
			return nil
		}
	}
	return n
}

// Under returns a tree in which the root of t is the directory name of a new root that has
// mode 0755, owner 0:0 and the time of t's root. t must not be used afterwards.
func (t *Tree) Under(name string) (*Tree, error) {
	if t.Root == nil {
		return nil, errors.New("the tree has no root")
	}
	top := New()
	top.Root.ModTime = t.Root.ModTime
	t.Unseal()
	if err := top.Root.Add(name, t.Root); err != nil {
		return nil, err
	}
	return top, nil
}

// Len is the number of nodes of a sealed tree; IDs are below it. It is 0 for one that is not
// sealed.
func (t *Tree) Len() int { return t.nodes }

// CheckSealed reports [ErrNotSealed] for a tree that is not sealed.
func (t *Tree) CheckSealed() error {
	if t.nodes == 0 {
		return ErrNotSealed
	}
	return nil
}

// All walks a tree: every name with its path, directories before what they hold. In a sealed
// tree names are in byte order. The root comes first, with the path ".". A hard link is met once
// for each of its names; its first meeting is the one that the node's ID stands for.
func (t *Tree) All() iter.Seq2[string, *Node] {
	return func(yield func(string, *Node) bool) {
		if t.Root != nil && yield(".", t.Root) {
			walk(t.Root, nil, yield)
		}
	}
}

// walk keeps the path of a directory once, not at each level.
func walk(dir *Node, prefix []byte, yield func(string, *Node) bool) bool {
	for _, e := range dir.Entries() {
		path := append(prefix, e.Name...)
		if !yield(string(path), e.Node) {
			return false
		}
		if e.Node.IsDir() && !walk(e.Node, append(path, '/'), yield) {
			return false
		}
	}
	return true
}

// Nodes returns the nodes of a sealed tree, each once, indexed by ID; nil for a tree that is not
// sealed.
func (t *Tree) Nodes() []*Node {
	if t.nodes == 0 {
		return nil
	}
	all := make([]*Node, t.nodes)
	all[0] = t.Root
	var visit func(dir *Node)
	visit = func(dir *Node) {
		for _, e := range dir.dir.list {
			all[e.Node.ID] = e.Node
			if e.Node.IsDir() {
				visit(e.Node)
			}
		}
	}
	visit(t.Root)
	return all
}

// maxFaults is how many faults Seal reports before it stops looking.
const maxFaults = 20

// maxDepth bounds the nesting of directories, for those that walk the tree recursively.
const maxDepth = 4096

// Seal sorts names and attributes, counts links, numbers the nodes and checks that every
// node keeps the limits of the package. It is called when the tree is complete; afterwards the
// shape of the tree cannot change, unless after [Tree.Unseal]. All faults (the first 20) are
// joined, each with its path; a tree with faults is not sealed.
func (t *Tree) Seal() (err error) {
	if t.Root == nil || !t.Root.IsDir() {
		return errors.New("the root of the tree is not a directory")
	}
	t.unseal()
	defer func() {
		if err != nil {
			t.unseal()
		}
	}()
	s := sealer{}
	s.number(t.Root)
	s.check(t.Root)
	s.descend(t.Root)
	if len(s.faults) > 0 {
		return errors.Join(s.faults...)
	}
	t.nodes = int(s.next)
	return nil
}

type sealer struct {
	next   uint32
	path   []string // names down to what is checked
	faults []error
}

func (s *sealer) fault(err error) {
	if len(s.faults) < maxFaults {
		path := cmp.Or(strings.Join(s.path, "/"), ".")
		s.faults = append(s.faults, fmt.Errorf("%s: %w", plain.Name(path), err))
	}
}

func (s *sealer) number(n *Node) {
	n.ID = s.next
	s.next++
}

func (s *sealer) descend(dir *Node) {
	if len(s.path) >= maxDepth {
		s.fault(fmt.Errorf("directories nested deeper than %d", maxDepth))
		return
	}
	if dir.dir == nil {
		dir.dir = &entries{}
	}
	d := dir.dir
	d.index, d.unordered, d.sealed = nil, false, true
	slices.SortFunc(d.list, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	dir.Links = 2
	for _, e := range d.list {
		s.path = append(s.path, e.Name)
		s.entry(dir, e.Node)
		s.path = s.path[:len(s.path)-1]
	}
}

// entry seals what is in a directory.
func (s *sealer) entry(dir, n *Node) {
	if n.IsDir() {
		dir.Links++
		s.number(n)
		s.check(n)
		s.descend(n)
		return
	}
	if n.ID == 0 { // the first of its names in walk order
		n.parent, n.Links = dir, 0
		s.number(n)
		s.check(n)
	}
	n.Links++
}

func (s *sealer) check(n *Node) {
	if n.UID > MaxOwner || n.GID > MaxOwner {
		s.fault(fmt.Errorf("owner %d:%d: the largest id is %d", n.UID, n.GID, MaxOwner))
	}
	if n.ModTime.Nsec > 999_999_999 {
		s.fault(fmt.Errorf("modification time: %d nanoseconds", n.ModTime.Nsec))
	}
	if n.Mode&^(TypeMask|PermMask) != 0 {
		s.fault(fmt.Errorf("mode %#o: unknown bits", uint32(n.Mode)))
	}
	if n.Size != 0 && n.Mode.Type() != TypeFile {
		s.fault(fmt.Errorf("a %s with a size of %d bytes", n.Mode.TypeName(), n.Size))
	}
	switch n.Mode.Type() {
	case TypeFile:
		if n.Size < 0 || n.Size > MaxSize {
			s.fault(fmt.Errorf("size %d: out of range", n.Size))
		} else if n.Size > 0 && n.Content == nil {
			s.fault(errors.New("a file with a size but no contents"))
		}
	case TypeSymlink:
		if err := CheckTarget(n.Target); err != nil {
			s.fault(err)
		}
	case TypeChar, TypeBlock:
		if n.Device == nil {
			s.fault(errors.New("a device without a number"))
		}
	case TypeDir, TypeFIFO, TypeSocket:
	default:
		s.fault(fmt.Errorf("unknown %s", n.Mode.TypeName()))
	}
	if n.Attrs != nil {
		s.checkAttrs(n.Attrs)
	}
}

// maxXattr is the largest value of an extended attribute that Linux knows.
const maxXattr = 64 << 10

func (s *sealer) checkAttrs(a *Attrs) {
	slices.SortFunc(a.Xattrs, func(x, y Xattr) int { return strings.Compare(x.Name, y.Name) })
	for i, x := range a.Xattrs {
		if err := CheckName(x.Name); err != nil {
			s.fault(fmt.Errorf("extended attribute: %w", err))
		}
		if len(x.Value) > maxXattr {
			s.fault(fmt.Errorf("extended attribute %q: %d bytes, the limit is %d", x.Name, len(x.Value), maxXattr))
		}
		if i > 0 && a.Xattrs[i-1].Name == x.Name {
			s.fault(fmt.Errorf("extended attribute %q: given twice", x.Name))
		}
	}
	if len(a.ACL) > MaxACL {
		s.fault(fmt.Errorf("ACL of %d entries: the limit is %d", len(a.ACL), MaxACL))
	}
}

// MaxACL is the most entries that illumos accepts in one ACL (MAX_ACL_ENTRIES, acl.h).
const MaxACL = 1024

// Content gives access to the data of a regular file. Implementations must be safe for
// concurrent use: two goroutines may open the same content.
type Content interface {
	Open() (File, error)
}

// Verifier is a [Content] that can tell at little cost, without being opened, whether it still
// is what it was when the tree was read. A sink that has kept the contents of an earlier
// reading asks it instead of reading again. The error is [ErrChanged] or says more.
type Verifier interface {
	Content
	Verify() error
}

// File is the open data of a regular file. A read that finds less than the node's size says
// so with an error: io.ErrUnexpectedEOF or one that tells more.
type File interface {
	io.ReaderAt
	io.Closer
	// NextData returns the first range of data at or after off: start ≥ off, start < end.
	// What lies between ranges reads as zeros. io.EOF says that no data follows.
	NextData(off int64) (start, end int64, err error)
}

// ErrChanged says that a file is not what it was when the tree was read.
var ErrChanged = steady.ErrChanged

// Bytes is a [Content] in memory.
type Bytes []byte

// Open returns the bytes as a file that is all data.
func (b Bytes) Open() (File, error) { return bytesFile(b), nil }

type bytesFile []byte

func (b bytesFile) ReadAt(p []byte, off int64) (int, error) {
	if off >= int64(len(b)) {
		return 0, io.EOF
	}
	n := copy(p, b[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (b bytesFile) NextData(off int64) (int64, int64, error) {
	if off >= int64(len(b)) {
		return 0, 0, io.EOF
	}
	return off, int64(len(b)), nil
}

func (b bytesFile) Close() error { return nil }
