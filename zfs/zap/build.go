package zap

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
)

// Entry is a name and its value: Values of IntSize bytes each (1, 2, 4 or 8). Directories
// and most other ZAPs have one of 8 bytes.
type Entry struct {
	Name    string
	IntSize int
	Values  []uint64
}

// Source is a list of entries to build a ZAP of.
type Source interface {
	Len() int
	Name(i int) string
	// Value returns value i; the slice may be reused by the next call.
	Value(i int) (intSize int, values []uint64)
}

// Entries are a [Source].
type Entries []Entry

// Len, Name and Value implement [Source].
func (e Entries) Len() int { return len(e) }

// Name implements [Source].
func (e Entries) Name(i int) string { return e[i].Name }

// Value implements [Source].
func (e Entries) Value(i int) (int, []uint64) { return e[i].IntSize, e[i].Values }

// Uint64 is an entry with one value of 64 bits.
func Uint64(name string, value uint64) Entry {
	return Entry{Name: name, IntSize: 8, Values: []uint64{value}}
}

// ZAP is a built dictionary.
type ZAP struct {
	BlockSize int // a multiple of 512, a power of two if there are several blocks
	NumBlocks int
	salt      uint64
	src       Source
	items     []item
	leaves    []leaf // of a fat ZAP
	shift     uint   // of its pointer table
	buf       []byte
}

// item is an entry by its place in the source.
type item struct {
	hash  uint64
	index int32
	cd    uint32 // tells entries of equal hash apart
}

type leaf struct {
	first, count int // items
	prefix       uint64
	prefixLen    uint
}

var (
	errCollision = errors.New("too many names with the same hash")
	errDuplicate = errors.New("name given twice")
)

// Build makes a ZAP of the entries, micro if they allow it. The order of the source does not
// matter, and neither does anything but names, values and salt, any number but 0: the same
// give the same bytes. Names are 1 to 255 bytes without NUL, values at most 8 KiB.
func Build(src Source, salt uint64) (*ZAP, error) {
	if salt == 0 {
		return nil, errors.New("zap: salt 0")
	}
	micro := src.Len() <= microMaxCount
	for i := range src.Len() {
		name := src.Name(i)
		size, values := src.Value(i)
		if len(name) == 0 || len(name) > 255 || strings.Contains(name, "\x00") {
			return nil, fmt.Errorf("zap: name %q of %d bytes: 1 to 255 without NUL are possible", name, len(name))
		}
		if size != 1 && size != 2 && size != 4 && size != 8 || len(values) == 0 || size*len(values) > maxValue {
			return nil, fmt.Errorf("zap: %q: value of %d integers of %d bytes", name, len(values), size)
		}
		micro = micro && len(name) <= microMaxName && size == 8 && len(values) == 1
	}
	z := &ZAP{src: src, salt: salt}
	if err := z.sortItems(micro); err != nil {
		return nil, fmt.Errorf("zap: %w", err)
	}
	if micro {
		z.BlockSize, z.NumBlocks = roundUp((len(z.items)+1)*microEntry, 512), 1
		return z, nil
	}
	// Another salt would not help with names that collide: those of equal length collide
	// under every salt.
	if err := z.layout(); err != nil {
		return nil, fmt.Errorf("zap: %w", err)
	}
	return z, nil
}

func roundUp(n, to int) int { return (n + to - 1) / to * to }

// sortItems hashes the names and orders the items by hash and name, by name alone for a
// micro ZAP, and gives equal hashes their cd in the order of names.
func (z *ZAP) sortItems(micro bool) error {
	z.items = make([]item, z.src.Len())
	for i := range z.items {
		z.items[i] = item{hash: Hash(z.salt, z.src.Name(i)), index: int32(i)}
	}
	byName := func(a, b item) int { return strings.Compare(z.src.Name(int(a.index)), z.src.Name(int(b.index))) }
	slices.SortFunc(z.items, func(a, b item) int {
		if c := cmp.Compare(a.hash, b.hash); c != 0 {
			return c
		}
		return byName(a, b)
	})
	for i := 1; i < len(z.items); i++ {
		a, b := &z.items[i-1], &z.items[i]
		if a.hash != b.hash {
			continue
		}
		if byName(*a, *b) == 0 {
			return fmt.Errorf("%q: %w", z.src.Name(int(a.index)), errDuplicate)
		}
		b.cd = a.cd + 1
	}
	if micro {
		slices.SortFunc(z.items, byName)
	}
	return nil
}

func (z *ZAP) chunks(it item) int {
	size, values := z.src.Value(int(it.index))
	return 1 + arrayChunks(len(z.src.Name(int(it.index)))+1) + arrayChunks(size*len(values))
}

// layout splits the items into leaves and sizes the pointer table.
func (z *ZAP) layout() error {
	if err := z.split(0, len(z.items), 0, 0); err != nil {
		return err
	}
	z.BlockSize = blockSize
	z.NumBlocks = 1 + len(z.leaves)
	z.shift = blockShift - 4 // what fits into the header block
	for _, l := range z.leaves {
		z.shift = max(z.shift, l.prefixLen)
	}
	if z.tableIsExternal() {
		z.NumBlocks += z.tableBlocks()
	}
	return nil
}

func (z *ZAP) tableIsExternal() bool { return z.shift > blockShift-4 }
func (z *ZAP) tableBlocks() int      { return 1 << (z.shift - (blockShift - 3)) }

// split makes a leaf of items first to last, or halves them by the next bit of their hash.
func (z *ZAP) split(first, last int, prefix uint64, bits uint) error {
	need, limit := 0, leafChunks(blockShift)
	for i := first; i < last && need <= limit; i++ {
		need += z.chunks(z.items[i])
	}
	if need <= limit {
		z.leaves = append(z.leaves, leaf{first, last - first, prefix, bits})
		return nil
	}
	// Even 2^20 entries need some 13 bits; far more means that hashes collide, and a
	// table for them would outgrow the directory.
	if bits >= maxTblShift || 1<<bits > 64*(len(z.items)+1) {
		return errCollision
	}
	middle := first + sortedBefore(z.items[first:last], (prefix<<1|1)<<(63-bits))
	if err := z.split(first, middle, prefix<<1, bits+1); err != nil {
		return err
	}
	return z.split(middle, last, prefix<<1|1, bits+1)
}

// sortedBefore is how many items have a hash below the bound.
func sortedBefore(items []item, bound uint64) int {
	n, _ := slices.BinarySearchFunc(items, bound, func(it item, b uint64) int { return cmp.Compare(it.hash, b) })
	return n
}

// Blocks returns the blocks in order, with their numbers. Each is valid until the next. An
// error means that the ZAP did not survive its own check; the block is nil then.
func (z *ZAP) Blocks() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		z.buf = make([]byte, z.BlockSize)
		if z.leaves == nil {
			z.buildMicro()
			yield(z.checked(z.buf, z.checkMicro()))
			return
		}
		z.buildHeader()
		if !yield(z.buf, nil) {
			return
		}
		for i := range z.leaves {
			z.buildLeaf(&z.leaves[i])
			if !yield(z.checked(z.buf, z.checkLeaf(&z.leaves[i]))) {
				return
			}
		}
		if !z.tableIsExternal() {
			return
		}
		perBlock := blockSize / 8
		table := z.table()
		for b := range z.tableBlocks() {
			for i := range perBlock {
				le.PutUint64(z.buf[8*i:], table[b*perBlock+i])
			}
			if !yield(z.buf, nil) {
				return
			}
		}
	}
}

func (z *ZAP) checked(block []byte, err error) ([]byte, error) {
	if err != nil {
		return nil, fmt.Errorf("zap: internal error: %w", err)
	}
	return block, nil
}

func (z *ZAP) buildMicro() {
	b := z.buf
	le.PutUint64(b, microBlock)
	le.PutUint64(b[8:], z.salt)
	for i, it := range z.items {
		e := b[(i+1)*microEntry:][:microEntry]
		_, values := z.src.Value(int(it.index))
		le.PutUint64(e, values[0])
		le.PutUint32(e[8:], it.cd)
		copy(e[microNameOff:], z.src.Name(int(it.index)))
	}
}

func (z *ZAP) buildHeader() {
	b := z.buf
	clear(b)
	le.PutUint64(b, headerBlock)
	le.PutUint64(b[8:], fatMagic)
	if z.tableIsExternal() {
		le.PutUint64(b[16:], uint64(1+len(z.leaves)))
		le.PutUint64(b[24:], uint64(z.tableBlocks()))
	} else {
		for i, l := range z.table() {
			le.PutUint64(b[blockSize/2+8*i:], l)
		}
	}
	le.PutUint64(b[32:], uint64(z.shift))
	le.PutUint64(b[56:], uint64(z.NumBlocks)) // zap_freeblk
	le.PutUint64(b[64:], uint64(len(z.leaves)))
	le.PutUint64(b[72:], uint64(len(z.items)))
	le.PutUint64(b[80:], z.salt)
}

// table is the pointer table: for each prefix of shift bits the block of its leaf.
func (z *ZAP) table() []uint64 {
	table := make([]uint64, 0, 1<<z.shift)
	for i, l := range z.leaves {
		for range 1 << (z.shift - l.prefixLen) {
			table = append(table, uint64(1+i))
		}
	}
	return table
}

func (z *ZAP) buildLeaf(l *leaf) {
	b := z.buf
	clear(b)
	le.PutUint64(b, leafBlock)
	le.PutUint64(b[16:], l.prefix)
	le.PutUint32(b[24:], leafMagic)
	le.PutUint16(b[30:], uint16(l.count))
	le.PutUint16(b[32:], uint16(l.prefixLen))
	for i := range 2 * hashEntries(blockShift) {
		b[leafHeader+i] = 0xFF
	}
	w := leafWriter{block: b}
	items := z.items[l.first:][:l.count]
	// The chain of a bucket ascends by cd, so rounds by cd append at its end.
	for cd, left := uint32(0), len(items); left > 0; cd++ {
		for _, it := range items {
			if it.cd != cd {
				continue
			}
			left--
			size, values := z.src.Value(int(it.index))
			bucket := it.hash << l.prefixLen >> (64 - (blockShift - 5))
			w.entry(int(bucket), it, z.src.Name(int(it.index)), size, values)
		}
	}
	w.finish()
}

// leafWriter fills the chunks of a leaf from the first on.
type leafWriter struct {
	block []byte
	next  int // chunk
	array []byte
}

func (w *leafWriter) chunk() (int, []byte) {
	i := w.next
	w.next++
	return i, w.block[chunkOffset(blockShift, i):][:chunkSize]
}

func (w *leafWriter) entry(bucket int, it item, name string, size int, values []uint64) {
	i, c := w.chunk()
	w.link(bucket, i)
	c[0] = chunkEntry
	c[1] = byte(size)
	le.PutUint16(c[2:], noChunk)
	w.array = append(append(w.array[:0], name...), 0)
	le.PutUint16(c[4:], uint16(w.store()))
	le.PutUint16(c[6:], uint16(len(name)+1))
	w.array = w.array[:0]
	for _, v := range values {
		for b := size - 1; b >= 0; b-- {
			w.array = append(w.array, byte(v>>(8*b)))
		}
	}
	le.PutUint16(c[8:], uint16(w.store()))
	le.PutUint16(c[10:], uint16(len(values)))
	le.PutUint32(c[12:], it.cd)
	le.PutUint64(c[16:], it.hash)
}

// link puts chunk i at the end of a bucket's chain.
func (w *leafWriter) link(bucket, i int) {
	at := w.block[leafHeader+2*bucket:]
	for next := le.Uint16(at); next != noChunk; next = le.Uint16(at) {
		at = w.block[chunkOffset(blockShift, int(next))+2:]
	}
	le.PutUint16(at, uint16(i))
}

// store puts w.array into chunks and returns the first.
func (w *leafWriter) store() int {
	first := w.next
	for data := w.array; len(data) > 0; {
		i, c := w.chunk()
		c[0] = chunkArray
		n := copy(c[1:1+chunkData], data)
		data = data[n:]
		next := noChunk
		if len(data) > 0 {
			next = i + 1
		}
		le.PutUint16(c[22:], uint16(next))
	}
	return first
}

// finish links the chunks that are left into the free list.
func (w *leafWriter) finish() {
	total := leafChunks(blockShift)
	le.PutUint16(w.block[28:], uint16(total-w.next))
	first := noChunk
	if w.next < total {
		first = w.next
	}
	le.PutUint16(w.block[34:], uint16(first))
	for w.next < total {
		i, c := w.chunk()
		c[0] = chunkFree
		next := noChunk
		if i+1 < total {
			next = i + 1
		}
		le.PutUint16(c[22:], uint16(next))
	}
}
