package rootfs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"imagetools/tree"
)

// NewTree gives access to a tree, which it unseals. What is changed, and the directories in
// which names come and go, get the time now. Contents are read where they lie; written ones
// are [tree.Bytes].
func NewTree(t *tree.Tree, now tree.Time) *FS {
	t.Unseal()
	return &FS{top: treeDir{t.Root, "", now}}
}

// View gives access to a tree that is only read, and stays sealed if it is. Changes are errors.
func View(t *tree.Tree) *FS { return &FS{top: treeDir{node: t.Root}, readOnly: true} }

type treeDir struct {
	node *tree.Node
	name string
	now  tree.Time
}

func (d treeDir) close() {}

func nodeInfo(name string, n *tree.Node) Info {
	return Info{Name: name, Mode: n.Mode, UID: n.UID, GID: n.GID, Size: n.Size, ModTime: n.ModTime}
}

func (d treeDir) self() (Info, error) { return nodeInfo(d.name, d.node), nil }

func (d treeDir) lookup(name string) (*tree.Node, error) {
	if name == "." {
		return d.node, nil
	}
	if n := d.node.Lookup(name); n != nil {
		return n, nil
	}
	return nil, fs.ErrNotExist
}

func (d treeDir) lstat(name string) (Info, error) {
	n, err := d.lookup(name)
	if err != nil {
		return Info{}, err
	}
	return nodeInfo(name, n), nil
}

func (d treeDir) names() ([]string, error) {
	var names []string
	for _, e := range d.node.Entries() {
		names = append(names, e.Name)
	}
	return names, nil
}

func (d treeDir) readlink(name string) (string, error) {
	n, err := d.lookup(name)
	if err != nil {
		return "", err
	}
	return n.Target, nil
}

func (d treeDir) open(info Info) (directory, error) {
	n, err := d.lookup(info.Name)
	if err != nil {
		return nil, err
	}
	if !n.IsDir() { // Walk's function made another of it
		return nil, tree.ErrChanged
	}
	return treeDir{n, info.Name, d.now}, nil
}

func (d treeDir) read(info Info, _ int64) (_ []byte, err error) {
	n, err := d.lookup(info.Name)
	if err != nil || n.Size == 0 {
		return nil, err
	}
	f, err := n.Content.Open()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	var buf bytes.Buffer
	if _, err := io.Copy(&buf, io.NewSectionReader(f, 0, n.Size)); err != nil {
		return nil, err
	}
	if int64(buf.Len()) != n.Size {
		return nil, fmt.Errorf("%d of %d bytes: %w", buf.Len(), n.Size, io.ErrUnexpectedEOF)
	}
	return buf.Bytes(), nil
}

// put gives a name to a node, instead of the one that it had.
func (d treeDir) put(name string, n *tree.Node) error {
	n.ModTime, d.node.ModTime = d.now, d.now
	if d.node.Lookup(name) != nil {
		return d.node.Replace(name, n)
	}
	return d.node.Add(name, n)
}

func (d treeDir) write(name string, data []byte, attr Attr, old *Info) error {
	n := &tree.Node{Mode: tree.TypeFile | attr.Mode, UID: attr.UID, GID: attr.GID, Size: int64(len(data))}
	if n.Size > 0 {
		n.Content = tree.Bytes(bytes.Clone(data))
	}
	if old != nil && old.Mode.Type() == tree.TypeFile {
		n.Attrs = old.changed(attr, true).apply(d.node.Lookup(name).Attrs)
	}
	return d.put(name, n)
}

func (d treeDir) mkdir(name string, attr Attr) error {
	n := tree.NewDir(attr.Mode)
	n.UID, n.GID = attr.UID, attr.GID
	return d.put(name, n)
}

func (d treeDir) symlink(target, name string, attr Attr) error {
	return d.put(name, &tree.Node{Mode: tree.TypeSymlink | 0o777, UID: attr.UID, GID: attr.GID, Target: target})
}

var errNotEmpty = errors.New("the directory is not empty")

func (d treeDir) remove(info Info) error {
	n, err := d.lookup(info.Name)
	if err != nil {
		return err
	}
	if len(n.Entries()) > 0 {
		return errNotEmpty
	}
	d.node.ModTime = d.now
	return d.node.Remove(info.Name)
}

// setAttr changes a directory, or gives the name a changed copy of the file.
func (d treeDir) setAttr(info Info, attr Attr) error {
	n, err := d.lookup(info.Name)
	if err != nil {
		return err
	}
	if !n.IsDir() {
		n = &tree.Node{Mode: n.Mode, UID: n.UID, GID: n.GID, ModTime: n.ModTime, Size: n.Size, Content: n.Content, Attrs: n.Attrs}
		if err := d.node.Replace(info.Name, n); err != nil {
			return err
		}
	}
	n.Attrs = info.changed(attr, false).apply(n.Attrs)
	n.Mode, n.UID, n.GID = n.Mode.Type()|attr.Mode, attr.UID, attr.GID
	return nil
}
