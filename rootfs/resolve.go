package rootfs

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"imagetools/tree"
)

const (
	maxLinks = 40   // in one path, as on Linux; illumos has 20
	maxDepth = 1000 // directories that are held open
	maxTries = 64   // for what changes while it is looked at
	maxNames = 8192 // on the way to one path, through links
)

type lastName bool

const (
	follow   lastName = true
	nofollow lastName = false
)

// place is a name in a directory, reached through others, which are open. An empty name is the
// directory itself.
type place struct {
	dirs []directory
	name string
}

func (p place) dir() directory { return p.dirs[len(p.dirs)-1] }

func (p place) lstat() (Info, error) {
	if p.name != "" {
		return p.dir().lstat(p.name)
	}
	info, err := p.dir().self()
	if len(p.dirs) == 1 {
		info.Name = "/"
	}
	return info, err
}

// open opens the directory that the place is.
func (p place) open() (directory, error) {
	info, err := p.lstat()
	if err != nil {
		return nil, err
	}
	if !isDir(info) {
		return nil, tree.ErrNotDir
	}
	return p.openAs(info)
}

// openAs opens the directory that info is about.
func (p place) openAs(info Info) (directory, error) {
	if p.name == "" {
		info.Name = "."
	}
	return p.dir().open(info)
}

func (p place) close() {
	for _, d := range p.dirs[1:] {
		d.close()
	}
}

func isDir(info Info) bool { return info.Mode.Type() == tree.TypeDir }

// at calls do with the place that path leads to, again if that place changes meanwhile. The
// name in it need not exist.
func (f *FS) at(op, path string, last lastName, do func(place) error) error {
	var err error
	for range maxTries {
		if err = f.once(path, last, do); !errors.Is(err, tree.ErrChanged) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("%s %q: %w", op, path, err)
	}
	return nil
}

func (f *FS) once(path string, last lastName, do func(place) error) error {
	p, err := f.resolve(path, last)
	if err != nil {
		return err
	}
	defer p.close()
	return do(p)
}

// resolve walks a path name by name.
func (f *FS) resolve(path string, last lastName) (_ place, err error) {
	p := place{dirs: []directory{f.top}}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	if path == "" {
		return p, fs.ErrNotExist
	}
	rest := split(path)
	for links, names := 0, 0; len(rest) > 0; names++ {
		if names > maxNames {
			return p, ErrLoop
		}
		name := rest[0]
		rest = rest[1:]
		final := len(rest) == 0
		switch {
		case name == ".":
			continue
		case name == "..":
			p.up()
			continue
		case tree.CheckName(name) != nil:
			return p, tree.CheckName(name)
		case final && last == nofollow:
			p.name = name
			return p, nil
		}
		info, err := p.dir().lstat(name)
		switch {
		case errors.Is(err, fs.ErrNotExist) && final:
			p.name = name
			return p, nil
		case err != nil:
			return p, err
		case info.Mode.Type() == tree.TypeSymlink:
			if links++; links > maxLinks {
				return p, ErrLoop
			}
			target, err := p.dir().readlink(name)
			if err != nil {
				return p, err
			}
			if target == "" {
				return p, fs.ErrNotExist
			}
			if strings.HasPrefix(target, "/") {
				p.close()
				p.dirs = p.dirs[:1]
			}
			rest = append(split(target), rest...)
		case final:
			p.name = name
			return p, nil
		case !isDir(info):
			return p, tree.ErrNotDir
		default:
			if err := p.down(info); err != nil {
				return p, err
			}
		}
	}
	return p, nil
}

// down enters a directory.
func (p *place) down(info Info) error {
	if len(p.dirs) > maxDepth {
		return fmt.Errorf("more than %d directories deep", maxDepth)
	}
	d, err := p.dir().open(info)
	if err != nil {
		return err
	}
	p.dirs = append(p.dirs, d)
	return nil
}

// up goes back to the directory that the last one was entered from; from the root nowhere.
func (p *place) up() {
	if n := len(p.dirs) - 1; n > 0 {
		p.dirs[n].close()
		p.dirs = p.dirs[:n]
	}
}

// split takes a path apart. Slashes at its end say that it leads to a directory, as does a dot.
func split(path string) []string {
	var names []string
	for name := range strings.SplitSeq(path, "/") {
		if name != "" {
			names = append(names, name)
		}
	}
	if strings.HasSuffix(path, "/") {
		names = append(names, ".")
	}
	return names
}

// Real returns the path that leads to the same name without links on the way. A link at its end
// stays, and the last name need not exist.
func (f *FS) Real(path string) (real string, err error) {
	err = f.at("look up", trim(path), nofollow, func(p place) error {
		real = ""
		for _, d := range p.dirs[1:] {
			info, err := d.self()
			if err != nil {
				return err
			}
			real += "/" + info.Name
		}
		if p.name != "" || real == "" {
			real += "/" + p.name
		}
		return nil
	})
	return real, err
}
