// Package zvol writes a disk as a volume in a send stream, and reads volumes from streams.
//
//	plan, err := zvol.NewPlan(ctx, disk, size, zvol.Options{})
//	err = plan.Write(ctx, w)
//
//	v, err := zvol.Open(index, snapshot)
//	_, err = v.ReadAt(p, 0)
//
// With [Options.Origin] the stream is incremental: it contains the blocks that differ.
//
// Object 1 contains the data in blocks of the volume's block size. Object 2 is a ZAP with the size.
// Blocks of zeros are omitted and become holes. The same disk gives the same stream, whatever the form of
// its file. The disk is read twice, the first time for the guid.
//
// Source of the format: zvol.c of illumos and OpenZFS, as facts.
package zvol

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"imagetools/zfs/objset"
	"imagetools/zfs/stream"
	"imagetools/zfs/zap"
)

const (
	dataObject = 1
	propObject = 2
)

// Errors that [Open] wraps.
var (
	ErrNotVolume = errors.New("not a volume")
	ErrPartial   = errors.New("the stream is incremental, and its source was not read")
)

// MaxSize is the largest size of a volume that is believed, in bytes.
const MaxSize = 1<<63 - 1<<20

// Volume is a volume in a stream. It is a [Source] and a tree.File, and safe for concurrent use.
type Volume struct {
	Size      int64 // bytes, a multiple of BlockSize
	BlockSize int   // volblocksize

	x    *objset.Index
	s    *objset.Snapshot
	data *objset.Object
	idle sync.Pool // of *objset.Data
}

// Open returns the volume of a snapshot of x. A raw (encrypted) stream gives
// objset.ErrEncrypted, the rest of an interrupted one objset.ErrResumed.
func Open(x *objset.Index, s *objset.Snapshot) (*Volume, error) {
	v, err := open(x, s)
	if err != nil {
		return nil, fmt.Errorf("snapshot %q: %w", s.Begin.ToName, err)
	}
	return v, nil
}

func open(x *objset.Index, s *objset.Snapshot) (*Volume, error) {
	switch {
	case s.Begin.Objset != stream.ObjsetZvol:
		return nil, ErrNotVolume
	case s.Encrypted():
		return nil, objset.ErrEncrypted
	case s.Resumed():
		return nil, objset.ErrResumed
	case s.Partial():
		return nil, ErrPartial
	}
	data, prop := s.Object(dataObject), s.Object(propObject)
	if data == nil || prop == nil {
		return nil, errors.New("a volume without the objects 1 and 2")
	}
	size := uint64(0)
	err := zap.ReadTable(x.Data(prop).Block, s.Order, func(e zap.Entry) error {
		if e.Name == "size" && len(e.Values) == 1 {
			size = e.Values[0]
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("object %d: %w", propObject, err)
	}
	if size == 0 || size > MaxSize {
		return nil, fmt.Errorf("object %d: size %d", propObject, size)
	}
	return &Volume{Size: int64(size), BlockSize: int(data.BlockSize), x: x, s: s, data: data}, nil
}

// Snapshot is the snapshot of the volume.
func (v *Volume) Snapshot() *objset.Snapshot { return v.s }

// ReadAt reads as io.ReaderAt does; holes are zeros.
func (v *Volume) ReadAt(p []byte, off int64) (int, error) {
	if off >= v.Size {
		return 0, io.EOF
	}
	short := int64(len(p)) > v.Size-off
	if short {
		p = p[:v.Size-off]
	}
	d, _ := v.idle.Get().(*objset.Data)
	if d == nil {
		d = v.x.Data(v.data)
	}
	n, err := d.ReadAt(p, off)
	v.idle.Put(d)
	if err == nil && short {
		err = io.EOF
	}
	return n, err
}

// NextData returns the first range of data at or after off; io.EOF says that none follows.
func (v *Volume) NextData(off int64) (start, end int64, err error) {
	start, end, err = v.x.Data(v.data).NextData(off)
	if err == nil && start >= v.Size {
		err = io.EOF
	}
	return start, min(end, v.Size), err
}

// Close does nothing: what the volume is read from is closed by whoever opened it.
func (v *Volume) Close() error { return nil }
