package image

import (
	"bytes"

	"imagetools/zfs/block"
	"imagetools/zfs/objset"
	"imagetools/zfs/stream"
	"imagetools/zfs/zpl"
)

// dataPlace is where the latest data of a stream is.
type dataPlace struct{ object, offset, end uint64 }

// checkOrder checks what receivers ask for since they can resume: data ascends by object and
// offset. A block that comes twice is taken, and then has either contents, or the kernel stops.
func (r *recordVerifier) checkOrder(object, offset, length uint64) {
	last := r.data
	switch {
	case object < last.object || object == last.object && offset < last.offset:
		r.damaged("out of order: data of object %d at %#x came before, and receivers refuse it", last.object, last.offset)
		return
	case object == last.object && offset < last.end:
		r.damaged("data up to %#x came before: which of the two counts depends on the receiver", last.end)
	}
	r.data = dataPlace{object, offset, offset + length}
}

// checkPiece checks a WRITE of another size than the blocks of its object. Blocks of more than 128
// KiB that were split for the stream end in a shorter one: the only block of a file does, which is
// not the first piece.
func (r *recordVerifier) checkPiece(w *stream.Write, size uint64) {
	if w.ObjType != stream.ObjPlainFile && w.ObjType != stream.ObjZvol {
		r.damaged("%d bytes of metadata in an object with blocks of %d: hosts of another byte order cannot read it in pieces", w.LogicalSize, size)
		return
	}
	severity, who := zpl.Warning, "no sender does that, and kernels for debugging stop at it"
	if r.object(w.Object).Announced == stream.OldMaxBlock && w.LogicalSize < stream.OldMaxBlock && w.Offset > 0 && w.Offset%stream.OldMaxBlock == 0 {
		severity, who = zpl.Notice, "the rest of a larger one that was split, at which kernels for debugging stop"
	}
	r.fault(severity, "%d bytes in an object with blocks of %d: %s", w.LogicalSize, size, who)
}

// announcedBefore checks an OBJECT record of an object that the stream has announced already:
// receivers free and allocate it again, or keep it, while its first data is on its way to disk.
func (r *recordVerifier) announcedBefore(o *stream.Object) bool {
	if o.Object > r.last {
		return false
	}
	s := r.snapshot()
	old := s.Object(o.Object)
	if old == nil || s.Origin != nil && s.Origin.Object(o.Object) == old {
		return false
	}
	same := old.Type == o.ObjType && old.BonusType == o.BonusType && old.Announced == o.BlockSize && len(old.Bonus()) == int(o.BonusLen) &&
		old.Slots == max(o.DnSlots, 1) && old.HasSpill == (o.Flags&stream.FlagObjectSpill != 0)
	if same {
		r.fault(zpl.Warning, "the stream announces the object a second time: no sender does that, and kernels for debugging stop at it")
	} else {
		r.damaged("the stream announces the object a second time, and otherwise: kernels stop at it")
	}
	return true
}

// Checksums that are no property of a dnode: kernels would write them over the end of its blocks.
var embeddedSums = []uint8{3, 4, 5, 9} // label, gang header, ZIL, ZIL 2

// checkAlgorithms checks the algorithms that a dnode asks for.
func (r *recordVerifier) checkAlgorithms(o *stream.Object) {
	compression := block.Compression(o.Compress)
	switch {
	case int(o.Checksum) > maxChecksum || compression > block.Zstd:
		r.damaged("dnode with checksum %d and compression %d", o.Checksum, o.Compress)
	case bytes.IndexByte(embeddedSums, o.Checksum) >= 0 || compression == block.Empty:
		r.damaged("dnode with checksum %d and compression %d, which no object can have", o.Checksum, o.Compress)
	case compression >= block.LZ4:
		r.fault(zpl.Warning, "dnode with compression %d: no sender does that, and kernels for debugging stop at it", o.Compress)
	case o.Checksum > lastOldSum:
		r.fault(zpl.Warning, "dnode with checksum %d, which old kernels do not know, and at which kernels for debugging stop", o.Checksum)
	}
}

// checkEmbedded checks a block that was stored in its block pointer. Receivers put it there again
// unseen: that it has the size of a block of its object is for the sender to see to.
func (r *recordVerifier) checkEmbedded(w *stream.WriteEmbedded) {
	r.need(stream.FeatureEmbedData)
	r.checkOrder(w.Object, w.Offset, w.Length)
	r.checkRange(w.Offset, w.Length)
	if o := r.object(w.Object); o == nil || !unsplit(w, o) {
		r.checkBlockSize(w.Length)
	}
	r.embedded = append(r.embedded, embeddedAt{w.Object, w.Offset, r.r.Record(), r.base + r.r.Offset(), int32(r.substream)})
	switch c := block.Compression(w.Compression); {
	case w.EmbedType != 0:
		r.damaged("embedded data of type %d: receivers refuse it, or keep what is no data", w.EmbedType)
	case c <= block.Off || c == block.Empty || c > block.Zstd:
		r.damaged("embedded data with compression %d: a block does not fit into its pointer without one", w.Compression)
	case c == block.Zstd:
		r.need(stream.FeatureZstd)
	}
	if w.PSize == 0 || w.PSize > w.LSize {
		r.damaged("%d bytes embedded that become %d", w.PSize, w.LSize)
	}
	if o := r.object(w.Object); o != nil {
		r.checkEmbeddedSize(w, o)
	}
}

func (r *recordVerifier) checkEmbeddedSize(w *stream.WriteEmbedded, o *objset.Object) {
	size := uint64(o.BlockSize)
	switch {
	case unsplit(w, o):
		r.fault(zpl.Warning, "%d bytes embedded in an object with blocks of %d: kernels for debugging stop at it", w.Length, size)
	case w.Length != size && w.Length != uint64(o.Announced) || uint64(w.LSize) != w.Length:
		r.damaged("%d bytes embedded in a block of %d, in an object with blocks of %d: readers would see the kernel's memory", w.LSize, w.Length, size)
	case size&(size-1) != 0 && w.Offset+w.Length > size:
		r.damaged("data behind the first block of %d bytes, which is no power of two: kernels stop when they read it", size)
	case w.Offset%w.Length != 0:
		r.damaged("a block of %d bytes that does not begin at a multiple of that", w.Length)
	}
}

// unsplit tells whether an embedded block is the only one of a file that has a larger block than
// 128 KiB, and was sent without -L, which cuts other blocks into pieces.
func unsplit(w *stream.WriteEmbedded, o *objset.Object) bool {
	return w.Offset == 0 && o.Announced == stream.OldMaxBlock && w.Length > stream.OldMaxBlock && uint64(w.LSize) == w.Length
}
