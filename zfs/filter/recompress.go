package filter

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"imagetools/zfs/block"
	"imagetools/zfs/stream"
)

// Recompress compresses the data in a stream with c, or makes all of it plain if c is
// [block.Off]: then no receiver needs to know compressed streams, which SmartOS does since
// 2016. Data that was compressed in another way is unpacked first, embedded blocks become
// WRITEs, and the features say what is in the result. Sizes and places are those before.
//
// As in streams of zfs send -c, only contents of files and volumes are compressed, by whole
// blocks, and those that do not get at least an eighth smaller stay plain. Blocks that are
// compressed with c already are left as they are. Plain streams go through any compression
// and back to plain unchanged.
//
// Raw streams are refused. A corrupt block ends the work with an error that names its record.
func Recompress(w io.Writer, r io.Reader, c block.Compression) (*Report, error) {
	features, err := featuresOf(c)
	if err != nil {
		return nil, err
	}
	p := &recompressor{copier: newCopier(w, r), to: c, features: features}
	return p.finish(p.run())
}

// compressionFeatures are those that a recompressed stream may no longer need.
const compressionFeatures = stream.FeatureCompressed | stream.FeatureLZ4 | stream.FeatureZstd | stream.FeatureEmbedData

// featuresOf are the features of a stream whose data is compressed with c.
func featuresOf(c block.Compression) (stream.Features, error) {
	switch c {
	case block.Off:
		return 0, nil
	case block.LZ4:
		return stream.FeatureCompressed | stream.FeatureLZ4, nil
	case block.Zstd:
		return stream.FeatureCompressed | stream.FeatureZstd, nil
	case block.LZJB, block.ZLE:
		return stream.FeatureCompressed, nil
	}
	if c >= block.Gzip1 && c <= block.Gzip9 {
		return stream.FeatureCompressed, nil
	}
	return 0, fmt.Errorf("%w: %v in a stream", block.ErrUnsupported, c)
}

type recompressor struct {
	*copier
	to       block.Compression
	features stream.Features
	objects  recentObjects
	written  [2]uint64 // object and offset of the latest data
}

// recentObjects are the OBJECTs that data may follow for: senders announce up to 32, those of
// one block of dnodes, before the data of the first.
type recentObjects struct {
	ring [64]stream.Object
	next int
}

func (o *recentObjects) add(object stream.Object) {
	o.ring[o.next] = object
	o.next = (o.next + 1) % len(o.ring)
}

// find returns the latest OBJECT of a number, or a zero one.
func (o *recentObjects) find(number uint64) stream.Object {
	for i := range o.ring {
		if object := &o.ring[(o.next-1-i+2*len(o.ring))%len(o.ring)]; object.Object == number {
			return *object
		}
	}
	return stream.Object{}
}

// job is a record on its way.
type job struct {
	rec        stream.Record
	start, end int    // of its payload in the batch
	object     uint32 // type of the object it belongs to
	blockSize  uint64 // of that object; 0 if it is not known
	fault      stream.FormatError

	out []byte // what to write instead of the payload, if changed
	err error
}

// batch is a row of records that are worked on together.
type batch struct {
	jobs     []job
	payloads []byte
	cost     int // bytes of payloads, before and after
}

// run reads a batch while the one before is worked on.
func (p *recompressor) run() error {
	workers := runtime.GOMAXPROCS(0)
	budget := max(8<<20, workers<<20)
	now, ahead := &batch{}, &batch{}
	err := p.fill(now, budget)
	for len(now.jobs) > 0 {
		var work sync.WaitGroup
		p.start(&work, now, workers)
		ahead.reset()
		if err == nil {
			err = p.fill(ahead, budget)
		}
		work.Wait()
		if err := p.drain(now); err != nil {
			return err
		}
		now, ahead = ahead, now
	}
	return err
}

func (b *batch) reset() {
	clear(b.jobs)
	b.jobs, b.payloads, b.cost = b.jobs[:0], b.payloads[:0], 0
}

// fill reads records until there is enough to do. What it has read before an error is in the
// batch.
func (p *recompressor) fill(b *batch, budget int) error {
	for b.cost < budget {
		rec, payload, err := p.next()
		if err != nil {
			return err
		}
		j := job{rec: rec, start: len(b.payloads), end: len(b.payloads) + len(payload)}
		j.fault = stream.FormatError{Record: p.r.Record(), Offset: p.r.Offset(), What: stream.Describe(rec)}
		b.payloads = append(b.payloads, payload...)
		b.cost += stream.HeaderSize + len(payload)
		switch rec := rec.(type) {
		case *stream.Begin:
			if rec.Features&stream.FeatureRaw != 0 {
				return p.r.Fault(errRaw)
			}
			if rec.HeaderType == stream.Substream {
				rec.Features = rec.Features&^compressionFeatures | p.features
			}
			p.objects, p.written = recentObjects{}, [2]uint64{}
		case *stream.Object:
			p.objects.add(*rec)
		case *stream.Write:
			object := p.objects.find(rec.Object)
			j.object, j.blockSize = rec.ObjType, uint64(object.BlockSize)
			b.cost += int(rec.LogicalSize)
			p.written = [2]uint64{rec.Object, rec.Offset}
		case *stream.WriteEmbedded:
			object := p.objects.find(rec.Object)
			if object.Object == 0 {
				return p.r.Fault(errors.New("there is no OBJECT before it"))
			}
			if err := p.checkEmbedded(rec, object.BlockSize); err != nil {
				return p.r.Fault(err)
			}
			j.object, j.blockSize = object.ObjType, uint64(object.BlockSize)
			b.cost += int(rec.Length)
		case *stream.Spill:
			b.cost += int(rec.Length)
		}
		b.jobs = append(b.jobs, j)
	}
	return nil
}

// checkEmbedded tells whether receivers do with a WRITE what they do with an embedded block:
// WRITEs must ascend, and cover a block to replace all of it.
func (p *recompressor) checkEmbedded(e *stream.WriteEmbedded, blockSize uint32) error {
	at := [2]uint64{e.Object, e.Offset}
	switch {
	case slices.Compare(at[:], p.written[:]) < 0:
		return fmt.Errorf("data of object %d at %#x came before it, and receivers refuse a WRITE in its place", p.written[0], p.written[1])
	case e.Length != uint64(blockSize) && !unsplit(e, blockSize) || e.Offset%uint64(max(blockSize, 1)) != 0:
		return fmt.Errorf("%d bytes at %#x: not one block of %d", e.Length, e.Offset, blockSize)
	}
	p.written = at
	return nil
}

// unsplit tells whether an embedded block is the only one of a file, which is larger than 128 KiB
// and was sent without -L: of plain data, receivers keep the first block of 128 KiB.
func unsplit(e *stream.WriteEmbedded, blockSize uint32) bool {
	return e.Offset == 0 && blockSize == stream.OldMaxBlock && e.Length > stream.OldMaxBlock
}

// start has workers do the jobs of a batch.
func (p *recompressor) start(work *sync.WaitGroup, b *batch, workers int) {
	var taken atomic.Int64
	for range min(workers, len(b.jobs)) {
		work.Go(func() {
			for {
				i := int(taken.Add(1)) - 1
				if i >= len(b.jobs) {
					return
				}
				j := &b.jobs[i]
				j.err = p.work(j, b.payloads[j.start:j.end])
			}
		})
	}
}

// drain writes the records of a batch, up to the first fault.
func (p *recompressor) drain(b *batch) error {
	for i := range b.jobs {
		j := &b.jobs[i]
		if j.err != nil {
			j.fault.Err = j.err
			return &j.fault
		}
		payload := j.out
		if payload == nil {
			payload = b.payloads[j.start:j.end]
		}
		if err := p.put(j.rec, payload); err != nil {
			return err
		}
	}
	return nil
}

// work changes one record; several run at the same time.
func (p *recompressor) work(j *job, payload []byte) error {
	switch rec := j.rec.(type) {
	case *stream.Spill:
		if rec.CompressedSize == 0 {
			return nil
		}
		j.out = make([]byte, rec.Length)
		err := block.Decompress(j.out, block.Compression(rec.Compression), payload)
		rec.Compression, rec.CompressedSize = 0, 0
		return err
	case *stream.WriteEmbedded:
		w, plain, err := unembed(rec, j.object, payload)
		if err != nil {
			return err
		}
		if unsplit(rec, uint32(j.blockSize)) {
			plain = plain[:j.blockSize]
			w.LogicalSize = j.blockSize
		}
		j.rec, j.out = w, plain
		p.pack(j, w, plain)
	case *stream.Write:
		from := block.Compression(rec.Compression)
		plain := payload
		switch {
		case from == p.to && from != block.Off:
			return nil
		case from != block.None:
			plain = make([]byte, rec.LogicalSize)
			if err := block.Decompress(plain, from, payload); err != nil {
				return err
			}
			rec.Compression, rec.CompressedSize = 0, 0
			j.out = plain
		}
		p.pack(j, rec, plain)
	}
	return nil
}

// pack compresses the data of a WRITE if that is allowed and worth it. Receivers want a
// compressed WRITE to be exactly one block of its object.
func (p *recompressor) pack(j *job, w *stream.Write, plain []byte) {
	if p.to == block.Off || j.object != stream.ObjPlainFile && j.object != stream.ObjZvol ||
		j.blockSize != w.LogicalSize || w.Offset%w.LogicalSize != 0 {
		return
	}
	packed, ok := block.Compress(nil, p.to, plain)
	if !ok || len(packed) > len(plain)-len(plain)/8 {
		return
	}
	w.Compression, w.CompressedSize = uint8(p.to), uint64(len(packed))
	j.out = packed
}

const (
	embedData = 0 // BP_EMBEDDED_TYPE_DATA
	fletcher4 = 7 // ZIO_CHECKSUM_FLETCHER_4, what senders say of blocks
)

// unembed makes the WRITE that an embedded block stands for, and its plain data.
func unembed(e *stream.WriteEmbedded, objType uint32, payload []byte) (*stream.Write, []byte, error) {
	switch {
	case e.EmbedType != embedData:
		return nil, nil, fmt.Errorf("%w embedded type %d", stream.ErrUnsupported, e.EmbedType)
	case uint64(e.LSize) > e.Length:
		return nil, nil, fmt.Errorf("%d bytes of data in a block of %d", e.LSize, e.Length)
	case e.PSize > e.LSize:
		return nil, nil, fmt.Errorf("%d bytes of data in %d", e.LSize, e.PSize)
	}
	plain := make([]byte, e.Length)
	if err := block.Decompress(plain[:e.LSize], block.Compression(e.Compression), payload[:e.PSize]); err != nil {
		return nil, nil, err
	}
	return &stream.Write{
		Object: e.Object, ObjType: objType, Offset: e.Offset, LogicalSize: e.Length, ToGUID: e.ToGUID, ChecksumType: fletcher4,
	}, plain, nil
}
