package tree

// What parts of a tree take of memory, with what allocators and growing slices waste.
const (
	nodeCost  = 224 // with what whoever writes the tree holds of it
	dirCost   = 64
	entryCost = 80 // and the bytes of the name; half of it where names come in byte order
	xattrCost = 48 // and the bytes of name and value
	aceCost   = 16
)

// Cost is about how many bytes of memory a node takes, without its names and its content.
// What it has in common with other nodes, such as the value of an attribute, counts in full.
func (n *Node) Cost() int64 {
	cost := nodeCost + int64(len(n.Target))
	if n.IsDir() {
		cost += dirCost
	}
	return cost + n.Attrs.Cost()
}

// Cost is about how many bytes of memory attributes take; a may be nil.
func (a *Attrs) Cost() int64 {
	if a == nil {
		return 0
	}
	cost := int64(aceCost) * int64(len(a.ACL))
	for i := range a.Xattrs {
		cost += xattrCost + int64(len(a.Xattrs[i].Name)+len(a.Xattrs[i].Value))
	}
	return cost
}

// NameCost is about how many bytes of memory a name in a directory takes.
func NameCost(name string) int64 { return entryCost + int64(len(name)) }
