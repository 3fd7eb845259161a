package zpl

import (
	"cmp"
	"slices"
	"strings"

	"imagetools/zfs/zap"
)

// report sorts the notes, cuts them to the limit, and finds the paths of those that are left.
func (c *checker) report() *CheckReport {
	r := &CheckReport{
		Objects: len(c.objects), Files: int(c.files.Load()), Directories: int(c.dirs.Load()),
		Count: c.count,
	}
	order := func(a, b note) int {
		return cmp.Or(cmp.Compare(b.severity, a.severity), cmp.Compare(uint(a.object), uint(b.object)),
			cmp.Compare(a.dir, b.dir), strings.Compare(a.name, b.name), strings.Compare(a.message, b.message))
	}
	slices.SortFunc(c.notes, order)
	slices.SortFunc(c.found, order)
	notes := c.notes[:min(len(c.notes), c.opts.Limit)]
	var named []note
	for _, number := range c.opts.Paths {
		if i := c.index(number); i >= 0 {
			named = append(named, note{object: i, dir: -1})
		}
	}
	p := c.paths(notes, c.found, named)
	r.Paths = make(map[uint64]string, len(named))
	for _, n := range named {
		r.Paths[c.numbers[n.object]] = p.of(n)
	}
	for _, n := range notes {
		f := Fault{Severity: n.severity, Path: p.of(n), Message: n.message}
		if n.object >= 0 {
			f.Object = c.numbers[n.object]
		}
		r.Faults = append(r.Faults, f)
	}
	for _, n := range c.found {
		if z, err := c.f.decode(c.objects[n.object]); err == nil {
			r.Found = append(r.Found, Found{p.of(n), z})
		}
	}
	slices.SortFunc(r.Found, func(a, b Found) int { return strings.Compare(a.Path, b.Path) })
	return r
}

// paths knows the names of some objects in their directories.
type paths struct {
	c     *checker
	names map[int]string
}

// maxPathParts bounds the names of a path that are told.
const maxPathParts = 4096

// paths reads the directories that are needed for the paths of notes.
func (c *checker) paths(lists ...[]note) *paths {
	p := &paths{c: c, names: make(map[int]string)}
	wanted := make(map[int][]int) // by directory
	want := func(i int) {
		for range maxPathParts {
			dir := int(c.nodes[i].dir.Load()) - 1
			if _, ok := p.names[i]; ok || dir < 0 {
				return
			}
			p.names[i] = ""
			wanted[dir] = append(wanted[dir], i)
			i = dir
		}
	}
	for _, list := range lists {
		for _, n := range list {
			switch {
			case n.dir >= 0:
				want(n.dir)
			case n.object >= 0:
				want(n.object)
			}
		}
	}
	for dir := range wanted {
		// What the ZAP yields before it turns out to be damaged counts too.
		_ = c.f.zap(c.numbers[dir], func(e zap.Entry) error {
			d, err := dirEntry(e)
			if err != nil {
				return nil
			}
			i := c.index(d.Object)
			if i < 0 || int(c.nodes[i].dir.Load())-1 != dir {
				return nil
			}
			if old, ok := p.names[i]; ok && (old == "" || d.Name < old) {
				p.names[i] = d.Name
			}
			return nil
		})
	}
	return p
}

// xattrMark stands in paths between a file and the name of one of its extended attributes.
const xattrMark = "[xattr]"

func (p *paths) of(n note) string {
	at, parts := n.object, []string(nil)
	if n.dir >= 0 {
		at, parts = n.dir, append(parts, n.name)
	}
	if at < 0 {
		return ""
	}
	root := p.c.index(p.c.f.root)
	for range maxPathParts {
		if at == root {
			if len(parts) == 0 {
				return "."
			}
			slices.Reverse(parts)
			return strings.Join(parts, "/")
		}
		dir := int(p.c.nodes[at].dir.Load()) - 1
		name := p.names[at]
		if dir >= 0 && p.c.nodes[at].is(isXattrRoot) {
			name = xattrMark
		}
		if dir < 0 || name == "" {
			break
		}
		parts = append(parts, name)
		at = dir
	}
	return "" // lost, or deeper than anyone would read
}

// noteFound notes a name that is asked for.
func (c *checker) noteFound(dir int, name string, object int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.found) < maxNotes {
		c.found = append(c.found, note{object: object, dir: dir, name: name})
	}
}
