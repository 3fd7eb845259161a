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

// chunk is a range of data that one worker reads.
type chunk struct {
	off    int64 // a multiple of the block size
	n      int   // bytes, whole blocks but for the end of the disk
	buf    []byte
	blocks []block // those that are not all zeros
	err    error
	ready  chan struct{}
}

// block is a block that is not all zeros.
type block struct {
	off   int64
	data  []byte // valid while the chunk is
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

// read reads all data on all cores and calls emit for chunk after chunk, in order. With sums,
// blocks come with their SHA-256, else with the stream's checksum.
func (p *Plan) read(ctx context.Context, sums bool, emit func(*chunk) error) error {
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
		failed = p.generate(func(off int64, n int) error {
			select {
			case c := <-free:
				c.off, c.n, c.err, c.ready = off, n, nil, make(chan struct{})
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
				c.err = p.fill(c, sums)
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

// generate cuts the data of the disk into chunks.
func (p *Plan) generate(add func(off int64, n int) error) error {
	block := int64(p.opts.BlockSize)
	for next := int64(0); next < p.size; { // the first byte that has no chunk yet
		start, end, err := p.src.NextData(next)
		if err == io.EOF {
			return nil
		}
		if err == nil && (start < next || start >= end || end > p.size) {
			err = fmt.Errorf("data from %d to %d in a disk of %d bytes", start, end, p.size)
		}
		if err != nil {
			return err
		}
		end = min(roundUp(end, block), p.size)
		for next = max(next, start-start%block); next < end; {
			n := min(end-next, chunkSize-next%chunkSize)
			if err := add(next, int(n)); err != nil {
				return err
			}
			next += n
		}
	}
	return nil
}

// fill reads a chunk and sums up its blocks.
func (p *Plan) fill(c *chunk, sums bool) error {
	size := int(roundUp(int64(c.n), int64(p.opts.BlockSize)))
	if c.buf == nil {
		c.buf = make([]byte, chunkSize)
	}
	buf := c.buf[:size]
	n, err := p.src.ReadAt(buf[:c.n], c.off)
	if n < c.n {
		if err == nil || errors.Is(err, io.EOF) {
			err = fmt.Errorf("the disk %w: it is shorter", tree.ErrChanged)
		}
		return err
	}
	clear(buf[c.n:])
	c.blocks = c.blocks[:0]
	for at := 0; at < size; at += p.opts.BlockSize {
		b := block{off: c.off + int64(at), data: buf[at:][:p.opts.BlockSize]}
		if allZero(b.data) {
			continue
		}
		b.print = maphash.Bytes(seed, b.data)
		if sums {
			b.sum = sha256.Sum256(b.data)
		} else {
			b.check.Update(b.data, binary.LittleEndian)
		}
		c.blocks = append(c.blocks, b)
	}
	return nil
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
