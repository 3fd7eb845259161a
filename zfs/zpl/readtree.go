package zpl

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"imagetools/internal/plain"
	"imagetools/tree"
	"imagetools/zfs/objset"
)

// Tree returns the file system as a sealed tree whose contents are read from the stores of
// its streams. What a tree cannot hold (owners that are no POSIX ids, audit entries with
// GUIDs, times out of range) is an error with its path.
func (f *FS) Tree(ctx context.Context) (*tree.Tree, error) {
	b := treeBuilder{f: f, nodes: make(map[uint64]*tree.Node), values: make(map[uint64][]byte)}
	root, err := f.Znode(f.root)
	if err != nil {
		return nil, err
	}
	t := tree.New()
	if t.Root, err = b.node(root); err != nil {
		return nil, fmt.Errorf("%q: %w", ".", err)
	}
	dirs := []*tree.Node{t.Root} // the directory at each depth
	err = f.Visit(f.root, "", func(path *Path, e DirEntry, z *Znode) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := b.node(z)
		if err == nil {
			err = f.x.Hold(tree.NameCost(e.Name), "names in directories")
		}
		if err == nil {
			depth := path.Depth()
			dirs = dirs[:depth+1]
			err = dirs[depth].Add(e.Name, n)
			dirs = append(dirs, n)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", plain.Name(path.String()), err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return t, t.Seal()
}

type treeBuilder struct {
	f      *FS
	nodes  map[uint64]*tree.Node // of files with several names
	values map[uint64][]byte     // of extended attributes, by object
}

// contentCost is what the content of a file takes of memory, and knownCost a file in nodes.
const (
	contentCost = 32
	knownCost   = 48
)

func (b *treeBuilder) node(z *Znode) (*tree.Node, error) {
	if n := b.nodes[z.Object]; n != nil {
		return n, nil
	}
	if z.UID > tree.MaxOwner || z.GID > tree.MaxOwner {
		return nil, fmt.Errorf("owner %#x:%#x: the largest id is %d", z.UID, z.GID, tree.MaxOwner)
	}
	if z.MTime.Nsec >= 1e9 {
		return nil, fmt.Errorf("modification time: %d nanoseconds", z.MTime.Nsec)
	}
	n := &tree.Node{Mode: z.Mode, UID: uint32(z.UID), GID: uint32(z.GID), ModTime: tree.Time{Sec: z.MTime.Sec, Nsec: uint32(z.MTime.Nsec)}}
	switch z.Mode.Type() {
	case tree.TypeDir:
		dir := tree.NewDir(z.Mode)
		dir.UID, dir.GID, dir.ModTime = n.UID, n.GID, n.ModTime
		n = dir
	case tree.TypeFile:
		if z.Size > tree.MaxSize {
			return nil, fmt.Errorf("size %d: out of range", z.Size)
		}
		n.Size = int64(z.Size)
		n.Content = Content{b.f, b.f.s.Object(z.Object), n.Size}
	case tree.TypeSymlink:
		n.Target = z.Target
	case tree.TypeChar, tree.TypeBlock:
		d := z.Device()
		n.Device = &d
	}
	if err := b.attrs(n, z); err != nil {
		return nil, err
	}
	if err := b.f.x.Hold(n.Cost()-n.Attrs.Cost()+contentCost, "files"); err != nil {
		return nil, err
	}
	if z.Links > 1 && !z.IsDir() {
		b.nodes[z.Object] = n
		return n, b.f.x.Hold(knownCost, "files with several names")
	}
	return n, nil
}

func (b *treeBuilder) attrs(n *tree.Node, z *Znode) error {
	var attrs tree.Attrs
	var err error
	if attrs.Xattrs, err = b.f.xattrs(z, b.values); err != nil {
		return err
	}
	if !z.TrivialACL() {
		if len(z.ACL) > tree.MaxACL {
			return fmt.Errorf("ACL of %d entries: the limit is %d", len(z.ACL), tree.MaxACL)
		}
		for i, a := range z.ACL {
			if a.GUIDs || a.ID > tree.MaxOwner {
				return fmt.Errorf("ACL: entry %d of type %d and id %#x", i, a.Type, a.ID)
			}
			attrs.ACL = append(attrs.ACL, tree.ACE{Type: a.Type, Flags: a.Flags, Mask: a.Mask, ID: uint32(a.ID)})
		}
	}
	if len(attrs.Xattrs) > 0 || len(attrs.ACL) > 0 {
		n.Attrs = &attrs
	}
	return b.f.x.Hold(n.Attrs.Cost(), "extended attributes and ACLs")
}

// Content is the data of a regular file in a stream.
type Content struct {
	f    *FS
	o    *objset.Object
	size int64
}

// Content returns the data of a regular file.
func (f *FS) Content(z *Znode) Content { return Content{f, f.s.Object(z.Object), int64(z.Size)} }

// Open opens the file.
func (c Content) Open() (tree.File, error) { return &contentFile{c: c}, nil }

// Compare orders contents by where they lie, so that reading many in order goes forward.
func (c Content) Compare(d Content) int {
	s1, p1 := c.o.Place()
	s2, p2 := d.o.Place()
	return cmp.Or(cmp.Compare(s1, s2), cmp.Compare(p1, p2))
}

// ByPlace sorts nodes of trees of opened file systems by where their contents lie.
func ByPlace(nodes []*tree.Node) {
	slices.SortStableFunc(nodes, func(a, b *tree.Node) int {
		c, okC := a.Content.(Content)
		d, okD := b.Content.(Content)
		if !okC || !okD {
			return 0
		}
		return c.Compare(d)
	})
}

// contentFile is an open file. As with every io.ReaderAt, several goroutines may read at once:
// each has the data of the object, with the buffers for that, for itself.
type contentFile struct {
	c    Content
	mu   sync.Mutex
	free []*objset.Data
}

func (f *contentFile) data() *objset.Data {
	f.mu.Lock()
	defer f.mu.Unlock()
	if last := len(f.free) - 1; last >= 0 {
		d := f.free[last]
		f.free = f.free[:last]
		return d
	}
	return f.c.f.x.Data(f.c.o)
}

func (f *contentFile) release(d *objset.Data) {
	f.mu.Lock()
	f.free = append(f.free, d)
	f.mu.Unlock()
}

func (f *contentFile) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("negative offset")
	}
	if off >= f.c.size {
		return 0, io.EOF
	}
	short := int64(len(p)) > f.c.size-off
	if short {
		p = p[:f.c.size-off]
	}
	d := f.data()
	defer f.release(d)
	n, err := d.ReadAt(p, off)
	if err == nil && short {
		err = io.EOF
	}
	return n, err
}

func (f *contentFile) NextData(off int64) (start, end int64, err error) {
	d := f.data()
	defer f.release(d)
	start, end, err = d.NextData(off)
	if err == nil && start >= f.c.size {
		err = io.EOF
	}
	return start, min(end, f.c.size), err
}

func (f *contentFile) Close() error { return nil }
