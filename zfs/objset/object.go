package objset

import (
	"iter"

	"imagetools/zfs/stream"
)

// Object is what streams say of an object. It must not be changed.
type Object struct {
	Number    uint64
	Type      uint32
	BonusType uint32
	BlockSize uint32 // of a receiver's object
	Announced uint32 // block size in the OBJECT record: larger if large blocks are now sent for a file that was sent in pieces
	Slots     uint8  // 512-byte slots of the dnode
	HasSpill  bool   // the OBJECT record announces a spill block
	Record    int64  // number of the OBJECT record in its stream
	Offset    int64  // of that record

	keep     bool  // data is held in memory
	messy    bool  // the extents have to be settled
	said     *said // what they say, if records refer to it meanwhile
	shared   bool  // the extents are another snapshot's as well
	owner    uint32
	bonusLen uint16
	bonus    []byte // packed
	spill    *spill
	extents  []extent

	inherited uint32 // extents that are the incremental source's
	lastBlock uint64 // the highest block that a receiver has had since it last freed to the end
	written   uint64 // offset behind the last byte that the present stream has written
}

type spill struct {
	packed []byte
	length uint32
}

// describe takes over what an OBJECT record says.
func (o *Object) describe(rec *stream.Object, r *stream.Reader) {
	o.Type, o.BonusType, o.BlockSize, o.Announced = rec.ObjType, rec.BonusType, rec.BlockSize, rec.BlockSize
	o.Slots = max(rec.DnSlots, 1)
	o.HasSpill = rec.Flags&stream.FlagObjectSpill != 0
	o.Record, o.Offset = r.Record(), r.Offset()
}

// Bonus returns the bonus buffer, in the order of the stream.
func (o *Object) Bonus() []byte {
	b := make([]byte, o.bonusLen)
	unpack(b, o.bonus)
	return b
}

// Spill returns the spill block, nil if there is none.
func (o *Object) Spill() []byte {
	if o.spill == nil {
		return nil
	}
	b := make([]byte, o.spill.length)
	unpack(b, o.spill.packed)
	return b
}

// End is the offset behind the last data of the object, 0 if it has none.
func (o *Object) End() uint64 {
	if n := len(o.extents); n > 0 {
		return o.extents[n-1].end()
	}
	return 0
}

// Data is the number of bytes of the object that are no holes.
func (o *Object) Data() uint64 {
	var n uint64
	for i := range o.extents {
		n += o.extents[i].end() - o.extents[i].off
	}
	return n
}

// Place is where the contents of the object begin in the stores, for reading the contents of
// many objects in the order in which they lie.
func (o *Object) Place() (store int, pos int64) {
	for i := range o.extents {
		if e := &o.extents[i]; e.kind == stored {
			return int(e.store), e.pos
		}
	}
	return 0, 0
}

// Redacted tells whether data of the object was left out of the stream on purpose.
func (o *Object) Redacted() bool {
	for i := range o.extents {
		if o.extents[i].kind == redacted {
			return true
		}
	}
	return false
}

// Object returns an object by its number, nil if there is none.
func (s *Snapshot) Object(n uint64) *Object {
	o, _ := s.objects.Get(n)
	return o
}

// Len is the number of objects.
func (s *Snapshot) Len() int { return s.objects.Len() }

// Objects are all objects in ascending order.
func (s *Snapshot) Objects() iter.Seq[*Object] {
	return func(yield func(*Object) bool) {
		s.objects.Scan(func(_ uint64, o *Object) bool { return yield(o) })
	}
}
