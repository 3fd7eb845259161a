package edits

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	"imagetools/tree"
)

// edit is one kind of change. do reports what it did, "" for nothing.
type edit struct {
	name string
	do   func(m *Model, dir *node, name string) string
}

// kinds are all there are. They are about a name in a directory.
var kinds = []edit{
	{"create", func(m *Model, dir *node, _ string) string {
		name := m.name()
		m.put(dir, name, m.any())
		return name
	}},
	{"delete", func(m *Model, dir *node, name string) string {
		delete(dir.children, name) // whatever it is
		m.touch(dir)
		return name
	}},
	{"rename", func(m *Model, dir *node, name string) string {
		n := dir.children[name]
		to, _ := m.pick(func(d *node) bool { return !contains(n, d) })
		delete(dir.children, name)
		m.touch(dir)
		m.put(to, m.name(), n)
		return name
	}},
	{"replace another", func(m *Model, dir *node, name string) string {
		n := dir.children[name]
		to, other := m.pick(func(d *node) bool { return !contains(n, d) })
		if other == "" || contains(to.children[other], dir) {
			return ""
		}
		delete(dir.children, name)
		m.touch(dir)
		m.put(to, other, n)
		return name + " to " + other
	}},
	{"truncate", ofFile(func(m *Model, b []byte) []byte { return b[:m.rnd.IntN(len(b)+1)] })},
	{"extend", ofFile(func(m *Model, b []byte) []byte { return slices.Concat(b, m.bytes(m.size())) })},
	{"extend by a hole", ofFile(func(m *Model, b []byte) []byte { return slices.Concat(b, make([]byte, m.size())) })},
	{"punch", ofFile(func(m *Model, b []byte) []byte {
		b = slices.Clone(b)
		from := m.rnd.IntN(len(b) + 1)
		clear(b[from:][:m.rnd.IntN(len(b)-from+1)])
		return b
	})},
	{"overwrite", ofFile(func(m *Model, b []byte) []byte {
		if b = slices.Clone(b); len(b) > 0 {
			b[m.rnd.IntN(len(b))]++
		}
		return b
	})},
	{"rewrite", ofFile(func(m *Model, _ []byte) []byte { return m.bytes(m.size()) })},
	{"chmod", func(m *Model, dir *node, name string) string {
		n := dir.children[name]
		n.Mode ^= tree.Mode(m.rnd.IntN(0o10000))
		return name
	}},
	{"chown", func(m *Model, dir *node, name string) string {
		n := dir.children[name]
		n.UID, n.GID = uint32(m.rnd.IntN(1000)), uint32(m.rnd.IntN(1000))
		return name
	}},
	{"touch", func(m *Model, dir *node, name string) string {
		m.touch(dir.children[name])
		return name
	}},
	{"retarget", func(m *Model, dir *node, name string) string {
		n := &node{Node: tree.Node{Mode: tree.TypeSymlink | 0o777, Target: m.target()}}
		if old := dir.children[name]; old.Mode.Type() == tree.TypeSymlink {
			n = old
			n.Target = m.target()
		}
		m.touch(n)
		dir.children[name] = n
		return name
	}},
	{"renumber", func(m *Model, dir *node, name string) string {
		n := dir.children[name]
		if n.Device == nil {
			return ""
		}
		n.Device = &tree.Device{Major: n.Device.Major + 1, Minor: 3}
		return name
	}},
	{"retype", func(m *Model, dir *node, name string) string {
		m.put(dir, name, m.any())
		return name
	}},
	{"link", func(m *Model, dir *node, name string) string {
		if dir.children[name].IsDir() {
			return ""
		}
		to, _ := m.pick(nil)
		m.put(to, m.name(), dir.children[name])
		return name
	}},
	{"unshare", func(m *Model, dir *node, name string) string {
		n := dir.children[name]
		if n.IsDir() {
			return ""
		}
		m.put(dir, name, &node{Node: n.Node, data: n.data})
		return name
	}},
	{"xattr", func(m *Model, dir *node, name string) string {
		m.setXattr(dir.children[name])
		return name
	}},
	{"no xattrs", func(m *Model, dir *node, name string) string {
		n := dir.children[name]
		if n.Attrs == nil || len(n.Attrs.Xattrs) == 0 {
			return ""
		}
		n.Attrs = n.attrs()
		n.Attrs.Xattrs = nil
		return name
	}},
	{"ACL", func(m *Model, dir *node, name string) string {
		m.setACL(dir.children[name])
		return name
	}},
	{"many names", func(m *Model, dir *node, _ string) string {
		n := m.rnd.IntN(100)
		if m.rnd.IntN(16) == 0 {
			n = 2050 // more than a micro ZAP holds
		}
		for range n {
			m.put(dir, m.name(), m.file(0))
		}
		return fmt.Sprint(n)
	}},
	{"short names", func(m *Model, dir *node, _ string) string {
		n := 0
		for _, name := range slices.Sorted(maps.Keys(dir.children)) {
			if len(name) > 49 {
				delete(dir.children, name)
				n++
			}
		}
		if n == 0 {
			return ""
		}
		m.touch(dir)
		return fmt.Sprint(n)
	}},
	{"few names", func(m *Model, dir *node, _ string) string {
		n := 0
		for _, name := range slices.Sorted(maps.Keys(dir.children)) {
			if m.rnd.IntN(10) > 0 && !dir.children[name].IsDir() {
				delete(dir.children, name)
				n++
			}
		}
		m.touch(dir)
		return fmt.Sprint(n)
	}},
}

// ofFile is an edit of a file's contents.
func ofFile(change func(m *Model, b []byte) []byte) func(*Model, *node, string) string {
	return func(m *Model, dir *node, name string) string {
		n := dir.children[name]
		if n.Mode.Type() != tree.TypeFile {
			return ""
		}
		before := len(n.data)
		n.data = change(m, n.data)
		m.touch(n)
		return fmt.Sprintf("%s from %d to %d bytes", name, before, len(n.data))
	}
}

func contains(n, other *node) bool {
	if n == other {
		return true
	}
	for _, c := range n.children {
		if c.IsDir() && contains(c, other) {
			return true
		}
	}
	return false
}

// pick returns a directory that fits, and a name in it, if it has any. The root always fits.
func (m *Model) pick(fits func(dir *node) bool) (*node, string) {
	var dirs []*node
	var visit func(d *node)
	visit = func(d *node) {
		if d == m.root || fits == nil || fits(d) {
			dirs = append(dirs, d)
		}
		var below []string
		for name, c := range d.children {
			if c.IsDir() {
				below = append(below, name)
			}
		}
		slices.Sort(below)
		for _, name := range below {
			visit(d.children[name])
		}
	}
	visit(m.root)
	dir := dirs[m.rnd.IntN(len(dirs))]
	names := slices.Sorted(maps.Keys(dir.children))
	if len(names) == 0 {
		return dir, ""
	}
	return dir, names[m.rnd.IntN(len(names))]
}

// Edit makes n changes, of which seed decides, and returns what they were.
func (m *Model) Edit(n int, seed uint64) []string {
	m.rnd = rand.New(rand.NewPCG(seed, 2))
	var script []string
	// Every kind has its turn, in another order each time.
	var order []int
	for tries := 0; len(script) < n && tries < 100*n; tries++ {
		if len(order) == 0 {
			order = m.rnd.Perm(len(kinds))
		}
		kind := kinds[order[0]]
		order = order[1:]
		dir, name := m.pick(nil)
		if name == "" {
			continue
		}
		if did := kind.do(m, dir, name); did != "" {
			script = append(script, kind.name+" "+did)
		}
	}
	return script
}
