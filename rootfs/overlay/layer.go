package overlay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"imagetools/fault"

	"imagetools/host"
	"imagetools/tree"
	"imagetools/tree/fromdir"
	"imagetools/tree/mtree"
	"imagetools/tree/source"
)

// Layer is a tree of files that is put into a root.
type Layer struct {
	Name string // for messages
	// At is the directory of the root in which the tree lands, such as "opt/local/etc"; empty
	// for the root itself. What is missing of it is made, root's with mode 0755.
	At string
	// Tree is sealed. Mode and owner of its own root are not carried.
	Tree *tree.Tree

	stated map[string]bool // paths whose mode or owner a METALOG gives
}

// maxMetalog bounds the METALOG of a layer.
const maxMetalog = 64 << 20

// ReadDir reads a layer from a folder and the METALOG beside it, DIR.mtree, if there is one.
func ReadDir(ctx context.Context, dir string) (*Layer, error) {
	l := &Layer{Name: dir}
	opts := fromdir.Options{Owners: source.OwnersRoot, NoXattrs: true}
	log, err := host.Metalog(dir)
	if err != nil {
		return nil, l.fail(err)
	}
	if log != "" {
		text, err := readLog(log)
		if err != nil {
			return nil, l.fail(err)
		}
		if l.stated, err = stated(text, log); err != nil {
			return nil, l.fail(err)
		}
		opts.Metalog, opts.MetalogName = bytes.NewReader(text), log
	}
	if l.Tree, _, err = fromdir.Read(ctx, dir, opts); err != nil {
		return nil, l.fail(err)
	}
	return l, l.check()
}

func (l *Layer) fail(err error) error { return fmt.Errorf("overlay %q: %w", l.Name, err) }

func readLog(path string) (_ []byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	text, err := io.ReadAll(io.LimitReader(f, maxMetalog+1))
	if len(text) > maxMetalog {
		return nil, fmt.Errorf("%q: larger than %d bytes", path, maxMetalog)
	}
	return text, err
}

// stated lists the paths for which a METALOG gives mode or owner. Faults in it are left to who
// applies it.
func stated(text []byte, name string) (map[string]bool, error) {
	paths := make(map[string]bool)
	r := mtree.NewReader(bytes.NewReader(text), name)
	for {
		e, err := r.Next()
		if _, ok := errors.AsType[*mtree.LineError](err); ok {
			continue
		}
		if err == io.EOF {
			return paths, nil
		}
		if err != nil {
			return nil, err
		}
		if e.Has&statesMode != 0 {
			paths[e.Path] = true
		}
	}
}

const statesMode = mtree.HasMode | mtree.HasUID | mtree.HasGID | mtree.HasUname | mtree.HasGname

// check seals the tree, and reports all that cannot be carried.
func (l *Layer) check() error {
	if err := l.Tree.Seal(); err != nil {
		return l.fail(err)
	}
	var faults fault.Faults
	for path, n := range l.Tree.All() {
		switch typ := n.Mode.Type(); {
		case typ == tree.TypeFile && n.Size > maxFile:
			faults.Add(path, l.fault(path, "%d bytes: the limit is %d", n.Size, maxFile))
		case typ == tree.TypeFile, typ == tree.TypeDir, typ == tree.TypeSymlink:
		default:
			faults.Add(path, l.fault(path, "a %s cannot be in an overlay", n.Mode.TypeName()))
		}
		if n.Attrs != nil {
			faults.Add(path, l.fault(path, "extended attributes and ACLs are not carried"))
		}
	}
	return faults.Err()
}

func (l *Layer) fault(path, format string, args ...any) error {
	return l.fail(fmt.Errorf("%q: %w", path, fmt.Errorf(format, args...)))
}

// at is the cleaned At, and "" for the root.
func (l *Layer) at() (string, error) {
	var names []string
	for name := range strings.SplitSeq(l.At, "/") {
		if name == "" || name == "." {
			continue
		}
		if err := tree.CheckName(name); err != nil {
			return "", l.fail(fmt.Errorf("its place %q: %w", l.At, err))
		}
		names = append(names, name)
	}
	return strings.Join(names, "/"), nil
}
