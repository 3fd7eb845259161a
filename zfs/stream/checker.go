package stream

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Block sizes that every receiver since 2010 takes.
const (
	MinBlockSize = 512
	OldMaxBlock  = 128 << 10 // SPA_OLD_MAXBLOCKSIZE: larger blocks need FeatureLargeBlocks
	bonusRoom    = 320       // bytes of bonus in a 512-byte dnode
	spillPtr     = 128       // bytes at their end that hold the block pointer of a spill
	maxSlots     = 32        // slots of a large dnode (DNODE_MAX_SIZE)
	maxAhead     = 32        // OBJECTs of one dnode block, which old senders announce together
)

// freeToEnd is the length of a FREE that reaches to the end (DMU_OBJECT_END).
const freeToEnd = 1<<64 - 1

// Object types that the rules of streams and of the ZPL speak of (dmu.h).
const (
	ObjNone           uint32 = 0
	ObjZnode          uint32 = 17
	ObjPlainFile      uint32 = 19
	ObjDirectory      uint32 = 20
	ObjMasterNode     uint32 = 21
	ObjUnlinkedSet    uint32 = 22
	ObjZvol           uint32 = 23
	ObjZvolProp       uint32 = 24
	ObjACL            uint32 = 33
	ObjSA             uint32 = 44
	ObjSAMasterNode   uint32 = 45
	ObjSARegistration uint32 = 46
	ObjSALayouts      uint32 = 47
	objTypes          uint32 = 54 // DMU_OT_NUMTYPES of the oldest receivers
	objNewTypeFlag    uint32 = 0x80
	objTypeMax        uint32 = 0xFF
)

// Checker tells whether the records of a plain, uncompressed stream keep the rules that
// receivers rely on without checking them: order, block sizes, room for bonus and spill.
// Streams that break some of them are received without a word and stop the kernel later.
// The zero value is ready; records are given to Check in the order of the stream.
type Checker struct {
	// Foreign is for a stream that a ZFS has sent: what receivers take and real senders do is
	// allowed too. Senders before 2019 leave the number of dnode slots and the spill flags zero
	// and announce all objects of a dnode block before their data; a block larger than 128 KiB
	// ends in a short WRITE; a dataset with large dnodes cannot be sent without them.
	Foreign bool

	begun, ended bool
	toGUID       uint64
	features     Features
	flags        Flags

	object  Object   // that data belongs to; Object 0 before the first
	end     uint64   // of the latest WRITE in it
	spilled bool     // its SPILL was there
	ahead   []Object // announced after it; Foreign only
	last    uint64   // number that the latest OBJECT takes up, with all its slots
}

// plainFeatures are the features that zfs send sets without being asked, from 2010 on, and for
// datasets with large dnodes or long names.
const plainFeatures = FeatureSASpill | FeatureLargeBlocks | FeatureLargeDnode | FeatureLongname | FeatureLargeMicrozap

// Check reports how rec breaks a rule, in view of those before it. Records that plain
// uncompressed streams do not hold (raw, deduplicated, embedded, redacted) are refused.
func (c *Checker) Check(rec Record) error {
	err := c.check(rec)
	if err != nil {
		return fmt.Errorf("stream: %s: %w", Describe(rec), err)
	}
	return nil
}

func (c *Checker) check(rec Record) error {
	if b, ok := rec.(*Begin); ok {
		return c.checkBegin(b)
	}
	if !c.begun {
		return errors.New("before BEGIN")
	}
	if c.ended {
		return errors.New("after END")
	}
	switch rec := rec.(type) {
	case *Object:
		return c.checkObject(rec)
	case *Write:
		return c.checkWrite(rec)
	case *Spill:
		return c.checkSpill(rec)
	case *Free:
		switch {
		case rec.Object == 0 || rec.Object > MaxObject:
			return errors.New("object number out of range")
		case rec.Length != freeToEnd && rec.Offset+rec.Length < rec.Offset:
			return fmt.Errorf("%#x bytes: beyond the end of the largest object", rec.Length)
		}
		return c.checkGUID(rec.ToGUID)
	case *FreeObjects:
		if rec.First+rec.Count < rec.First {
			return fmt.Errorf("%d objects from %d on: beyond the last number", rec.Count, rec.First)
		}
		return c.checkGUID(rec.ToGUID)
	case *End:
		for _, o := range c.ahead {
			if err := c.enter(o); err != nil {
				return err
			}
		}
		if err := c.closeObject(); err != nil {
			return err
		}
		c.ended = true
		return c.checkGUID(rec.ToGUID)
	}
	return errors.New("not in a plain stream")
}

func (c *Checker) checkGUID(guid uint64) error {
	if guid != c.toGUID {
		return fmt.Errorf("toguid %#x in a stream of %#x", guid, c.toGUID)
	}
	return nil
}

func (c *Checker) checkBegin(b *Begin) error {
	fs, snap, ok := strings.Cut(b.ToName, "@")
	switch {
	case c.begun:
		return errors.New("a second time")
	case !ok || fs == "" || snap == "" || strings.ContainsAny(b.ToName, "\x00") || strings.Contains(snap, "@"):
		return fmt.Errorf("name %q: a dataset, '@' and a snapshot are needed", b.ToName)
	case b.HeaderType != Substream:
		return fmt.Errorf("header type %d in a plain stream", b.HeaderType)
	case b.Objset != ObjsetZFS && b.Objset != ObjsetZvol:
		return fmt.Errorf("objset type %d", b.Objset)
	case b.ToGUID == 0:
		return errors.New("toguid is 0")
	case c.Foreign && b.Features&^plainFeatures != 0:
		return fmt.Errorf("not in a plain stream: %v", b.Features&^plainFeatures)
	}
	c.begun, c.toGUID, c.features, c.flags = true, b.ToGUID, b.Features, b.Flags
	return nil
}

func (c *Checker) checkObject(o *Object) error {
	room := uint32(bonusRoom)
	if o.DnSlots > 1 {
		room += (uint32(o.DnSlots) - 1) << 9
	}
	if o.Flags&FlagObjectSpill != 0 {
		room -= spillPtr
	}
	switch {
	case o.Object == 0 || o.Object > MaxObject:
		return errors.New("object number out of range")
	case o.Object <= c.last:
		return fmt.Errorf("after object %d", c.last)
	case o.ObjType == ObjNone || !validType(o.ObjType):
		return fmt.Errorf("object type %d", o.ObjType)
	case !validType(o.BonusType):
		return fmt.Errorf("bonus type %d", o.BonusType)
	case o.BonusType != ObjSA && (o.BonusType == ObjNone) != (o.BonusLen == 0):
		return fmt.Errorf("bonus type %d with %d bytes", o.BonusType, o.BonusLen)
	case o.BonusLen > room:
		return fmt.Errorf("bonus of %d bytes: %d fit", o.BonusLen, room)
	case o.BlockSize < MinBlockSize || o.BlockSize%512 != 0:
		return fmt.Errorf("block size %d: not a multiple of 512", o.BlockSize)
	case o.BlockSize > OldMaxBlock && c.features&FeatureLargeBlocks == 0:
		return fmt.Errorf("block size %d: needs LARGE_BLOCKS", o.BlockSize)
	case o.BlockSize > MaxBlock:
		return fmt.Errorf("block size %d: the limit is %d", o.BlockSize, MaxBlock)
	case o.DnSlots == 0 && !c.Foreign:
		return errors.New("0 dnode slots: receivers of 2018 take that for none")
	case o.DnSlots > 1 && c.features&FeatureLargeDnode == 0:
		return fmt.Errorf("%d dnode slots: needs LARGE_DNODE", o.DnSlots)
	case o.DnSlots > maxSlots:
		return fmt.Errorf("%d dnode slots: the limit is %d", o.DnSlots, maxSlots)
	case o.RawBonus != 0 || o.IndBlkSh != 0 || o.NLevels != 0 || o.NBlkPtr != 0 || o.MaxBlockID != 0:
		return errors.New("fields of raw streams are set")
	case o.Flags&^FlagObjectSpill != 0:
		return fmt.Errorf("flags %#x", o.Flags)
	case o.Flags != 0 && c.flags&FlagSpillBlock == 0:
		return errors.New("a spill block in a stream without SPILL_BLOCK")
	}
	c.last = o.Object + max(uint64(o.DnSlots), 1) - 1
	if !c.Foreign {
		return errors.Join(c.enter(*o), c.checkGUID(o.ToGUID))
	}
	if len(c.ahead) == maxAhead {
		if err := c.enter(c.ahead[0]); err != nil {
			return err
		}
		c.ahead = slices.Delete(c.ahead, 0, 1)
	}
	c.ahead = append(c.ahead, *o)
	return c.checkGUID(o.ToGUID)
}

// enter makes o the object that data belongs to.
func (c *Checker) enter(o Object) error {
	if err := c.closeObject(); err != nil {
		return err
	}
	c.object, c.end, c.spilled = o, 0, false
	return nil
}

// reach makes the announced object with a number the one that data belongs to, if it is not.
func (c *Checker) reach(number uint64) error {
	for len(c.ahead) > 0 && c.object.Object < number {
		if err := c.enter(c.ahead[0]); err != nil {
			return err
		}
		c.ahead = slices.Delete(c.ahead, 0, 1)
	}
	return nil
}

// validType tells whether receivers take a type of object or bonus: one of the numbered ones
// or, since 2012, one that describes itself.
func validType(t uint32) bool {
	return t < objTypes || t&objNewTypeFlag != 0 && t <= objTypeMax
}

// closeObject checks the object that has been read when another one follows it.
func (c *Checker) closeObject() error {
	if c.object.Flags&FlagObjectSpill != 0 && !c.spilled {
		return fmt.Errorf("object %d has a spill flag but no SPILL", c.object.Object)
	}
	return nil
}

func (c *Checker) checkWrite(w *Write) error {
	if err := c.reach(w.Object); err != nil {
		return err
	}
	size := uint64(c.object.BlockSize)
	short := c.Foreign && w.LogicalSize < size && w.LogicalSize >= MinBlockSize && w.LogicalSize%512 == 0
	checksums := uint8(14)
	if c.Foreign {
		checksums = 15 // OpenZFS has BLAKE3 since 2.2
	}
	switch {
	case w.Object != c.object.Object:
		return fmt.Errorf("data of another object than %d", c.object.Object)
	case c.spilled:
		return errors.New("after the object's SPILL")
	case w.ObjType != c.object.ObjType && !(c.Foreign && validType(w.ObjType)):
		return fmt.Errorf("object type %d, the object has %d", w.ObjType, c.object.ObjType)
	case w.Compression != 0 || w.CompressedSize != 0:
		return errors.New("compressed")
	case w.LogicalSize != size && !short || w.Offset%size != 0:
		return fmt.Errorf("%d bytes: not one block of %d", w.LogicalSize, size)
	case w.Offset+size < w.Offset || w.Offset+size > 1<<63:
		return errors.New("beyond the end of the largest object")
	case w.Offset < c.end:
		return fmt.Errorf("the object is written up to %#x", c.end)
	case w.Offset > 0 && size&(size-1) != 0:
		return fmt.Errorf("a second block of %d bytes: not a power of two", size)
	case w.ChecksumType >= checksums:
		return fmt.Errorf("checksum type %d", w.ChecksumType)
	}
	c.end = w.Offset + size
	return c.checkGUID(w.ToGUID)
}

func (c *Checker) checkSpill(s *Spill) error {
	if err := c.reach(s.Object); err != nil {
		return err
	}
	unflagged := c.Foreign && c.flags&FlagSpillBlock == 0
	switch {
	case s.Object != c.object.Object:
		return fmt.Errorf("spill of another object than %d", c.object.Object)
	case c.object.Flags&FlagObjectSpill == 0 && !unflagged:
		return errors.New("the object has no spill flag")
	case unflagged && c.object.DnSlots <= 1 && c.object.BonusLen > bonusRoom-spillPtr:
		return fmt.Errorf("beside a bonus of %d bytes: %d fit", c.object.BonusLen, bonusRoom-spillPtr)
	case c.spilled:
		return errors.New("a second time")
	case s.Length < MinBlockSize || s.Length > OldMaxBlock || s.Length%512 != 0:
		return fmt.Errorf("length %d: a multiple of 512 up to %d is needed", s.Length, OldMaxBlock)
	case s.Flags != 0 || s.Compression != 0 || s.CompressedSize != 0:
		return errors.New("flags or compression are set")
	}
	c.spilled = true
	return c.checkGUID(s.ToGUID)
}
