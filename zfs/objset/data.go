package objset

import (
	"fmt"
	"io"

	"imagetools/zfs/block"
)

// Data is the data of an object. It is not safe for concurrent use.
type Data struct {
	x       *Index
	o       *Object
	buf     []byte // a payload
	decoded []byte // the block in extent at
	at      int    // -1: none
}

// Data returns the data of an object of one of x's snapshots.
func (x *Index) Data(o *Object) *Data { return &Data{x: x, o: o, at: -1} }

// Reset makes d the data of another object of the same index; its buffers are used again.
func (d *Data) Reset(o *Object) { d.o, d.at = o, -1 }

// ReadAt fills p from an offset of the object; what lies in holes and behind the last block
// is zeros. Errors are [ErrRedacted], [ErrNotStored], those of the store and of damaged
// compressed blocks, wrapped with the place.
func (d *Data) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("offset %d", off)
	}
	extents := d.o.extents
	at, done := uint64(off), 0
	for i := find(extents, at); done < len(p); i++ {
		if i == len(extents) || extents[i].off >= at+uint64(len(p)-done) {
			clear(p[done:])
			return len(p), nil
		}
		e := &extents[i]
		if e.off > at {
			n := int(e.off - at)
			clear(p[done:][:n])
			done, at = done+n, e.off
		}
		for done < len(p) && at < e.end() {
			n, err := d.readBlock(p[done:], i, at)
			done, at = done+n, at+uint64(n)
			if err != nil {
				return done, fmt.Errorf("object %d at byte %#x: %w", d.o.Number, at, err)
			}
		}
	}
	return done, nil
}

// readBlock reads from offset at on, which is in extent i, to the end of its block.
func (d *Data) readBlock(p []byte, i int, at uint64) (int, error) {
	e := &d.o.extents[i]
	switch e.kind {
	case redacted:
		return 0, ErrRedacted
	case absent:
		return 0, ErrNotStored
	}
	number := uint32((at - e.off) / uint64(e.size))
	b := e.block(number)
	skip := uint32(at - b.off)
	p = p[:min(len(p), int(b.size-skip))]
	skip += b.skip
	if e.kind == stored && e.comp == 0 {
		return d.x.stores[e.store].ReadAt(p, b.pos+int64(skip))
	}
	if d.at != i || e.count > 1 {
		if err := d.decode(&b); err != nil {
			d.at = -1
			return 0, err
		}
		d.at = i
	}
	return copy(p, d.decoded[skip:]), nil
}

// decode puts the block of an extent of one block into d.decoded.
func (d *Data) decode(e *extent) error {
	payload := grow(d.buf, int(e.psize))
	d.buf = payload
	if e.kind == kept {
		unpack(payload, d.x.kept[e.pos])
	} else if n, err := d.x.stores[e.store].ReadAt(payload, e.pos); n < len(payload) {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	d.decoded = grow(d.decoded, int(e.lsize))
	if e.comp == 0 {
		clear(d.decoded[copy(d.decoded, payload):])
		return nil
	}
	return block.Decompress(d.decoded, block.Compression(e.comp), payload)
}

func grow(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}

// NextData returns the first range of data at or after off; io.EOF says that none follows.
func (d *Data) NextData(off int64) (start, end int64, err error) {
	extents := d.o.extents
	i := find(extents, uint64(max(off, 0)))
	if i == len(extents) {
		return 0, 0, io.EOF
	}
	from, to := max(extents[i].off, uint64(off)), extents[i].end()
	for i++; i < len(extents) && extents[i].off == to; i++ {
		to = extents[i].end()
	}
	return int64(from), int64(to), nil
}

// Block returns block n of an object, as large as the object's blocks are: the form in which
// package zap reads. The result is valid until the next call.
func (d *Data) Block(n uint64) ([]byte, error) {
	size := uint64(d.o.BlockSize)
	if n > endOfFiles/max(size, 1) {
		return nil, fmt.Errorf("block %d: out of range", n)
	}
	b := make([]byte, size)
	if _, err := d.ReadAt(b, int64(n*size)); err != nil {
		return nil, err
	}
	return b, nil
}
