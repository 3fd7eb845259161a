package objset

import (
	"sort"

	"github.com/tidwall/btree"
)

// kind is what an extent stands for.
type kind uint8

const (
	stored   kind = iota // the payload lies in a store
	kept                 // the payload is held in memory, packed
	redacted             // left out of the stream on purpose
	absent               // the stream had contents, but there was no store
	hole                 // zeros; only until the extents of an object are settled
)

// extent is a row of count blocks of the same size, or a part of one block, whose payloads
// lie stride bytes apart. If it has no payload (from redacted on), it is off and length alone.
type extent struct {
	off    uint64 // in the object
	pos    int64  // of the first payload: in the store, or the index of what is kept; or the length
	size   uint32 // bytes of the object that each block stands for
	lsize  uint32 // bytes of the payload once decompressed
	psize  uint32 // bytes of the payload
	skip   uint32 // bytes of the decompressed payload before those
	count  uint32
	stride uint32
	store  uint16
	comp   uint8
	kind   kind
	whole  bool // it was written as whole blocks of the object
}

func (e *extent) end() uint64 {
	if e.kind >= redacted {
		return e.off + uint64(e.pos)
	}
	return e.off + uint64(e.size)*uint64(e.count)
}

// bare returns an extent without payload, of length bytes or to the end of all files.
func bare(k kind, off, length uint64) extent {
	return extent{kind: k, off: off, pos: int64(min(length, endOfFiles-min(off, endOfFiles)))}
}

// endOfFiles is beyond the largest offset in a file.
const endOfFiles = 1<<63 - 1

// plain tells whether the payload is the block itself, so that rows can be made of several.
func (e *extent) plain() bool {
	return e.kind == stored && e.comp == 0 && e.skip == 0 && e.size == e.psize
}

// join puts e, which starts where last ends, into the same row if it continues it.
func (last *extent) join(e *extent) bool {
	if last.kind == absent && e.kind == absent && last.end() == e.off {
		last.pos += e.pos
		return true
	}
	if !last.plain() || !e.plain() || e.count != 1 || last.store != e.store || last.size != e.size ||
		last.whole != e.whole || last.end() != e.off {
		return false
	}
	stride := uint64(last.stride)
	if last.count == 1 {
		if e.pos <= last.pos || e.pos-last.pos > 1<<31 {
			return false
		}
		stride = uint64(e.pos - last.pos)
	}
	if e.pos != last.pos+int64(stride*uint64(last.count)) || last.count == 1<<32-1 {
		return false
	}
	last.stride = uint32(stride)
	last.count++
	return true
}

// block returns block i of the row alone.
func (e *extent) block(i uint32) extent {
	b := *e
	b.off += uint64(i) * uint64(e.size)
	b.pos += int64(i) * int64(e.stride)
	b.count, b.stride = 1, 0
	return b
}

// within gives the parts of e from one offset of the object to another: at most three, a
// part of a block, a row, and a part of a block.
func (e *extent) within(from, to uint64, give func(extent)) {
	from, to = max(from, e.off), min(to, e.end())
	if from >= to {
		return
	}
	if e.kind >= redacted {
		give(bare(e.kind, from, to-from))
		return
	}
	size := uint64(e.size)
	for from < to {
		i, skip := (from-e.off)/size, (from-e.off)%size
		part := e.block(uint32(i))
		part.count = 1
		if n := (to - from) / size; skip == 0 && n > 0 {
			part.count = uint32(n)
			if n > 1 {
				part.stride = e.stride
			}
		} else {
			part.off += skip
			part.skip += uint32(skip)
			part.size = uint32(min(size-skip, to-from))
		}
		give(part)
		from = part.end()
	}
}

// said is what was said of an object in some order, later words winning: extents by their
// offsets, none of which overlap.
type said struct {
	btree.Map[uint64, extent]
}

// put adds a later word.
func (m *said) put(e extent) {
	from, to := e.off, e.end()
	var hit []extent
	m.Descend(from, func(_ uint64, old extent) bool { // the one that may reach in from before
		if old.off < from && old.end() > from {
			hit = append(hit, old)
		}
		return old.off >= from
	})
	m.Ascend(from, func(_ uint64, old extent) bool {
		if old.off >= to {
			return false
		}
		hit = append(hit, old)
		return true
	})
	for _, old := range hit {
		m.Delete(old.off)
	}
	for _, old := range hit {
		put := func(part extent) { m.Set(part.off, part) }
		old.within(0, from, put)
		old.within(to, 1<<64-1, put)
	}
	if e.kind != hole {
		m.Set(e.off, e)
	}
}

// settle turns what was said of an object in some order into extents that ascend and do not
// overlap, without holes.
func settle(extents []extent) []extent {
	var m said
	for i := range extents {
		m.put(extents[i])
	}
	return m.settled()
}

// settled are the extents in order, joined to rows, without holes.
func (m *said) settled() []extent {
	out := make([]extent, 0, m.Len())
	m.Scan(func(_ uint64, e extent) bool {
		if n := len(out); n == 0 || !out[n-1].join(&e) {
			out = append(out, e)
		}
		return true
	})
	return out
}

// within gives the parts of the object's extents from one offset to another, until give
// returns false.
func (o *Object) within(from, to uint64, give func(extent) bool) {
	more := true
	parts := func(e extent) bool {
		e.within(from, to, func(part extent) { more = more && give(part) })
		return more
	}
	if o.said == nil {
		for i := find(o.extents, from); i < len(o.extents) && o.extents[i].off < to && parts(o.extents[i]); i++ {
		}
		return
	}
	o.said.Descend(from, func(_ uint64, e extent) bool { // the one that may reach in from before
		if e.off < from && e.end() > from {
			parts(e)
		}
		return e.off >= from
	})
	o.said.Ascend(from, func(_ uint64, e extent) bool { return e.off < to && more && parts(e) })
}

// find returns the index of the first extent that ends behind off.
func find(extents []extent, off uint64) int {
	return sort.Search(len(extents), func(i int) bool { return extents[i].end() > off })
}
