package stream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Writer writes the records of a send stream and fills in the checksums. It holds to the
// framing alone; see [Checker] for what makes a stream safe to receive. Writes are made of
// the header and of the payload as given: put a buffered writer below it.
type Writer struct {
	w       io.Writer
	order   binary.ByteOrder
	sum     Checksum
	raw     bool
	started bool
	pos     int64
	c       coder
	header  [HeaderSize]byte
	err     error
}

// NewWriter returns a Writer to w of a little-endian stream.
func NewWriter(w io.Writer) *Writer { return NewWriterOrder(w, binary.LittleEndian) }

// NewWriterOrder returns a Writer to w of a stream in a byte order, which is also that of the
// payloads: who passes records on writes them in the order of the [Reader].
func NewWriterOrder(w io.Writer, order binary.ByteOrder) *Writer {
	sw := &Writer{w: w, order: order}
	sw.c = coder{b: &sw.header, order: order, encode: true}
	return sw
}

// WriteRecord writes a record and its payload, whose length must be what the record says;
// that of a bonus buffer may lack the padding to 8 bytes. The checksums of the record are
// filled in, [End.Sum] too. The first error stays.
func (w *Writer) WriteRecord(rec Record, payload []byte) error {
	if w.err == nil {
		w.err = w.write(rec, payload, nil)
	}
	return w.err
}

// WriteSummed is WriteRecord for a payload without missing padding whose own checksum, from
// the zero value on, is known.
func (w *Writer) WriteSummed(rec Record, payload []byte, sum Checksum) error {
	if w.err == nil {
		w.err = w.write(rec, payload, &sum)
	}
	return w.err
}

var zeros [8]byte

func (w *Writer) write(rec Record, payload []byte, sum *Checksum) error {
	pad, err := w.prepare(rec, payload)
	if err == nil && pad > 0 && sum != nil {
		err = fmt.Errorf("payload of %d bytes: not padded", len(payload))
	}
	if err != nil {
		return fmt.Errorf("stream: write %s at byte %d: %w", Describe(rec), w.pos, err)
	}
	order := w.order
	w.header = [HeaderSize]byte{}
	order.PutUint32(w.header[:], uint32(rec.Type()))
	rec.fields(&w.c)
	w.sum.Update(w.header[:checksumOffset], order)
	if rec.Type() != TypeBegin {
		w.sum.put(w.header[checksumOffset:], order)
	}
	w.sum.Update(w.header[checksumOffset:], order)
	if err := w.put(w.header[:]); err != nil {
		return err
	}
	switch {
	case sum != nil:
		w.sum.Append(*sum, len(payload))
		return w.put(payload)
	case pad == 0:
		w.sum.Update(payload, order)
		return w.put(payload)
	}
	padded := append(append(make([]byte, 0, len(payload)+pad), payload...), zeros[:pad]...)
	w.sum.Update(padded, order)
	return w.put(padded)
}

// prepare checks a record against its payload and returns how much padding is missing.
func (w *Writer) prepare(rec Record, payload []byte) (pad int, err error) {
	switch rec := rec.(type) {
	case *Begin:
		if len(rec.ToName) >= nameSize {
			return 0, fmt.Errorf("name of %d bytes: the limit is %d", len(rec.ToName), nameSize-1)
		}
		if rec.NameTail != "" && len(rec.ToName)+1+len(rec.NameTail) > nameSize {
			return 0, fmt.Errorf("%d bytes behind a name of %d: the limit is %d", len(rec.NameTail), len(rec.ToName), nameSize)
		}
		if len(payload)%4 != 0 {
			return 0, fmt.Errorf("payload of %d bytes: not a multiple of 4", len(payload))
		}
		w.sum, w.raw, w.started = Checksum{}, rec.Features&FeatureRaw != 0, true
	case *End:
		rec.Sum = w.sum
	}
	if !w.started {
		return 0, errors.New("a stream starts with BEGIN")
	}
	want := rec.payload(w.raw)
	if uint64(len(payload)) == want {
		if len(payload)%4 != 0 {
			return 0, fmt.Errorf("payload of %d bytes: not a multiple of 4", len(payload))
		}
		return 0, nil
	}
	switch rec.(type) {
	case *Object, *WriteEmbedded:
		if roundUp8(uint64(len(payload))) == want {
			return int(want) - len(payload), nil
		}
	}
	return 0, fmt.Errorf("payload of %d bytes where the record says %d", len(payload), want)
}

func (w *Writer) put(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	n, err := w.w.Write(p)
	w.pos += int64(n)
	return err
}

// WriteTerminator writes the empty END that closes a compound stream.
func (w *Writer) WriteTerminator() error {
	if w.err == nil {
		w.header = [HeaderSize]byte{}
		w.order.PutUint32(w.header[:], uint32(TypeEnd))
		w.err = w.put(w.header[:])
	}
	return w.err
}

// Position is the number of bytes written so far.
func (w *Writer) Position() int64 { return w.pos }
