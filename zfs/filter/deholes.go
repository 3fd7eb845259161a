package filter

import (
	"io"

	"imagetools/zfs/stream"
)

// Deholes leaves out the FREE and FREEOBJECTS records of a full, plain stream. A receiver
// of such a stream begins with nothing, so that nothing can be freed; but receivers of
// several years had trouble with these records, and published images have always gone
// without. The flag FREERECORDS, which promises them, is cleared.
//
// Streams in which those records mean something are refused: incremental and compound ones,
// and those with raw, deduplicated or redacted data. So are records that free what the stream
// has written, and records in no order that a sender has: without those that free something,
// they might mean something else.
func Deholes(w io.Writer, r io.Reader) (*Report, error) {
	c := newCopier(w, r)
	return c.copy((&deholer{}).edit)
}

// deholer remembers what a record could free.
type deholer struct {
	objects     recentObjects
	low, high   uint64        // the lowest number of an OBJECT, and the highest with its slots; 0 before the first
	begun       [64]writtenTo // of the objects that were written last
	nextWritten int
	last        uint64 // object that was written last
}

// writtenTo is the part of an object that WRITEs have reached.
type writtenTo struct{ object, start, end uint64 }

func (d *deholer) edit(rec stream.Record) (keep bool, err error) {
	switch rec := rec.(type) {
	case *stream.Begin:
		if err := checkHoles(rec); err != nil {
			return false, err
		}
		rec.Flags &^= stream.FlagFreeRecords
	case *stream.Object:
		if rec.Object <= d.high {
			return false, errUnordered // a FREE or FREEOBJECTS before it may have made room for it
		}
		if d.high == 0 {
			d.low = rec.Object
		}
		d.high = rec.Object + max(uint64(rec.DnSlots), 1) - 1
		d.objects.add(*rec)
	case *stream.Write:
		return true, d.wrote(rec.Object, rec.Offset, rec.LogicalSize)
	case *stream.WriteEmbedded:
		return true, d.wrote(rec.Object, rec.Offset, rec.Length)
	case *stream.Free:
		return false, d.free(rec)
	case *stream.FreeObjects:
		if d.high != 0 && rec.Count > 0 && rec.First <= d.high && rec.First+(rec.Count-1) >= d.low {
			return false, errFreed
		}
		return false, nil
	case *stream.WriteByref:
		return false, errDedup
	case *stream.ObjectRange:
		return false, errRaw
	case *stream.Redact:
		return false, errRedacted
	}
	return true, nil
}

// wrote notes what is written. Senders write an object in ascending order, before any that comes
// after the next 32.
func (d *deholer) wrote(object, offset, length uint64) error {
	if object < d.last || d.objects.find(object).Object == 0 {
		return errUnordered
	}
	d.last = object
	for i := range d.begun {
		if w := &d.begun[i]; w.object == object {
			w.start, w.end = min(w.start, offset), max(w.end, offset+length)
			return nil
		}
	}
	d.begun[d.nextWritten] = writtenTo{object, offset, offset + length}
	d.nextWritten = (d.nextWritten + 1) % len(d.begun)
	return nil
}

// free refuses a FREE that is not of a hole.
func (d *deholer) free(rec *stream.Free) error {
	if d.objects.find(rec.Object).Object == 0 {
		return errUnordered
	}
	for _, w := range d.begun {
		if w.object == rec.Object && rec.Length > 0 && rec.Offset < w.end && (rec.Offset >= w.start || rec.Length > w.start-rec.Offset) {
			return errFreed
		}
	}
	return nil
}

var (
	errCompound    = &RefusedError{"a compound stream (zfs send -R, -I or -p)", "send the snapshot by itself: zfs send DATASET@SNAPSHOT"}
	errIncremental = &RefusedError{"an incremental stream: its FREE records are changes, not holes", "only a full stream can be de-holed: zfs send without -i"}
	errRaw         = &RefusedError{"a raw stream: its data is encrypted", "zfs send without -w, with the key loaded, makes a plain one"}
	errDedup       = &RefusedError{"a deduplicated stream (zfs send -D)", "zstream redup makes a plain one"}
	errRedacted    = &RefusedError{"a redacted stream: parts of its files are missing", "zfs send without --redact makes a whole one"}
	errResumed     = &RefusedError{"the rest of a stream that was interrupted", "begin with a stream that is whole: zfs send without -t"}
	errUnordered   = &RefusedError{"its records are in no order in which zfs send writes them: what it frees may be what it has written", "no zfs send makes such a stream; zfs receive alone can tell what it means"}
	errFreed       = &RefusedError{"it frees what this stream has written before", "no zfs send makes such a stream; zfs receive alone can tell what it means"}
)

// checkHoles tells whether BEGIN announces a stream whose holes say nothing.
func checkHoles(b *stream.Begin) error {
	for _, refuse := range []struct {
		when bool
		err  error
	}{
		{b.HeaderType != stream.Substream, errCompound},
		{b.FromGUID != 0, errIncremental},
		{b.Features&stream.FeatureRaw != 0, errRaw},
		{b.Features&(stream.FeatureDedup|stream.FeatureDedupProps) != 0, errDedup},
		{b.Features&stream.FeatureRedacted != 0, errRedacted},
		{b.Features&stream.FeatureResuming != 0, errResumed},
	} {
		if refuse.when {
			return refuse.err
		}
	}
	return nil
}
