package stream

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// HeaderSize is the size of every record without its payload, in bytes.
const HeaderSize = 312

const (
	bodyOffset     = 8   // of the body, which differs by type
	checksumOffset = 280 // of the running checksum, in every record but BEGIN
	nameOffset     = 56  // of drr_toname in BEGIN
	nameSize       = 256
	magic          = 0x2F5BACBAC // DMU_BACKUP_MAGIC
)

// Limits of payloads. Blocks are at most 16 MiB since OpenZFS 0.7; the nvlist of a compound
// stream grows with the number of snapshots it names.
const (
	MaxBlock        = 16 << 20 // bytes of a WRITE or SPILL payload
	MaxBeginPayload = 64 << 20 // bytes of an nvlist in BEGIN
	maxBonus        = 32 << 9  // bytes of the largest dnode, 32 slots
	maxEmbedded     = 112      // bytes that fit into a block pointer
	MaxObject       = 1<<48 - 1
)

// Type is the type of a record.
type Type uint32

// Record types, with the names they have in zfs_ioctl.h behind DRR_.
const (
	TypeBegin         Type = 0
	TypeObject        Type = 1
	TypeFreeObjects   Type = 2
	TypeWrite         Type = 3
	TypeFree          Type = 4
	TypeEnd           Type = 5
	TypeWriteByref    Type = 6
	TypeSpill         Type = 7
	TypeWriteEmbedded Type = 8
	TypeObjectRange   Type = 9
	TypeRedact        Type = 10
)

var typeNames = [...]string{"BEGIN", "OBJECT", "FREEOBJECTS", "WRITE", "FREE", "END", "WRITE_BYREF",
	"SPILL", "WRITE_EMBEDDED", "OBJECT_RANGE", "REDACT"}

// String is the name of the type, or "record type N" for an unknown one.
func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return fmt.Sprintf("record type %d", uint32(t))
}

// Features are the feature flags of a stream, bits 2 and up of drr_versioninfo. A receiver
// refuses a stream with a bit that it does not know.
type Features uint64

// Feature bits.
const (
	FeatureDedup               Features = 1 << 0
	FeatureDedupProps          Features = 1 << 1
	FeatureSASpill             Features = 1 << 2
	FeatureEmbedData           Features = 1 << 16
	FeatureLZ4                 Features = 1 << 17
	FeatureLargeBlocks         Features = 1 << 19
	FeatureResuming            Features = 1 << 20
	FeatureRedacted            Features = 1 << 21
	FeatureCompressed          Features = 1 << 22
	FeatureLargeDnode          Features = 1 << 23
	FeatureRaw                 Features = 1 << 24
	FeatureZstd                Features = 1 << 25
	FeatureHolds               Features = 1 << 26
	FeatureSwitchToLargeBlocks Features = 1 << 27
	FeatureLongname            Features = 1 << 28
	FeatureLargeMicrozap       Features = 1 << 29
)

var featureNames = map[int]string{0: "DEDUP", 1: "DEDUPPROPS", 2: "SA_SPILL", 16: "EMBED_DATA", 17: "LZ4",
	19: "LARGE_BLOCKS", 20: "RESUMING", 21: "REDACTED", 22: "COMPRESSED", 23: "LARGE_DNODE", 24: "RAW",
	25: "ZSTD", 26: "HOLDS", 27: "SWITCH_TO_LARGE_BLOCKS", 28: "LONGNAME", 29: "LARGE_MICROZAP"}

// Unknown returns the bits that this package has no name for.
func (f Features) Unknown() Features {
	for bit := range featureNames {
		f &^= 1 << bit
	}
	return f
}

// String names the features, joined by commas; unknown ones as "feature N".
func (f Features) String() string { return bitNames(uint64(f), featureNames, "feature") }

// Flags are the flags of a stream (drr_flags).
type Flags uint32

// Stream flags.
const (
	FlagClone       Flags = 1 << 0 // the incremental source is in another dataset
	FlagCIData      Flags = 1 << 1 // case-insensitive dataset
	FlagFreeRecords Flags = 1 << 2 // a full stream with all its FREE and FREEOBJECTS
	FlagSpillBlock  Flags = 1 << 3 // the spill bits of OBJECT and SPILL are meaningful
)

var flagNames = map[int]string{0: "CLONE", 1: "CI_DATA", 2: "FREERECORDS", 3: "SPILL_BLOCK"}

const allFlags = FlagClone | FlagCIData | FlagFreeRecords | FlagSpillBlock

// String names the flags, joined by commas; unknown ones as "flag N".
func (f Flags) String() string { return bitNames(uint64(f), flagNames, "flag") }

func bitNames(v uint64, names map[int]string, unknown string) string {
	var out []string
	for bit := range 64 {
		if v&(1<<bit) == 0 {
			continue
		}
		if name, ok := names[bit]; ok {
			out = append(out, name)
		} else {
			out = append(out, fmt.Sprintf("%s %d", unknown, bit))
		}
	}
	return strings.Join(out, ",")
}

// Header types of BEGIN.
const (
	Substream = 1 // one snapshot
	Compound  = 2 // a package of substreams
)

// ObjsetType is what a stream holds.
type ObjsetType uint32

// The types that are sent. A compound header has ObjsetNone.
const (
	ObjsetNone ObjsetType = 0
	ObjsetZFS  ObjsetType = 2 // a file system
	ObjsetZvol ObjsetType = 3 // a volume
)

// Record flags.
const (
	FlagChecksumDedup   uint8 = 1 << 0 // WRITE, WRITE_BYREF: the checksum is fit for dedup
	FlagRawByteswap     uint8 = 1 << 1 // raw: the block is in the other byte order
	FlagObjectSpill     uint8 = 1 << 2 // OBJECT: a SPILL record belongs to it
	FlagSpillUnmodified uint8 = 1 << 2 // SPILL: sent again though unchanged
)

// Record is one of *Begin, *Object, *FreeObjects, *Write, *Free, *End, *WriteByref, *Spill,
// *WriteEmbedded, *ObjectRange and *Redact. Sizes and offsets are bytes.
type Record interface {
	Type() Type
	// fields moves every field of the body to or from its place in a header.
	fields(*coder)
	// payload is the number of bytes that follow the header. For BEGIN the length stands in
	// the header itself.
	payload(raw bool) uint64
}

// Begin starts a stream.
type Begin struct {
	HeaderType   int // Substream or Compound
	Features     Features
	CreationTime uint64 // of the snapshot, seconds since 1970
	Objset       ObjsetType
	Flags        Flags
	ToGUID       uint64 // of the snapshot in this stream
	FromGUID     uint64 // of the incremental source, 0 for a full stream
	ToName       string // dataset@snapshot
	NameTail     string // bytes behind the name's NUL, without trailing zeros: usually none, and no meaning
	PayloadLen   uint32 // bytes of the nvlist that follows
}

// Object creates or changes an object. Its bonus buffer follows.
type Object struct {
	Object     uint64
	ObjType    uint32
	BonusType  uint32
	BlockSize  uint32
	BonusLen   uint32
	Checksum   uint8
	Compress   uint8
	DnSlots    uint8 // 512-byte slots of the dnode, 0 is 1
	Flags      uint8 // FlagObjectSpill, FlagRawByteswap
	RawBonus   uint32
	ToGUID     uint64
	IndBlkSh   uint8 // raw only, as are the next three
	NLevels    uint8
	NBlkPtr    uint8
	MaxBlockID uint64
}

// FreeObjects says that there are no objects in a range, which may reach far beyond the
// objects that exist.
type FreeObjects struct{ First, Count, ToGUID uint64 }

// Write is data of an object, which follows: LogicalSize bytes, or CompressedSize if
// Compression is not 0.
type Write struct {
	Object         uint64
	ObjType        uint32
	Offset         uint64
	LogicalSize    uint64
	ToGUID         uint64
	ChecksumType   uint8
	Flags          uint8 // FlagChecksumDedup, FlagRawByteswap
	Compression    uint8
	Key            [5]uint64 // dedup key: block checksum and properties
	CompressedSize uint64
	Salt           [8]byte // raw only, as are the next two
	IV             [12]byte
	MAC            [16]byte
}

// Free punches a hole. Length 2⁶⁴−1 is to the end.
type Free struct{ Object, Offset, Length, ToGUID uint64 }

// End ends a stream. Sum is the checksum of all before it; it is all that old receivers
// verify. The last END of a compound stream is all zeros.
type End struct {
	Sum    Checksum
	ToGUID uint64
}

// WriteByref is a WRITE whose data stands elsewhere: at an offset of an object of the
// snapshot RefGUID.
type WriteByref struct {
	Object, Offset, Length, ToGUID uint64
	RefGUID, RefObject, RefOffset  uint64
	ChecksumType                   uint8
	Flags                          uint8
	Key                            [5]uint64
}

// Spill is the spill block of an object, which follows.
type Spill struct {
	Object         uint64
	Length         uint64
	ToGUID         uint64
	Flags          uint8 // FlagSpillUnmodified, FlagRawByteswap
	Compression    uint8
	CompressedSize uint64 // raw only, as are the rest
	Salt           [8]byte
	IV             [12]byte
	MAC            [16]byte
	ObjType        uint32
}

// WriteEmbedded is a small block that was stored in its block pointer: PSize bytes follow,
// compressed, which become LSize bytes at the start of a block of Length.
type WriteEmbedded struct {
	Object, Offset, Length, ToGUID uint64
	Compression                    uint8
	EmbedType                      uint8
	LSize, PSize                   uint32
}

// ObjectRange carries the encryption parameters of a block of dnodes; raw streams only.
type ObjectRange struct {
	First, Slots, ToGUID uint64
	Salt                 [8]byte
	IV                   [12]byte
	MAC                  [16]byte
	Flags                uint8
}

// Redact is a range left out on purpose.
type Redact struct{ Object, Offset, Length, ToGUID uint64 }

func (*Begin) Type() Type         { return TypeBegin }
func (*Object) Type() Type        { return TypeObject }
func (*FreeObjects) Type() Type   { return TypeFreeObjects }
func (*Write) Type() Type         { return TypeWrite }
func (*Free) Type() Type          { return TypeFree }
func (*End) Type() Type           { return TypeEnd }
func (*WriteByref) Type() Type    { return TypeWriteByref }
func (*Spill) Type() Type         { return TypeSpill }
func (*WriteEmbedded) Type() Type { return TypeWriteEmbedded }
func (*ObjectRange) Type() Type   { return TypeObjectRange }
func (*Redact) Type() Type        { return TypeRedact }

func newRecord(t Type) Record {
	switch t {
	case TypeBegin:
		return &Begin{}
	case TypeObject:
		return &Object{}
	case TypeFreeObjects:
		return &FreeObjects{}
	case TypeWrite:
		return &Write{}
	case TypeFree:
		return &Free{}
	case TypeEnd:
		return &End{}
	case TypeWriteByref:
		return &WriteByref{}
	case TypeSpill:
		return &Spill{}
	case TypeWriteEmbedded:
		return &WriteEmbedded{}
	case TypeObjectRange:
		return &ObjectRange{}
	case TypeRedact:
		return &Redact{}
	}
	return nil
}

func (b *Begin) payload(bool) uint64 { return uint64(b.PayloadLen) }

func (o *Object) payload(bool) uint64 {
	if o.RawBonus != 0 {
		return uint64(o.RawBonus)
	}
	return roundUp8(uint64(o.BonusLen))
}

func (w *Write) payload(raw bool) uint64 {
	if w.Compression != 0 || raw {
		return w.CompressedSize
	}
	return w.LogicalSize
}

func (s *Spill) payload(bool) uint64 {
	if s.CompressedSize != 0 {
		return s.CompressedSize
	}
	return s.Length
}

func (w *WriteEmbedded) payload(bool) uint64 { return roundUp8(uint64(w.PSize)) }

func (*FreeObjects) payload(bool) uint64 { return 0 }
func (*Free) payload(bool) uint64        { return 0 }
func (*End) payload(bool) uint64         { return 0 }
func (*WriteByref) payload(bool) uint64  { return 0 }
func (*ObjectRange) payload(bool) uint64 { return 0 }
func (*Redact) payload(bool) uint64      { return 0 }

func roundUp8(n uint64) uint64 { return (n + 7) &^ 7 }

// coder moves fields between a record and its header, in either direction, so that each
// offset is written once. Offsets are from the start of the header.
type coder struct {
	b      *[HeaderSize]byte
	order  binary.ByteOrder
	encode bool
}

func (c *coder) u8(off int, v *uint8) {
	if c.encode {
		c.b[off] = *v
	} else {
		*v = c.b[off]
	}
}

func (c *coder) u32(off int, v *uint32) {
	if c.encode {
		c.order.PutUint32(c.b[off:], *v)
	} else {
		*v = c.order.Uint32(c.b[off:])
	}
}

func (c *coder) u64(off int, v *uint64) {
	if c.encode {
		c.order.PutUint64(c.b[off:], *v)
	} else {
		*v = c.order.Uint64(c.b[off:])
	}
}

func (c *coder) u64s(off int, v []uint64) {
	for i := range v {
		c.u64(off+8*i, &v[i])
	}
}

func (c *coder) bytes(off int, v []byte) {
	if c.encode {
		copy(c.b[off:], v)
	} else {
		copy(v, c.b[off:])
	}
}

func (b *Begin) fields(c *coder) {
	m, info := uint64(magic), uint64(b.HeaderType)|uint64(b.Features)<<2
	c.u32(4, &b.PayloadLen)
	c.u64(8, &m)
	c.u64(16, &info)
	c.u64(24, &b.CreationTime)
	c.u32(32, (*uint32)(&b.Objset))
	c.u32(36, (*uint32)(&b.Flags))
	c.u64(40, &b.ToGUID)
	c.u64(48, &b.FromGUID)
	name := make([]byte, nameSize)
	copy(name, b.ToName)
	copy(name[min(len(b.ToName)+1, nameSize):], b.NameTail)
	c.bytes(nameOffset, name)
	if !c.encode {
		b.HeaderType, b.Features = int(info&3), Features(info>>2)
		b.ToName, b.NameTail, _ = strings.Cut(string(name), "\x00")
		b.NameTail = strings.TrimRight(b.NameTail, "\x00")
	}
}

func (o *Object) fields(c *coder) {
	c.u64(8, &o.Object)
	c.u32(16, &o.ObjType)
	c.u32(20, &o.BonusType)
	c.u32(24, &o.BlockSize)
	c.u32(28, &o.BonusLen)
	c.u8(32, &o.Checksum)
	c.u8(33, &o.Compress)
	c.u8(34, &o.DnSlots)
	c.u8(35, &o.Flags)
	c.u32(36, &o.RawBonus)
	c.u64(40, &o.ToGUID)
	c.u8(48, &o.IndBlkSh)
	c.u8(49, &o.NLevels)
	c.u8(50, &o.NBlkPtr)
	c.u64(56, &o.MaxBlockID)
}

func (f *FreeObjects) fields(c *coder) {
	c.u64(8, &f.First)
	c.u64(16, &f.Count)
	c.u64(24, &f.ToGUID)
}

func (w *Write) fields(c *coder) {
	c.u64(8, &w.Object)
	c.u32(16, &w.ObjType)
	c.u64(24, &w.Offset)
	c.u64(32, &w.LogicalSize)
	c.u64(40, &w.ToGUID)
	c.u8(48, &w.ChecksumType)
	c.u8(49, &w.Flags)
	c.u8(50, &w.Compression)
	c.u64s(56, w.Key[:])
	c.u64(96, &w.CompressedSize)
	c.bytes(104, w.Salt[:])
	c.bytes(112, w.IV[:])
	c.bytes(124, w.MAC[:])
}

func (f *Free) fields(c *coder) {
	c.u64(8, &f.Object)
	c.u64(16, &f.Offset)
	c.u64(24, &f.Length)
	c.u64(32, &f.ToGUID)
}

func (e *End) fields(c *coder) {
	c.u64s(8, e.Sum[:])
	c.u64(40, &e.ToGUID)
}

func (w *WriteByref) fields(c *coder) {
	c.u64(8, &w.Object)
	c.u64(16, &w.Offset)
	c.u64(24, &w.Length)
	c.u64(32, &w.ToGUID)
	c.u64(40, &w.RefGUID)
	c.u64(48, &w.RefObject)
	c.u64(56, &w.RefOffset)
	c.u8(64, &w.ChecksumType)
	c.u8(65, &w.Flags)
	c.u64s(72, w.Key[:])
}

func (s *Spill) fields(c *coder) {
	c.u64(8, &s.Object)
	c.u64(16, &s.Length)
	c.u64(24, &s.ToGUID)
	c.u8(32, &s.Flags)
	c.u8(33, &s.Compression)
	c.u64(40, &s.CompressedSize)
	c.bytes(48, s.Salt[:])
	c.bytes(56, s.IV[:])
	c.bytes(68, s.MAC[:])
	c.u32(84, &s.ObjType)
}

func (w *WriteEmbedded) fields(c *coder) {
	c.u64(8, &w.Object)
	c.u64(16, &w.Offset)
	c.u64(24, &w.Length)
	c.u64(32, &w.ToGUID)
	c.u8(40, &w.Compression)
	c.u8(41, &w.EmbedType)
	c.u32(48, &w.LSize)
	c.u32(52, &w.PSize)
}

func (r *ObjectRange) fields(c *coder) {
	c.u64(8, &r.First)
	c.u64(16, &r.Slots)
	c.u64(24, &r.ToGUID)
	c.bytes(32, r.Salt[:])
	c.bytes(40, r.IV[:])
	c.bytes(52, r.MAC[:])
	c.u8(68, &r.Flags)
}

func (r *Redact) fields(c *coder) {
	c.u64(8, &r.Object)
	c.u64(16, &r.Offset)
	c.u64(24, &r.Length)
	c.u64(32, &r.ToGUID)
}
