package image

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"imagetools/compress"
	"imagetools/internal/budget"
	"imagetools/zfs/objset"
	"imagetools/zfs/stream"
	"imagetools/zfs/zpl"
)

// VerifyOptions say how images are verified.
type VerifyOptions struct {
	Stdin  io.Reader      // for the path "-"
	Budget *budget.Budget // for what is held; nil is the default
	Limit  int            // how many faults are told; 0 is 1000. All are counted.

	// FindOrigins has the images that an image is incremental on be verified too: those that [Find]
	// finds by the manifests beside it.
	FindOrigins bool

	// Progress, if set, is told how much of a file was read, as [OpenOptions.Progress] is.
	Progress func(name string, done, total int64)
}

// Fault is something wrong with an image.
type Fault struct {
	Severity zpl.Severity
	File     string      // the stream, or the manifest
	Snapshot string      // as BEGIN names it; empty before the first
	Place    *FaultPlace // in the stream; nil for none
	Object   uint64      // 0 for none
	Path     string      // in the file system, empty for none
	Message  string
}

// FaultPlace is where in a stream something is wrong: at a record, or at the OBJECT record of
// the object that is. Offset is in bytes of the uncompressed stream.
type FaultPlace struct {
	Record, Offset int64
	What           string // such as "WRITE object=8 offset=0x20000"
}

// Verified is what a verification saw.
type Verified struct {
	Files, Snapshots, Objects, Directories int
	Records, Bytes                         int64               // of uncompressed streams
	Count                                  [zpl.Damage + 1]int // of all faults, by severity
	Faults                                 []Fault
	Notes                                  []string // what was not checked, and why
	Begins                                 []string // what volumes begin with

	// Incomplete says that there are snapshots of which only the records could be checked, because
	// something else is needed to read them: an origin, a key, the first part of a stream. A warning
	// tells of each.
	Incomplete bool
}

const (
	defaultFaultLimit = 1000
	maxRecordFaults   = 1 << 14 // held of one stream until they are sorted
)

// Verify checks images: each path is one as [Find] takes it, and what is incremental follows
// its source. Every checksum, record and compressed block is checked while the streams are
// read once, then the file systems and volumes in them, the manifests beside them, what
// imgadm would make of them, and whether they hold what is better kept private.
//
// Nothing is written to disk. The error is for what could not be read at all, or not be held
// in memory; damage is in the result.
func Verify(ctx context.Context, paths []string, opts VerifyOptions) (*Verified, error) {
	v := &verifier{ctx: ctx, opts: opts}
	v.x = objset.New(objset.Options{Keep: zpl.Keep, Budget: opts.Budget, Doubt: func(d objset.Doubt) { v.records.doubt(d) }})
	defer v.x.Close()
	v.opts.Limit = cmp.Or(opts.Limit, defaultFaultLimit)
	find := locateAll
	if opts.FindOrigins {
		find = findAll
	}
	inputs, err := find(paths)
	if err != nil {
		return nil, err
	}
	for _, in := range inputs {
		if err := v.file(in); err != nil {
			return nil, fmt.Errorf("%s: %w", in.Name(), err)
		}
	}
	res := v.res // alone: the verifier holds the index of all streams
	return &res, ctx.Err()
}

// verifier checks a chain of files.
type verifier struct {
	ctx  context.Context
	opts VerifyOptions
	x    *objset.Index
	res  Verified

	records *recordVerifier   // of the present file
	uuids   map[uint64]string // of the images whose last snapshots have the guids
}

// originMissing says why an image stands alone.
func originMissing(in *Input) string {
	if in.noOrigin != nil {
		return "is missing: " + in.noOrigin.Error()
	}
	return "is missing"
}

func (v *verifier) add(f Fault) {
	v.res.Count[f.Severity]++
	if len(v.res.Faults) < v.opts.Limit {
		v.res.Faults = append(v.res.Faults, f)
	}
}

func (v *verifier) note(format string, args ...any) {
	v.res.Notes = append(v.res.Notes, fmt.Sprintf(format, args...))
}

// file checks one file and the manifest beside it.
func (v *verifier) file(in *Input) error {
	v.res.Files++
	firstPackage := len(v.x.Packages())
	records := newRecordVerifier(v, in)
	v.records = records
	err := v.read(in, records)
	records.wait()
	v.res.Records, v.res.Bytes = v.res.Records+records.count, v.res.Bytes+in.StreamSize
	switch {
	case v.ctx.Err() != nil:
		return v.ctx.Err()
	case errors.Is(err, objset.ErrTooLarge) || errors.Is(err, budget.ErrExceeded) || errors.Is(err, errOpen) || errors.Is(err, errNoStdin):
		return err
	case err != nil:
		records.add(readFault(err))
	case in.Trailing > 0 && in.Padding:
		v.add(Fault{Severity: zpl.Warning, File: in.Path, Message: fmt.Sprintf("%d bytes follow the end of the stream, all zeros", in.Trailing)})
	case in.Trailing > 0:
		v.add(Fault{Severity: zpl.Damage, File: in.Path, Message: fmt.Sprintf("%d bytes follow the end of the stream that are no stream", in.Trailing)})
	}
	im := &imageVerifier{v: v, in: in, packages: v.x.Packages()[firstPackage:]}
	byObject, rest := records.faults()
	for _, f := range rest {
		v.add(f)
	}
	for _, s := range in.Snapshots {
		if err := v.snapshot(in, s, im, byObject[s]); err != nil {
			return err
		}
	}
	im.verify(err == nil)
	return nil
}

var errOpen = errors.New("cannot be opened")

// readFault tells where reading a stream ended.
func readFault(err error) Fault {
	f := Fault{Severity: zpl.Damage, Message: err.Error()}
	if fault, ok := errors.AsType[*stream.FormatError](err); ok {
		f.Place = &FaultPlace{fault.Record, fault.Offset, fault.What}
		f.Message = fault.Err.Error()
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		f.Message = "the stream is cut: " + f.Message
	}
	return f
}

// read reads the streams of a file, and the file to its end.
func (v *verifier) read(in *Input, records *recordVerifier) (err error) {
	src := &fileReader{
		ctx: v.ctx, r: v.opts.Stdin, name: in.Name(), total: -1, hash: sha1.New(), progress: v.opts.Progress,
	}
	if in.Path != "-" {
		file, err := os.Open(in.Path)
		if err != nil {
			return fmt.Errorf("%w: %w", errOpen, errors.Unwrap(err))
		}
		defer file.Close()
		src.r = file
		if info, err := file.Stat(); err == nil && info.Mode().IsRegular() {
			src.total = info.Size()
		}
	}
	defer func() {
		if src.total < 0 && err != nil {
			return // it may have no end, and there is no manifest with its digest
		}
		// What is behind the damage belongs to the file, whose digest the manifest may have.
		if _, restErr := io.Copy(io.Discard, src); restErr != nil && err == nil {
			err = restErr
		}
		in.Size, in.SHA1 = src.n, hex.EncodeToString(src.hash.Sum(nil))
	}()
	plain, format, err := compress.NewReader(src, compress.Options{Budget: v.opts.Budget})
	if err != nil {
		return err
	}
	defer plain.Close()
	in.Format = format
	return in.readStreams(bufio.NewReaderSize(plain, readBuffer), v.x, src.total >= 0, func(r *stream.Reader) error {
		err := v.x.Read(r, &verifyStore{records: records}, func(rec stream.Record) error { return records.record(r, rec) })
		records.base += r.Position()
		return err
	})
}

// snapshot checks what a snapshot holds. faults are those of its records.
func (v *verifier) snapshot(in *Input, s *objset.Snapshot, im *imageVerifier, faults []Fault) error {
	v.res.Snapshots++
	name := s.Begin.ToName
	incomplete := func(format string, args ...any) {
		v.res.Incomplete = true
		v.add(Fault{
			Severity: zpl.Warning, File: in.Path, Snapshot: name,
			Message: "incomplete: " + fmt.Sprintf(format, args...) + "; only records were checked",
		})
	}
	var err error
	switch {
	case !s.Complete:
		v.note("snapshot %q: the stream does not reach its end: only its records were checked", name)
	case s.Encrypted():
		incomplete("snapshot %q is encrypted", name)
	case s.Resumed():
		incomplete("snapshot %q: the first part of an interrupted send is missing, of this or of a stream it builds on", name)
	case s.Partial():
		incomplete("snapshot %q is incremental: its origin, guid %#x, %s", name, s.Missing(), originMissing(in))
	case s.Begin.Objset == stream.ObjsetZvol:
		v.res.Objects += s.Len()
		v.volume(in, s, im)
	case s.Begin.Objset == stream.ObjsetZFS:
		v.res.Objects += s.Len()
		err = v.fileSystem(in, s, im, faults)
	}
	for _, f := range faults {
		v.add(f)
	}
	return err
}

// fileSystem checks a file system, and fills in the paths of the faults of records.
func (v *verifier) fileSystem(in *Input, s *objset.Snapshot, im *imageVerifier, faults []Fault) error {
	fs, err := zpl.Open(v.x, s)
	if err != nil {
		text := strings.TrimPrefix(err.Error(), fmt.Sprintf("snapshot %q: ", s.Begin.ToName))
		v.addObject(in, s, zpl.Fault{Severity: zpl.Damage, Object: 1, Message: text})
		return nil
	}
	opts := zpl.CheckOptions{Find: privateName, Limit: v.opts.Limit}
	for _, f := range faults {
		opts.Paths = append(opts.Paths, f.Object)
	}
	report, err := zpl.Check(v.ctx, fs, opts)
	if err != nil {
		return err
	}
	for i := range faults {
		faults[i].Path = report.Paths[faults[i].Object]
	}
	for _, f := range report.Faults {
		v.addObject(in, s, f)
	}
	for severity, n := range report.Count {
		v.res.Count[severity] += n
	}
	for _, f := range report.Faults { // were counted twice
		v.res.Count[f.Severity]--
	}
	v.res.Directories += report.Directories
	im.fileSystems = append(im.fileSystems, checkedFS{s, fs, report.Found})
	return nil
}

// addObject adds a fault of an object, with the place of its OBJECT record.
func (v *verifier) addObject(in *Input, s *objset.Snapshot, f zpl.Fault) {
	out := Fault{Severity: f.Severity, File: in.Path, Snapshot: s.Begin.ToName, Object: f.Object, Path: f.Path, Message: f.Message}
	if o := s.Object(f.Object); o != nil && (s.Origin == nil || s.Origin.Object(f.Object) != o) {
		out.Place = &FaultPlace{o.Record, o.Offset, fmt.Sprintf("OBJECT object=%d", o.Number)}
	}
	v.add(out)
}

// sortFaults puts the faults of records into their order.
func sortFaults(list []Fault) {
	place := func(f Fault) FaultPlace {
		if f.Place == nil {
			return FaultPlace{Record: -1}
		}
		return *f.Place
	}
	slices.SortStableFunc(list, func(a, b Fault) int {
		p, q := place(a), place(b)
		return cmp.Or(cmp.Compare(p.Offset, q.Offset), cmp.Compare(p.Record, q.Record), strings.Compare(a.Message, b.Message))
	})
}
