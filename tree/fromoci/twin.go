package fromoci

import (
	"imagetools/internal/budget"
	"imagetools/tree"
)

// pair finds the layers that come again further up, and counts the bytes of the others.
func (r *reader) pair() {
	type contents struct{ blob, unpacked Digest }
	known := make(map[contents]*layer)
	for i := len(r.layers) - 1; i >= 0; i-- {
		l := r.layers[i]
		is := contents{l.source.Digest, l.source.diffID}
		if l.twin = known[is]; l.twin == nil {
			known[is] = l
			r.total += l.source.Size
		}
	}
}

// copyCost is what the copy of a node takes, with its place in the list of copies.
const copyCost = 320

// copyTwin makes the changes of a layer from those of its twin. Contents that are kept are the same.
func (l *layer) copyTwin(b *budget.Budget) error {
	copies := make(map[*tree.Node]*tree.Node)
	l.changes = make([]change, len(l.twin.changes))
	for i, c := range l.twin.changes {
		if err := b.Hold(changeCost+copyCost, "members of layers"); err != nil {
			return err
		}
		if c.node != nil {
			copies[c.node] = copyNode(c.node)
			c.node = copies[c.node]
		}
		l.changes[i] = c
	}
	l.twin.members.Twins(copies)
	return nil
}

// copyNode copies a node that has no name yet, nor anything below it.
func copyNode(n *tree.Node) *tree.Node {
	var out *tree.Node
	if n.IsDir() {
		out = tree.NewDir(n.Mode)
		out.UID, out.GID, out.ModTime = n.UID, n.GID, n.ModTime
	} else {
		other := *n
		out = &other
	}
	if n.Attrs != nil {
		attrs := *n.Attrs
		out.Attrs = &attrs
	}
	return out
}
