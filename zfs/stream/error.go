package stream

import (
	"errors"
	"fmt"
)

// Conditions that a [FormatError] wraps.
var (
	ErrMagic       = errors.New("no ZFS send stream")
	ErrChecksum    = errors.New("checksum mismatch")
	ErrUnsupported = errors.New("unsupported")
)

// FormatError is a fault at a place in a stream.
type FormatError struct {
	Record int64  // number of the record, from 0
	Offset int64  // of the record, in bytes of the uncompressed stream
	What   string // the record, such as "WRITE object=8 offset=0x20000"; may be empty
	Err    error
}

func (e *FormatError) Error() string {
	if e.What == "" {
		return fmt.Sprintf("stream: record %d at byte %d: %v", e.Record, e.Offset, e.Err)
	}
	return fmt.Sprintf("stream: record %d (%s) at byte %d: %v", e.Record, e.What, e.Offset, e.Err)
}

func (e *FormatError) Unwrap() error { return e.Err }

// Describe names a record by its type and what it is about, as [FormatError] does:
// "WRITE object=8 offset=0x20000".
func Describe(rec Record) string {
	switch r := rec.(type) {
	case *Begin:
		return fmt.Sprintf("BEGIN %q", r.ToName)
	case *Object:
		return fmt.Sprintf("OBJECT object=%d", r.Object)
	case *FreeObjects:
		return fmt.Sprintf("FREEOBJECTS first=%d count=%d", r.First, r.Count)
	case *Write:
		return fmt.Sprintf("WRITE object=%d offset=%#x", r.Object, r.Offset)
	case *Free:
		return fmt.Sprintf("FREE object=%d offset=%#x", r.Object, r.Offset)
	case *WriteByref:
		return fmt.Sprintf("WRITE_BYREF object=%d offset=%#x", r.Object, r.Offset)
	case *Spill:
		return fmt.Sprintf("SPILL object=%d", r.Object)
	case *WriteEmbedded:
		return fmt.Sprintf("WRITE_EMBEDDED object=%d offset=%#x", r.Object, r.Offset)
	case *ObjectRange:
		return fmt.Sprintf("OBJECT_RANGE first=%d", r.First)
	case *Redact:
		return fmt.Sprintf("REDACT object=%d offset=%#x", r.Object, r.Offset)
	}
	return rec.Type().String()
}

// Fault returns err as a fault of the record that Next returned last.
func (r *Reader) Fault(err error) error {
	what := ""
	if r.rec != nil {
		what = Describe(r.rec)
	}
	return r.fault(what, err)
}
