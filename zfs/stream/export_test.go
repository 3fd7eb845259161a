package stream

import "encoding/binary"

// EncodeHeader is the header of a record without checksums.
func EncodeHeader(rec Record, order binary.ByteOrder) (h [HeaderSize]byte) {
	order.PutUint32(h[:], uint32(rec.Type()))
	rec.fields(&coder{b: &h, order: order, encode: true})
	return h
}

// SumOf is the checksum of all that a Reader has read.
func SumOf(r *Reader) Checksum { return r.sum }
