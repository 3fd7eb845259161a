package ocitest

import (
	"archive/tar"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"
	"time"
)

// Stack is a random stack of layers, the lowest first, in which links, directories, whiteouts and
// opaque marks meet.
type Stack [][]Entry

// Entry is a member of a layer of a [Stack].
type Entry struct {
	Header tar.Header
	Data   string
}

// NewStack makes a stack. Most of its layers are as programs write them: directories before what is
// in them, no name twice. Some are in any order.
func NewStack(r *rand.Rand) Stack {
	g := &stackMaker{r: r}
	var s Stack
	for range 2 + r.IntN(3) {
		s = append(s, g.layer(len(s)))
	}
	return s
}

// Tars are the layers of a stack as archives.
func (s Stack) Tars(t testing.TB) [][]byte {
	t.Helper()
	var out [][]byte
	for _, layer := range s {
		var members []any
		for _, e := range layer {
			if members = append(members, e.Header); e.Header.Typeflag == tar.TypeReg {
				members = append(members, e.Data)
			}
		}
		out = append(out, Tar(t, members...))
	}
	return out
}

// String lists a stack in the form of [Tar].
func (s Stack) String() string {
	var b strings.Builder
	for i, layer := range s {
		fmt.Fprintf(&b, "layer %d:\n", i+1)
		for _, e := range layer {
			h := &e.Header
			switch h.Typeflag {
			case tar.TypeDir:
				fmt.Fprintf(&b, "  dir %s\n", h.Name)
			case tar.TypeSymlink:
				fmt.Fprintf(&b, "  link %s=%s\n", h.Name, h.Linkname)
			case tar.TypeLink:
				fmt.Fprintf(&b, "  hard %s=%s\n", h.Name, h.Linkname)
			default:
				fmt.Fprintf(&b, "  file %s=%s\n", h.Name, e.Data)
			}
		}
	}
	return b.String()
}

// whiteout is the path that an entry takes away; "" of others. An opaque mark is opaque.
func (e *Entry) whiteout() (victim string, opaque bool) {
	dir, name := path.Split(e.Header.Name)
	if name == ".wh..wh..opq" {
		return path.Clean(dir), true
	}
	if name, ok := strings.CutPrefix(name, ".wh."); ok {
		return dir + name, false
	}
	return "", false
}

// HasWhiteouts tells whether a layer takes something away.
func (s Stack) HasWhiteouts() bool {
	return s.has(func(_ []Entry, e *Entry) bool { victim, _ := e.whiteout(); return victim != "" })
}

// HasLateWhiteouts tells whether a layer has a whiteout after an entry that it may be about: one
// that has the last name of its path on its own.
func (s Stack) HasLateWhiteouts() bool {
	return s.has(func(before []Entry, e *Entry) bool {
		victim, opaque := e.whiteout()
		return victim != "" && slices.ContainsFunc(before, func(b Entry) bool {
			return opaque && strings.Contains(b.Header.Name, "/") || victim == "." ||
				slices.Contains(strings.Split(b.Header.Name, "/"), path.Base(victim))
		})
	})
}

// HasOpaqueLinks tells whether a layer has an opaque mark whose directory is somewhere a link, by
// its name.
func (s Stack) HasOpaqueLinks() bool {
	return s.has(func(_ []Entry, e *Entry) bool {
		victim, opaque := e.whiteout()
		return opaque && s.has(func(_ []Entry, l *Entry) bool {
			return l.Header.Typeflag == tar.TypeSymlink && path.Base(l.Header.Name) == path.Base(victim)
		})
	})
}

// HasReplacedOpaqueLinks tells whether that is so, and the layer of the mark has another entry for
// the directory.
func (s Stack) HasReplacedOpaqueLinks() bool {
	for _, layer := range s {
		for i := range layer {
			dir, opaque := layer[i].whiteout()
			if opaque && slices.ContainsFunc(layer, func(e Entry) bool { return e.Header.Name == dir }) {
				return s.HasOpaqueLinks()
			}
		}
	}
	return false
}

// has tells whether an entry is such; before are those of its layer before it.
func (s Stack) has(is func(before []Entry, e *Entry) bool) bool {
	for _, layer := range s {
		for i := range layer {
			if is(layer[:i], &layer[i]) {
				return true
			}
		}
	}
	return false
}

// stackMaker makes the layers of one stack.
type stackMaker struct {
	r     *rand.Rand
	paths []string // that earlier entries had
	dirs  []string // of them those of directories, and links
	files []string // and of files
}

// one takes one of a list, "" of none.
func (g *stackMaker) one(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[g.r.IntN(len(list))]
}

var stackNames = []string{"a", "b", "d", "l", "m"}

// place is a path that an entry may have: known ones are likely.
func (g *stackMaker) place() string {
	switch n := g.r.IntN(10); {
	case n < 3 && len(g.paths) > 0:
		return g.one(g.paths)
	case n < 8 && len(g.dirs) > 0:
		if dir := g.one(g.dirs); strings.Count(dir, "/") < 3 {
			return dir + "/" + g.one(stackNames)
		}
	}
	return g.one(stackNames)
}

// target is what a symbolic link at a path may lead to.
func (g *stackMaker) target(from string) string {
	to := g.one(g.dirs)
	if to == "" || g.r.IntN(12) == 0 {
		to = g.place()
	}
	switch g.r.IntN(4) {
	case 0:
		return "/" + to
	case 1:
		return strings.Repeat("../", strings.Count(from, "/")+g.r.IntN(2)) + to
	case 2:
		return path.Base(to)
	}
	if depth := strings.Count(from, "/"); depth > 0 {
		return strings.Repeat("../", depth) + to
	}
	return to
}

// layer makes layer number i.
func (g *stackMaker) layer(i int) []Entry {
	var out []Entry
	taken := make(map[string]bool)
	add := func(typ byte, name, link, data string) {
		if taken[name] {
			return
		}
		taken[name] = true
		// Hard links have the metadata of their files, as from any program, so all have the same.
		h := tar.Header{Typeflag: typ, Name: name, Linkname: link, Mode: 0o644, Uid: 1, ModTime: time.Unix(1000, 0)}
		if typ == tar.TypeDir {
			h.Mode, h.Uid = 0o700+int64(g.r.IntN(0o100)), i
		}
		if typ == tar.TypeSymlink {
			h.Mode = 0o777
		}
		out = append(out, Entry{h, data})
	}
	whole := g.r.IntN(2) == 0 // with an entry for each directory on the way, as after a change of what is in it
	above := func(name string) {
		if !whole {
			return
		}
		for at, c := range name {
			if c == '/' {
				add(tar.TypeDir, name[:at], "", "")
			}
		}
	}
	for n := 2 + g.r.IntN(7); n > 0; n-- {
		name := g.place()
		switch kind := g.r.IntN(20); {
		case kind < 5:
			above(name)
			add(tar.TypeDir, name, "", "")
			g.dirs = append(g.dirs, name)
		case kind < 10:
			above(name)
			add(tar.TypeReg, name, "", fmt.Sprintf("%d:%s", i+1, name))
			g.files = append(g.files, name)
		case kind < 14:
			above(name)
			add(tar.TypeSymlink, name, g.target(name), "")
			g.dirs = append(g.dirs, name)
		case kind < 15:
			if to := g.one(g.files); to != "" && to != name {
				above(name)
				add(tar.TypeLink, name, to, "")
			}
		case kind < 18:
			if i > 0 {
				add(tar.TypeReg, path.Join(path.Dir(name), ".wh."+path.Base(name)), "", "")
			}
			continue
		default:
			if i > 0 && g.r.IntN(8) == 0 {
				add(tar.TypeReg, ".wh..wh..opq", "", "")
				continue
			}
			if dir := g.one(g.dirs); i > 0 && dir != "" {
				above(dir)
				if g.r.IntN(4) > 0 {
					add(tar.TypeDir, dir, "", "")
				}
				add(tar.TypeReg, dir+"/.wh..wh..opq", "", "")
				name = dir
			}
		}
		g.paths = append(g.paths, name)
	}
	switch g.r.IntN(5) {
	case 0: // in any order
		g.r.Shuffle(len(out), func(a, b int) { out[a], out[b] = out[b], out[a] })
	case 1, 2: // by name, as programs write them that walk a directory
		slices.SortStableFunc(out, func(a, b Entry) int { return strings.Compare(a.Header.Name, b.Header.Name) })
	}
	return out
}
