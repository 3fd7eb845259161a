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
// and those with raw, deduplicated or redacted data. So is a record that frees what the
// stream has just written, which no sender makes.
func Deholes(w io.Writer, r io.Reader) (*Report, error) {
	c := newCopier(w, r)
	return c.copy((&deholer{}).edit)
}

// deholer remembers what was written last.
type deholer struct {
	object     uint64 // of the latest OBJECT
	written    uint64 // object of the latest WRITE
	start, end uint64 // of the latest WRITEs that touch each other
}

func (d *deholer) edit(rec stream.Record) (keep bool, err error) {
	switch rec := rec.(type) {
	case *stream.Begin:
		if err := checkHoles(rec); err != nil {
			return false, err
		}
		rec.Flags &^= stream.FlagFreeRecords
	case *stream.Object:
		d.object = rec.Object
	case *stream.Write:
		d.wrote(rec.Object, rec.Offset, rec.LogicalSize)
	case *stream.WriteEmbedded:
		d.wrote(rec.Object, rec.Offset, rec.Length)
	case *stream.Free:
		if rec.Object == d.written && rec.Offset < d.end && rec.Length > 0 &&
			(rec.Offset >= d.start || rec.Length > d.start-rec.Offset) {
			return false, errFreed
		}
		return false, nil
	case *stream.FreeObjects:
		if d.object != 0 && rec.First <= d.object && d.object-rec.First < rec.Count {
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

func (d *deholer) wrote(object, offset, length uint64) {
	if object != d.written || offset != d.end {
		d.written, d.start = object, offset
	}
	d.end = offset + length
}

var (
	errCompound    = &RefusedError{"a compound stream (zfs send -R, -I or -p)", "send the snapshot by itself: zfs send DATASET@SNAPSHOT"}
	errIncremental = &RefusedError{"an incremental stream: its FREE records are changes, not holes", "only a full stream can be de-holed: zfs send without -i"}
	errRaw         = &RefusedError{"a raw stream: its data is encrypted", "zfs send without -w, with the key loaded, makes a plain one"}
	errDedup       = &RefusedError{"a deduplicated stream (zfs send -D)", "zstream redup makes a plain one"}
	errRedacted    = &RefusedError{"a redacted stream: parts of its files are missing", "zfs send without --redact makes a whole one"}
	errResumed     = &RefusedError{"the rest of a stream that was interrupted", "begin with a stream that is whole: zfs send without -t"}
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
