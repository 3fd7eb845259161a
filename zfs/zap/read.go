package zap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Blocks gives the blocks of a ZAP object by number, each of the object's block size. The
// result is read before the next call.
type Blocks func(number uint64) ([]byte, error)

// Read calls fn for every entry of a ZAP, in no particular order. Entry.Values is the
// callee's. Input is not trusted: every index is bounded, chains that loop are found, and
// memory is that of a block and of the numbers of the leaves. Errors name block and chunk.
func Read(blocks Blocks, order binary.ByteOrder, fn func(Entry) error) error {
	b, err := blocks(0)
	if err != nil {
		return err
	}
	if len(b) < 512 {
		return fmt.Errorf("zap: block of %d bytes", len(b))
	}
	switch t := order.Uint64(b); t {
	case microBlock:
		err = readMicro(b, order, fn)
	case headerBlock:
		err = readFat(b, blocks, order, fn)
	default:
		err = fmt.Errorf("block type %#x: no ZAP", t)
	}
	if err != nil {
		return fmt.Errorf("zap: %w", err)
	}
	return nil
}

// ReadTable is Read for tables of numbers, such as master nodes and the properties of volumes,
// in which a name that is there twice is an error: which of its values counts depends on the
// reader. It holds all names.
func ReadTable(blocks Blocks, order binary.ByteOrder, fn func(Entry) error) error {
	seen := make(map[string]bool)
	return Read(blocks, order, func(e Entry) error {
		if seen[e.Name] {
			return fmt.Errorf("%q: %w", e.Name, errDuplicate)
		}
		seen[e.Name] = true
		return fn(e)
	})
}

func readMicro(b []byte, order binary.ByteOrder, fn func(Entry) error) error {
	if len(b) > microMaxLarge {
		return fmt.Errorf("micro ZAP of %d bytes: the limit is %d", len(b), microMaxLarge)
	}
	salt, form := order.Uint64(b[8:]), Form(order.Uint64(b[16:]))
	if !form.Valid() {
		return fmt.Errorf("micro ZAP: normalization %#x does not exist", uint64(form))
	}
	seen := make(map[ident]bool)
	for i := 1; i < len(b)/microEntry; i++ {
		e := b[i*microEntry:][:microEntry]
		if e[microNameOff] == 0 {
			continue
		}
		name, _, found := strings.Cut(string(e[microNameOff:]), "\x00")
		if !found {
			return fmt.Errorf("entry %d: name without end", i)
		}
		cd := order.Uint32(e[8:])
		if cd >= maxCD {
			return fmt.Errorf("entry %d %q: collision number %d: the limit is %d", i, name, cd, maxCD-1)
		}
		if hash, ok := form.hash(salt, name, hashBits); ok {
			k := ident{hash, cd}
			if seen[k] {
				return fmt.Errorf("entry %d %q: hash and cd of another entry", i, name)
			}
			seen[k] = true
		}
		if err := fn(Uint64(name, order.Uint64(e))); err != nil {
			return err
		}
	}
	return nil
}

// ident is what no two entries of a ZAP may share: kernels that list one stop at the second.
type ident struct {
	hash uint64
	cd   uint32
}

// idents are those of a bucket: a short list, or a set where somebody made it long.
type idents struct {
	list []ident
	set  map[ident]bool
}

func (c *idents) reset() { c.list, c.set = c.list[:0], nil }

// has adds an ident, and tells whether it was there.
func (c *idents) has(k ident) bool {
	const long = 32
	if c.set == nil && len(c.list) < long {
		if slices.Contains(c.list, k) {
			return true
		}
		c.list = append(c.list, k)
		return false
	}
	if c.set == nil {
		c.set = make(map[ident]bool)
		for _, old := range c.list {
			c.set[old] = true
		}
	}
	known := c.set[k]
	c.set[k] = true
	return known
}

type fatReader struct {
	order   binary.ByteOrder
	shift   uint // of the block size
	salt    uint64
	form    Form   // that names get before they are hashed
	bits    uint   // of hashes that count
	used    []bool // chunks of the present leaf
	entries uint64
	fn      func(Entry) error
}

func readFat(head []byte, blocks Blocks, order binary.ByteOrder, fn func(Entry) error) error {
	r := &fatReader{order: order, fn: fn}
	for 1<<r.shift < len(head) {
		r.shift++
	}
	switch {
	case 1<<r.shift != len(head) || r.shift > maxShift:
		return fmt.Errorf("fat ZAP in blocks of %d bytes", len(head))
	case order.Uint64(head[8:]) != fatMagic:
		return fmt.Errorf("magic %#x", order.Uint64(head[8:]))
	case order.Uint64(head[96:])&^1 != 0:
		return fmt.Errorf("flags %#x: keys that are no strings", order.Uint64(head[96:]))
	}
	r.salt = order.Uint64(head[80:])
	r.form, r.bits = Form(order.Uint64(head[88:])), hashBits
	if order.Uint64(head[96:]) != 0 {
		r.bits = wideBits
	}
	if !r.form.Valid() {
		return fmt.Errorf("normalization %#x does not exist", uint64(r.form))
	}
	want := order.Uint64(head[72:])
	leaves, err := r.leaves(head, blocks)
	if err != nil {
		return err
	}
	r.used = make([]bool, leafChunks(r.shift))
	for _, n := range leaves {
		b, err := blocks(n.block)
		switch {
		case err != nil:
		case len(b) != len(head):
			err = fmt.Errorf("%d bytes", len(b))
		default:
			if err = n.check(order, b); err == nil {
				err = r.leaf(b)
			}
		}
		if err != nil {
			return fmt.Errorf("leaf at block %d: %w", n.block, err)
		}
	}
	if r.entries != want {
		return fmt.Errorf("%d entries where the header says %d", r.entries, want)
	}
	return nil
}

// place is where a leaf stands: its block and its slots in a pointer table of 2^shift.
type place struct {
	block, first, count uint64
	shift               uint
}

// check compares the place of a leaf with the prefix that the leaf has.
func (p place) check(order binary.ByteOrder, b []byte) error {
	prefix, bits := order.Uint64(b[16:]), uint(order.Uint16(b[32:]))
	if bits > p.shift || prefix>>bits != 0 || p.count != 1<<(p.shift-bits) || p.first != prefix<<(p.shift-bits) {
		return fmt.Errorf("prefix %#x of %d bits in %d slots from %d of 2^%d", prefix, bits, p.count, p.first, p.shift)
	}
	return nil
}

// leaves reads the pointer table: the blocks of the leaves, in order of prefix.
func (r *fatReader) leaves(head []byte, blocks Blocks) ([]place, error) {
	first, count := r.order.Uint64(head[16:]), r.order.Uint64(head[24:])
	shift := r.order.Uint64(head[32:])
	free := r.order.Uint64(head[56:])
	if shift > maxTblShift {
		return nil, fmt.Errorf("pointer table of 2^%d entries", shift)
	}
	var leaves []place
	slot := uint64(0)
	seen := make(map[uint64]bool)
	take := func(table []byte) error {
		for i := 0; i+8 <= len(table); i, slot = i+8, slot+1 {
			n := r.order.Uint64(table[i:])
			if last := len(leaves) - 1; last >= 0 && leaves[last].block == n {
				leaves[last].count++
				continue
			}
			if n == 0 || n >= free || n >= 1<<32 {
				return fmt.Errorf("pointer table: leaf %d of %d blocks", n, free)
			}
			if seen[n] {
				return fmt.Errorf("pointer table: leaf %d in two places", n)
			}
			seen[n] = true
			leaves = append(leaves, place{n, slot, 1, uint(shift)})
		}
		return nil
	}
	if count == 0 {
		if uint(shift) != r.shift-4 {
			return nil, fmt.Errorf("pointer table of 2^%d entries in the header", shift)
		}
		err := take(head[len(head)/2:])
		return leaves, err
	}
	if shift < uint64(r.shift-3) || count != 1<<(uint(shift)-(r.shift-3)) {
		return nil, fmt.Errorf("pointer table of 2^%d entries in %d blocks", shift, count)
	}
	for i := range count {
		b, err := blocks(first + i)
		if err == nil && len(b) != len(head) {
			err = fmt.Errorf("%d bytes", len(b))
		}
		if err != nil {
			return nil, fmt.Errorf("pointer table at block %d: %w", first+i, err)
		}
		if err := take(b); err != nil {
			return nil, err
		}
	}
	return leaves, nil
}

// leaf reads the entries of one leaf, bucket by bucket.
func (r *fatReader) leaf(b []byte) error {
	if t := r.order.Uint64(b); t != leafBlock || r.order.Uint32(b[24:]) != leafMagic {
		return errors.New("no leaf")
	}
	clear(r.used)
	count := 0
	var chain idents // of the present bucket
	prefix, bits := r.order.Uint64(b[16:]), r.order.Uint16(b[32:])
	if bits > 63 {
		return fmt.Errorf("prefix of %d bits", bits)
	}
	for bucket := range hashEntries(r.shift) {
		chain.reset()
		for i := r.order.Uint16(b[leafHeader+2*bucket:]); i != noChunk; {
			c, err := r.chunk(b, i, chunkEntry)
			if err != nil {
				return fmt.Errorf("bucket %d: %w", bucket, err)
			}
			hash, cd := r.order.Uint64(c[16:]), r.order.Uint32(c[12:])
			if cd >= maxCD {
				return fmt.Errorf("chunk %d: collision number %d: the limit is %d", i, cd, maxCD-1)
			}
			if want := hash << bits >> (64 - (r.shift - 5)); uint64(bucket) != want {
				return fmt.Errorf("chunk %d: in bucket %d, not in %d", i, bucket, want)
			}
			if chain.has(ident{hash, cd}) {
				return fmt.Errorf("chunk %d: hash and cd of another entry", i)
			}
			if err := r.entry(b, c, prefix, uint(bits)); err != nil {
				return fmt.Errorf("chunk %d: %w", i, err)
			}
			count++
			i = r.order.Uint16(c[2:])
		}
	}
	if want := int(r.order.Uint16(b[30:])); count != want {
		return fmt.Errorf("%d entries where the leaf says %d", count, want)
	}
	r.entries += uint64(count)
	return nil
}

// chunk returns chunk i, which must be of a kind and not be part of anything yet.
func (r *fatReader) chunk(b []byte, i uint16, kind byte) ([]byte, error) {
	if int(i) >= len(r.used) {
		return nil, fmt.Errorf("chunk %d of %d", i, len(r.used))
	}
	if r.used[i] {
		return nil, fmt.Errorf("chunk %d is in two chains", i)
	}
	r.used[i] = true
	c := b[chunkOffset(r.shift, int(i)):][:chunkSize]
	if c[0] != kind {
		return nil, fmt.Errorf("chunk %d has type %d, not %d", i, c[0], kind)
	}
	return c, nil
}

func (r *fatReader) entry(b, c []byte, prefix uint64, bits uint) error {
	size, count := int(c[1]), int(r.order.Uint16(c[10:]))
	nameLen := int(r.order.Uint16(c[6:]))
	if nameLen < 2 || nameLen > maxName+1 {
		return fmt.Errorf("name of %d bytes", nameLen)
	}
	if size != 1 && size != 2 && size != 4 && size != 8 || size*count > maxValue {
		return fmt.Errorf("value of %d integers of %d bytes", count, size)
	}
	raw, err := r.array(b, r.order.Uint16(c[4:]), nameLen)
	if err != nil {
		return fmt.Errorf("name: %w", err)
	}
	name, _, found := strings.Cut(string(raw), "\x00")
	if !found || len(name) != nameLen-1 {
		return fmt.Errorf("name %q of %d bytes", raw, nameLen)
	}
	hash := r.order.Uint64(c[16:])
	if own, ok := r.form.hash(r.salt, name, r.bits); ok && hash != own {
		return fmt.Errorf("%q: hash %#x is not its own", name, hash)
	}
	if bits > 0 && hash>>(64-bits) != prefix {
		return fmt.Errorf("%q: hash %#x is not in this leaf", name, hash)
	}
	raw, err = r.array(b, r.order.Uint16(c[8:]), size*count)
	if err != nil {
		return fmt.Errorf("%q: value: %w", name, err)
	}
	values := make([]uint64, count)
	for i := range values {
		for _, v := range raw[i*size:][:size] {
			values[i] = values[i]<<8 | uint64(v)
		}
	}
	return r.fn(Entry{Name: name, IntSize: size, Values: values})
}

// array reads n bytes from a chain of array chunks, which must end where they do: kernels follow
// it to its end, wherever that is.
func (r *fatReader) array(b []byte, first uint16, n int) ([]byte, error) {
	out := make([]byte, 0, n+chunkData)
	i := first
	for len(out) < n {
		c, err := r.chunk(b, i, chunkArray)
		if err != nil {
			return nil, err
		}
		out = append(out, c[1:1+chunkData]...)
		i = r.order.Uint16(c[22:])
	}
	if i != noChunk {
		return nil, fmt.Errorf("the chain goes on behind its %d bytes, to chunk %d", n, i)
	}
	return out[:n], nil
}

// checkLeaf reads back the leaf just built.
func (z *ZAP) checkLeaf(l *leaf) error {
	got := 0
	r := &fatReader{order: le, shift: blockShift, salt: z.salt, bits: hashBits, used: make([]bool, leafChunks(blockShift))}
	r.fn = func(Entry) error { got++; return nil }
	if err := r.leaf(z.buf); err != nil {
		return err
	}
	if got != l.count {
		return fmt.Errorf("leaf of %d entries reads as %d", l.count, got)
	}
	return nil
}

// checkMicro reads back the micro ZAP just built.
func (z *ZAP) checkMicro() error {
	i := 0
	err := readMicro(z.buf, le, func(e Entry) error {
		name := z.src.Name(int(z.items[i].index))
		_, values := z.src.Value(int(z.items[i].index))
		if e.Name != name || e.Values[0] != values[0] {
			return fmt.Errorf("%q reads as %q", name, e.Name)
		}
		i++
		return nil
	})
	if err == nil && i != len(z.items) {
		err = fmt.Errorf("%d entries read as %d", len(z.items), i)
	}
	return err
}
