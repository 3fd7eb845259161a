package check

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"imagetools/tree"
)

// errOutside says that a path leads out of the root of a zone.
type errOutside struct{ link, target string }

func (e *errOutside) Error() string {
	return fmt.Sprintf("%s is a link to %q, which leads out of the zone", e.link, e.target)
}

var errLoop = errors.New("too many symbolic links")

// maxLinks is how many links are followed, as in Linux.
const maxLinks = 40

// inZone follows a path in the root as a zone does, in which absolute links and ".." end at its
// root.
func (c *checker) inZone(p string) (Node, error) { return c.resolve(p, true) }

// inGlobal follows a path in the root as the global zone does. Where it leads out of the root the
// error is [*errOutside].
func (c *checker) inGlobal(p string) (Node, error) { return c.resolve(p, false) }

func (c *checker) resolve(p string, zone bool) (Node, error) {
	rest := strings.Split(p, "/")
	var at []string // real directories below the root
	n := Node{Mode: tree.TypeDir}
	for links := 0; len(rest) > 0; {
		name := rest[0]
		rest = rest[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			at = at[:max(0, len(at)-1)] // outside of a zone, a link that climbs too far was refused
			n = Node{Mode: tree.TypeDir}
			continue
		}
		full := path.Join(root, path.Join(at...), name)
		var err error
		if n, err = c.fs.Lookup(full); err != nil {
			return Node{}, err
		}
		if n.Mode.Type() != tree.TypeSymlink {
			if at = append(at, name); n.Mode.Type() != tree.TypeDir && len(rest) > 0 {
				return Node{}, fs.ErrNotExist
			}
			continue
		}
		if links++; links > maxLinks {
			return Node{}, errLoop
		}
		if !zone && leavesRoot(at, n.Target) {
			return Node{}, &errOutside{strings.TrimPrefix(full, root), n.Target}
		}
		if path.IsAbs(n.Target) {
			at = nil
		}
		rest = append(strings.Split(n.Target, "/"), rest...)
	}
	return n, nil
}

// leavesRoot tells whether a link in a directory leads out of the root, by its text.
func leavesRoot(dir []string, target string) bool {
	if path.IsAbs(target) {
		return true
	}
	depth := len(dir)
	for name := range strings.SplitSeq(target, "/") {
		switch name {
		case "", ".":
		case "..":
			if depth--; depth < 0 {
				return true
			}
		default:
			depth++
		}
	}
	return false
}

// plain says why a path in the root is not of a type, with no link on its way; empty if it is, or
// if it does not exist.
func (c *checker) plain(p string, want tree.Mode) string {
	at := root
	names := strings.Split(strings.Trim(p, "/"), "/")
	for i, name := range names {
		at += "/" + name
		n, err := c.fs.Lookup(at)
		if err != nil {
			return ""
		}
		typ := n.Mode.Type()
		switch last := i == len(names)-1; {
		case typ == tree.TypeSymlink:
			return fmt.Sprintf("%s is a symbolic link", strings.TrimPrefix(at, root))
		case !last && typ != tree.TypeDir, last && want == tree.TypeDir && typ != tree.TypeDir:
			return fmt.Sprintf("%s is not a directory", strings.TrimPrefix(at, root))
		case last && typ != want:
			return fmt.Sprintf("%s is not a regular file", strings.TrimPrefix(at, root))
		}
	}
	return ""
}
