package zvol

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"imagetools/tree"
	"imagetools/zfs/stream"
	"imagetools/zfs/zap"
)

// Block sizes that a volume can be written with. 8 KiB is what volumes of SmartOS have.
const (
	MinBlockSize     = 4 << 10
	MaxBlockSize     = stream.OldMaxBlock
	DefaultBlockSize = 8 << 10
)

// Source is the disk that a volume is made of; a tree.File is one. ReadAt is called
// concurrently.
type Source interface {
	io.ReaderAt
	// NextData returns the first range of data at or after off; io.EOF says that none follows.
	NextData(off int64) (start, end int64, err error)
}

// Options say how a disk becomes a volume. The zero value is what SmartOS images need.
type Options struct {
	BlockSize int   // volblocksize, a power of two; 0 stands for that of Origin, or [DefaultBlockSize]
	Size      int64 // of the volume in bytes, not less than that of the disk and of Origin; 0 stands for the larger, in whole MiB
	Created   int64 // creation time of the snapshot, in seconds since 1970; 0 stands for that of Origin, if any
	// Origin is the volume that the new one builds on: the stream holds what differs from it, and
	// becomes a clone of its snapshot. nil is for a full stream. What cannot be built on gives
	// [ErrOrigin].
	Origin *Volume
	// Progress, if set, is called now and then with how far the reading has come.
	Progress func(phase Phase, done, total int64)
}

// Phase tells what a [Plan] is doing.
type Phase int

// The phases, in order.
const (
	Digesting Phase = iota
	Writing
)

// ErrTooLarge says that a disk does not fit into the size that was asked for.
var ErrTooLarge = errors.New("larger than the volume")

// snapshotName is what receivers are told; they use what is behind the '@'.
const snapshotName = "image@final"

// writeBuffer gathers records.
const writeBuffer = 64 << 10

// guidFormat is hashed first. It changes whenever the same disk gives another stream.
const guidFormat = "imagetools volume stream 1"

// Plan is a volume about to be written: all is known of it but the bytes.
type Plan struct {
	opts    Options
	src     Source
	size    int64 // of src
	guid    uint64
	print   fingerprint
	changes changes // to the origin
}

// NewPlan reads a disk of size bytes to digest it, on all cores, and the origin, if any, to
// compare them.
func NewPlan(ctx context.Context, src Source, size int64, opts Options) (*Plan, error) {
	p := &Plan{opts: opts, src: src, size: size}
	if err := p.checkOptions(); err != nil {
		return nil, fmt.Errorf("zvol: %w", err)
	}
	return p, p.digest(ctx)
}

// VolumeSize is the size of the volume that a disk of size bytes becomes.
func (o Options) VolumeSize(size int64) int64 {
	switch {
	case o.Size != 0:
		return o.Size
	case o.Origin != nil:
		size = max(size, o.Origin.Size)
	}
	return roundUp(size, 1<<20)
}

func (p *Plan) checkOptions() error {
	o := &p.opts
	if o.Created < 0 {
		return fmt.Errorf("creation time %d: before 1970", o.Created)
	}
	if o.Origin != nil {
		if err := o.buildOnOrigin(); err != nil {
			return err
		}
	} else if o.BlockSize == 0 {
		o.BlockSize = DefaultBlockSize
	}
	if b := o.BlockSize; o.Origin == nil && (b < MinBlockSize || b > MaxBlockSize || b&(b-1) != 0) {
		return fmt.Errorf("blocks of %d bytes: a power of two from %d to %d is needed", b, MinBlockSize, MaxBlockSize)
	}
	if p.size <= 0 || p.size > MaxSize {
		return fmt.Errorf("a disk of %d bytes", p.size)
	}
	o.Size = o.VolumeSize(p.size)
	switch {
	case p.size > o.Size:
		return fmt.Errorf("a disk of %d bytes: %w of %d", p.size, ErrTooLarge, o.Size)
	case o.Origin != nil && o.Size < o.Origin.Size:
		return fmt.Errorf("a volume of %d bytes: %w: it has %d, and becomes no smaller", o.Size, ErrOrigin, o.Origin.Size)
	case o.Size > MaxSize || o.Size%int64(o.BlockSize) != 0:
		return fmt.Errorf("a volume of %d bytes in blocks of %d", o.Size, o.BlockSize)
	}
	return nil
}

// GUID is the guid of the snapshot: a hash over size, block size, time and, for each block that
// is not all zeros, its place and SHA-256. With an origin it is one over the guid of that and the
// blocks that are not as they were. It is never 0.
func (p *Plan) GUID() uint64 { return p.guid }

// Size is the size of the volume in bytes.
func (p *Plan) Size() int64 { return p.opts.Size }

func (p *Plan) digest(ctx context.Context) error {
	h := sha256.New()
	h.Write([]byte(guidFormat + "\x00" + snapshotName + "\x00"))
	number := func(b []byte, v int64) []byte { return binary.LittleEndian.AppendUint64(b, uint64(v)) }
	if p.opts.Origin != nil {
		h.Write(number([]byte("on\x00"), int64(p.opts.Origin.s.Begin.ToGUID)))
	}
	h.Write(number(number(number(nil, p.opts.Size), int64(p.opts.BlockSize)), p.opts.Created))
	fill := func(c *chunk) error { return p.fill(c, true) }
	if p.opts.Origin != nil {
		fill = p.compare
	}
	report := p.reporter(Digesting)
	var buf []byte
	err := read(ctx, p.data, fill, func(c *chunk) error {
		for i := range c.blocks {
			b := &c.blocks[i]
			buf = append(number(buf[:0], b.off), b.sum[:]...)
			h.Write(buf)
			p.print.add(b)
		}
		if p.opts.Origin != nil {
			p.changes.add(c, p.opts.BlockSize)
		}
		report(c)
		return nil
	})
	p.guid = max(binary.LittleEndian.Uint64(h.Sum(nil)), 1)
	return err
}

// reporter returns a function that reports progress by the chunks that pass.
func (p *Plan) reporter(phase Phase) func(*chunk) {
	if p.opts.Progress == nil {
		return func(*chunk) {}
	}
	return func(c *chunk) { p.opts.Progress(phase, c.off+int64(c.n), p.opts.Size) }
}

// Write writes the stream to w, reading all data again. Each record is checked against what
// receivers rely on. A disk that is not the one that was digested is reported as
// [tree.ErrChanged]; what was written until then is no stream.
func (p *Plan) Write(ctx context.Context, w io.Writer) error {
	buf := bufio.NewWriterSize(w, writeBuffer)
	out := &writer{out: stream.NewWriter(buf), guid: p.guid}
	begin := &stream.Begin{
		HeaderType: stream.Substream, CreationTime: uint64(p.opts.Created), Objset: stream.ObjsetZvol,
		ToGUID: p.guid, ToName: snapshotName,
	}
	if p.opts.Origin != nil {
		begin.FromGUID, begin.Flags = p.opts.Origin.s.Begin.ToGUID, stream.FlagClone
	}
	err := out.record(begin, nil)
	if err == nil && p.changed() {
		err = out.object(dataObject, stream.ObjZvol, p.opts.BlockSize)
	}
	if err == nil {
		err = p.writeData(ctx, out)
	}
	if err == nil && p.resized() {
		err = out.properties(p.opts.Size)
	}
	if err != nil {
		return err
	}
	if err := out.record(&stream.End{ToGUID: p.guid}, nil); err != nil {
		return err
	}
	return buf.Flush()
}

// changed tells whether the stream has data.
func (p *Plan) changed() bool { return p.opts.Origin == nil || len(p.changes.spans) > 0 }

// resized tells whether the stream has the size.
func (p *Plan) resized() bool { return p.opts.Origin == nil || p.opts.Size != p.opts.Origin.Size }

// writeData reads the data again and writes it.
func (p *Plan) writeData(ctx context.Context, out *writer) error {
	generate, fill := p.data, func(c *chunk) error { return p.fill(c, false) }
	if p.opts.Origin != nil {
		generate, fill = p.changes.give, p.fillChanged
	}
	report := p.reporter(Writing)
	var print fingerprint
	var freed run
	err := read(ctx, generate, fill, func(c *chunk) error {
		for i := range c.blocks {
			b := &c.blocks[i]
			print.add(b)
			var err error
			if b.data == nil {
				err = out.hole(&freed, b.off, int64(p.opts.BlockSize))
			} else if err = out.free(&freed); err == nil {
				err = out.block(dataObject, stream.ObjZvol, b.off, b.data, b.check)
			}
			if err != nil {
				return err
			}
		}
		report(c)
		return nil
	})
	if err == nil && print != p.print {
		err = fmt.Errorf("the disk %w: its contents differ from the first reading", tree.ErrChanged)
	}
	if err == nil {
		err = out.free(&freed)
	}
	return err
}

// writer writes the records of a volume.
type writer struct {
	out   *stream.Writer
	check stream.Checker
	guid  uint64
}

func (w *writer) record(rec stream.Record, payload []byte) error {
	if err := w.check.Check(rec); err != nil {
		return fmt.Errorf("internal error: %w", err)
	}
	return w.out.WriteRecord(rec, payload)
}

func (w *writer) object(object uint64, typ uint32, blockSize int) error {
	return w.record(&stream.Object{Object: object, ObjType: typ, BlockSize: uint32(blockSize), DnSlots: 1, ToGUID: w.guid}, nil)
}

// checksumFletcher4 is what real senders put into WRITE records.
const checksumFletcher4 = 7

func (w *writer) block(object uint64, typ uint32, off int64, data []byte, sum stream.Checksum) error {
	rec := &stream.Write{
		Object: object, ObjType: typ, Offset: uint64(off), LogicalSize: uint64(len(data)), ToGUID: w.guid, ChecksumType: checksumFletcher4,
	}
	if err := w.check.Check(rec); err != nil {
		return fmt.Errorf("internal error: %w", err)
	}
	return w.out.WriteSummed(rec, data, sum)
}

// run is a row of blocks that have become holes.
type run struct{ off, n int64 }

// hole adds a block to a run, or writes the run and begins another one.
func (w *writer) hole(r *run, off, n int64) error {
	if r.n > 0 && r.off+r.n == off {
		r.n += n
		return nil
	}
	err := w.free(r)
	*r = run{off, n}
	return err
}

// free writes a run, and empties it.
func (w *writer) free(r *run) error {
	if r.n == 0 {
		return nil
	}
	rec := &stream.Free{Object: dataObject, Offset: uint64(r.off), Length: uint64(r.n), ToGUID: w.guid}
	*r = run{}
	return w.record(rec, nil)
}

// properties writes the ZAP with the size.
func (w *writer) properties(size int64) error {
	const salt = 0x9E3779B97F4A7C15 // any number but 0 that is always the same
	z, err := zap.Build(zap.Entries{zap.Uint64("size", uint64(size))}, salt)
	if err != nil {
		return err
	}
	if err := w.object(propObject, stream.ObjZvolProp, z.BlockSize); err != nil {
		return err
	}
	for data, err := range z.Blocks() {
		if err != nil {
			return err
		}
		var sum stream.Checksum
		sum.Update(data, binary.LittleEndian)
		if err := w.block(propObject, stream.ObjZvolProp, 0, data, sum); err != nil {
			return err
		}
	}
	return nil
}

func roundUp(n, to int64) int64 { return (n + to - 1) / to * to }
