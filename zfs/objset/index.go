package objset

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"imagetools/internal/budget"
	"imagetools/zfs/nvlist"
	"imagetools/zfs/stream"

	"github.com/tidwall/btree"
)

// Options say how streams are read. The zero value holds the data of all objects but file
// contents in memory.
type Options struct {
	// Keep tells whether the data of an object that holds file contents is to be held in
	// memory all the same. It is asked for each OBJECT record with plain file contents.
	Keep func(o *Object, bonus []byte) bool
	// Doubt, if set, is told what receivers do not all do alike, while Read applies the record.
	Doubt func(Doubt)
	// Budget counts the memory that the index takes; nil is the default. An error of it is a
	// [*budget.Error].
	Budget *budget.Budget
	// Limit is the memory, in bytes, that the index may take, if Budget is nil; 0 is the
	// default of a budget.
	Limit int64
}

// Store is where the payloads of file contents can be read again.
type Store interface {
	// Put is given a payload that stands at an offset of the stream, and tells at which
	// offset ReadAt will find it; a negative one says that it is all zeros, and not there.
	// ErrNotStored says that it is not kept; any other error ends the reading.
	Put(offset int64, p []byte) (int64, error)
	io.ReaderAt
}

// InPlace is a Store of an uncompressed stream that can be read at any offset.
type InPlace struct{ io.ReaderAt }

// Put returns offset.
func (InPlace) Put(offset int64, _ []byte) (int64, error) { return offset, nil }

// Index is what has been read of one or several streams. Reading streams is not safe for
// concurrent use; looking into them afterwards is.
type Index struct {
	opts      Options
	snapshots []*Snapshot
	packages  []*Package
	byGUID    map[uint64]*Snapshot
	stores    []Store
	arena     arena
	kept      [][]byte // packed payloads
	held      int64    // bytes, as are counted: what the budget knows of them
	counted   int64
	reading   atomic.Int64 // bytes, of what was read from the index
	files     int64        // objects that the budget knows of
}

// Package is the head of a compound stream (zfs send -R, -p, -I).
type Package struct {
	Begin stream.Begin
	List  nvlist.List // properties, snapshots, holds
}

// Snapshot is a snapshot in a stream, with its objects.
type Snapshot struct {
	Begin stream.Begin
	List  nvlist.List // of BEGIN: how a raw, redacted or resumed stream was made
	Order binary.ByteOrder
	Stats Stats

	// Origin is the incremental source, nil for a full stream and where it was not read.
	Origin *Snapshot
	// Complete says that the stream of the snapshot was read to its end.
	Complete bool

	number  uint32 // from 1, in the order of reading
	large   bool   // it has or had blocks above 128 KiB
	slots   bool   // it has or had objects of several slots
	objects *btree.Map[uint64, *Object]
	messy   []*Object
	copied  int64 // bytes of the map of objects that are not the origin's any more
}

// Stats count what the records of a snapshot hold.
type Stats struct {
	Records  [11]int64 // by stream.Type
	Payload  int64     // bytes behind the records
	Logical  int64     // bytes of file contents and volume data that WRITE records stand for
	Stored   int64     // bytes of their payloads
	MaxBlock int64     // largest block
}

// Partial tells whether the incremental source is missing, or is partial itself, so that only
// what the streams changed is known. What Resumed tells of is partial, too.
func (s *Snapshot) Partial() bool {
	if s.Resumed() {
		return true
	}
	for ; s != nil; s = s.Origin {
		if s.Begin.FromGUID != 0 && s.Origin == nil {
			return true
		}
	}
	return false
}

// Resumed tells whether the stream, or one that it builds on, is the rest of an interrupted
// send, whose first part is in no file.
func (s *Snapshot) Resumed() bool {
	for ; s != nil; s = s.Origin {
		if s.Begin.Features&stream.FeatureResuming != 0 {
			return true
		}
	}
	return false
}

// Missing is the guid of the incremental source, near or far, that was not read; 0 for none.
func (s *Snapshot) Missing() uint64 {
	for s.Origin != nil {
		s = s.Origin
	}
	return s.Begin.FromGUID
}

// Encrypted tells whether the stream is raw: nothing but structure can be read.
func (s *Snapshot) Encrypted() bool { return s.Begin.Features&stream.FeatureRaw != 0 }

// New returns an empty index.
func New(opts Options) *Index {
	if opts.Budget == nil && opts.Limit > 0 {
		opts.Budget = budget.New(budget.Fixed(opts.Limit))
	}
	opts.Budget = budget.Or(opts.Budget)
	return &Index{opts: opts, byGUID: make(map[uint64]*Snapshot)}
}

// Snapshots are those read so far, in the order of their streams.
func (x *Index) Snapshots() []*Snapshot { return x.snapshots }

// Packages are the heads of the compound streams read so far.
func (x *Index) Packages() []*Package { return x.packages }

// Errors that reading a stream or contents may wrap.
var (
	ErrTooLarge  = errors.New("too large")
	ErrRedacted  = errors.New("left out of the stream: it is redacted")
	ErrEncrypted = errors.New("encrypted")
	ErrNotStored = errors.New("file contents were not stored")

	// ErrResumed is for callers that need the whole of a snapshot that is Resumed.
	ErrResumed error = &refusedError{
		"the stream is the rest of an interrupted send: its first part is missing",
		"send the snapshot again from its beginning: zfs send without -t",
	}
)

// Read applies a whole stream, to the END of its last snapshot. store may be nil: then file
// contents cannot be read later. each, if not nil, is called for every record before it is
// applied. Errors in the stream are [*stream.FormatError].
func (x *Index) Read(r *stream.Reader, store Store, each func(stream.Record) error) error {
	in := &applier{x: x, r: r, store: store, number: uint16(len(x.stores))}
	if len(x.stores) == 1<<16-1 {
		return fmt.Errorf("%w: more than %d streams", ErrTooLarge, len(x.stores))
	}
	x.stores = append(x.stores, store)
	defer in.finish()
	for {
		rec, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err == nil && each != nil {
			err = each(rec)
		}
		if err != nil {
			return err
		}
		if err := in.apply(rec); err != nil {
			var fault *stream.FormatError
			if errors.As(err, &fault) {
				return err
			}
			return r.Fault(err)
		}
		if err := x.count(); err != nil {
			return r.Fault(fmt.Errorf("%w: %w", ErrTooLarge, err))
		}
	}
}

// applier applies the records of one stream.
type applier struct {
	x      *Index
	r      *stream.Reader
	store  Store
	number uint16 // of the store
	s      *Snapshot
	looked int64           // extents looked at again
	freed  map[uint64]bool // objects that FREEOBJECTS has freed: fewer than there were
	parts  map[partOf]bool // blocks of which a FREE has freed a part
}

// partOf names a block of an object.
type partOf struct{ object, block uint64 }

const numberSize = 32 // bytes that a set holds for each number in it

// finish settles what a snapshot has.
func (in *applier) finish() {
	if in.s == nil {
		return
	}
	for _, o := range in.s.messy {
		in.x.settle(o)
	}
	in.x.hold(-numberSize * int64(len(in.freed)+2*len(in.parts)))
	in.s.messy, in.freed, in.parts = nil, nil, nil
	in.s = nil
}

func (x *Index) settle(o *Object) {
	if o.messy {
		x.hold(int64(len(o.extents)) * -extentSize)
		o.forget(x)
		o.extents, o.messy = settle(o.extents), false
		o.inherited = uint32(len(o.extents))
		x.hold(int64(len(o.extents)) * extentSize)
	}
}

func (x *Index) hold(n int64) { x.held += n }

// count has the budget know what is held after a record: more by what one record can bring.
func (x *Index) count() error {
	n := x.held - x.counted
	x.counted = x.held
	if n <= 0 {
		x.opts.Budget.Release(-n)
		return nil
	}
	err := x.opts.Budget.Hold(n, "objects of the stream")
	if err != nil {
		x.counted -= n
	}
	return err
}

// Budget is what counts the memory of the index and of what is read from it.
func (x *Index) Budget() *budget.Budget { return x.opts.Budget }

// Hold counts n bytes of what is read from the index, until that is closed.
func (x *Index) Hold(n int64, what string) error {
	if err := x.opts.Budget.Hold(n, what); err != nil {
		return err
	}
	x.reading.Add(n)
	return nil
}

// Close gives back what the budget counts for the index.
func (x *Index) Close() {
	x.opts.Budget.Release(x.counted + x.reading.Swap(0))
	x.opts.Budget.ReleaseFiles(x.files)
	x.counted, x.files = 0, 0
}

// Held is about how many bytes of memory the index takes.
func (x *Index) Held() int64 { return x.held }

// What an object and an extent take, for the limit.
const (
	objectSize = 168
	extentSize = 56
	saidSize   = 112     // of an extent that is not settled
	entrySize  = 32      // of an object in the map of a snapshot
	pathSize   = 4 << 10 // of the nodes of such a map on the way to one object
)

func (in *applier) apply(rec stream.Record) error {
	payload, err := in.r.Payload()
	if err != nil {
		return err
	}
	if begin, ok := rec.(*stream.Begin); ok {
		return in.begin(begin, payload)
	}
	if in.s == nil { // the END of a package's head or of all
		return nil
	}
	in.s.Stats.Records[rec.Type()]++
	in.s.Stats.Payload += int64(len(payload))
	if in.s.Encrypted() {
		return in.raw(rec)
	}
	switch rec := rec.(type) {
	case *stream.Object:
		return in.object(rec, payload)
	case *stream.FreeObjects:
		return in.freeObjects(rec.First, rec.Count)
	case *stream.Write:
		return in.write(rec, payload)
	case *stream.WriteEmbedded:
		return in.embedded(rec, payload)
	case *stream.WriteByref:
		return in.byref(rec)
	case *stream.Free:
		return in.free(rec)
	case *stream.Redact:
		o, err := in.existing(rec.Object)
		if err == nil {
			in.add(o, bare(redacted, rec.Offset, rec.Length))
		}
		return err
	case *stream.Spill:
		return in.spill(rec, payload)
	case *stream.End:
		in.s.Complete = true
		in.finish()
	}
	return nil
}

func (in *applier) begin(b *stream.Begin, payload []byte) error {
	var list nvlist.List
	if len(payload) > 0 {
		var err error
		if list, err = nvlist.Decode(payload); err != nil {
			return fmt.Errorf("its list: %w", err)
		}
		in.x.hold(4 * int64(len(payload)))
	}
	if b.HeaderType == stream.Compound {
		in.x.packages = append(in.x.packages, &Package{Begin: *b, List: list})
		return nil
	}
	in.finish()
	s := &Snapshot{Begin: *b, List: list, Order: in.r.Order(), number: uint32(len(in.x.snapshots) + 1)}
	if from := in.x.byGUID[b.FromGUID]; b.FromGUID != 0 && from != nil {
		if err := in.checkSource(from, b); err != nil {
			return err
		}
		s.Origin, s.objects = from, from.objects.Copy()
		s.large, s.slots = from.large, from.slots
	} else {
		s.objects = new(btree.Map[uint64, *Object])
	}
	s.Stats.Records[stream.TypeBegin]++
	s.Stats.Payload += int64(len(payload))
	in.x.hold(snapshotSize)
	in.x.snapshots = append(in.x.snapshots, s)
	if b.ToGUID != 0 {
		in.x.byGUID[b.ToGUID] = s
	}
	in.s = s
	return nil
}

const snapshotSize = 1 << 10

// raw takes the structure of an encrypted object set: its objects, and how large they are.
func (in *applier) raw(rec stream.Record) error {
	switch rec := rec.(type) {
	case *stream.Object:
		o := in.own(rec.Object)
		o.describe(rec, in.r)
	case *stream.FreeObjects:
		return in.freeObjects(rec.First, rec.Count)
	case *stream.Write:
		in.count(rec.ObjType, rec.LogicalSize, rec.CompressedSize)
	case *stream.End:
		in.s.Complete = true
		in.finish()
	}
	return nil
}

func (in *applier) count(objType uint32, logical, stored uint64) {
	st := &in.s.Stats
	st.MaxBlock = max(st.MaxBlock, int64(logical))
	if isContents(objType) {
		st.Logical += int64(logical)
		st.Stored += int64(stored)
	}
}

func isContents(objType uint32) bool {
	return objType == stream.ObjPlainFile || objType == stream.ObjZvol
}

// existing returns an object to change.
func (in *applier) existing(n uint64) (*Object, error) {
	if _, ok := in.s.objects.Get(n); !ok {
		return nil, errors.New("there is no such object")
	}
	return in.own(n), nil
}

// own returns object n as this snapshot's own, to be changed; a new one if there is none.
func (in *applier) own(n uint64) *Object {
	old, ok := in.s.objects.Get(n)
	switch {
	case !ok:
		old = &Object{Number: n, owner: in.s.number}
	case old.owner == in.s.number:
		return old
	default:
		changed := *old
		changed.owner = in.s.number
		changed.extents, changed.shared = old.extents[:len(old.extents):len(old.extents)], true
		changed.inherited, changed.written = uint32(len(old.extents)), 0
		old = &changed
	}
	in.x.hold(objectSize)
	in.s.objects.Set(n, old)
	if !ok {
		in.x.files++
		in.x.opts.Budget.AddFile()
	}
	in.copied()
	return old
}

func (in *applier) write(rec *stream.Write, payload []byte) error {
	o, err := in.existing(rec.Object)
	if err != nil {
		return err
	}
	in.count(rec.ObjType, rec.LogicalSize, uint64(len(payload)))
	whole := rec.LogicalSize == uint64(o.BlockSize) && rec.Offset%rec.LogicalSize == 0
	if whole && in.parts[partOf{rec.Object, rec.Offset / rec.LogicalSize}] {
		in.doubt(Doubt{Message: "it writes a block of which this stream has freed a part before: what is left depends on the receiver"})
	}
	return in.put(o, extent{
		off: rec.Offset, size: uint32(rec.LogicalSize), lsize: uint32(rec.LogicalSize), comp: rec.Compression, whole: whole,
	}, payload)
}

func (in *applier) embedded(rec *stream.WriteEmbedded, payload []byte) error {
	o, err := in.existing(rec.Object)
	if err != nil {
		return err
	}
	if rec.EmbedType != 0 {
		return fmt.Errorf("%w: embedded data of type %d", stream.ErrUnsupported, rec.EmbedType)
	}
	if uint64(rec.LSize) > rec.Length {
		return fmt.Errorf("%d bytes in a block of %d", rec.LSize, rec.Length)
	}
	in.count(o.Type, rec.Length, uint64(rec.PSize))
	if rec.Offset > endOfFiles-rec.Length {
		return errors.New("offset out of range")
	}
	size := in.embeddable(o, rec, payload)
	in.wrote(o, rec.Offset, min(rec.Length, uint64(size)))
	if rec.LSize < uint32(rec.Length) { // the rest of the block is zeros
		in.add(o, bare(hole, rec.Offset, rec.Length))
	}
	if rec.LSize == 0 {
		return nil
	}
	e := extent{off: rec.Offset, size: min(rec.LSize, size), lsize: rec.LSize, comp: rec.Compression}
	in.hold(o, e, payload[:min(int(rec.PSize), len(payload))])
	return nil
}

// put gives an object the data in payload.
func (in *applier) put(o *Object, e extent, payload []byte) error {
	if e.off > endOfFiles-uint64(e.size) {
		return errors.New("offset out of range")
	}
	in.wrote(o, e.off, uint64(e.size))
	switch {
	case o.keep:
		in.hold(o, e, payload)
	case in.store == nil:
		in.add(o, bare(absent, e.off, uint64(e.size)))
	default:
		pos, err := in.store.Put(in.r.Position()-int64(len(payload)), payload)
		if err == ErrNotStored {
			in.add(o, bare(absent, e.off, uint64(e.size)))
			return nil
		}
		if err != nil {
			return err
		}
		if pos < 0 {
			in.add(o, bare(hole, e.off, uint64(e.size)))
			return nil
		}
		e.pos, e.psize, e.count, e.store = pos, uint32(len(payload)), 1, in.number
		in.add(o, e)
	}
	return nil
}

// hold adds an extent whose payload is held in memory.
func (in *applier) hold(o *Object, e extent, payload []byte) {
	packed := in.x.arena.keep(payload)
	e.kind, e.pos, e.psize, e.count = kept, int64(len(in.x.kept)), uint32(len(payload)), 1
	in.x.kept = append(in.x.kept, packed)
	in.x.hold(int64(len(packed)) + 24)
	in.add(o, e)
}

// add puts an extent to what an object has.
func (in *applier) add(o *Object, e extent) {
	if e.kind >= redacted && e.pos <= 0 {
		return
	}
	n := len(o.extents)
	if !o.messy && (n == 0 || e.off >= o.extents[n-1].end()) {
		if e.kind == hole {
			return
		}
		if n > 0 && !o.shared && o.extents[n-1].join(&e) {
			return
		}
	} else if !o.messy {
		o.messy = true
		in.s.messy = append(in.s.messy, o)
	}
	if n == 0 {
		o.extents = make([]extent, 0, 1)
	}
	if o.shared {
		in.x.hold(extentSize * int64(n))
	}
	o.extents, o.shared = append(o.extents, e), false
	in.x.hold(extentSize)
	if o.said != nil {
		before := o.said.Len()
		o.said.put(e)
		in.x.hold(saidSize * int64(o.said.Len()-before))
	}
}

// drop frees what an object holds.
func (in *applier) drop(o *Object) {
	if !o.shared {
		in.x.hold(-extentSize * int64(len(o.extents)))
	}
	o.forget(in.x)
	o.extents, o.messy, o.shared = nil, false, false
	o.inherited, o.lastBlock, o.written = 0, 0, 0
}

// forget drops the map of what was said of an object.
func (o *Object) forget(x *Index) {
	if o.said != nil {
		x.hold(-saidSize * int64(o.said.Len()))
		o.said = nil
	}
}

// settling has the extents of an object at hand in order, though the stream may go on about it.
func (in *applier) settling(o *Object) error {
	if !o.messy || o.said != nil {
		return nil
	}
	o.said = new(said)
	for i := range o.extents {
		o.said.put(o.extents[i])
	}
	in.x.hold(saidSize * int64(o.said.Len()))
	return in.again(o)
}

// maxAgain bounds how many extents of one stream are looked at again, since later records refer
// to them or free them. No sender writes records of that kind often.
const maxAgain = 1 << 26

// again counts a look at all extents of an object.
func (in *applier) again(o *Object) error {
	if in.looked += int64(len(o.extents)); in.looked > maxAgain {
		return fmt.Errorf("%w: records change what the stream wrote before, over and over", ErrTooLarge)
	}
	return nil
}

// copied counts what a change of an object copies of the map that a snapshot has in common
// with its origin: the nodes on the way to it, all in all no more than the whole.
func (in *applier) copied() {
	if in.s.Origin == nil {
		return
	}
	if n := min(in.s.copied+pathSize, int64(in.s.objects.Len())*entrySize); n > in.s.copied {
		in.x.hold(n - in.s.copied)
		in.s.copied = n
	}
}

// maxPieces bounds the extents that make one block.
const maxPieces = 256

// byref copies the place of data that stands elsewhere.
func (in *applier) byref(rec *stream.WriteByref) error {
	o, err := in.existing(rec.Object)
	if err != nil {
		return err
	}
	from := in.s
	if rec.RefGUID != in.s.Begin.ToGUID {
		if from = in.x.byGUID[rec.RefGUID]; from == nil {
			return fmt.Errorf("its data is in a snapshot with guid %#x, which was not read", rec.RefGUID)
		}
	}
	src, ok := from.objects.Get(rec.RefObject)
	if !ok {
		return fmt.Errorf("its data is in object %d, which is not there", rec.RefObject)
	}
	if rec.Length > stream.MaxBlock || rec.Offset > endOfFiles-rec.Length || rec.RefOffset > endOfFiles-rec.Length {
		return errors.New("offset or length out of range")
	}
	in.count(o.Type, rec.Length, 0)
	if err := in.settling(src); err != nil {
		return err
	}
	var parts []extent
	src.within(rec.RefOffset, rec.RefOffset+rec.Length, func(part extent) bool {
		part.off = part.off - rec.RefOffset + rec.Offset
		parts = append(parts, part)
		return len(parts) <= maxPieces
	})
	if len(parts) > maxPieces {
		return fmt.Errorf("%w: its data is in more than %d pieces", ErrTooLarge, maxPieces)
	}
	in.wrote(o, rec.Offset, rec.Length)
	in.add(o, bare(hole, rec.Offset, rec.Length))
	for _, part := range parts {
		in.add(o, part)
	}
	return nil
}

func (in *applier) spill(rec *stream.Spill, payload []byte) error {
	o, err := in.existing(rec.Object)
	if err != nil {
		return err
	}
	if rec.Flags&stream.FlagSpillUnmodified != 0 && in.s.Begin.Flags&stream.FlagSpillBlock != 0 {
		return nil // it is for receivers that have lost theirs
	}
	if rec.Compression != 0 {
		return fmt.Errorf("%w: a compressed spill block", stream.ErrUnsupported)
	}
	o.spill = &spill{packed: in.x.arena.keep(payload), length: uint32(len(payload))}
	in.x.hold(int64(len(o.spill.packed)) + 32)
	return nil
}
