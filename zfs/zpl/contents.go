package zpl

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/maphash"
	"io"
	"runtime"
	"sync"

	"imagetools/tree"
	"imagetools/zfs/objset"
	"imagetools/zfs/stream"
)

// blockSize is that of every file with more than one block (zfs_max_recordsize of old).
const blockSize = stream.OldMaxBlock

const (
	batchSize   = 512 << 10 // bytes of buffer
	batchPieces = 256       // and blocks, so that small files are shared out too
	maxBuffers  = 16        // batches with one
)

// Small files are kept in memory from the first reading on, while there is room: opening them
// again would take longer than all else that is done with them.
const (
	keepFile = 16 << 10 // bytes of a file that is kept
	keepAll  = 32 << 20 // bytes of all
	keepSlab = 1 << 20  // bytes that are allocated together
)

// digest is the SHA-256 of a file's contents: over its size and, for each block of 128 KiB
// that is not all zeros, offset and SHA-256. Blocks can thus be hashed on all cores, and
// holes cost nothing.
type digest [sha256.Size]byte

// file is a regular file on its way into the stream.
type file struct {
	node   *tree.Node
	name   string // its first, for the order
	digest digest
	print  uint64 // fingerprint of the contents, to compare the second reading with
	kept   []byte // the block of a small file, which then is not read a second time
	base   *basis // how it differs from what it was on the origin, if it keeps its object
	elf    bool
}

// piece is one block of a file.
type piece struct {
	file    *file
	base    *basis // what it is compared with, or was
	off     int64
	data    []byte            // padded with zeros to whole blocks; nil in a hole, and if only digested
	n       int               // bytes of contents in data
	sum     [sha256.Size]byte // when contents are digested
	check   stream.Checksum   // of data, when they are written
	print   uint64            // fingerprint
	hole    bool              // all zeros, or nothing that the origin has not
	spans   []span            // blocks that the origin has not
	differs bool              // from the contents on the origin
	first   bool              // of its file
	last    bool
	open    *openFile // of a file with several blocks
	err     error
}

// batch is a run of blocks that one worker reads.
type batch struct {
	pieces []piece
	buf    []byte
	used   int
	ready  chan struct{}
}

// openFile is a file that several workers read; it is closed when its last piece is consumed.
type openFile struct{ tree.File }

// seed of all fingerprints. Whoever writes to a file while it is read cannot know it, and so
// cannot make other contents of the same fingerprint; a second SHA-256 would cost as much
// time as all the rest of the second reading.
var seed = maphash.MakeSeed()

// contents reads files block by block on all cores and hands the blocks over in order.
type contents struct {
	files []*file
	sums  bool // compute SHA-256
	basis func(*file) *basis
	emit  func(*piece) error

	free  chan *batch
	todo  chan *batch
	order chan *batch

	mu   sync.Mutex
	open map[*openFile]bool
}

// readContents calls emit for every block of data of the files, in order, in this goroutine;
// each file has at least one piece, which may be a hole. With sums, pieces come with their
// SHA-256, but with data only where it is to be kept, and files are compared with what basis
// gives for them, if it is not nil. Errors name the file.
func readContents(ctx context.Context, files []*file, sums bool, basis func(*file) *basis, emit func(*piece) error) error {
	workers := runtime.GOMAXPROCS(0)
	inFlight := 4 + 2*workers
	if !sums { // each has a buffer
		inFlight = min(inFlight, maxBuffers)
	}
	c := &contents{
		files: files, sums: sums, basis: basis, emit: emit, open: make(map[*openFile]bool),
		free: make(chan *batch, inFlight), todo: make(chan *batch, inFlight), order: make(chan *batch, inFlight),
	}
	for range inFlight {
		c.free <- &batch{}
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(c.todo)
		defer close(c.order)
		c.generate(ctx)
	})
	for range workers {
		wg.Go(func() {
			var s *scratch
			if c.sums {
				s = &scratch{data: make([]byte, blockSize)}
			}
			for b := range c.todo {
				for i := range b.pieces {
					b.pieces[i].read(s)
				}
				close(b.ready)
			}
		})
	}
	err := c.consume(ctx)
	cancel()
	for range c.order { // let the generator see that it is over
	}
	wg.Wait()
	for f := range c.open {
		f.File.Close()
	}
	return err
}

func (c *contents) consume(ctx context.Context) error {
	for b := range c.order {
		select {
		case <-b.ready:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		for i := range b.pieces {
			p := &b.pieces[i]
			if p.err == nil {
				p.err = c.emit(p)
			}
			if p.last && p.open != nil {
				p.err = errors.Join(p.err, c.close(p.open))
			}
			if p.err != nil {
				return fmt.Errorf("%q: %w", p.file.node.Path(), p.err)
			}
		}
		c.free <- b
	}
	return context.Cause(ctx)
}

func (c *contents) close(f *openFile) error {
	c.mu.Lock()
	delete(c.open, f)
	c.mu.Unlock()
	return f.File.Close()
}

// generate cuts the files into batches.
func (c *contents) generate(ctx context.Context) {
	g := &generator{c: c, ctx: ctx}
	for _, f := range c.files {
		if !g.file(f) {
			return
		}
	}
	g.flush()
}

type generator struct {
	c   *contents
	ctx context.Context
	b   *batch

	kept int    // bytes of memory
	slab []byte // what is left of the latest piece of it
}

// add appends a piece; false means that reading was given up.
func (g *generator) add(p piece) bool {
	block := int64(blockSizeOf(p.file.node.Size))
	if p.base != nil {
		block = p.base.block
	}
	room := int(roundUp(int64(p.n), block))
	if g.b != nil && (g.b.used+room > batchSize || len(g.b.pieces) == batchPieces) {
		g.flush()
	}
	if g.b == nil {
		select {
		case g.b = <-g.c.free:
		case <-g.ctx.Done():
			return false
		}
		g.b.used, g.b.pieces, g.b.ready = 0, g.b.pieces[:0], make(chan struct{})
	}
	switch {
	case p.data != nil: // kept
	case g.c.sums:
		p.data = g.keep(&p, room)
	default:
		if g.b.buf == nil {
			g.b.buf = make([]byte, batchSize)
		}
		p.data = g.b.buf[g.b.used:][:room:room]
	}
	g.b.used += room
	g.b.pieces = append(g.b.pieces, p)
	return true
}

// keep returns memory for a small file that is to be kept, nil if it is not or there is no
// room. Only the content itself can tell, later, that the file has not changed.
func (g *generator) keep(p *piece, room int) []byte {
	_, ok := p.file.node.Content.(tree.Verifier)
	if !ok || p.base != nil || !p.first || !p.last || p.hole || p.n > keepFile || g.kept+room > keepAll {
		return nil
	}
	g.kept += room
	if len(g.slab) < room {
		g.slab = make([]byte, keepSlab)
	}
	data := g.slab[:room:room]
	g.slab = g.slab[room:]
	return data
}

func (g *generator) flush() {
	if g.b != nil {
		g.c.todo <- g.b // never blocks: as much room as batches
		g.c.order <- g.b
		g.b = nil
	}
}

func (g *generator) file(f *file) bool {
	size := f.node.Size
	if f.kept != nil {
		return g.add(piece{file: f, n: int(size), data: f.kept, first: true, last: true})
	}
	base := f.base
	if g.c.basis != nil {
		base = g.c.basis(f)
	}
	if size <= blockSize {
		return g.add(piece{file: f, base: base, n: int(size), first: true, last: true, hole: size == 0})
	}
	opened, err := f.node.Content.Open()
	if err != nil {
		return g.add(piece{file: f, base: base, first: true, last: true, hole: true, err: err})
	}
	open := &openFile{File: opened}
	g.c.mu.Lock()
	g.c.open[open] = true
	g.c.mu.Unlock()

	ranges := opened.NextData
	switch {
	case base != nil && g.c.sums:
		ranges = base.either(size, ranges)
	case base != nil:
		ranges = base.nextChanged(size)
	}
	next, first := int64(0), true // next block that has no piece yet
	for next < size {
		start, end, err := ranges(next)
		if err == io.EOF {
			break
		}
		if err == nil && (start < next || start >= end || end > size) {
			err = fmt.Errorf("data from %d to %d in a file of %d bytes", start, end, size)
		}
		if err != nil {
			return g.add(piece{file: f, base: base, first: first, last: true, hole: true, open: open, err: err})
		}
		for next = start &^ (blockSize - 1); next < end; next += blockSize {
			n := min(blockSize, size-next)
			if !g.add(piece{file: f, base: base, off: next, n: int(n), first: first, open: open}) {
				return false
			}
			first = false
		}
	}
	if first { // All hole: it need not stay open, for thousands of such files may be in flight.
		return g.add(piece{file: f, base: base, off: size, first: true, last: true, hole: true, err: g.c.close(open)})
	}
	return g.add(piece{file: f, base: base, off: size, last: true, hole: true, open: open})
}

// scratch is where data goes that is only digested, so that it stays in the core's cache.
type scratch struct {
	data, old []byte
	origin    *objset.Data
}

// read fills a piece: the data, whether it is a hole, fingerprint, and checksum or, with a
// scratch, digest. There data goes that is not to be kept.
func (p *piece) read(s *scratch) {
	if p.n == 0 || p.err != nil {
		return
	}
	if p.file.kept != nil {
		p.err = p.file.node.Content.(tree.Verifier).Verify()
		p.check.Update(p.data, binary.LittleEndian)
		return
	}
	data := p.data
	if data == nil {
		data = s.data[:roundUp(int64(p.n), 512)]
	}
	var f tree.File
	if p.open != nil {
		f = p.open
	} else {
		opened, err := p.file.node.Content.Open()
		if err != nil {
			p.err = err
			return
		}
		defer func() { p.err = errors.Join(p.err, opened.Close()) }()
		f = opened
	}
	n, err := f.ReadAt(data[:p.n], p.off)
	if n < p.n {
		if err == io.EOF || err == nil {
			err = fmt.Errorf("%w: it is shorter", tree.ErrChanged)
		}
		p.err = err
		return
	}
	clear(data[p.n:])
	p.hole = allZero(data)
	if p.base != nil && s != nil {
		if p.err = p.base.compare(p, s); p.err != nil {
			return
		}
	}
	if p.hole {
		return
	}
	if s == nil {
		p.print = maphash.Bytes(seed, data[:p.n])
		p.check.Update(data, binary.LittleEndian)
		return
	}
	p.sum = sha256.Sum256(data[:p.n])
	if p.off == 0 {
		p.file.elf = bytes.HasPrefix(data, elfMagic)
	}
	if p.data != nil {
		p.file.kept = p.data
	} else {
		p.print = maphash.Bytes(seed, data[:p.n])
	}
}

// allZero looks at 8 bytes at a time; len(b) is a multiple of 512.
func allZero(b []byte) bool {
	for len(b) >= 32 {
		w := b[:32:32]
		if binary.LittleEndian.Uint64(w)|binary.LittleEndian.Uint64(w[8:])|
			binary.LittleEndian.Uint64(w[16:])|binary.LittleEndian.Uint64(w[24:]) != 0 {
			return false
		}
		b = b[32:]
	}
	return true
}

// digester turns the pieces of one file after another into digests.
type digester struct {
	h   hash.Hash
	buf []byte
}

// add takes a piece.
func (d *digester) add(p *piece) {
	if d.h == nil {
		d.h = sha256.New()
	}
	d.buf = d.buf[:0]
	if p.first {
		d.h.Reset()
		d.buf = binary.LittleEndian.AppendUint64(d.buf, uint64(p.file.node.Size))
	}
	if !p.hole {
		d.buf = binary.LittleEndian.AppendUint64(d.buf, uint64(p.off))
		d.buf = append(d.buf, p.sum[:]...)
	}
	for _, s := range p.spans {
		d.buf = binary.LittleEndian.AppendUint64(d.buf, uint64(s.off))
		d.buf = binary.LittleEndian.AppendUint64(d.buf, uint64(s.end))
	}
	d.h.Write(d.buf)
}

// sum is the digest of the file whose last piece was added.
func (d *digester) sum() (sum digest) {
	d.h.Sum(sum[:0])
	return sum
}

// fingerprint turns the pieces of one file after another into a fingerprint of its contents.
type fingerprint uint64

// add takes a piece; after the last of a file f is its fingerprint.
func (f *fingerprint) add(p *piece) {
	if p.first {
		*f = 0
	}
	if !p.hole {
		*f = fingerprint(maphash.Comparable(seed, [3]uint64{uint64(*f), uint64(p.off), p.print}))
	}
}

// blockSizeOf is the block size of a file: one block up to 128 KiB.
func blockSizeOf(size int64) uint32 {
	if size > blockSize {
		return blockSize
	}
	return uint32(max(512, roundUp(size, 512)))
}

func roundUp(n, to int64) int64 { return (n + to - 1) / to * to }
