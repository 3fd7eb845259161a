package image

import (
	"math"
	"strings"

	"imagetools/zfs/block"
	"imagetools/zfs/objset"
	"imagetools/zfs/stream"
	"imagetools/zfs/zpl"
)

// Rules of records, from what the receivers of illumos and OpenZFS refuse (dmu_recv.c) and
// what they take without a word though kernels stop at it later.

const (
	bonusRoom      = 320 // bytes of bonus in a 512-byte dnode
	spillPointer   = 128 // of them for the pointer to a spill block
	slotSize       = 512
	maxSlots       = 32
	maxChecksum    = 14 // blake3, the last of OpenZFS 2.2
	lastOldSum     = 8  // sha256: those above are told from it by features of pools
	maxSnapshot    = 255 - len("zones/00000000-0000-0000-0000-000000000000-partial@")
	dnodesOfRange  = 32
	objectTypes    = 54   // that have numbers of their own
	selfDescribing = 0x80 // flag of types that describe themselves
)

// record checks a record before it is applied.
func (r *recordVerifier) record(sr *stream.Reader, rec stream.Record) error {
	r.r, r.rec = sr, rec
	r.count++
	if err := r.v.ctx.Err(); err != nil {
		return err
	}
	if b, ok := rec.(*stream.Begin); ok {
		r.checkBegin(b)
		return nil
	}
	if r.begin == nil || r.begin.HeaderType != stream.Substream {
		return nil
	}
	r.checkGUID(rec)
	if rec.Type() == stream.TypeEnd {
		r.begin = nil // what may follow in a package is of no snapshot
		return nil
	}
	raw := r.begin.Features&stream.FeatureRaw != 0
	switch rec := rec.(type) {
	case *stream.Object:
		r.checkObject(rec, raw)
	case *stream.Write:
		r.checkWrite(rec, raw)
	case *stream.WriteByref:
		r.need(stream.FeatureDedup)
		r.checkOrder(rec.Object, rec.Offset, rec.Length)
		r.checkRange(rec.Offset, rec.Length)
		r.checkRange(rec.RefOffset, rec.Length)
	case *stream.WriteEmbedded:
		r.checkEmbedded(rec)
	case *stream.Spill:
		r.checkSpill(rec, raw)
	case *stream.Free:
		if rec.Length != toEnd {
			r.checkRange(rec.Offset, rec.Length)
		}
	case *stream.FreeObjects:
		if rec.First+rec.Count < rec.First {
			r.damaged("%d objects from %d on: beyond the last number", rec.Count, rec.First)
		}
	case *stream.Redact:
		r.need(stream.FeatureRedacted)
		r.checkRange(rec.Offset, rec.Length)
	case *stream.ObjectRange:
		if !raw {
			r.damaged("only raw streams have it")
		} else if rec.First%dnodesOfRange != 0 || rec.Slots != dnodesOfRange {
			r.damaged("%d slots from %d on: not one block of dnodes", rec.Slots, rec.First)
		}
	}
	return nil
}

const toEnd = 1<<64 - 1 // length of a FREE that reaches to the end

func (r *recordVerifier) checkBegin(b *stream.Begin) {
	r.begin, r.last, r.data = b, 0, dataPlace{}
	r.size.object = 0
	if b.HeaderType != stream.Substream {
		return
	}
	r.substream++
	dataset, snapshot, ok := strings.Cut(b.ToName, "@")
	switch {
	case !ok:
		r.damaged("the name %q has no '@': receivers refuse it", b.ToName)
	case dataset == "" || !validSnapshot(snapshot):
		r.damaged("%q is not the name of a snapshot: receivers refuse it", b.ToName)
	case len(snapshot) > maxSnapshot:
		r.damaged("the name of the snapshot has %d bytes: in zones/UUID-partial %d have room", len(snapshot), maxSnapshot)
	}
	if b.Flags&stream.FlagClone != 0 && b.FromGUID == 0 {
		r.damaged("a full stream with the flag CLONE: receivers refuse it")
	}
	if b.Objset != stream.ObjsetZFS && b.Objset != stream.ObjsetZvol {
		r.damaged("%v: neither a file system nor a volume", b.Objset)
	}
	if b.CreationTime > math.MaxInt64 {
		r.fault(zpl.Warning, "the snapshot was created at %d seconds, which is beyond all time", b.CreationTime)
	}
	if b.ToGUID == 0 {
		r.fault(zpl.Warning, "the guid of the snapshot is 0: no incremental stream can build on it")
	}
	if b.FromGUID != 0 && b.FromGUID == b.ToGUID {
		r.damaged("the snapshot is its own incremental source")
	}
	if b.Features&(stream.FeatureDedup|stream.FeatureDedupProps) != 0 {
		r.fault(zpl.Warning, "the stream is deduplicated, which OpenZFS refuses since 2.0")
	}
	if b.Features&stream.FeatureRedacted != 0 {
		r.fault(zpl.Warning, "the stream is redacted: parts of files are missing on purpose")
	}
}

// validSnapshot tells whether a name is one that a snapshot can have (zfs_component_namecheck).
func validSnapshot(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.ContainsFunc(name, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("-_.: ", c)
	})
}

// checkGUID compares the guid in a record with that of its stream.
func (r *recordVerifier) checkGUID(rec stream.Record) {
	var guid uint64
	switch rec := rec.(type) {
	case *stream.Object:
		guid = rec.ToGUID
	case *stream.FreeObjects:
		guid = rec.ToGUID
	case *stream.Write:
		guid = rec.ToGUID
	case *stream.Free:
		guid = rec.ToGUID
	case *stream.End:
		guid = rec.ToGUID
	case *stream.WriteByref:
		guid = rec.ToGUID
	case *stream.Spill:
		guid = rec.ToGUID
	case *stream.WriteEmbedded:
		guid = rec.ToGUID
	case *stream.ObjectRange:
		guid = rec.ToGUID
	case *stream.Redact:
		guid = rec.ToGUID
	}
	if guid != r.begin.ToGUID {
		r.fault(zpl.Warning, "guid %#x in the stream of %#x", guid, r.begin.ToGUID)
	}
}

// need tells of a record that a stream without a feature cannot have.
func (r *recordVerifier) need(f stream.Features) {
	if r.begin.Features&f == 0 {
		r.damaged("the stream does not announce %v", f)
	}
}

func (r *recordVerifier) checkRange(offset, length uint64) {
	if offset+length < offset || offset+length > 1<<63 {
		r.damaged("%d bytes from %#x on: beyond the end of the largest object", length, offset)
	}
}

func validType(t uint32) bool {
	return t < objectTypes || t&selfDescribing != 0 && t < 2*selfDescribing
}

func (r *recordVerifier) checkObject(o *stream.Object, raw bool) {
	slots := max(uint32(o.DnSlots), 1)
	room := bonusRoom + (slots-1)*slotSize
	spill := o.Flags&stream.FlagObjectSpill != 0
	switch {
	case r.announcedBefore(o):
	case o.Object == r.data.object:
		r.damaged("data of the object came before: no sender does that, and kernels may stop at it")
	case o.Object <= r.last:
		r.fault(zpl.Warning, "it comes after object %d: no sender does that, and kernels for debugging stop at it", r.last)
	}
	switch {
	case o.ObjType == stream.ObjNone || !validType(o.ObjType):
		r.damaged("object type %d", o.ObjType)
	case !validType(o.BonusType):
		r.damaged("bonus type %d", o.BonusType)
	case o.BonusType != stream.ObjSA && (o.BonusType == stream.ObjNone) != (o.BonusLen == 0):
		r.damaged("a bonus of type %s and %d bytes", stream.ObjTypeName(o.BonusType), o.BonusLen)
	}
	r.last = max(r.last, o.Object+uint64(slots)-1)
	switch {
	case slots > maxSlots:
		r.damaged("%d slots of 512 bytes: the largest dnode has %d", slots, maxSlots)
	case slots > 1:
		r.need(stream.FeatureLargeDnode)
	}
	switch {
	case o.BonusLen > room:
		r.damaged("a bonus of %d bytes: %d fit into the dnode", o.BonusLen, room)
	case spill && o.BonusLen > room-spillPointer:
		r.damaged("a bonus of %d bytes lies over the pointer to the spill block: %d fit beside it", o.BonusLen, room-spillPointer)
	}
	r.checkBlockSize(uint64(o.BlockSize))
	r.checkAlgorithms(o)
	if spill && r.begin.Flags&stream.FlagSpillBlock == 0 {
		r.damaged("a spill block in a stream without the flag SPILL_BLOCK")
	}
	if !raw && (o.RawBonus != 0 || o.IndBlkSh != 0 || o.NLevels != 0 || o.NBlkPtr != 0 || o.MaxBlockID != 0 || o.Flags&stream.FlagRawByteswap != 0) {
		r.damaged("it has fields of raw streams, and the stream is none")
	}
}

func (r *recordVerifier) checkBlockSize(size uint64) {
	if size%stream.MinBlockSize != 0 {
		r.damaged("blocks of %d bytes: no multiple of %d", size, stream.MinBlockSize)
	}
	if size > stream.OldMaxBlock && r.begin.Features&stream.FeatureLargeBlocks == 0 {
		r.damaged("blocks of %d bytes in a stream that does not announce LARGE_BLOCKS", size)
	}
}

// object is what the stream said of an object so far, nil if nothing; the record will then be
// refused.
func (r *recordVerifier) object(n uint64) *objset.Object { return r.snapshot().Object(n) }

// snapshot is the one that is read.
func (r *recordVerifier) snapshot() *objset.Snapshot {
	all := r.v.x.Snapshots()
	return all[len(all)-1]
}

func (r *recordVerifier) checkWrite(w *stream.Write, raw bool) {
	r.checkOrder(w.Object, w.Offset, w.LogicalSize)
	r.checkRange(w.Offset, w.LogicalSize)
	r.checkBlockSize(w.LogicalSize)
	if w.Offset%stream.MinBlockSize != 0 {
		r.damaged("the offset is no multiple of %d", stream.MinBlockSize)
	}
	if int(w.ChecksumType) > maxChecksum {
		r.damaged("checksum type %d", w.ChecksumType)
	}
	if o := r.object(w.Object); o != nil && !raw {
		if o.Type != w.ObjType {
			r.damaged("its type is %s, that of the object %s", stream.ObjTypeName(w.ObjType), stream.ObjTypeName(o.Type))
		}
		size := uint64(o.BlockSize)
		if size&(size-1) != 0 && w.Offset+w.LogicalSize > size {
			r.damaged("data behind the first block of %d bytes, which is no power of two: kernels stop when they read it", size)
		} else if w.LogicalSize == size && w.Offset%size != 0 {
			r.damaged("a block of %d bytes that does not begin at a multiple of that", size)
		} else if w.LogicalSize != size && w.LogicalSize != uint64(o.Announced) {
			r.checkPiece(w, size)
		}
		if w.Compression != 0 && w.ObjType != stream.ObjPlainFile && w.ObjType != stream.ObjZvol {
			r.damaged("metadata is compressed, which no sender does: hosts of another byte order cannot read it")
		}
	}
	c := block.Compression(w.Compression)
	switch {
	case raw:
		return
	case c == block.None:
		if w.CompressedSize != 0 {
			r.damaged("a compressed size of %d without a compression", w.CompressedSize)
		}
	case c > block.Zstd || c == block.On || c == block.Off || c == block.Empty:
		r.damaged("compression %d", w.Compression)
	case w.CompressedSize > w.LogicalSize:
		r.damaged("%d bytes compressed to %d", w.LogicalSize, w.CompressedSize)
	default:
		if w.CompressedSize%8 != 0 {
			r.fault(zpl.Warning, "%d bytes of compressed data, no multiple of 8: no sender does that, and kernels for debugging stop at it", w.CompressedSize)
		}
		r.need(stream.FeatureCompressed)
		if c == block.Zstd {
			r.need(stream.FeatureZstd)
		}
	}
}

func (r *recordVerifier) checkSpill(s *stream.Spill, raw bool) {
	r.checkBlockSize(s.Length)
	o := r.object(s.Object)
	if o == nil || raw {
		return
	}
	if s.ObjType != stream.ObjNone {
		r.damaged("it has the type %s, which only raw streams have: hosts of another byte order stop at it", stream.ObjTypeName(s.ObjType))
	}
	if s.CompressedSize != 0 {
		r.damaged("a compressed size of %d, which only raw streams have", s.CompressedSize)
	}
	flagged := r.begin.Flags&stream.FlagSpillBlock != 0
	room := bonusRoom - spillPointer + (int(o.Slots)-1)*slotSize
	switch {
	case flagged && !o.HasSpill:
		r.damaged("a spill block of an object that does not announce one")
	case !flagged && len(o.Bonus()) > room:
		r.damaged("a spill block beside a bonus of %d bytes: %d fit", len(o.Bonus()), room)
	}
}
