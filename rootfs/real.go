package rootfs

import (
	"errors"
	"io/fs"
	"path"
	"strings"

	"imagetools/tree"
)

// Resolver finds the directories that many paths lead to. Each link is followed once, however
// many paths go through it: links may lead through others, up and down, for thousands of names.
// What changes meanwhile may be found as it was.
type Resolver struct {
	fs    *FS
	known map[string]resolved // by real directory and name
}

// resolved is the directory that a name leads to, and how many links were followed.
type resolved struct {
	dir   string
	links int
	err   error
}

// Resolver returns one that knows nothing yet.
func (f *FS) Resolver() *Resolver { return &Resolver{f, make(map[string]resolved)} }

// Dir returns the path of a directory without links on the way. The errors are those of Stat:
// fs.ErrNotExist, [tree.ErrNotDir] and [ErrLoop] among them.
func (r *Resolver) Dir(p string) (string, error) {
	res := r.walk("/", p, 0)
	return res.dir, res.err
}

// Known is how many names were looked at.
func (r *Resolver) Known() int { return len(r.known) }

// walk goes from a real directory along a path. links is how many were followed before.
func (r *Resolver) walk(dir, p string, links int) resolved {
	at := resolved{dir: dir}
	if strings.HasPrefix(p, "/") {
		at.dir = "/"
	}
	for name := range strings.SplitSeq(p, "/") {
		switch name {
		case "", ".":
			continue
		case "..":
			at.dir = path.Dir(at.dir)
			continue
		}
		next := r.step(at.dir, name, links+at.links)
		at.dir, at.links, at.err = next.dir, at.links+next.links, next.err
		if at.err == nil && links+at.links > maxLinks {
			at.err = ErrLoop
		}
		if at.err != nil {
			return at
		}
	}
	return at
}

// step goes from a real directory to a name in it.
func (r *Resolver) step(dir, name string, links int) resolved {
	p := path.Join(dir, name)
	if res, ok := r.known[p]; ok {
		return res
	}
	info, err := r.fs.Lstat(p)
	res := resolved{dir: p, err: err}
	switch {
	case err != nil:
	case isDir(info):
	case info.Mode.Type() != tree.TypeSymlink:
		res.err = tree.ErrNotDir
	case links >= maxLinks:
		return resolved{err: ErrLoop} // with fewer links before it, it may lead somewhere
	default:
		target, err := r.fs.Readlink(p)
		if err == nil && target == "" {
			err = fs.ErrNotExist
		}
		if err != nil {
			res.err = err
			break
		}
		if res = r.walk(dir, target, links+1); errors.Is(res.err, ErrLoop) {
			return res
		}
		res.links++
	}
	r.known[p] = res
	return res
}
