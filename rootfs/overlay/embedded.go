package overlay

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"imagetools/fault"

	"imagetools/tree"
	"imagetools/tree/mtree"
	"imagetools/tree/source"
)

// ReadFS reads a layer from a file system that keeps no modes, such as an embed.FS (with
// "all:" in its directive, or names that begin with a dot are missing). Files are 0644 and
// directories 0755, root's, unless metalog, an mtree specification, says otherwise. It also
// makes the directories and links that only it names, line by line in its order.
func ReadFS(name string, fsys fs.FS, metalog string) (*Layer, error) {
	l := &Layer{Name: name, Tree: tree.New(), stated: make(map[string]bool)}
	err := fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == "." {
			return err
		}
		return l.addFrom(fsys, p, d)
	})
	if err == nil {
		err = l.applyLog(metalog)
	}
	if err != nil {
		return nil, l.fail(err)
	}
	return l, l.check()
}

// addFrom adds what fsys has at a path.
func (l *Layer) addFrom(fsys fs.FS, p string, d fs.DirEntry) error {
	switch {
	case d.IsDir():
		return l.add(p, tree.NewDir(0o755))
	case !d.Type().IsRegular():
		return fmt.Errorf("%q: neither file nor directory; a METALOG can name links", p)
	}
	data, err := fs.ReadFile(fsys, p)
	if err != nil {
		return err
	}
	return l.add(p, &tree.Node{Mode: tree.TypeFile | 0o644, Size: int64(len(data)), Content: tree.Bytes(data)})
}

// add puts a node into a directory that is there.
func (l *Layer) add(p string, n *tree.Node) error {
	dir, name := path.Split(p)
	parent := l.Tree.Lookup(dir)
	if parent == nil {
		return errors.New("its directory does not exist")
	}
	return parent.Add(name, n)
}

func (l *Layer) applyLog(text string) error {
	names := source.NewNames(l.Tree)
	r := mtree.NewReader(strings.NewReader(text), "METALOG")
	faults := fault.Faults{Limit: maxFaults}
	for {
		e, err := r.Next()
		if err == io.EOF {
			return faults.Err()
		}
		if bad, ok := errors.AsType[*mtree.LineError](err); ok {
			faults.Add(lineKey(bad.Line), err)
			continue
		}
		if err != nil {
			return err
		}
		if err := l.applyEntry(e, names); err != nil {
			faults.Add(lineKey(e.Line), &mtree.LineError{Name: "METALOG", Line: e.Line, Err: fmt.Errorf("%q: %w", e.Path, err)})
		}
	}
}

// maxFaults is how many faults are told at most: all of them, for people's overlays.
const maxFaults = 1000

func lineKey(line int) string { return fmt.Sprintf("%012d", line) }

// applyEntry brings a node in line with an entry, or makes it.
func (l *Layer) applyEntry(e *mtree.Entry, names *source.Names) error {
	n := l.Tree.Lookup(e.Path)
	if n == nil {
		var err error
		if n, err = l.create(e); err != nil || n == nil {
			return err
		}
	}
	if e.Has&mtree.HasType != 0 && e.Type != n.Mode.Type() {
		return fmt.Errorf("is a %s, not a %s", n.Mode.TypeName(), e.Type.TypeName())
	}
	if len(e.Xattrs) > 0 || e.ACL != nil {
		return errors.New("extended attributes and ACLs are not carried")
	}
	if e.Has&mtree.HasMode != 0 {
		n.Mode = n.Mode.Type() | e.Mode
	}
	var err error
	switch {
	case e.Has&mtree.HasUID != 0:
		n.UID = e.UID
	case e.Has&mtree.HasUname != 0:
		n.UID, err = names.User(e.Uname)
	}
	var groupErr error
	switch {
	case e.Has&mtree.HasGID != 0:
		n.GID = e.GID
	case e.Has&mtree.HasGname != 0:
		n.GID, groupErr = names.Group(e.Gname)
	}
	if e.Has&statesMode != 0 {
		l.stated[e.Path] = true
	}
	return errors.Join(err, groupErr)
}

// create makes the directory or link that only an entry names; nothing if that is optional.
func (l *Layer) create(e *mtree.Entry) (*tree.Node, error) {
	var n *tree.Node
	switch {
	case e.Has&mtree.HasType == 0 || e.Type == tree.TypeFile:
		if e.Has&mtree.Optional != 0 {
			return nil, nil
		}
		return nil, errors.New("does not exist")
	case e.Type == tree.TypeDir:
		n = tree.NewDir(0o755)
	case e.Type == tree.TypeSymlink:
		if e.Has&mtree.HasLink == 0 {
			return nil, errors.New("a link without link=TARGET")
		}
		n = &tree.Node{Mode: e.Type | 0o777, Target: e.Link}
	default:
		return nil, fmt.Errorf("a %s cannot be in an overlay", e.Type.TypeName())
	}
	return n, l.add(e.Path, n)
}
