package check

import (
	"errors"
	"io"
	"io/fs"
	"strings"

	"imagetools/internal/durable"
	"imagetools/rootfs/prepare"
	"imagetools/tree"
)

// Tree is the file system of a tree.
func Tree(t *tree.Tree) FS { return treeFS{t} }

type treeFS struct{ *tree.Tree }

func (t treeFS) lookup(path string) (*tree.Node, error) {
	n := t.Root
	for name := range strings.SplitSeq(path, "/") {
		if name == "" || name == "." {
			continue
		}
		if !n.IsDir() {
			return nil, tree.ErrNotDir
		}
		if n = n.Lookup(name); n == nil {
			return nil, fs.ErrNotExist
		}
	}
	return n, nil
}

func (t treeFS) Lookup(path string) (Node, error) {
	n, err := t.lookup(path)
	if err != nil {
		return Node{}, err
	}
	return Node{Mode: n.Mode, UID: n.UID, Size: n.Size, Target: n.Target}, nil
}

func (t treeFS) ReadDir(path string) ([]Entry, error) {
	n, err := t.lookup(path)
	if err != nil {
		return nil, err
	}
	var list []Entry
	for _, e := range n.Entries() {
		list = append(list, Entry{e.Name, e.Node.IsDir()})
	}
	return list, nil
}

func (t treeFS) ReadFile(path string, limit int64) (_ []byte, err error) {
	n, err := t.lookup(path)
	if err != nil {
		return nil, err
	}
	if n.Mode.Type() != tree.TypeFile || n.Size > limit {
		return nil, errors.ErrUnsupported
	}
	if n.Size == 0 {
		return nil, nil
	}
	f, err := n.Content.Open()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	data := make([]byte, n.Size)
	if k, err := f.ReadAt(data, 0); k < len(data) {
		return nil, errors.Join(err, io.ErrUnexpectedEOF)
	}
	return data, nil
}

// Left is said of what has a temporary name of this program.
const Left = "left by a run of imagetools that was killed"

// Leaks tells of the files in a tree that had better not be in an image, and why; see
// [prepare.Leak].
func Leaks(t *tree.Tree, tell func(path, what string)) {
	for path, n := range t.All() {
		if durable.IsTemp(path[strings.LastIndexByte(path, '/')+1:]) {
			tell(path, Left)
		}
		if n.Mode.Type() != tree.TypeFile || !prepare.LeakName(path[strings.LastIndexByte(path, '/')+1:]) {
			continue
		}
		if what := prepare.Leak(path, n.Size); what != "" {
			tell(path, what)
		}
	}
}
