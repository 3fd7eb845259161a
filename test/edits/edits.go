// Package edits makes file trees and changes them at random, for tests of what is written of a
// tree on top of another one. The same seed gives the same tree and the same changes.
//
//	base := edits.New(2000, 1)
//	changed := base.Clone()
//	script := changed.Edit(40, 2)
//	a, err := base.Tree()
//	b, err := changed.Tree()
package edits

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	"imagetools/tree"
)

// blockSize is that of large files in ZFS.
const blockSize = 128 << 10

// Model is a file tree that can be changed.
type Model struct {
	root  *node
	rnd   *rand.Rand
	clock int64
	names int // given so far
}

// node is a file. Its data is never changed, but replaced.
type node struct {
	tree.Node
	data     []byte
	children map[string]*node // of a directory
}

// New returns a tree of about so many names, of all types: many small files, some with holes and
// of several blocks, hard links, extended attributes, ACLs, links with long targets, devices, two
// directories with a quarter of all names each, one with long names among them.
func New(names int, seed uint64) *Model {
	m := &Model{clock: 1_400_000_000, rnd: rand.New(rand.NewPCG(seed, 1))}
	m.root = m.dir()
	dirs := []*node{m.root}
	micro, fat := m.dir(), m.dir()
	m.put(m.root, "micro", micro)
	m.put(m.root, "fat", fat)
	for i := range names / 4 {
		m.put(micro, fmt.Sprint(i), m.file(0))
		m.put(fat, m.name(), m.file(0))
	}
	for range names / 2 {
		in := dirs[m.rnd.IntN(len(dirs))]
		n := m.any()
		if n.IsDir() {
			dirs = append(dirs, n)
		}
		m.put(in, m.name(), n)
		if !n.IsDir() && m.rnd.IntN(20) == 0 {
			m.put(dirs[m.rnd.IntN(len(dirs))], m.name(), n)
		}
	}
	return m
}

// Clone returns a copy that can be changed without changing m.
func (m *Model) Clone() *Model {
	c := &Model{clock: m.clock, names: m.names}
	copies := make(map[*node]*node)
	var copied func(n *node) *node
	copied = func(n *node) *node {
		if c := copies[n]; c != nil {
			return c
		}
		c := &node{Node: n.Node, data: n.data}
		if n.children != nil {
			c.children = make(map[string]*node, len(n.children))
			for name, child := range n.children {
				c.children[name] = copied(child)
			}
		}
		copies[n] = c
		return c
	}
	c.root = copied(m.root)
	return c
}

// Tree returns the tree, sealed.
func (m *Model) Tree() (*tree.Tree, error) {
	t := tree.New()
	nodes := map[*node]*tree.Node{m.root: t.Root}
	var build func(from *node, to *tree.Node) error
	build = func(from *node, to *tree.Node) error {
		to.Mode, to.UID, to.GID, to.ModTime, to.Attrs = from.Mode, from.UID, from.GID, from.ModTime, from.attrs()
		for _, name := range slices.Sorted(maps.Keys(from.children)) {
			child := from.children[name]
			n := nodes[child]
			if n == nil {
				if n = tree.NewDir(0); !child.IsDir() {
					n = new(tree.Node)
					*n = child.Node
					n.Attrs = child.attrs()
					if n.Mode.Type() == tree.TypeFile {
						n.Size, n.Content = int64(len(child.data)), tree.Bytes(child.data)
					}
				}
				nodes[child] = n
			}
			if err := to.Add(name, n); err != nil {
				return err
			}
			if child.IsDir() {
				if err := build(child, n); err != nil {
					return err
				}
			}
		}
		return nil
	}
	if err := build(m.root, t.Root); err != nil {
		return nil, err
	}
	return t, t.Seal()
}

// attrs is a copy: sealing sorts it.
func (n *node) attrs() *tree.Attrs {
	if n.Attrs == nil {
		return nil
	}
	return &tree.Attrs{Xattrs: slices.Clone(n.Attrs.Xattrs), ACL: slices.Clone(n.Attrs.ACL)}
}

func (m *Model) put(dir *node, name string, n *node) {
	dir.children[name] = n
	m.touch(dir)
}

func (m *Model) touch(n *node) {
	m.clock++
	n.ModTime = tree.Time{Sec: m.clock, Nsec: uint32(m.clock * 7919 % 1_000_000_000)}
}

// name is a new one; now and then it is too long for a micro ZAP.
func (m *Model) name() string {
	m.names++
	if m.rnd.IntN(40) == 0 {
		return fmt.Sprintf("a name of more than forty-nine bytes, the %d-th that there is", m.names)
	}
	return fmt.Sprintf("n%d", m.names)
}

func (m *Model) dir() *node {
	n := &node{Node: tree.Node{Mode: tree.TypeDir | 0o755}, children: make(map[string]*node)}
	m.touch(n)
	return n
}

func (m *Model) file(size int) *node {
	n := &node{Node: tree.Node{Mode: tree.TypeFile | 0o644}, data: m.bytes(size)}
	m.touch(n)
	return n
}

// bytes are data with some zeros in it.
func (m *Model) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(m.rnd.Uint32())
	}
	if n > 2*blockSize && m.rnd.IntN(2) == 0 {
		clear(b[blockSize:][:blockSize])
	}
	return b
}

// size is small in most cases, and often at the limit of a block.
func (m *Model) size() int {
	switch m.rnd.IntN(60) {
	case 0:
		return 0
	case 1:
		return blockSize - 1 + m.rnd.IntN(3)
	case 2:
		return m.rnd.IntN(8 * blockSize)
	case 3:
		return blockSize * m.rnd.IntN(5)
	case 4, 5, 6:
		return 512*m.rnd.IntN(5) + m.rnd.IntN(2)
	}
	return m.rnd.IntN(3000)
}

// any is a new file of any type.
func (m *Model) any() *node {
	n := m.file(0)
	switch m.rnd.IntN(30) {
	case 0, 1:
		n = m.dir()
	case 2, 3:
		n.Mode, n.Target = tree.TypeSymlink|0o777, m.target()
	case 4:
		n.Mode, n.Device = tree.TypeChar|0o600, &tree.Device{Major: uint32(m.rnd.IntN(200)), Minor: uint32(m.rnd.IntN(200))}
	case 5:
		n.Mode = []tree.Mode{tree.TypeFIFO, tree.TypeSocket}[m.rnd.IntN(2)] | 0o600
	default:
		n.data = m.bytes(m.size())
	}
	if m.rnd.IntN(20) == 0 {
		m.setXattr(n)
	}
	if m.rnd.IntN(20) == 0 {
		m.setACL(n)
	}
	return n
}

// target is short, or too long for the places where short ones stand.
func (m *Model) target() string {
	n := []int{1, 20, 56, 57, 144, 145, 600, 1000}[m.rnd.IntN(8)]
	b := make([]byte, n)
	for i := range b {
		b[i] = 'a' + byte(m.rnd.IntN(26))
	}
	return string(b)
}

// setXattr changes an attribute of a file or a directory; Linux lets no other types have any.
func (m *Model) setXattr(n *node) {
	if t := n.Mode.Type(); t != tree.TypeFile && t != tree.TypeDir {
		return
	}
	attrs := tree.Attrs{}
	if n.Attrs != nil {
		attrs = *n.attrs()
	}
	name := fmt.Sprintf("user.%d", m.rnd.IntN(3))
	attrs.Xattrs = slices.DeleteFunc(attrs.Xattrs, func(x tree.Xattr) bool { return x.Name == name })
	if len(attrs.Xattrs) == 0 || m.rnd.IntN(3) > 0 {
		attrs.Xattrs = append(attrs.Xattrs, tree.Xattr{Name: name, Value: m.bytes(1 + m.rnd.IntN(700))})
	}
	n.Attrs = &attrs
}

func (m *Model) setACL(n *node) {
	if n.Mode.Type() == tree.TypeSymlink {
		return
	}
	attrs := tree.Attrs{}
	if n.Attrs != nil {
		attrs = *n.attrs()
	}
	attrs.ACL = nil
	for range m.rnd.IntN(25) {
		attrs.ACL = append(attrs.ACL, tree.ACE{Mask: 1, ID: uint32(m.rnd.IntN(100))})
	}
	if n.Attrs = &attrs; len(attrs.ACL)+len(attrs.Xattrs) == 0 {
		n.Attrs = nil
	}
}

// maxFrom is the largest file that From takes over.
const maxFrom = 4 << 20

// From returns a model of a tree, without its large files. It reads all contents.
func From(t *tree.Tree) (*Model, error) {
	m := &Model{clock: 1_800_000_000}
	copies := make(map[*tree.Node]*node)
	var copied func(from *tree.Node) (*node, error)
	copied = func(from *tree.Node) (*node, error) {
		if c := copies[from]; c != nil {
			return c, nil
		}
		c := &node{Node: tree.Node{
			Mode: from.Mode, UID: from.UID, GID: from.GID, ModTime: from.ModTime, Target: from.Target, Device: from.Device, Attrs: from.Attrs,
		}}
		copies[from] = c
		if from.Size > 0 {
			f, err := from.Content.Open()
			if err != nil {
				return nil, err
			}
			defer f.Close()
			c.data = make([]byte, from.Size)
			if n, err := f.ReadAt(c.data, 0); n < len(c.data) {
				return nil, err
			}
		}
		if from.IsDir() {
			c.children = make(map[string]*node)
		}
		for _, e := range from.Entries() {
			if e.Node.Size > maxFrom {
				continue
			}
			child, err := copied(e.Node)
			if err != nil {
				return nil, err
			}
			c.children[e.Name] = child
		}
		return c, nil
	}
	var err error
	m.root, err = copied(t.Root)
	return m, err
}
