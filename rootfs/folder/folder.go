// Package folder writes the changes of a tree back to the directory that the tree was read from, and to
// the METALOG beside it.
//
//	t, _, err := fromdir.Read(ctx, dir, fromdir.Options{Metalog: ...})
//	...                        // t is sealed
//	w := folder.Watch(t)
//	root := rootfs.NewTree(t, now)
//	...                        // root is changed
//	err = w.Save(dir, metalog)
//
// Only changed files are written. The METALOG changes if one of its names was removed, or a name was
// added. After a removal it is written anew with one line for each entry; comments and digests are lost.
//
// # Limits
//
// Files, links and directories can be added, removed and written. Modes, owners and times of the others
// cannot change. Saving is not atomic: after an interruption the directory can still be read as a tree,
// but some of the changes are missing.
package folder

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"imagetools/internal/durable"
	"imagetools/rootfs"
	"imagetools/tree"
	"imagetools/tree/mtree"
)

// Watched is a tree as it was on disk.
type Watched struct {
	tree *tree.Tree
	was  []name
}

// name is a name in a tree.
type name struct {
	path string // "." is the root
	node *tree.Node
}

// Watch remembers what is in a sealed tree.
func Watch(t *tree.Tree) *Watched { return &Watched{t, names(t)} }

func names(t *tree.Tree) []name {
	list := make([]name, 0, t.Len())
	for path, node := range t.All() {
		list = append(list, name{path, node})
	}
	return list
}

// Save seals the tree and brings what has changed since Watch to the folder dir and its METALOG.
func (w *Watched) Save(dir, metalog string) error {
	if err := w.tree.Seal(); err != nil {
		return err
	}
	had := make(map[string]*tree.Node, len(w.was))
	for _, n := range w.was {
		had[n.path] = n.node
	}
	var added, written []name
	for _, n := range names(w.tree) {
		old, ok := had[n.path]
		switch {
		case !ok:
			added = append(added, n)
			continue
		case old == n.node || old.IsDir() && n.node.IsDir():
		case old.Mode.Type() == tree.TypeFile && n.node.Mode.Type() == tree.TypeFile:
			written = append(written, n)
		default: // another thing under the same name
			added = append(added, n)
			continue
		}
		delete(had, n.path)
	}
	var removed []string // directories after what is in them
	for i := len(w.was) - 1; i >= 0; i-- {
		if _, gone := had[w.was[i].path]; gone {
			removed = append(removed, w.was[i].path)
		}
	}
	// A METALOG must not name what is not on disk.
	if err := editMetalog(metalog, had, nil); err != nil {
		return err
	}
	if err := saveFiles(dir, removed, added, written); err != nil {
		return err
	}
	return editMetalog(metalog, nil, added)
}

// saveFiles changes the folder.
func saveFiles(dir string, removed []string, added, written []name) (err error) {
	root, err := rootfs.OpenDir(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	var faults []error
	for _, p := range removed {
		if err := root.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) { // only the METALOG had it
			faults = append(faults, err)
		}
	}
	for _, n := range added {
		// Owner and set-id bits are in the METALOG.
		if err := save(root, n, &rootfs.Attr{Mode: n.node.Mode.Perm() & 0o777}); err != nil {
			faults = append(faults, err)
		}
	}
	for _, n := range written {
		if err := save(root, n, nil); err != nil {
			faults = append(faults, err)
		}
	}
	return errors.Join(faults...)
}

// save writes a file, or makes what is new.
func save(root *rootfs.FS, n name, attr *rootfs.Attr) error {
	switch n.node.Mode.Type() {
	case tree.TypeDir:
		return root.Mkdir(n.path, attr)
	case tree.TypeSymlink:
		return root.Symlink(n.node.Target, n.path, nil)
	case tree.TypeFile:
		content, err := read(n.node)
		if err != nil {
			return fmt.Errorf("write %q: %w", n.path, err)
		}
		return root.PutFile(n.path, content, attr)
	}
	return fmt.Errorf("make %q: %w", n.path, rootfs.ErrSpecial)
}

func read(n *tree.Node) (_ []byte, err error) {
	if n.Size == 0 {
		return nil, nil
	}
	f, err := n.Content.Open()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return io.ReadAll(io.NewSectionReader(f, 0, n.Size))
}

// editMetalog takes names out of a METALOG, or adds lines for new ones.
func editMetalog(metalog string, removed map[string]*tree.Node, added []name) error {
	text, err := os.ReadFile(metalog)
	if err != nil {
		return fmt.Errorf("METALOG: %w", err)
	}
	changed := false
	if len(removed) > 0 {
		if text, changed, err = without(text, metalog, removed); err != nil {
			return err
		}
	}
	if len(added) > 0 && len(text) > 0 && !bytes.HasSuffix(text, []byte("\n")) {
		text = append(text, '\n')
	}
	for _, n := range added {
		e := mtree.Of(n.path, n.node)
		e.Has &^= mtree.HasSize
		text, changed = e.Append(text), true
	}
	if !changed {
		return nil
	}
	target, err := filepath.EvalSymlinks(metalog) // a link stays one
	if err != nil {
		return fmt.Errorf("METALOG: %w", err)
	}
	if err := durable.WriteFile(target, text, 0o644); err != nil {
		return fmt.Errorf("METALOG: %w", err)
	}
	return nil
}

// without writes a METALOG anew, without the names that are gone, if it has one of them.
func without(text []byte, metalog string, removed map[string]*tree.Node) (_ []byte, changed bool, err error) {
	out := []byte(mtree.Header)
	r := mtree.NewReader(bytes.NewReader(text), metalog)
	for {
		e, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, false, err
		}
		if gone(e.Path, removed) {
			changed = true
			continue
		}
		out = e.Append(out)
	}
	if !changed {
		return text, false, nil
	}
	return out, true, nil
}

// gone tells whether a path, or a directory above it, is removed.
func gone(p string, removed map[string]*tree.Node) bool {
	for ; p != "." && p != "/"; p = path.Dir(p) {
		if _, ok := removed[p]; ok {
			return true
		}
	}
	return false
}
