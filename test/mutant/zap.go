package mutant

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"

	"imagetools/zfs/stream"
)

// What blocks of ZAPs begin with.
const (
	microBlock  uint64 = 1<<63 + 3
	headerBlock uint64 = 1<<63 + 1
	leafBlock   uint64 = 1 << 63
)

// zapBlock is the index of a random WRITE with a block of a ZAP of a kind, -1 for none. Tables
// and directories are chosen alike, however many directories there are.
func (s *Stream) zapBlock(r *rand.Rand, kind uint64) int {
	is := func(p *Part) bool {
		w, ok := p.Rec.(*stream.Write)
		return ok && w.Compression == 0 && len(p.Payload) >= 512 && s.Order.Uint64(p.Payload) == kind
	}
	if r.IntN(2) == 0 {
		i := s.pick(r, func(p *Part) bool {
			w, ok := p.Rec.(*stream.Write)
			return ok && is(p) && w.ObjType != stream.ObjDirectory
		})
		if i >= 0 {
			return i
		}
	}
	return s.pick(r, is)
}

// field of n bytes in a block, by the order of the stream.
func (s *Stream) mutateAt(b []byte, n int, r *rand.Rand) {
	switch n {
	case 1:
		b[0] = byte(s.number(r, uint64(b[0])))
	case 2:
		s.Order.PutUint16(b, uint16(s.number(r, uint64(s.Order.Uint16(b)))))
	case 4:
		s.Order.PutUint32(b, uint32(s.number(r, uint64(s.Order.Uint32(b)))))
	default:
		s.Order.PutUint64(b, s.number(r, s.Order.Uint64(b)))
	}
}

func microHeader(s *Stream, r *rand.Rand) string {
	i := s.zapBlock(r, microBlock)
	if i < 0 {
		return ""
	}
	p := &s.Parts[i]
	at := []int{8, 16, 16, 24, 0}[r.IntN(5)]
	s.mutateAt(p.Payload[at:], 8, r)
	if at == 16 && r.IntN(2) == 0 { // a form of normalization that there is
		s.Order.PutUint64(p.Payload[16:], []uint64{0x2, 0x10, 0x12, 0x20, 0x50, 0x60}[r.IntN(6)])
	}
	return describe(p, "micro ZAP: header at %d is %#x", at, s.Order.Uint64(p.Payload[at:]))
}

// microUsed are the places of the entries of a micro ZAP.
func microUsed(b []byte) (used, free []int) {
	for at := 64; at+64 <= len(b); at += 64 {
		if b[at+14] != 0 {
			used = append(used, at)
		} else {
			free = append(free, at)
		}
	}
	return used, free
}

// names are edits of the names in directories and tables.
func changeName(name []byte, r *rand.Rand) {
	n := bytes.IndexByte(name, 0)
	switch r.IntN(6) {
	case 0:
		copy(name, []string{".", "..", "a/b", "\xff\xfe", "é", "É", "ﬁ", "x"}[r.IntN(8)])
	case 1:
		if n > 0 {
			name[r.IntN(n)] ^= 0x20 // another case
		}
	case 2:
		if n > 0 {
			name[n] = 'x'
		}
	case 3:
		for i := range name { // to the end, perhaps without one
			if name[i] == 0 {
				name[i] = 'n'
			}
		}
		if r.IntN(2) == 0 {
			name[len(name)-1] = 0
		}
	case 4:
		if n > 0 {
			copy(name[1:n], name[:n-1])
			name[0] = '0'
		}
	default:
		if n > 0 {
			name[r.IntN(n)] = byte(r.IntN(256))
		}
	}
}

func microEntry(s *Stream, r *rand.Rand) string {
	i := s.zapBlock(r, microBlock)
	if i < 0 {
		return ""
	}
	p := &s.Parts[i]
	used, free := microUsed(p.Payload)
	if len(used) == 0 {
		return ""
	}
	at := used[r.IntN(len(used))]
	e := p.Payload[at:][:64]
	switch r.IntN(8) {
	case 0:
		s.mutateAt(e, 8, r)
		return describe(p, "micro ZAP: entry at %d: value %#x", at, s.Order.Uint64(e))
	case 1:
		s.Order.PutUint32(e[8:], []uint32{1, 2, 0xFFFF, 0x10000, 0xFFFFFFFF}[r.IntN(5)])
		return describe(p, "micro ZAP: entry at %d: cd %#x", at, s.Order.Uint32(e[8:]))
	case 2:
		s.mutateAt(e[12:], 2, r)
		return describe(p, "micro ZAP: entry at %d: pad %#x", at, s.Order.Uint16(e[12:]))
	case 3:
		if len(free) > 0 {
			to := free[r.IntN(len(free))]
			copy(p.Payload[to:], e)
			if r.IntN(2) == 0 {
				s.Order.PutUint32(p.Payload[to+8:], 1)
			} else {
				changeName(p.Payload[to+14:][:50], r)
			}
			return describe(p, "micro ZAP: entry at %d again at %d", at, to)
		}
	case 4:
		clear(e)
		return describe(p, "micro ZAP: entry at %d removed", at)
	case 5:
		if len(free) > 0 { // a free entry that is not all zeros
			to := free[r.IntN(len(free))]
			copy(p.Payload[to:], e)
			p.Payload[to+14] = 0
			return describe(p, "micro ZAP: rest of an entry at %d", to)
		}
	}
	changeName(e[14:], r)
	return describe(p, "micro ZAP: entry at %d: name %q", at, bytes.TrimRight(e[14:], "\x00"))
}

// microGrow makes the block of a micro ZAP larger, with free entries.
func microGrow(s *Stream, r *rand.Rand) string {
	i := s.zapBlock(r, microBlock)
	if i < 0 {
		return ""
	}
	p := &s.Parts[i]
	w := p.Rec.(*stream.Write)
	o := s.object(w.Object)
	if o == nil {
		return ""
	}
	size := []uint32{o.BlockSize + 512, 64 << 10, 128 << 10, 128<<10 + 512, 256 << 10, 1 << 20}[r.IntN(6)]
	if size > 128<<10 && r.IntN(4) > 0 {
		s.begin().Features |= stream.FeatureLargeBlocks
		if r.IntN(2) == 0 {
			s.begin().Features |= stream.FeatureLargeMicrozap
		}
	}
	o.BlockSize, w.LogicalSize = size, uint64(size)
	p.Payload = append(p.Payload, make([]byte, max(0, int(size)-len(p.Payload)))...)[:size]
	return describe(p, "micro ZAP of %d bytes", size)
}

func swapEntries(s *Stream, r *rand.Rand) string {
	i := s.zapBlock(r, microBlock)
	if i < 0 {
		return ""
	}
	p := &s.Parts[i]
	used, free := microUsed(p.Payload)
	all := append(used, free...)
	if len(all) < 2 {
		return ""
	}
	a, b := all[r.IntN(len(all))], all[r.IntN(len(all))]
	x := bytes.Clone(p.Payload[a:][:64])
	copy(p.Payload[a:][:64], p.Payload[b:][:64])
	copy(p.Payload[b:][:64], x)
	return describe(p, "micro ZAP: entries at %d and %d exchanged", a, b)
}

func fatHeader(s *Stream, r *rand.Rand) string {
	i := s.zapBlock(r, headerBlock)
	if i < 0 {
		return ""
	}
	p := &s.Parts[i]
	at := 8 * (1 + r.IntN(12))
	if r.IntN(4) == 0 { // a slot of the pointer table
		at = len(p.Payload)/2 + 8*r.IntN(len(p.Payload)/16)
	}
	if at == 88 && r.IntN(2) == 0 {
		s.Order.PutUint64(p.Payload[at:], []uint64{0x2, 0x10, 0x12, 0x20, 0x50, 0x60}[r.IntN(6)])
	} else {
		s.mutateAt(p.Payload[at:], 8, r)
	}
	return describe(p, "fat ZAP: header at %d is %#x", at, s.Order.Uint64(p.Payload[at:]))
}

// leaf is how a leaf lies in its block.
type leaf struct {
	b             []byte
	order         binary.ByteOrder
	table, chunks int // where they begin
	count         int
}

func (s *Stream) leafOf(b []byte) leaf {
	shift := 0
	for 1<<shift < len(b) {
		shift++
	}
	buckets := 1 << (shift - 5)
	return leaf{b, s.Order, 48, 48 + 2*buckets, (len(b)-2*buckets)/24 - 2}
}

func (l leaf) chunk(i int) []byte { return l.b[l.chunks+24*i:][:24] }

// of are the chunks of a type.
func (l leaf) of(kind byte) (all []int) {
	for i := range l.count {
		if l.chunk(i)[0] == kind {
			all = append(all, i)
		}
	}
	return all
}

const (
	arrayChunk = 251
	entryChunk = 252
	freeChunk  = 253
	noChunk    = 0xFFFF
)

func fatLeaf(s *Stream, r *rand.Rand) string {
	i := s.zapBlock(r, leafBlock)
	if i < 0 {
		return ""
	}
	p := &s.Parts[i]
	fields := []struct{ at, n int }{{8, 8}, {16, 8}, {24, 4}, {28, 2}, {30, 2}, {32, 2}, {34, 2}, {36, 1}, {37, 1}}
	f := fields[r.IntN(len(fields))]
	if r.IntN(4) == 0 {
		l := s.leafOf(p.Payload)
		f.at, f.n = l.table+2*r.IntN((l.chunks-l.table)/2), 2
		if r.IntN(2) == 0 {
			if e := l.of(entryChunk); len(e) > 0 {
				s.Order.PutUint16(p.Payload[f.at:], uint16(e[r.IntN(len(e))]))
				return describe(p, "fat ZAP: bucket at %d leads to an entry", f.at)
			}
		}
	}
	s.mutateAt(p.Payload[f.at:], f.n, r)
	return describe(p, "fat ZAP: leaf's header at %d changed: %x", f.at, p.Payload[f.at:][:f.n])
}

func fatChunk(s *Stream, r *rand.Rand) string {
	i := s.zapBlock(r, leafBlock)
	if i < 0 {
		return ""
	}
	p := &s.Parts[i]
	l := s.leafOf(p.Payload)
	kind := []byte{entryChunk, entryChunk, arrayChunk, freeChunk}[r.IntN(4)]
	all := l.of(kind)
	if len(all) == 0 {
		return ""
	}
	n := all[r.IntN(len(all))]
	c := l.chunk(n)
	switch {
	case r.IntN(12) == 0:
		c[0] = []byte{entryChunk, arrayChunk, freeChunk, 0}[r.IntN(4)]
		return describe(p, "fat ZAP: chunk %d, type %d instead of %d", n, c[0], kind)
	case kind == entryChunk:
		fields := []struct{ at, n int }{{1, 1}, {2, 2}, {4, 2}, {6, 2}, {8, 2}, {10, 2}, {12, 4}, {16, 8}}
		f := fields[r.IntN(len(fields))]
		s.mutateAt(c[f.at:], f.n, r)
		return describe(p, "fat ZAP: entry in chunk %d: byte %d: %x", n, f.at, c[f.at:][:f.n])
	case r.IntN(2) == 0:
		s.Order.PutUint16(c[22:], uint16([]int{noChunk, r.IntN(l.count), n, s.next(c)}[r.IntN(4)]))
		return describe(p, "fat ZAP: chunk %d of type %d leads to %d", n, kind, s.next(c))
	}
	at := 1 + r.IntN(21)
	c[at] = byte(s.number(r, uint64(c[at])))
	return describe(p, "fat ZAP: chunk %d of type %d: byte %d is %d", n, kind, at, c[at])
}

func (s *Stream) next(c []byte) int { return int(s.Order.Uint16(c[22:])) }

// fatChain lengthens the chain of a name or a value by a free chunk, or by one that is another's,
// or has it end one early; the counts of free chunks stay right.
func fatChain(s *Stream, r *rand.Rand) string {
	i := s.zapBlock(r, leafBlock)
	if i < 0 {
		return ""
	}
	p := &s.Parts[i]
	l := s.leafOf(p.Payload)
	entries := l.of(entryChunk)
	if len(entries) == 0 {
		return ""
	}
	e := l.chunk(entries[r.IntN(len(entries))])
	at := []int{4, 8}[r.IntN(2)]
	what := map[int]string{4: "name", 8: "value"}[at]
	last := int(s.Order.Uint16(e[at:]))
	for steps := 0; last < l.count && s.next(l.chunk(last)) < l.count && steps < l.count; steps++ {
		last = s.next(l.chunk(last))
	}
	free := int(s.Order.Uint16(p.Payload[34:]))
	if last >= l.count || free >= l.count {
		return ""
	}
	if r.IntN(4) == 0 {
		arrays := l.of(arrayChunk)
		s.Order.PutUint16(l.chunk(last)[22:], uint16(arrays[r.IntN(len(arrays))]))
		return describe(p, "fat ZAP: the chain of a %s goes on in another", what)
	}
	s.Order.PutUint16(p.Payload[34:], s.Order.Uint16(l.chunk(free)[22:]))
	s.Order.PutUint16(p.Payload[28:], s.Order.Uint16(p.Payload[28:])-1)
	c := l.chunk(free)
	c[0] = arrayChunk
	if r.IntN(2) == 0 {
		copy(c[1:22], "more")
	}
	s.Order.PutUint16(c[22:], noChunk)
	s.Order.PutUint16(l.chunk(last)[22:], uint16(free))
	if at == 4 && r.IntN(3) == 0 {
		s.Order.PutUint16(e[6:], s.Order.Uint16(e[6:])+21)
		what += ", whose length says so,"
	}
	return describe(p, "fat ZAP: the chain of a %s has a chunk more", what)
}
