package zpl

import (
	"bytes"
	"io"

	"imagetools/zfs/objset"
)

// span is a run of whole blocks of a file.
type span struct {
	off, end int64
	hole     bool // they are to be zeros
}

// basis is what a file was on the origin, and which of its blocks differ.
type basis struct {
	x      *objset.Index
	object *objset.Object
	block  int64 // bytes of its blocks, which it keeps; at most 128 KiB
	// whole says that the object has a form that is not written: the file gets another one if its
	// contents differ.
	whole   bool
	changed []span
	differs bool
}

// basis returns what a file is compared with. It is nil for one that has no object on the
// origin, or whose contents are written whole, since their blocks are of another size.
func (p *Plan) basis(f *file) *basis {
	id := f.node.ID
	if !p.inc.is(id, isKept) || p.inc.is(id, isRewritten) {
		return nil
	}
	o := p.opts.Origin.s.Object(uint64(p.objects[id]))
	b := &basis{x: p.opts.Origin.x, object: o, block: int64(o.BlockSize), whole: !plainBlocks(o, uint64(f.node.Size))}
	if b.whole {
		b.block = blockSize
	}
	return b
}

// plainBlocks tells whether the blocks of a file of a size are such as we write.
func plainBlocks(o *objset.Object, size uint64) bool {
	block := uint64(o.BlockSize)
	return block >= 512 && block <= blockSize && block%512 == 0 && (block&(block-1) == 0 || max(o.End(), size) <= block)
}

// either returns a function like NextData of a file: it gives the ranges up to size in which the
// file has data, of which next tells, or had some on the origin.
func (b *basis) either(size int64, next func(int64) (int64, int64, error)) func(int64) (int64, int64, error) {
	old := b.x.Data(b.object)
	return func(off int64) (start, end int64, err error) {
		start, end, err = next(off)
		if err != nil && err != io.EOF {
			return start, end, err
		}
		from, to, oldErr := old.NextData(off)
		switch {
		case oldErr != nil && oldErr != io.EOF:
			return 0, 0, oldErr
		case oldErr == nil && from < size && (err != nil || from < start):
			return from, min(to, size), nil
		}
		return start, end, err
	}
}

// nextChanged is like NextData of a file of size bytes: it gives the ranges that are to be
// written.
func (b *basis) nextChanged(size int64) func(int64) (int64, int64, error) {
	i := 0
	return func(off int64) (int64, int64, error) {
		for ; i < len(b.changed); i++ {
			if s := b.changed[i]; !s.hole && s.end > off && s.off < size {
				return max(off, s.off), min(s.end, size), nil
			}
		}
		return 0, 0, io.EOF
	}
}

// compare finds the blocks of a piece, which is in s.data, that the origin has not.
func (b *basis) compare(p *piece, s *scratch) error {
	n := roundUp(int64(p.n), b.block)
	data := s.data[:n]
	clear(data[p.n:])
	if s.old == nil {
		s.old, s.origin = make([]byte, blockSize), b.x.Data(b.object)
	}
	s.origin.Reset(b.object)
	old := s.old[:n]
	if _, err := s.origin.ReadAt(old, p.off); err != nil {
		return originError{err}
	}
	if bytes.Equal(data, old) {
		p.hole = p.hole || !b.whole
		return nil
	}
	p.differs = !bytes.Equal(data[:p.n], old[:p.n])
	if b.whole {
		return nil
	}
	p.hole = true
	for at := int64(0); at < n; at += b.block {
		block := data[at:][:b.block]
		if bytes.Equal(block, old[at:][:b.block]) {
			continue
		}
		next := span{p.off + at, p.off + at + b.block, allZero(block)}
		p.hole = p.hole && next.hole
		p.spans = appendSpan(p.spans, next)
	}
	return nil
}

// originError says that it is the origin that cannot be read.
type originError struct{ err error }

func (e originError) Error() string   { return "on the origin: " + e.err.Error() }
func (e originError) Unwrap() []error { return []error{ErrOrigin, e.err} }

// appendSpan joins spans that touch.
func appendSpan(list []span, s span) []span {
	if last := len(list) - 1; last >= 0 && list[last].end == s.off && list[last].hole == s.hole {
		list[last].end = s.end
		return list
	}
	return append(list, s)
}

// add takes what was found of a piece.
func (b *basis) add(p *piece) {
	b.differs = b.differs || p.differs
	for _, s := range p.spans {
		b.changed = appendSpan(b.changed, s)
	}
}

// written is how many bytes of a piece go into the stream.
func (p *piece) written() (n int64) {
	switch {
	case p.hole:
		return 0
	case p.base == nil || p.base.whole:
		return int64(p.n)
	}
	for _, s := range p.spans {
		if !s.hole {
			n += min(s.end, p.off+int64(p.n)) - s.off
		}
	}
	return n
}
