package objset

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"imagetools/zfs/block"
	"imagetools/zfs/stream"
)

// Doubt is what a record does that receivers do not all do alike.
type Doubt struct {
	Message string
	// Old says that only receivers before OpenZFS 2.0, or those for debugging, do otherwise. If it is false, the contents
	// depend on the receiver, and even on when it writes them to disk.
	Old bool
}

func (in *applier) doubt(d Doubt) {
	if in.x.opts.Doubt != nil {
		in.x.opts.Doubt(d)
	}
}

// refusedError says why receivers refuse a stream.
type refusedError struct{ reason, advice string }

func (e *refusedError) Error() string { return e.reason }

// Hint is the way out.
func (e *refusedError) Hint() string { return e.advice }

// errNoLargeBlocks is OpenZFS's ZFS_ERR_STREAM_LARGE_BLOCK_MISMATCH.
var errNoLargeBlocks = &refusedError{
	"zfs receive refuses the stream: it has no large blocks, and its incremental source has blocks of more than 128 KiB",
	"send the increment again with zfs send -L",
}

// checkSource tells whether a receiver that has the incremental source takes a stream on it.
func (in *applier) checkSource(from *Snapshot, b *stream.Begin) error {
	switch {
	case from.Begin.Objset != b.Objset:
		return errors.New("its incremental source is of another type")
	case from.Order != in.r.Order():
		return fmt.Errorf("%w byte order: its incremental source has the other one", stream.ErrUnsupported)
	case from.large && b.Features&stream.FeatureLargeBlocks == 0:
		return errNoLargeBlocks
	}
	return nil
}

// change is what a receiver does with an object that it has when an OBJECT record comes for it.
type change struct {
	anew      bool   // the object is freed, with its spill block, and allocated again
	empty     bool   // its data is freed
	unspill   bool   // its spill block is freed
	blockSize uint32 // it has from then on
}

// change compares an object with the OBJECT record that comes for it.
func (in *applier) change(old *Object, rec *stream.Object, bonus []byte) (change, error) {
	c := change{blockSize: rec.BlockSize}
	if rec.BlockSize != old.BlockSize {
		switched, err := in.switched(old, rec, bonus)
		if err != nil {
			return c, err
		}
		c.empty = !switched
		if switched {
			c.blockSize = old.BlockSize
		}
	}
	if blockPointers(rec.BonusType, rec.BonusLen, 1) < blockPointers(old.BonusType, uint32(old.bonusLen), old.Slots) {
		c.empty = true
	}
	if max(rec.DnSlots, 1) != old.Slots {
		c.anew, c.empty = true, true
	}
	spills := in.s.Begin.Flags&stream.FlagSpillBlock != 0
	kept := spills && rec.Flags&stream.FlagObjectSpill != 0
	reshaped := rec.ObjType != old.Type || c.blockSize != old.BlockSize || rec.BonusType != old.BonusType || rec.BonusLen != uint32(old.bonusLen)
	c.unspill = c.anew || !kept && (spills || reshaped)
	return c, nil
}

// switched tells whether another block size means that the sender now sends large blocks as they
// are, which it cut into pieces before: then the object keeps its blocks and what is in them.
func (in *applier) switched(old *Object, rec *stream.Object, bonus []byte) (bool, error) {
	if in.s.Begin.FromGUID == 0 || rec.ObjType != stream.ObjPlainFile || old.Type != stream.ObjPlainFile || old.lastBlock == 0 {
		return false, nil
	}
	before, ok := generation(in.s.Order, old.BonusType, old.Bonus())
	now, okNow := generation(in.s.Order, rec.BonusType, bonus)
	switch {
	case !ok || !okNow:
		return false, errors.New("its block size changes, and the generation of the file is not in its bonus")
	case before != now:
		return false, nil
	case rec.BlockSize < old.BlockSize:
		return false, &refusedError{
			fmt.Sprintf("zfs receive refuses it: its blocks of %d bytes become blocks of %d, and it is the same file", old.BlockSize, rec.BlockSize),
			"send the increment again with zfs send -L",
		}
	}
	in.doubt(Doubt{fmt.Sprintf("blocks of %d bytes are sent for a file that has blocks of %d: receivers before OpenZFS 2.0 lose what the stream does not bring again",
		rec.BlockSize, old.BlockSize), true})
	return true, nil
}

// Where a generation lies in the bonus buffer (sa_impl.h, zfs_znode.h).
const (
	saMagic       = 0x2F505A
	saGeneration  = 16 // behind the header
	znodeGenerate = 64
)

// generation reads the generation of a file where receivers do, whatever the layout says. A
// buffer without attributes has generation 0.
func generation(order binary.ByteOrder, bonusType uint32, bonus []byte) (uint64, bool) {
	at := znodeGenerate
	switch {
	case bonusType == stream.ObjSA && len(bonus) >= 8:
		magic := order.Uint32(bonus)
		if magic == 0 {
			return 0, true
		}
		if magic != saMagic {
			return 0, false
		}
		at = int(order.Uint16(bonus[4:])>>10)*8 + saGeneration
	case bonusType != stream.ObjZnode:
		return 0, false
	}
	if at+8 > len(bonus) {
		return 0, false
	}
	return order.Uint64(bonus[at:]), true
}

// blockPointers is how many block pointers a dnode of some slots has beside a bonus.
func blockPointers(bonusType, bonusLen uint32, slots uint8) uint32 {
	if bonusType == stream.ObjSA {
		return 1
	}
	room := uint32(slots)*512 - 192
	return min(1+(room-min(bonusLen, room))/128, 3)
}

// free applies a FREE record: whole blocks go, and of others the part that is freed becomes
// zeros.
func (in *applier) free(rec *stream.Free) error {
	o, err := in.existing(rec.Object)
	if err != nil {
		return err
	}
	toEnd := rec.Length == freeToEnd
	if !toEnd && rec.Offset+rec.Length < rec.Offset {
		return fmt.Errorf("%#x bytes from there on: beyond the end of the largest object", rec.Length)
	}
	size := uint64(o.BlockSize)
	end := satMul(o.lastBlock+1, size)
	if rec.Offset >= end || rec.Length == 0 {
		return nil
	}
	from, to := rec.Offset, end
	if !toEnd {
		to = min(to, rec.Offset+rec.Length)
	}
	in.freedPart(rec.Object, from, size)
	in.freedPart(rec.Object, to, size)
	if first := (from + size - 1) / size; to == end && first <= o.lastBlock {
		last := uint64(0)
		if first > 0 {
			last = first - 1
		}
		if o.written > 0 {
			last = max(last, (o.written-1)/size)
		}
		o.lastBlock = last
	}
	if from < o.written {
		if err := in.again(o); err != nil {
			return err
		}
		if in.writtenIn(o, from, to) {
			in.freeWritten(o, from, to)
			return nil
		}
	}
	in.add(o, bare(hole, from, to-from))
	return nil
}

// freedPart notes that a FREE begins or ends inside of a block: receivers change that in their
// cache, past which they write whole blocks.
func (in *applier) freedPart(object, at, size uint64) {
	part := partOf{object, at / size}
	if at%size == 0 || in.parts[part] {
		return
	}
	if in.parts == nil {
		in.parts = make(map[partOf]bool)
	}
	in.parts[part] = true
	in.x.hold(2 * numberSize)
}

// writtenIn tells whether the present stream has written to a range of an object.
func (in *applier) writtenIn(o *Object, from, to uint64) bool {
	return slices.ContainsFunc(o.extents[o.inherited:], func(e extent) bool { return e.kind != hole && e.off < to && e.end() > from })
}

const freeToEnd = 1<<64 - 1

// unwritten are the parts of a range of an object that the present stream has not written as
// whole blocks.
func (in *applier) unwritten(o *Object, from, to uint64) []extent {
	said := []extent{bare(redacted, from, to-from)} // which kind does not matter
	for _, e := range o.extents[o.inherited:] {
		if e.kind == hole || e.off >= to || e.end() <= from {
			continue
		}
		kind := redacted
		if e.whole {
			kind = hole
		}
		off := max(e.off, from)
		said = append(said, bare(kind, off, min(e.end(), to)-off))
	}
	return settle(said)
}

// freeWritten frees a range of an object to which the present stream has written. Blocks that it
// has written as a whole stay, since receivers write them past the cache in which they free; a
// block of the incremental source that is still there below a part is what they change, and
// write last.
func (in *applier) freeWritten(o *Object, from, to uint64) {
	in.doubt(Doubt{Message: "it frees what this stream has written before: what is left depends on the receiver"})
	size := uint64(o.BlockSize)
	for _, at := range []uint64{from, to} {
		if start := at / size * size; at != start {
			in.restore(o, start, start+size)
		}
	}
	for _, part := range in.unwritten(o, from, to) {
		in.add(o, bare(hole, part.off, part.end()-part.off))
	}
}

// restore puts the data of the incremental source over a block, if it has any there and the
// present stream has written the block as a whole.
func (in *applier) restore(o *Object, start, end uint64) {
	var below []extent
	for i := find(o.extents[:o.inherited], start); i < int(o.inherited) && o.extents[i].off < end; i++ {
		o.extents[i].within(start, end, func(part extent) { below = append(below, part) })
	}
	if len(below) == 0 {
		return
	}
	all, found := slices.Clone(o.extents[:o.inherited]), false
	for _, e := range o.extents[o.inherited:] {
		if !e.whole || e.off >= end || e.end() <= start {
			all = append(all, e)
			continue
		}
		found = true
		keep := func(part extent) { all = append(all, part) }
		e.within(0, start, keep)
		e.within(start, end, func(part extent) { part.whole = false; keep(part) })
		e.within(end, endOfFiles, keep)
	}
	if !found {
		return
	}
	in.x.hold(int64(len(all)-len(o.extents)) * extentSize)
	o.forget(in.x)
	o.extents, o.shared = all, false
	in.add(o, bare(hole, start, end-start))
	for _, part := range below {
		part.whole = false
		in.add(o, part)
	}
}

// embeddable is how many bytes of an embedded block receivers keep: as much as one block of the
// object has. Senders without -L announce objects with blocks of 128 KiB whose only block is larger,
// and send it as it is if it is embedded.
func (in *applier) embeddable(o *Object, rec *stream.WriteEmbedded, payload []byte) uint32 {
	room := o.BlockSize - uint32(rec.Offset%uint64(max(o.BlockSize, 1)))
	if rec.LSize <= room || rec.LSize > stream.MaxBlock {
		return room
	}
	b := make([]byte, rec.LSize)
	err := block.Decompress(b, block.Compression(rec.Compression), payload[:min(int(rec.PSize), len(payload))])
	if err == nil && !allZero(b[room:]) {
		in.doubt(Doubt{Message: fmt.Sprintf("an embedded block of %d bytes, of which receivers keep %d", rec.LSize, room)})
	}
	return room
}

// wrote notes that the present stream writes to an object.
func (in *applier) wrote(o *Object, off, length uint64) {
	if length == 0 {
		return
	}
	end := off + length
	o.lastBlock, o.written = max(o.lastBlock, (end-1)/max(uint64(o.BlockSize), 1)), max(o.written, end)
	if o.BlockSize > stream.OldMaxBlock {
		in.s.large = true
	}
}

func satMul(a, b uint64) uint64 {
	if b != 0 && a > endOfFiles/b {
		return endOfFiles
	}
	return a * b
}
