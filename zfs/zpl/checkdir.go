package zpl

import (
	"hash/maphash"
	"slices"
	"strings"

	"imagetools/tree"
	"imagetools/zfs/stream"
	"imagetools/zfs/zap"
)

// checkDir reads the entries of a directory and compares them with the objects they lead to.
func (c *checker) checkDir(i int) {
	if !c.isDir(i) {
		return
	}
	c.dirs.Add(1)
	z, err := c.f.decode(c.objects[i])
	if err != nil {
		return // told before
	}
	d := dirCheck{c: c, dir: i, seed: maphash.MakeSeed()}
	c.checkZAP(i, c.f.form())
	if err := c.f.zap(z.Object, d.entry); err != nil {
		c.nodes[i].set(isBroken)
		c.fault(i, Damage, "directory: %v", err)
		return
	}
	d.repeated()
	if d.values > maxXattrTotal {
		c.fault(i, Warning, "extended attributes of %d bytes: at most %d are read, so the file cannot be extracted", d.values, maxXattrTotal)
	}
	if entries := uint64(len(d.hashes)); z.Size != entries+2 {
		c.fault(i, Damage, "directory: its size is %d, which says %d entries, but there are %d", z.Size, int64(z.Size)-2, entries)
	}
	if z.Links != d.dirs+2 && !c.nodes[i].is(isQueued) {
		c.fault(i, Damage, "directory: it has %d links, which says %d directories in it, but there are %d", z.Links, int64(z.Links)-2, d.dirs)
	}
}

// dirCheck checks the entries of one directory.
type dirCheck struct {
	c      *checker
	dir    int
	dirs   uint64 // entries that lead to directories
	seed   maphash.Seed
	hashes []uint64 // of the names
	values uint64   // bytes of extended attributes
}

func (d *dirCheck) entry(e zap.Entry) error {
	c := d.c
	d.hashes = append(d.hashes, maphash.String(d.seed, e.Name))
	entry, err := dirEntry(e)
	if err != nil {
		c.entryFault(d.dir, e.Name, d.dir, Damage, "its entry has no number")
		return nil
	}
	child := c.index(entry.Object)
	fault := func(s Severity, format string, args ...any) {
		c.entryFault(d.dir, e.Name, child, s, format, args...)
	}
	switch {
	case e.Name == "" || e.Name == "." || e.Name == ".." || strings.Contains(e.Name, "/"):
		fault(Damage, "its name is none that a file can have")
	case len(e.Name) > tree.MaxName && c.f.s.Begin.Features&stream.FeatureLongname == 0:
		fault(Damage, "a name of %d bytes in a stream without LONGNAME", len(e.Name))
	}
	if bits := e.Values[0] >> 48 & 0xFFF; bits != 0 {
		fault(Warning, "its entry has unknown bits, %#x", bits)
	}
	if child < 0 {
		c.entryFault(d.dir, e.Name, d.dir, Damage, "its entry leads to object %d, which does not exist", entry.Object)
		return nil
	}
	n := &c.nodes[child]
	for at := uint32(d.dir) + 1; n.is(isNode | isBroken); {
		old := n.dir.Load()
		if n.is(isXattrRoot) || old != 0 && old <= at || n.dir.CompareAndSwap(old, at) {
			break
		}
	}
	if n.is(isBroken) {
		return nil
	}
	if !n.is(isNode) {
		fault(Damage, "its entry leads to object %d, which is no file that can be read", entry.Object)
		return nil
	}
	if t := n.mode.Type(); entry.Type != t && (entry.Type != 0 || c.f.version > 1) {
		fault(Damage, "its entry says %s, its mode %s", entry.Type.TypeName(), t.TypeName())
	}
	switch inXattrs := c.nodes[d.dir].is(isXattr); {
	case n.is(isXattr) && !inXattrs:
		fault(Damage, "it has the flag of extended attributes, but is in a directory")
	case !n.is(isXattr) && inXattrs:
		fault(Damage, "it is an extended attribute, but lacks the flag for that")
	case inXattrs && n.mode.Type() != tree.TypeFile:
		fault(Damage, "an extended attribute that is a %s", n.mode.TypeName())
	case inXattrs:
		d.value(child, fault)
	}
	if n.parent == c.numbers[d.dir] {
		n.set(parentHasIt)
	}
	n.names.Add(1)
	if c.isDir(child) {
		d.dirs++
		c.addEdge(&c.edges, edge{int32(d.dir), int32(child)})
	}
	if c.opts.Find != nil && n.mode.Type() == tree.TypeFile && !n.is(isXattr) && c.opts.Find(e.Name) {
		c.noteFound(d.dir, e.Name, child)
	}
	return nil
}

// value compares the size of an extended attribute with what readers hold.
func (d *dirCheck) value(child int, fault func(s Severity, format string, args ...any)) {
	z, err := d.c.f.decode(d.c.objects[child])
	if err != nil {
		return // told before
	}
	if z.Size > maxXattrValue {
		fault(Warning, "an extended attribute of %d bytes: at most %d are read, so the file cannot be extracted", z.Size, maxXattrValue)
	}
	if d.values += z.Size; d.values < z.Size {
		d.values = 1<<64 - 1
	}
}

// repeated looks for names that a directory has twice: a second reading tells which they are,
// if hashes of names are equal.
func (d *dirCheck) repeated() {
	slices.Sort(d.hashes)
	twice := make(map[uint64]bool)
	for i := 1; i < len(d.hashes); i++ {
		if d.hashes[i] == d.hashes[i-1] {
			twice[d.hashes[i]] = true
		}
	}
	if len(twice) == 0 {
		return
	}
	seen := make(map[string]bool)
	// The ZAP was read without an error before.
	_ = d.c.f.zap(d.c.numbers[d.dir], func(e zap.Entry) error {
		if twice[maphash.String(d.seed, e.Name)] {
			if seen[e.Name] {
				d.c.entryFault(d.dir, e.Name, d.dir, Damage, "the directory has the name twice")
			}
			seen[e.Name] = true
		}
		return nil
	})
}
