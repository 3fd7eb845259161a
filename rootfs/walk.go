package rootfs

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"imagetools/tree"
)

// Walk calls fn for a path and all below it, directories before what they hold, names in byte
// order, links not followed. A directory on another file system is not entered. fs.SkipDir and
// fs.SkipAll are as for fs.WalkDir, any other error ends the walk. fn may change or remove what
// it is told of. top may be a link to a directory if it ends in a slash.
func (f *FS) Walk(top string, fn func(path string, info Info) error) error {
	p, info, err := f.enter(top)
	if err != nil {
		return fmt.Errorf("walk %q: %w", top, err)
	}
	defer p.close()
	if p.name == "" {
		info.Name = "."
	}
	names := slices.DeleteFunc(split(top), func(name string) bool { return name == "." })
	err = f.walk(p.dir(), info, "/"+strings.Join(names, "/"), fn, 0)
	if err == fs.SkipAll || err == fs.SkipDir {
		return nil
	}
	return err
}

// enter resolves the path that a walk begins at.
func (f *FS) enter(top string) (p place, info Info, err error) {
	for range maxTries {
		if p, err = f.resolve(top, nofollow); err == nil {
			if info, err = p.lstat(); err != nil {
				p.close()
			}
		}
		if !errors.Is(err, tree.ErrChanged) {
			break
		}
	}
	return p, info, err
}

func (f *FS) walk(dir directory, info Info, path string, fn func(string, Info) error, depth int) error {
	err := fn(path, info)
	if err == fs.SkipDir && isDir(info) {
		return nil
	}
	if err != nil || !isDir(info) || info.dev != f.dev {
		return err
	}
	if depth > maxDepth {
		return fmt.Errorf("walk %q: more than %d directories deep", path, maxDepth)
	}
	sub, err := dir.open(info)
	if errors.Is(err, tree.ErrChanged) || errors.Is(err, fs.ErrNotExist) {
		return nil // fn, or somebody else, removed it
	}
	if err != nil {
		return fmt.Errorf("walk %q: %w", path, err)
	}
	defer sub.close()
	list, err := entries(sub)
	if err != nil {
		return fmt.Errorf("walk %q: %w", path, err)
	}
	for _, child := range list {
		err := f.walk(sub, child, strings.TrimSuffix(path, "/")+"/"+child.Name, fn, depth+1)
		if err == fs.SkipDir { // of a file: the rest of the directory
			break
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Glob returns the paths that a pattern fits, sorted; none is no error. The names in the
// pattern are those of path.Match, so '*' fits hidden names too. Links on the way are
// followed; the last name is not looked into.
func (f *FS) Glob(pattern string) ([]string, error) {
	if _, err := path.Match(pattern, ""); err != nil {
		return nil, fmt.Errorf("pattern %q: %w", pattern, err)
	}
	paths := []string{"/"}
	for name := range strings.SplitSeq(strings.Trim(pattern, "/"), "/") {
		if name == "" {
			continue
		}
		var next []string
		for _, dir := range paths {
			found, err := f.match(dir, name)
			if err != nil {
				return nil, err
			}
			next = append(next, found...)
		}
		paths = next
	}
	return paths, nil
}

// match returns the paths in dir that fit the pattern of a single name.
func (f *FS) match(dir, pattern string) ([]string, error) {
	prefix := strings.TrimSuffix(dir, "/") + "/"
	info, err := f.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, tree.ErrNotDir), errors.Is(err, ErrLoop):
		return nil, nil
	case err != nil:
		return nil, err
	case !isDir(info):
		return nil, nil
	}
	if !strings.ContainsAny(pattern, `*?[\`) {
		_, err := f.Lstat(prefix + pattern)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		return []string{prefix + pattern}, nil
	}
	list, err := f.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, info := range list {
		ok, err := path.Match(pattern, info.Name)
		if err != nil {
			return nil, fmt.Errorf("pattern %q: %w", pattern, err)
		}
		if ok {
			paths = append(paths, prefix+info.Name)
		}
	}
	return paths, nil
}
