package image

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"

	"imagetools/tree"
	"imagetools/zfs/block"
	"imagetools/zfs/objset"
	"imagetools/zfs/stream"
	"imagetools/zfs/zpl"
)

// recordVerifier checks the records of the streams in one file: what receivers refuse, what
// they take and kernels later choke on, and what no sender does. It allows all that senders
// of any age are known to do. Compressed blocks are decompressed on all cores.
//
// The payloads of file contents come from the objset.Store of each stream.
type recordVerifier struct {
	v     *verifier
	in    *Input
	r     *stream.Reader
	rec   stream.Record // the present one
	count int64
	base  int64 // bytes of the streams before this one

	begin     *stream.Begin
	substream int                           // that begin is of, from 1
	last      uint64                        // number that the latest OBJECT takes up, with all its slots
	data      dataPlace                     // the latest
	size      struct{ object, size uint64 } // of the file that data belongs to
	embedded  []embeddedAt

	jobs    chan blockJob
	buffers sync.Pool
	workers sync.WaitGroup

	mu   sync.Mutex // guards what follows
	list []recordFault
	more [zpl.Damage + 1]int // faults that are not in list, by severity
}

// recordFault is a fault with the number of its substream.
type recordFault struct {
	Fault
	substream int
}

// embeddedAt is a WRITE_EMBEDDED record, whose data is decompressed when all is read: until
// then the index of the stream, which holds it, cannot be looked into.
type embeddedAt struct {
	object, offset   uint64
	record, position int64
	substream        int32
}

// blockJob is a compressed block to be decompressed.
type blockJob struct {
	fault   recordFault
	comp    block.Compression
	payload []byte
	logical int
	tail    tailCheck
}

func newRecordVerifier(v *verifier, in *Input) *recordVerifier {
	r := &recordVerifier{v: v, in: in, jobs: make(chan blockJob, runtime.GOMAXPROCS(0))}
	for range runtime.GOMAXPROCS(0) {
		r.workers.Go(r.decompress)
	}
	return r
}

// wait ends the workers.
func (r *recordVerifier) wait() {
	if r.jobs != nil {
		close(r.jobs)
		r.workers.Wait()
		r.jobs = nil
	}
}

func (r *recordVerifier) decompress() {
	var dst []byte
	for job := range r.jobs {
		if cap(dst) < job.logical {
			dst = make([]byte, job.logical)
		}
		dst = dst[:job.logical]
		if err := block.Decompress(dst, job.comp, job.payload); err != nil {
			job.fault.Severity, job.fault.Message = zpl.Damage, strings.TrimPrefix(err.Error(), "block: ")
			r.addFault(job.fault)
		} else if message := job.tail.check(dst); message != "" {
			job.fault.Severity, job.fault.Message = zpl.Warning, message
			r.addFault(job.fault)
		}
		r.buffers.Put(&job.payload)
	}
}

func (r *recordVerifier) addFault(f recordFault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.list) < maxRecordFaults {
		r.list = append(r.list, f)
		return
	}
	r.more[f.Severity]++
}

// add adds a fault that is of no record in particular, or ended the reading.
func (r *recordVerifier) add(f Fault) {
	f.File = r.in.Path
	if r.begin != nil {
		f.Snapshot = r.begin.ToName
	}
	if f.Place != nil && r.rec != nil && f.Place.What == stream.Describe(r.rec) {
		f.Object = objectOf(r.rec)
	}
	r.addFault(recordFault{f, r.substream})
}

// here is a fault at the present record.
func (r *recordVerifier) here() recordFault {
	f := recordFault{Fault{
		File: r.in.Path, Object: objectOf(r.rec),
		Place: &FaultPlace{r.r.Record(), r.base + r.r.Offset(), stream.Describe(r.rec)},
	}, r.substream}
	if r.begin != nil {
		f.Snapshot = r.begin.ToName
	}
	return f
}

func (r *recordVerifier) fault(s zpl.Severity, format string, args ...any) {
	f := r.here()
	f.Severity, f.Message = s, fmt.Sprintf(format, args...)
	r.addFault(f)
}

// doubt tells of what the present record does to some receivers and not to others.
func (r *recordVerifier) doubt(d objset.Doubt) {
	severity := zpl.Damage
	if d.Old {
		severity = zpl.Warning
	}
	r.fault(severity, "%s", d.Message)
}

func (r *recordVerifier) damaged(format string, args ...any) { r.fault(zpl.Damage, format, args...) }

// faults are the faults in the order of the records: those about objects by their snapshot,
// and the rest.
func (r *recordVerifier) faults() (byObject map[*objset.Snapshot][]Fault, rest []Fault) {
	byObject = make(map[*objset.Snapshot][]Fault)
	for _, e := range r.embedded {
		if int(e.substream) > len(r.in.Snapshots) {
			continue
		}
		s := r.in.Snapshots[e.substream-1]
		o := s.Object(e.object)
		if o == nil {
			continue
		}
		var b [1]byte
		_, err := r.v.x.Data(o).ReadAt(b[:], int64(e.offset))
		if err != nil && !errors.Is(err, objset.ErrNotStored) && !errors.Is(err, objset.ErrRedacted) {
			place := &FaultPlace{e.record, e.position, fmt.Sprintf("WRITE_EMBEDDED object=%d offset=%#x", e.object, e.offset)}
			r.addFault(recordFault{Fault{
				Severity: zpl.Damage, File: r.in.Path, Snapshot: s.Begin.ToName, Place: place, Object: e.object, Message: err.Error(),
			}, int(e.substream)})
		}
	}
	for _, f := range r.list {
		if f.Object != 0 && f.substream > 0 && f.substream <= len(r.in.Snapshots) {
			s := r.in.Snapshots[f.substream-1]
			byObject[s] = append(byObject[s], f.Fault)
		} else {
			rest = append(rest, f.Fault)
		}
	}
	for _, list := range byObject {
		sortFaults(list)
	}
	sortFaults(rest)
	for severity, n := range r.more {
		r.v.res.Count[severity] += n
	}
	return byObject, rest
}

func objectOf(rec stream.Record) uint64 {
	switch rec := rec.(type) {
	case *stream.Object:
		return rec.Object
	case *stream.Write:
		return rec.Object
	case *stream.WriteByref:
		return rec.Object
	case *stream.WriteEmbedded:
		return rec.Object
	case *stream.Spill:
		return rec.Object
	case *stream.Free:
		return rec.Object
	case *stream.Redact:
		return rec.Object
	}
	return 0
}

// Put is given the payload of a WRITE record.
func (r *recordVerifier) payload(p []byte) {
	w, ok := r.rec.(*stream.Write)
	if !ok {
		return
	}
	tail := tailCheck{offset: w.Offset, size: r.sizeOf(w)}
	if w.Compression == 0 {
		if message := tail.check(p); message != "" {
			r.fault(zpl.Warning, "%s", message)
		}
		return
	}
	buf, _ := r.buffers.Get().(*[]byte)
	if buf == nil {
		buf = new([]byte)
	}
	r.jobs <- blockJob{r.here(), block.Compression(w.Compression), append((*buf)[:0], p...), int(w.LogicalSize), tail}
}

// verifyStore is the objset.Store of one stream. It keeps the start of a volume, and small files.
type verifyStore struct {
	start   startStore
	small   smallStore
	records *recordVerifier
}

// Put implements objset.Store.
func (s *verifyStore) Put(at int64, p []byte) (int64, error) {
	if !s.start.put(s.records.rec, at, p) {
		s.small.put(s.records.rec, at, p)
	}
	s.records.payload(p)
	return at, nil
}

// ReadAt implements objset.Store.
func (s *verifyStore) ReadAt(b []byte, off int64) (int, error) {
	if n, err := s.start.ReadAt(b, off); !errors.Is(err, objset.ErrNotStored) {
		return n, err
	}
	return s.small.ReadAt(b, off)
}

// tailCheck looks for data behind the end of a file in one of its blocks.
type tailCheck struct{ offset, size uint64 }

const noSize = 1<<64 - 1

func (t tailCheck) check(b []byte) string {
	if t.size == noSize || t.offset+uint64(len(b)) <= t.size {
		return ""
	}
	from := 0
	if t.size > t.offset {
		from = int(t.size - t.offset)
	}
	if isZero(b[from:]) {
		return ""
	}
	return fmt.Sprintf("it has data behind its end at %d, which would show when it grows", t.size)
}

// sizeOf is the size of the regular file that a WRITE is for, as far as it can be told before
// the tables of attributes are known: the first attributes always stand in the same order.
func (r *recordVerifier) sizeOf(w *stream.Write) uint64 {
	if w.ObjType != stream.ObjPlainFile {
		return noSize
	}
	if r.size.object == w.Object {
		return r.size.size
	}
	r.size.object, r.size.size = w.Object, noSize
	all := r.v.x.Snapshots()
	s := all[len(all)-1]
	o := s.Object(w.Object)
	if o == nil {
		return noSize
	}
	bonus := o.Bonus()
	var order binary.ByteOrder = s.Order
	mode, size := 72, 80 // in the znode of versions before 5
	if o.BonusType == stream.ObjSA {
		if len(bonus) < 8 {
			return noSize
		}
		if order = binary.LittleEndian; binary.BigEndian.Uint32(bonus) == attrMagic {
			order = binary.BigEndian
		}
		mode = int(order.Uint16(bonus[4:])>>10) * 8
		size = mode + 8
	}
	if size+8 > len(bonus) || tree.Mode(order.Uint64(bonus[mode:])).Type() != tree.TypeFile {
		return noSize
	}
	r.size.size = order.Uint64(bonus[size:])
	return r.size.size
}

const attrMagic = 0x2F505A // of a buffer of system attributes
