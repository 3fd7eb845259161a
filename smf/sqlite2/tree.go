package sqlite2

import (
	"bytes"
	"slices"
)

// entry is a key and its data in a tree.
type entry struct {
	key, data []byte
	offset    int // of its cell in the file
}

// search looks for a key among entries in order.
func search(entries []entry, key []byte) (int, bool) {
	return slices.BinarySearchFunc(entries, key, func(e entry, key []byte) int { return bytes.Compare(e.key, key) })
}

// maxDepth is more than a tree can have: an inner page has two children, a file 2^22 pages.
const maxDepth = 24

// treeReader reads one tree.
type treeReader struct {
	*reader
	use   string // for errors
	visit func(entry) bool
	sound bool
	leafs int    // depth of the leaves, -1 before the first
	last  []byte // key
	some  bool   // a key has been seen
}

// tree calls visit for each entry of a tree in order, and tells whether all of it is sound;
// visit tells so of one entry.
func (r *reader) tree(root rootPage, use string, visit func(entry) bool) bool {
	t := &treeReader{reader: r, use: use, visit: visit, sound: true, leafs: -1}
	t.walk(root.no, root.at, 0)
	return t.sound
}

func (t *treeReader) fault(offset int, format string, args ...any) {
	t.add(offset, "%s: "+format, append([]any{t.use}, args...)...)
	t.sound = false
}

// walk reads the page whose number stands at an offset of the file, and all below.
func (t *treeReader) walk(no uint32, at, depth int) {
	if depth > maxDepth {
		t.fault(at, "deeper than %d pages", maxDepth)
		return
	}
	if !t.claim(no, t.use, at) {
		t.sound = false
		return
	}
	p := t.page(no)
	cells, ok := t.cells(no, p)
	if !ok {
		return
	}
	right := p.u32(0)
	if right == 0 {
		if t.leafs < 0 {
			t.leafs = depth
		}
		if t.leafs != depth {
			t.fault(start(no), "a leaf at depth %d, others at %d", depth, t.leafs)
		}
	} else if len(cells) == 0 {
		t.fault(start(no), "an inner page without a cell")
	}
	for _, c := range cells {
		switch {
		case right != 0:
			t.walk(c.left, start(no)+c.at, depth+1)
		case c.left != 0:
			t.fault(start(no)+c.at, "a child of a leaf")
		}
		t.entry(no, p, c)
	}
	if right != 0 {
		t.walk(right, start(no), depth+1)
	}
}

// cells are the cells of a page in the order of their keys. Together with the free blocks
// they must cover the page.
func (t *treeReader) cells(no uint32, p page) ([]cell, bool) {
	var covered [PageSize / 4]bool
	cover := func(at, size int) bool {
		for i := at / 4; i < (at+size)/4; i++ {
			if covered[i] {
				return false
			}
			covered[i] = true
		}
		return true
	}
	cover(0, pageHeader)
	var cells []cell
	from := 4
	for at := p.u16(from); at != 0; {
		if at%4 != 0 || at < pageHeader || at > PageSize-cellHeader {
			t.fault(start(no)+from, "a cell at %d of the page", at)
			return nil, false
		}
		c := p.cell(at)
		if at+c.size() > PageSize || !cover(at, c.size()) {
			t.fault(start(no)+at, "a cell of %d bytes at %d of the page overlaps its end or another", c.size(), at)
			return nil, false
		}
		cells = append(cells, c)
		from = at + 6
		at = p.u16(from)
	}
	from = 6
	for at, end := p.u16(from), pageHeader; at != 0; {
		if at%4 != 0 || at < end || at > PageSize-4 {
			t.fault(start(no)+from, "a free block at %d of the page", at)
			return nil, false
		}
		size := p.u16(at)
		if size%4 != 0 || size < 4 || at+size > PageSize || !cover(at, size) {
			t.fault(start(no)+at, "a free block of %d bytes at %d of the page", size, at)
			return nil, false
		}
		end = at + size
		from = at + 2
		at = p.u16(from)
	}
	if i := slices.Index(covered[:], false); i >= 0 {
		t.fault(start(no)+4*i, "neither a cell nor free")
		return nil, false
	}
	return cells, true
}

func (t *treeReader) entry(no uint32, p page, c cell) {
	offset := start(no) + c.at
	payload, ok := t.payload(no, p, c)
	if !ok {
		return
	}
	e := entry{payload[:c.key:c.key], payload[c.key:], offset}
	if t.some && bytes.Compare(t.last, e.key) >= 0 {
		t.fault(offset, "keys out of order")
	}
	t.last, t.some = e.key, true
	if !t.visit(e) {
		t.sound = false
	}
}

// payload is the key and data of a cell, together with what is in overflow pages.
func (t *treeReader) payload(no uint32, p page, c cell) ([]byte, bool) {
	local := p.b[c.at+cellHeader:]
	size := c.payload()
	if size <= maxLocal {
		return local[:size:size], true
	}
	offset := start(no) + c.at
	if size > len(t.db) {
		t.fault(offset, "%d bytes of payload in a file of %d", size, len(t.db))
		return nil, false
	}
	// The chain is claimed before memory is taken for it.
	at := offset + cellHeader + maxLocal
	next := p.u32(c.at + cellHeader + maxLocal)
	var chain []uint32
	for left := size - maxLocal; left > 0; left -= overflowSize {
		if !t.claim(next, "an overflow of "+t.use, at) {
			t.sound = false
			return nil, false
		}
		chain = append(chain, next)
		at = start(next)
		next = t.page(next).u32(0)
	}
	if next != 0 {
		t.fault(at, "page %d behind the end of a payload", next)
		return nil, false
	}
	payload := append(make([]byte, 0, size), local[:maxLocal]...)
	for _, no := range chain {
		payload = append(payload, t.page(no).b[4:][:min(overflowSize, size-len(payload))]...)
	}
	return payload, true
}
