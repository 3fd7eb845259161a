package objset

import (
	"bytes"
	"fmt"

	"imagetools/zfs/stream"
)

// object applies an OBJECT record.
func (in *applier) object(rec *stream.Object, payload []byte) error {
	bonus := payload[:min(int(rec.BonusLen), len(payload))]
	if err := in.makeRoom(rec); err != nil {
		return err
	}
	if len(bytes.TrimLeft(payload[len(bonus):], "\x00")) > 0 {
		in.doubt(Doubt{Message: "the bytes behind its bonus are not zeros: kernels for debugging stop at them", Old: true})
	}
	var c change
	if old, exists := in.s.objects.Get(rec.Object); exists {
		var err error
		if c, err = in.change(old, rec, bonus); err != nil {
			return err
		}
	} else {
		c.blockSize = rec.BlockSize
		if in.freed[rec.Object] {
			in.doubt(Doubt{Message: "its number was freed by this stream: receivers refuse it, unless they have written that to disk by then"})
		}
	}
	o := in.own(rec.Object)
	if c.empty {
		in.drop(o)
	}
	if c.unspill {
		o.spill = nil
	}
	o.describe(rec, in.r)
	o.BlockSize = c.blockSize
	o.bonus, o.bonusLen = in.x.arena.keep(bonus), uint16(len(bonus))
	in.x.hold(int64(len(o.bonus)))
	o.keep = !isContents(o.Type) || in.x.opts.Keep != nil && in.x.opts.Keep(o, bonus)
	return nil
}

// makeRoom frees the objects that a dnode of several slots takes the numbers of. A number that
// another dnode takes up cannot become an object.
func (in *applier) makeRoom(rec *stream.Object) error {
	if err := in.interior(rec.Object); err != nil {
		return err
	}
	if rec.DnSlots > 1 {
		in.s.slots = true
		in.remove(rec.Object+1, rec.Object+uint64(rec.DnSlots))
	}
	return nil
}

// interior is an error if a number is one of those that the dnode of another object takes up.
func (in *applier) interior(number uint64) (err error) {
	if in.s.slots {
		in.s.objects.Descend(number, func(n uint64, o *Object) bool {
			if n < number && n+uint64(o.Slots) > number {
				err = fmt.Errorf("object %d has %d dnode slots, and takes up this number", n, o.Slots)
			}
			return false
		})
	}
	return err
}

// freeObjects visits the objects there are, never the range, which may be anything.
func (in *applier) freeObjects(first, count uint64) error {
	last := first + count
	if last < first {
		return fmt.Errorf("%d objects from %d on: beyond the last number", count, first)
	}
	if count > 0 {
		if err := in.interior(first); err != nil {
			return err
		}
	}
	for _, n := range in.remove(first, last) {
		if in.freed == nil {
			in.freed = make(map[uint64]bool)
		}
		if !in.freed[n] {
			in.freed[n] = true
			in.x.hold(numberSize)
		}
	}
	return nil
}

// remove removes the objects from a number to another, which is not among them. It returns their
// numbers.
func (in *applier) remove(first, last uint64) (gone []uint64) {
	in.s.objects.Ascend(first, func(n uint64, _ *Object) bool {
		if n >= last {
			return false
		}
		gone = append(gone, n)
		return true
	})
	for _, n := range gone {
		if o, _ := in.s.objects.Get(n); o.owner == in.s.number { // no other snapshot has it
			in.drop(o)
			in.x.hold(-objectSize)
		}
		in.s.objects.Delete(n)
		in.copied()
	}
	return gone
}
