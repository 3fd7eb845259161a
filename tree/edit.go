package tree

import (
	"fmt"
	"io/fs"
	"strings"
)

// Remove takes a name, with all below it, out of directory n. A name that is not there is
// fs.ErrNotExist. The tree must not be sealed.
func (n *Node) Remove(name string) error {
	i := n.position(name)
	if i < 0 {
		return fmt.Errorf("%q: %w", name, fs.ErrNotExist)
	}
	d := n.dir
	if d.sealed {
		return fmt.Errorf("%q: %w", name, ErrSealed)
	}
	if child := d.list[i].Node; child.IsDir() {
		child.parent = nil
	}
	d.remove(i)
	return nil
}

// Replace gives a name of directory n, which exists, to a node that has no name yet. What had
// the name keeps its further ones. The tree must not be sealed.
func (n *Node) Replace(name string, child *Node) error {
	if child.parent != nil {
		return fmt.Errorf("%q: the node has a name already", name)
	}
	if err := n.Remove(name); err != nil {
		return err
	}
	return n.Add(name, child)
}

// position is where a name stands in directory n, -1 if it does not.
func (n *Node) position(name string) int {
	if n.dir == nil {
		return -1
	}
	return n.dir.position(name)
}

// Unseal makes a sealed tree one whose shape may change, and that must be sealed again. On
// one that is not sealed it does nothing.
func (t *Tree) Unseal() {
	if t.nodes != 0 {
		t.unseal()
	}
}

func (t *Tree) unseal() {
	t.nodes = 0
	t.Root.unseal()
}

// unseal takes back what a Seal did to n and to what lies below, even if it did not come to its
// end, or was that of a tree around another root.
func (n *Node) unseal() {
	n.ID = 0
	d := n.dir
	if d == nil {
		return
	}
	if d.sealed {
		d.sealed = false
	}
	for _, e := range d.list {
		e.Node.unseal()
	}
}

// CheckTarget reports why target cannot be the target of a symbolic link: not 1 to
// [MaxTarget] bytes, or with NUL in it.
func CheckTarget(target string) error {
	if len(target) == 0 || len(target) > MaxTarget || strings.Contains(target, "\x00") {
		return fmt.Errorf("link target of %d bytes: 1 to %d without NUL are possible", len(target), MaxTarget)
	}
	return nil
}
