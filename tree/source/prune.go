package source

import "imagetools/tree"

// Prune takes what matches out of a tree, as sources leave it out when they read one. The tree
// is unsealed by that.
func (e *Excludes) Prune(t *tree.Tree) {
	t.Unseal()
	e.prune(t.Root, "")
}

func (e *Excludes) prune(dir *tree.Node, prefix string) {
	var gone []string
	for _, entry := range dir.Entries() {
		switch path := prefix + entry.Name; {
		case e.Match(path, entry.Node.IsDir()):
			gone = append(gone, entry.Name)
		case entry.Node.IsDir():
			e.prune(entry.Node, path+"/")
		}
	}
	for _, name := range gone {
		if err := dir.Remove(name); err != nil {
			panic("source: internal error: " + err.Error()) // it was just listed
		}
	}
}
