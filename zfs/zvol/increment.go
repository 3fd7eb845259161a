package zvol

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"imagetools/zfs/stream"
)

// Errors that [NewPlan] wraps if a volume cannot be built on another one, or that cannot be read:
// all are ErrOrigin.
var (
	ErrOrigin = errors.New("the origin")
	ErrLater  = errors.New("it is later than what builds on it")
)

// buildOnOrigin completes the options by the origin, or says why it is none.
func (o *Options) buildOnOrigin() error {
	v := o.Origin
	b := &v.s.Begin
	fault := func(format string, args ...any) error {
		return fmt.Errorf("%w, snapshot %q: %w", ErrOrigin, b.ToName, fmt.Errorf(format, args...))
	}
	prop := v.s.Object(propObject)
	switch {
	case !v.s.Complete:
		return fault("its stream is not complete")
	case v.s.Order != binary.LittleEndian:
		return fault("its stream is of a big-endian host, which increments are not written for")
	case b.ToGUID == 0:
		return fault("it has no guid")
	case v.data.Redacted():
		return fault("its stream is redacted")
	case v.data.Type != stream.ObjZvol || v.data.Slots != 1 || v.data.BonusType != stream.ObjNone || prop.Slots != 1:
		return fault("its objects are not those of a volume")
	case v.BlockSize < stream.MinBlockSize || v.BlockSize > MaxBlockSize || v.BlockSize&(v.BlockSize-1) != 0:
		return fault("its blocks are of %d bytes; a power of two up to %d is possible", v.BlockSize, MaxBlockSize)
	case o.BlockSize != 0 && o.BlockSize != v.BlockSize:
		return fault("its blocks are of %d bytes, and stay so: %d is not possible", v.BlockSize, o.BlockSize)
	case o.Created != 0 && uint64(o.Created) < b.CreationTime:
		return fault("%w: it was made at %d, the new snapshot at %d", ErrLater, b.CreationTime, o.Created)
	case b.CreationTime > 1<<62:
		return fault("it was made at %d", b.CreationTime)
	}
	o.BlockSize = v.BlockSize
	if o.Created == 0 {
		o.Created = int64(b.CreationTime)
	}
	return nil
}

// difference tells which blocks of a span are not as they were: a bit for each block.
type difference struct {
	written, freed []uint64
}

// changes are the spans that have such blocks, ascending. They take 32 bytes for each MiB, of
// blocks of 8 KiB, and some more.
type changes struct {
	spans          []span
	written, freed int64 // bytes
}

// add remembers which blocks of a chunk are to be written or freed.
func (d *changes) add(c *chunk, blockSize int) {
	if len(c.blocks) == 0 {
		return
	}
	words := (c.n/blockSize + 63) / 64
	all := make([]uint64, 2*words)
	s := span{off: c.off, n: c.n, differ: &difference{all[:words], all[words:]}}
	for i := range c.blocks {
		b := &c.blocks[i]
		set, count := s.differ.written, &d.written
		if b.data == nil {
			set, count = s.differ.freed, &d.freed
		}
		at := (b.off - c.off) / int64(blockSize)
		set[at/64] |= 1 << (at % 64)
		*count += int64(blockSize)
	}
	d.spans = append(d.spans, s)
}

// give gives away the spans.
func (d *changes) give(give func(span) error) error {
	for _, s := range d.spans {
		if err := give(s); err != nil {
			return err
		}
	}
	return nil
}

// Changes is how many bytes of blocks the stream has, and of how many it says that they are all
// zeros now; without an origin, nothing is counted.
func (p *Plan) Changes() (written, freed int64) { return p.changes.written, p.changes.freed }

// compare reads a chunk, and sums up the blocks that are not as they were.
func (p *Plan) compare(c *chunk) error {
	buf, err := p.readDisk(&c.buf, c.off, c.n)
	if err != nil {
		return err
	}
	if c.old == nil {
		c.old = make([]byte, chunkSize)
	}
	old := c.old[:len(buf)]
	there := old[:max(0, min(int64(len(old)), p.opts.Origin.Size-c.off))]
	clear(old[len(there):])
	if n, err := p.opts.Origin.ReadAt(there, c.off); n < len(there) {
		return fmt.Errorf("%w: %w", ErrOrigin, err)
	}
	for at := 0; at < len(buf); at += p.opts.BlockSize {
		b := buf[at:][:p.opts.BlockSize]
		switch off := c.off + int64(at); {
		case bytes.Equal(b, old[at:][:p.opts.BlockSize]):
		case allZero(b):
			c.blocks = append(c.blocks, block{off: off})
		default:
			c.add(off, b, true)
		}
	}
	return nil
}

// fillChanged reads the blocks of a chunk that are written, and sums them up.
func (p *Plan) fillChanged(c *chunk) error {
	size := p.opts.BlockSize
	if c.buf == nil {
		c.buf = make([]byte, chunkSize)
	}
	for i, count := 0, c.n/size; i < count; {
		off := c.off + int64(i*size)
		if has(c.differ.freed, i) {
			c.blocks = append(c.blocks, block{off: off})
		}
		first := i
		for i < count && has(c.differ.written, i) {
			i++
		}
		if i == first {
			i++
			continue
		}
		buf := c.buf[first*size : i*size]
		if _, err := p.readDisk(&buf, off, len(buf)); err != nil {
			return err
		}
		for at := 0; at < len(buf); at += size {
			c.add(off+int64(at), buf[at:][:size], false)
		}
	}
	return nil
}

func has(set []uint64, i int) bool { return set[i/64]>>(i%64)&1 != 0 }
