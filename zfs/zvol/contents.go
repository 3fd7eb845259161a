package zvol

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"runtime"
	"sync"

	"imagetools/tree"
	"imagetools/zfs/stream"
)

// chunkSize is how much a worker reads at once; chunks begin and end at multiples of it, so that
// the packed clusters of a disk are unpacked whole.
const chunkSize = 2 << 20

// chunk is a range of the disk that one worker reads.
type chunk struct {
	span
	buf, old []byte
	blocks   []block // those that are not all zeros, or not as they were
	err      error
	ready    chan struct{}
}

// span is a range of a volume.
type span struct {
	off    int64       // a multiple of the block size
	n      int         // bytes, whole blocks
	differ *difference // to the origin; nil if it is not known, or there is none
}

// block is a block that is not all zeros, or not as it was.
type block struct {
	off   int64
	data  []byte // valid while the chunk is; nil for one that has become all zeros
	print uint64
	sum   [sha256.Size]byte // when the disk is digested
	check stream.Checksum   // of data, when it is written
}

// seed of all fingerprints. Whoever writes to the disk while it is read cannot know it, and so
// cannot make other contents of the same fingerprint.
var seed = maphash.MakeSeed()

// fingerprint is one of all blocks, to compare two readings by.
type fingerprint uint64

func (f *fingerprint) add(b *block) {
	*f = fingerprint(maphash.Comparable(seed, [3]uint64{uint64(*f), uint64(b.off), b.print}))
}

// read has a worker on each core fill the spans that generate gives away, and calls emit for one
// after another, in order.
func read(ctx context.Context, generate func(give func(span) error) error, fill func(*chunk) error, emit func(*chunk) error) error {
	workers := runtime.GOMAXPROCS(0)
	inFlight := min(2+2*workers, 16)
	free := make(chan *chunk, inFlight)
	todo := make(chan *chunk, inFlight)
	order := make(chan *chunk, inFlight)
	for range inFlight {
		free <- &chunk{}
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	var failed error // of generate; read after order is closed
	wg.Go(func() {
		defer close(todo)
		defer close(order)
		failed = generate(func(s span) error {
			select {
			case c := <-free:
				c.span, c.blocks, c.err, c.ready = s, c.blocks[:0], nil, make(chan struct{})
				todo <- c // neither blocks: as much room as chunks
				order <- c
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		})
	})
	for range workers {
		wg.Go(func() {
			for c := range todo {
				c.err = fill(c)
				close(c.ready)
			}
		})
	}
	var err error
	for c := range order {
		<-c.ready
		if err == nil {
			err = c.err
		}
		if err == nil {
			err = emit(c)
		}
		if err != nil {
			cancel()
			continue
		}
		free <- c
	}
	wg.Wait()
	cancel()
	if err != nil {
		return err
	}
	return failed
}

// data gives away all data of the disk, and that of the origin, of which there may be none.
func (p *Plan) data(give func(span) error) error {
	block := int64(p.opts.BlockSize)
	for next := int64(0); next < p.opts.Size; { // the first byte that was not given away
		start, end, err := p.nextData(next)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		end = min(roundUp(end, block), p.opts.Size)
		for next = max(next, start-start%block); next < end; {
			n := min(end-next, chunkSize-next%chunkSize)
			if err := give(span{off: next, n: int(n)}); err != nil {
				return err
			}
			next += n
		}
	}
	return nil
}

// nextData is a range of data in the disk or the origin, at or after off.
func (p *Plan) nextData(off int64) (start, end int64, err error) {
	if err = io.EOF; off < p.size {
		start, end, err = p.src.NextData(off)
	}
	if err == nil && (start < off || start >= end || end > p.size) {
		err = fmt.Errorf("data from %d to %d in a disk of %d bytes", start, end, p.size)
	}
	if p.opts.Origin == nil || err != nil && err != io.EOF {
		return start, end, err
	}
	from, to, originErr := p.opts.Origin.NextData(off)
	switch {
	case originErr == io.EOF:
		return start, end, err
	case originErr != nil:
		return 0, 0, fmt.Errorf("%w: %w", ErrOrigin, originErr)
	case err == io.EOF || from < start:
		return from, to, nil
	}
	return start, end, nil
}

// fill reads a chunk and sums up its blocks: with their SHA-256, else with the stream's checksum.
func (p *Plan) fill(c *chunk, sums bool) error {
	buf, err := p.readDisk(&c.buf, c.off, c.n)
	if err != nil {
		return err
	}
	for at := 0; at < len(buf); at += p.opts.BlockSize {
		if b := buf[at:][:p.opts.BlockSize]; !allZero(b) {
			c.add(c.off+int64(at), b, sums)
		}
	}
	return nil
}

// add sums up a block.
func (c *chunk) add(off int64, data []byte, sums bool) {
	b := block{off: off, data: data, print: maphash.Bytes(seed, data)}
	if sums {
		b.sum = sha256.Sum256(data)
	} else {
		b.check.Update(data, binary.LittleEndian)
	}
	c.blocks = append(c.blocks, b)
}

// readDisk reads n bytes of the volume that the disk becomes into a buffer, which it makes if there
// is none.
func (p *Plan) readDisk(buf *[]byte, off int64, n int) ([]byte, error) {
	if *buf == nil {
		*buf = make([]byte, chunkSize)
	}
	b := (*buf)[:n]
	there := b[:max(0, min(int64(n), p.size-off))]
	clear(b[len(there):])
	if len(there) == 0 {
		return b, nil
	}
	if got, err := p.src.ReadAt(there, off); got < len(there) {
		if err == nil || errors.Is(err, io.EOF) {
			err = fmt.Errorf("the disk %w: it is shorter", tree.ErrChanged)
		}
		return nil, err
	}
	return b, nil
}

// allZero looks at 8 bytes at a time; len(b) is a multiple of 8.
func allZero(b []byte) bool {
	for ; len(b) > 0; b = b[8:] {
		if binary.LittleEndian.Uint64(b) != 0 {
			return false
		}
	}
	return true
}
