package zpl

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"imagetools/tree"
	"imagetools/zfs/objset"
	"imagetools/zfs/stream"
)

// Severity tells what a fault means.
type Severity int

const (
	// Notice is what healthy file systems may have, though few do.
	Notice Severity = iota
	// Warning is what kernels live with, though no healthy file system has it.
	Warning
	// Damage is what makes kernels fail, or shows other than what was stored.
	Damage
)

// String is "notice", "warning" or "damage".
func (s Severity) String() string {
	switch s {
	case Damage:
		return "damage"
	case Warning:
		return "warning"
	}
	return "notice"
}

// MarshalText returns String.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Fault is something wrong in a file system.
type Fault struct {
	Severity Severity
	Object   uint64 // that it is about; 0 for none
	Path     string // of the object, or of the entry of a directory; "." is the root, empty if there is none
	Message  string
}

// Found is a name that [CheckOptions.Find] asked for.
type Found struct {
	Path  string
	Znode *Znode
}

// CheckOptions say how a file system is checked.
type CheckOptions struct {
	// Find tells whether a name in a directory is one to report in [CheckReport.Found]. It is
	// called concurrently.
	Find func(name string) bool
	// Paths are objects whose paths are to be found for [CheckReport.Paths].
	Paths []uint64
	// Limit is how many faults are told; 0 is 1000. All are counted.
	Limit int
}

// CheckReport is what a check saw.
type CheckReport struct {
	Objects, Files, Directories int
	Count                       [Damage + 1]int // of all faults, by severity
	Faults                      []Fault         // by object, at most CheckOptions.Limit
	Found                       []Found         // by path
	Paths                       map[uint64]string
}

const (
	defaultCheckLimit = 1000
	maxNotes          = 1 << 16 // names found; and faults held until they are sorted and cut to the limit
)

// Check looks whether a file system is consistent: tables and directories as kernels read
// them, every entry against its object, every object against the entries that lead to it,
// link counts, sizes, parents, attributes and ACLs.
//
// A directory is read up to three times; contents of files are not. Memory is 64 bytes for each
// object, and more for each directory, which the budget of the index counts. The error is that of
// ctx or of the budget: faults are in the report.
func Check(ctx context.Context, f *FS, opts CheckOptions) (*CheckReport, error) {
	if opts.Limit == 0 {
		opts.Limit = defaultCheckLimit
	}
	c := &checker{f: f, opts: opts}
	defer func() { f.x.Budget().Release(c.held.Load()) }()
	for o := range f.s.Objects() {
		if err := c.hold(checkedSize); err != nil {
			return nil, err
		}
		c.objects = append(c.objects, o)
		c.numbers = append(c.numbers, o.Number)
	}
	c.nodes = make([]checkedNode, len(c.objects))
	c.checkMaster()
	if err := c.each(ctx, c.checkObject); err != nil {
		return nil, err
	}
	c.checkXattrOwners()
	c.checkQueue() // a directory in it has no links, and is in no other
	if err := c.each(ctx, c.checkDir); err != nil {
		return nil, err
	}
	c.reach()
	for i := range c.objects {
		c.checkLinks(i)
	}
	return c.report(), ctx.Err()
}

// checker checks one file system. Objects are known by their index in objects.
type checker struct {
	f       *FS
	opts    CheckOptions
	objects []*objset.Object
	numbers []uint64 // of objects
	nodes   []checkedNode
	domains map[uint64]bool // of owners, from the FUID table
	roots   []int           // directories that are in none: the root, that of shares, those in the delete queue

	files, dirs atomic.Int64
	held        atomic.Int64          // bytes that the budget counts
	over        atomic.Pointer[error] // that of the budget

	mu     sync.Mutex // guards what follows while objects and directories are checked
	notes  []note
	found  []note
	count  [Damage + 1]int
	edges  []edge // from directories to directories in them
	xattrs []edge // from files to the directories of their extended attributes
}

// edge leads from one object to another.
type edge struct{ from, to int32 }

// checkedNode is what has to be remembered of an object.
type checkedNode struct {
	parent uint64
	links  uint64
	names  atomic.Uint32 // entries that lead to it
	dir    atomic.Uint32 // index + 1 of the directory that has it, the first of several
	state  atomic.Uint32
	mode   tree.Mode
}

// What is known of an object, in checkedNode.state.
const (
	isNode      uint32 = 1 << iota // a file or a directory, whose attributes can be read
	isXattr                        // part of extended attributes
	isUsed                         // something other than a directory leads to it
	isXattrRoot                    // the directory of a file's extended attributes
	isBroken                       // cannot be read, which has been told
	isQueued                       // in the delete queue
	parentHasIt                    // the directory that is its parent has an entry for it
)

func (n *checkedNode) is(state uint32) bool { return n.state.Load()&state != 0 }
func (n *checkedNode) set(state uint32)     { n.state.Or(state) }

// isDir tells whether a node is a directory, in mode and in object type.
func (c *checker) isDir(i int) bool {
	n := &c.nodes[i]
	return n.is(isNode) && n.mode.Type() == tree.TypeDir && c.objects[i].Type == stream.ObjDirectory
}

// index finds an object by its number, -1 if there is none.
func (c *checker) index(number uint64) int {
	if i := number - c.numbers[0]; number >= c.numbers[0] && i < uint64(len(c.numbers)) && c.numbers[i] == number {
		return int(i) // numbers without gaps, as we write them
	}
	if i, ok := slices.BinarySearch(c.numbers, number); ok {
		return i
	}
	return -1
}

// note is a fault, or a name that was found, before its path is known: it is about an object,
// or about an entry of a directory.
type note struct {
	object   int // index; -1 for none
	dir      int // index of the directory with the entry; -1 if there is none
	name     string
	severity Severity
	message  string
}

func (c *checker) add(n note) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count[n.severity]++
	if len(c.notes) < maxNotes {
		c.notes = append(c.notes, n)
	}
}

// fault notes a fault of an object.
func (c *checker) fault(i int, s Severity, format string, args ...any) {
	c.add(note{object: i, dir: -1, severity: s, message: fmt.Sprintf(format, args...)})
}

// entryFault notes a fault of an entry of a directory.
func (c *checker) entryFault(dir int, name string, object int, s Severity, format string, args ...any) {
	c.add(note{object: object, dir: dir, name: name, severity: s, message: fmt.Sprintf(format, args...)})
}

// each calls fn for all objects, on all cores.
func (c *checker) each(ctx context.Context, fn func(i int)) error {
	const chunk = 256
	var next atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for ctx.Err() == nil && c.over.Load() == nil {
				end := int(next.Add(chunk))
				if end-chunk >= len(c.objects) {
					return
				}
				for i := end - chunk; i < min(end, len(c.objects)); i++ {
					fn(i)
				}
			}
		})
	}
	wg.Wait()
	if over := c.over.Load(); over != nil {
		return *over
	}
	return ctx.Err()
}

// What an object takes in a checker, and an edge in lists that grow, of which a walk keeps another.
const (
	checkedSize = 64
	edgeSize    = 24
)

// hold counts n bytes. After an error of the budget the check ends.
func (c *checker) hold(n int64) error {
	err := c.f.x.Budget().Hold(n, "objects to be checked")
	if err != nil {
		c.over.CompareAndSwap(nil, &err)
		return err
	}
	c.held.Add(n)
	return nil
}

// addEdge adds an edge to one of the lists.
func (c *checker) addEdge(list *[]edge, e edge) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hold(edgeSize) == nil {
		*list = append(*list, e)
	}
}

// checkXattrOwners compares the directories of extended attributes with the files that have
// them.
func (c *checker) checkXattrOwners() {
	slices.SortFunc(c.xattrs, func(a, b edge) int { return cmp.Or(cmp.Compare(a.to, b.to), cmp.Compare(a.from, b.from)) })
	last := edge{-1, -1}
	for _, e := range c.xattrs {
		owner, dir := int(e.from), int(e.to)
		n := &c.nodes[dir]
		switch {
		case !c.isDir(dir):
			c.fault(owner, Damage, "its extended attributes are object %d, which is no directory", c.numbers[dir])
			continue
		case !n.is(isXattr):
			c.fault(owner, Damage, "its extended attributes are object %d, a directory without the flag for that", c.numbers[dir])
		case e.to == last.to:
			c.fault(owner, Damage, "its extended attributes, object %d, are also those of object %d", c.numbers[dir], c.numbers[last.from])
		case n.parent != c.numbers[owner]:
			c.fault(owner, Damage, "its extended attributes, object %d, have the parent %d", c.numbers[dir], n.parent)
		}
		if last.to != e.to {
			n.dir.Store(uint32(owner) + 1)
		}
		n.set(isUsed | isXattrRoot)
		last = e
	}
}

// reach goes from the root through all directories, and tells what it does not reach.
func (c *checker) reach() {
	slices.SortFunc(c.edges, func(a, b edge) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to)) })
	const unseen, seen = 0, 1
	state := make([]uint8, len(c.nodes))
	below := func(dir int32) []edge {
		start, _ := slices.BinarySearchFunc(c.edges, dir, func(e edge, d int32) int { return cmp.Compare(e.from, d) })
		end := start
		for end < len(c.edges) && c.edges[end].from == dir {
			end++
		}
		return c.edges[start:end]
	}
	take := func(e edge) {
		state[e.to] = seen
		c.nodes[e.to].dir.Store(uint32(e.from) + 1)
	}
	// walk goes through the directories below one, first by the names that the directories
	// themselves say they have.
	walk := func(root int) {
		queue := []int32{int32(root)}
		state[root] = seen
		for at := 0; at < len(queue); at++ {
			for _, e := range below(queue[at]) {
				if state[e.to] == unseen && c.nodes[e.to].parent == c.numbers[e.from] {
					take(e)
					queue = append(queue, e.to)
				}
			}
		}
		for at := 0; at < len(queue); at++ {
			last := int32(-1)
			for _, e := range below(queue[at]) {
				switch {
				case state[e.to] == unseen:
					take(e)
					queue = append(queue, e.to)
				case e.to == last || int32(c.nodes[e.to].dir.Load())-1 != e.from:
					c.secondName(e)
				}
				last = e.to
			}
		}
	}
	for _, root := range c.roots {
		c.nodes[root].dir.Store(0)
	}
	for _, root := range c.roots {
		if state[root] == unseen {
			walk(root)
		}
	}
	for i := range c.nodes { // the directories that others with them hang on
		if c.isDir(i) && state[i] == unseen && c.nodes[i].names.Load() == 0 && !c.nodes[i].is(isXattrRoot) {
			c.lost(i)
			walk(i)
		}
	}
	for i := range c.nodes {
		if c.isDir(i) && state[i] == unseen && !c.nodes[i].is(isXattrRoot) {
			c.nodes[i].dir.Store(0)
			c.fault(i, Damage, "the directory is in itself, and in no directory that the root leads to")
			walk(i)
		}
	}
}

// inBroken tells whether the directory that an object is in by its own account is one that
// cannot be read, so that nothing can be told from the entries that were found.
func (c *checker) inBroken(i int) bool {
	parent := c.index(c.nodes[i].parent)
	return parent >= 0 && c.nodes[parent].is(isBroken)
}

func (c *checker) lost(i int) {
	if c.inBroken(i) {
		return
	}
	if c.nodes[i].links == 0 {
		c.fault(i, Warning, "no directory leads to it, nor does the delete queue, and it has no links")
		return
	}
	c.fault(i, Damage, "no directory leads to it")
}

// secondName tells of an entry that leads to a directory that has another one.
func (c *checker) secondName(e edge) {
	up := int(e.from)
	for range maxPathParts {
		if c.count[Damage] > c.opts.Limit { // nobody will read it
			break
		}
		if up == int(e.to) {
			c.fault(int(e.to), Damage, "the directory is in itself: directory %d below it leads back to it", c.numbers[e.from])
			return
		}
		d := c.nodes[up].dir.Load()
		if d == 0 {
			break
		}
		up = int(d - 1)
	}
	c.fault(int(e.to), Damage, "the directory has a second name, in directory %d", c.numbers[e.from])
}

// checkLinks compares an object with the entries that were found to lead to it.
func (c *checker) checkLinks(i int) {
	n, o := &c.nodes[i], c.objects[i]
	names := uint64(n.names.Load())
	switch {
	case !n.is(isNode):
		if !n.is(isUsed|isBroken) && o.Type != stream.ObjPlainFile && o.Type != stream.ObjDirectory {
			c.fault(i, Warning, "nothing leads to the object, of type %s", stream.ObjTypeName(o.Type))
		}
	case c.isDir(i):
		if dir := n.dir.Load(); dir != 0 && !n.is(isXattrRoot) && n.parent != c.numbers[dir-1] {
			c.fault(i, Damage, "its parent is object %d, but it is in directory %d", n.parent, c.numbers[dir-1])
		}
	case n.is(isQueued):
		if names > 0 {
			c.fault(i, Damage, "it is in the delete queue and in a directory")
		}
	case names == 0 && n.mode.Type() != tree.TypeDir:
		c.lost(i)
	case names != n.links && c.inBroken(i):
	case names != n.links:
		c.fault(i, Damage, "%d links, but %d names", n.links, names)
	case !n.is(parentHasIt):
		// So it is after a file had another name, in a directory that it is no longer in.
		c.fault(i, Notice, "its parent, object %d, does not have it", n.parent)
	}
}
