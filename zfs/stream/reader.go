package stream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Reader reads the records of a send stream and verifies its checksums. It never reads
// beyond the last record it returned and that record's payload, so streams that follow one
// another can be read by one Reader each. Not safe for concurrent use.
type Reader struct {
	r     io.Reader
	order binary.ByteOrder
	sum   Checksum
	state readerState
	pkg   bool // inside a compound stream
	raw   bool
	begin *Begin

	records int64 // number of the current record
	offset  int64 // of the current record
	pos     int64 // of the next byte to read
	rec     Record
	pending uint64 // payload bytes not yet read
	payload []byte // buffer, reused
	header  [HeaderSize]byte
	err     error
}

type readerState int

const (
	atStart  readerState = iota
	afterPkg             // the END of a compound header must follow
	between              // a BEGIN or the last END of a compound stream
	inside               // the records of a substream
	atTheEnd             // nothing follows
)

// NewReader returns a Reader of the stream in r. It reads nothing yet: the first call of
// Next reports input that is no send stream as [ErrMagic]. Reads are small; give it a
// buffered reader.
func NewReader(r io.Reader) *Reader { return &Reader{r: r, records: -1} }

// Next returns the next record, or io.EOF after the last. The record is the caller's, the
// payload is the Reader's until the next call. Every error but io.EOF is a [*FormatError] and
// stays: a truncated stream gives io.ErrUnexpectedEOF, features, record types and flags that
// this package does not know give [ErrUnsupported].
func (r *Reader) Next() (Record, error) {
	if r.err != nil {
		return nil, r.err
	}
	rec, err := r.next()
	if err != nil {
		if r.err != nil { // of the payload before, which told its place already
			return nil, r.err
		}
		if err != io.EOF {
			what := ""
			if rec != nil {
				what = Describe(rec)
			}
			err = r.fault(what, err)
		}
		r.err = err
		return nil, err
	}
	return rec, nil
}

func (r *Reader) fault(what string, err error) error {
	return &FormatError{Record: r.records, Offset: r.offset, What: what, Err: err}
}

// next may return a record beside an error, for the message.
func (r *Reader) next() (Record, error) {
	if _, err := r.Payload(); err != nil {
		return nil, err
	}
	if r.state == atTheEnd {
		return nil, io.EOF
	}
	r.records++
	r.offset = r.pos
	if err := r.fill(r.header[:]); err != nil {
		if r.state == atStart && errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, fmt.Errorf("%w: %w", ErrMagic, err)
		}
		return nil, err
	}
	rec, err := r.parse()
	if err != nil {
		return rec, err
	}
	if err := r.follow(rec); err != nil {
		return rec, err
	}
	if err := r.check(rec); err != nil {
		return rec, err
	}
	if err := checkFields(rec); err != nil {
		return rec, err
	}
	r.pending = rec.payload(r.raw)
	if err := r.checkPayload(rec); err != nil {
		return rec, err
	}
	r.rec = rec
	return rec, nil
}

func (r *Reader) parse() (Record, error) {
	if r.state == atStart {
		switch uint64(magic) {
		case binary.LittleEndian.Uint64(r.header[bodyOffset:]):
			r.order = binary.LittleEndian
		case binary.BigEndian.Uint64(r.header[bodyOffset:]):
			r.order = binary.BigEndian
		default:
			return nil, ErrMagic
		}
	}
	t := Type(r.order.Uint32(r.header[:]))
	rec := newRecord(t)
	if rec == nil {
		return nil, fmt.Errorf("%w %v", ErrUnsupported, t)
	}
	rec.fields(&coder{b: &r.header, order: r.order})
	return rec, nil
}

// follow checks that the record may stand where it does, and moves on.
func (r *Reader) follow(rec Record) error {
	begin, isBegin := rec.(*Begin)
	_, isEnd := rec.(*End)
	switch {
	case isBegin && (r.state == atStart || r.state == between):
		return r.start(begin)
	case isBegin:
		return errors.New("a stream begins before the last one ended")
	case r.state == atStart:
		return ErrMagic
	case r.state == afterPkg && isEnd:
		r.state = between
	case r.state == between && isEnd:
		r.state = atTheEnd
	case r.state == inside && isEnd && r.pkg:
		r.state = between
	case r.state == inside && isEnd:
		r.state = atTheEnd
	case r.state != inside:
		return errors.New("out of place: no stream has begun")
	}
	return nil
}

func (r *Reader) start(b *Begin) error {
	if got := r.order.Uint64(r.header[bodyOffset:]); got != magic {
		return fmt.Errorf("magic %#x: %w", got, ErrMagic)
	}
	if unknown := b.Features.Unknown(); unknown != 0 {
		return fmt.Errorf("%w: %v", ErrUnsupported, unknown)
	}
	if unknown := b.Flags &^ allFlags; unknown != 0 {
		return fmt.Errorf("%w: %v", ErrUnsupported, unknown)
	}
	if len(b.ToName) == nameSize {
		return errors.New("name without end")
	}
	switch {
	case b.HeaderType == Compound && r.state == atStart:
		r.state, r.pkg = afterPkg, true
	case b.HeaderType == Substream:
		r.state = inside
	default:
		return fmt.Errorf("%w: header type %d", ErrUnsupported, b.HeaderType)
	}
	r.begin, r.sum, r.raw = b, Checksum{}, b.Features&FeatureRaw != 0
	return nil
}

// check verifies the checksums of a record and runs it through the sum.
func (r *Reader) check(rec Record) error {
	if end, ok := rec.(*End); ok {
		last := r.state == atTheEnd && r.pkg
		if end.Sum != r.sum && !(last && end.Sum == Checksum{}) {
			return fmt.Errorf("the stream's %w", ErrChecksum)
		}
		if last {
			return r.checkTerminator(end)
		}
	}
	r.sum.Update(r.header[:checksumOffset], r.order)
	if rec.Type() != TypeBegin {
		stored := readChecksum(r.header[checksumOffset:], r.order)
		if stored != (Checksum{}) && stored != r.sum {
			return ErrChecksum
		}
	}
	r.sum.Update(r.header[checksumOffset:], r.order)
	return nil
}

// checkTerminator checks the END behind all substreams of a package, which no checksum covers:
// a type and zeros, behind which zstream redup leaves a checksum that begins with this record.
func (r *Reader) checkTerminator(end *End) error {
	if end.Sum != (Checksum{}) {
		return nil // the same as that of the END before, which was compared
	}
	var own Checksum
	own.Update(r.header[:checksumOffset], r.order)
	stored := readChecksum(r.header[checksumOffset:], r.order)
	if !allZero(r.header[4:checksumOffset]) || stored != (Checksum{}) && stored != own {
		return errors.New("the last END of a compound stream is not empty")
	}
	return nil
}

// checkFields holds a record to the limits that every ZFS keeps: objects exist, blocks are
// 512 bytes to 16 MiB, flags are known.
func checkFields(rec Record) error {
	var object uint64
	size := uint64(MinBlockSize)
	var flags, known uint8
	switch rec := rec.(type) {
	case *Object:
		object, size = rec.Object, uint64(rec.BlockSize)
		flags, known = rec.Flags, FlagObjectSpill|FlagRawByteswap
	case *Write:
		object, size = rec.Object, rec.LogicalSize
		flags, known = rec.Flags, FlagChecksumDedup|FlagRawByteswap
	case *WriteByref: // libzfs left the checksum type in the place of the flags
		object, size = rec.Object, rec.Length
	case *WriteEmbedded:
		object, size = rec.Object, rec.Length
	case *Spill:
		object, size = rec.Object, rec.Length
		flags, known = rec.Flags, FlagSpillUnmodified|FlagRawByteswap
	case *Free:
		object = rec.Object
	case *Redact:
		object = rec.Object
	case *ObjectRange:
		object = 1 // a range may start at 0
		flags, known = rec.Flags, FlagRawByteswap
	default:
		return nil
	}
	switch {
	case object == 0 || object > MaxObject:
		return errors.New("object number out of range")
	case size < MinBlockSize || size > MaxBlock:
		return fmt.Errorf("block of %d bytes: %d to %d are possible", size, MinBlockSize, MaxBlock)
	case flags&^known != 0:
		return fmt.Errorf("%w: flags %#x of %v", ErrUnsupported, flags&^known, rec.Type())
	}
	return nil
}

func allZero(p []byte) bool {
	for _, b := range p {
		if b != 0 {
			return false
		}
	}
	return true
}

func (r *Reader) checkPayload(rec Record) error {
	limit, what := uint64(MaxBlock), "payload"
	switch rec.(type) {
	case *Begin:
		limit = MaxBeginPayload
	case *Object:
		limit, what = maxBonus, "bonus buffer"
	case *WriteEmbedded:
		limit = maxEmbedded
	}
	if r.pending > limit {
		return fmt.Errorf("%s of %d bytes: the limit is %d", what, r.pending, limit)
	}
	if r.pending%4 != 0 {
		return fmt.Errorf("%s of %d bytes: not a multiple of 4", what, r.pending)
	}
	return nil
}

// payloadStep is how much is allocated at a time for a payload, so that a length that lies
// costs no more than the input holds.
const payloadStep = 1 << 20

// Payload returns what follows the record that Next returned; empty if nothing does, and on
// a second call. The bytes are in the order of the stream, padding included.
func (r *Reader) Payload() ([]byte, error) {
	if r.err != nil {
		return nil, r.err
	}
	r.payload = r.payload[:0]
	for r.pending > 0 {
		n := int(min(r.pending, payloadStep))
		have := len(r.payload)
		if cap(r.payload)-have < n {
			r.payload = append(make([]byte, 0, max(have+n, min(2*cap(r.payload), have+int(r.pending)))), r.payload...)
		}
		part := r.payload[have : have+n]
		if err := r.fill(part); err != nil {
			r.err = r.fault(Describe(r.rec), err)
			return nil, r.err
		}
		r.sum.Update(part, r.order)
		r.payload = r.payload[:have+n]
		r.pending -= uint64(n)
	}
	return r.payload, nil
}

func (r *Reader) fill(p []byte) error {
	n, err := io.ReadFull(r.r, p)
	r.pos += int64(n)
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Begin returns the BEGIN record of the substream, or compound header, that the Reader is
// in; nil before the first.
func (r *Reader) Begin() *Begin { return r.begin }

// Order is the byte order of the stream, known after the first record.
func (r *Reader) Order() binary.ByteOrder { return r.order }

// Record and Offset are the number, from 0, and the place in bytes of the current record.
func (r *Reader) Record() int64 { return r.records }

// Offset is the place of the current record, in bytes from the start of the stream.
func (r *Reader) Offset() int64 { return r.offset }

// Position is the number of bytes read so far.
func (r *Reader) Position() int64 { return r.pos }
