package fromtar

import (
	"archive/tar"
	"errors"
	"fmt"
	"strings"

	"imagetools/internal/plain"
	"imagetools/tree"
)

// Here members get their names in the tree, as GNU tar gives them theirs on disk.

func (b *builder) clean(name string) (string, error) {
	if strings.HasPrefix(name, "/") {
		b.absolute++
	}
	return clean(name)
}

// noteNames tells what was done to names.
func (b *builder) noteNames() {
	if b.absolute > 0 {
		b.report.Note("%d absolute names are taken below the root", b.absolute)
	}
	if b.again > 0 {
		b.report.Note("%d names come again in the archive: the last member of a name counts", b.again)
	}
	if b.through > 0 {
		b.report.Note("%d members lie below symbolic links, and come where those lead", b.through)
	}
}

// node returns the node for a member: a new one at path, in the place of what was there, or the
// directory that is there already. An excluded one is not put into the tree.
func (b *builder) node(path string, typ tree.Mode, excluded bool) (*tree.Node, error) {
	if path == "." {
		if typ != tree.TypeDir {
			return nil, fmt.Errorf("the root must be a directory, not a %s", typ.TypeName())
		}
		return b.meet(b.tree.Root), nil
	}
	if excluded {
		n := &tree.Node{Mode: typ}
		if typ != tree.TypeDir {
			b.skipped[path] = n
		}
		return n, nil
	}
	dir, name, err := b.parent(path)
	if err != nil {
		return nil, err
	}
	if old := dir.Lookup(name); typ == tree.TypeDir && old != nil && old.IsDir() {
		return b.meet(old), nil
	}
	n := &tree.Node{Mode: typ}
	return n, b.put(dir, name, n)
}

// meet notes that a directory of the tree has an entry.
func (b *builder) meet(dir *tree.Node) *tree.Node {
	if !b.implied[dir] {
		b.again++
	}
	delete(b.implied, dir)
	return dir
}

// put gives a node a name, in the place of what has it, which cannot be a directory with names.
func (b *builder) put(dir *tree.Node, name string, n *tree.Node) error {
	old := dir.Lookup(name)
	if old == nil {
		return dir.Add(name, n)
	}
	if len(old.Entries()) > 0 {
		return fmt.Errorf("a %s, but members before it lie below it", n.Mode.TypeName())
	}
	if err := dir.Remove(name); err != nil {
		return err
	}
	b.again++
	delete(b.implied, old)
	b.dirPath, b.dir = "", b.tree.Root // the way there may have led through it
	return dir.Add(name, n)
}

// maxFollowed bounds the links on the way to one name, as kernels do.
const maxFollowed = 40

// parent returns the directory of path and its last element, with directories made where
// the archive has not named them yet.
func (b *builder) parent(path string) (*tree.Node, string, error) {
	i := strings.LastIndexByte(path, '/')
	dirPath, name := path[:max(i, 0)], path[i+1:]
	if dirPath == b.dirPath {
		return b.dir, name, nil
	}
	followed := 0
	dir, err := b.walk(b.tree.Root, dirPath, true, &followed)
	if err != nil {
		return nil, "", err
	}
	if followed > 0 {
		b.through++
	} else {
		b.dirPath, b.dir = dirPath, dir
	}
	return dir, name, nil
}

var errNowhere = errors.New("there is no such directory")

// walk returns the directory of a path below another. Links that lead to what is beside or below
// them are followed; GNU tar makes the others last, so that nothing comes through them.
func (b *builder) walk(dir *tree.Node, path string, makeDirs bool, followed *int) (*tree.Node, error) {
	for rest := path; rest != ""; {
		var part string
		part, rest, _ = strings.Cut(rest, "/")
		if part == "" || part == "." {
			continue
		}
		child := dir.Lookup(part)
		switch {
		case child == nil && !makeDirs:
			return nil, fmt.Errorf("%q: %w", part, errNowhere)
		case child == nil:
			child = tree.NewDir(0o755)
			if err := dir.Add(part, child); err != nil {
				return nil, err
			}
			if err := b.hold(child.Cost()+tree.NameCost(part)+mapCost, "directories"); err != nil {
				return nil, err
			}
			b.implied[child] = true
		case child.Mode.Type() == tree.TypeSymlink && staysBelow(child.Target):
			if *followed++; *followed > maxFollowed {
				return nil, fmt.Errorf("lies below %q: too many links on the way", part)
			}
			at, err := b.walk(dir, child.Target, false, followed)
			if err != nil {
				return nil, fmt.Errorf("lies below %q, which is a link to %q: %w", part, clip(child.Target), err)
			}
			child = at
		case !child.IsDir():
			above := strings.TrimSuffix(strings.TrimSuffix(path, rest), "/")
			return nil, fmt.Errorf("lies below %s, which is a %s", plain.Name(above), child.Mode.TypeName())
		}
		dir = child
	}
	return dir, nil
}

// staysBelow tells whether a link leads to what is beside or below it.
func staysBelow(target string) bool {
	if strings.HasPrefix(target, "/") {
		return false
	}
	for part := range strings.SplitSeq(target, "/") {
		if part == ".." {
			return false
		}
	}
	return true
}

// lookup returns what an earlier member has left at a path, nil if nothing.
func (b *builder) lookup(path string) *tree.Node {
	if path == "." {
		return b.tree.Root
	}
	i := strings.LastIndexByte(path, '/')
	dir := b.dir
	if dirPath := path[:max(i, 0)]; dirPath != b.dirPath {
		var err error
		if dir, err = b.walk(b.tree.Root, dirPath, false, new(int)); err != nil {
			return nil
		}
	}
	return dir.Lookup(path[i+1:])
}

// addLink gives an earlier member a further name. If that member was excluded, the link
// becomes the file, as it would be in a directory.
func (b *builder) addLink(path string, hdr *tar.Header) error {
	target, err := b.clean(hdr.Linkname)
	if err != nil {
		return fmt.Errorf("hard link to %s: %w", plain.Name(hdr.Linkname), err)
	}
	n := b.lookup(target)
	if n == nil {
		n = b.skipped[target]
	}
	if n == nil {
		b.links = append(b.links, danglingLink{strings.Clone(hdr.Name), strings.Clone(hdr.Linkname), target, b.at})
		return b.hold(mapCost+int64(len(hdr.Name)+len(hdr.Linkname)+len(target)), "hard links to what has not come")
	}
	if n.IsDir() {
		return fmt.Errorf("hard link to %s, which is a directory", plain.Name(hdr.Linkname))
	}
	if path == "." {
		return errors.New("the root must be a directory, not a hard link")
	}
	dir, name, err := b.parent(path)
	if err != nil || dir.Lookup(name) == n { // a link to itself says nothing
		return err
	}
	if n.Parent() != nil {
		b.linked[n] = false
	}
	if err := b.hold(tree.NameCost(name)+mapCost, "names in directories"); err != nil {
		return err
	}
	return b.put(dir, name, n)
}
