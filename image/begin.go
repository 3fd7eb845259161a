package image

import (
	"errors"
	"fmt"

	"imagetools/disk"
	"imagetools/source/content/magic"
	"imagetools/zfs/objset"
	"imagetools/zfs/stream"
	"imagetools/zfs/zpl"
	"imagetools/zfs/zvol"
)

// startStore is an objset.Store that keeps the start of a volume, so that what it begins with can
// be told, and nothing else.
type startStore struct {
	parts map[uint64]startPart // by their offsets in the volume
	size  int
}

// startPart is the payload of a record.
type startPart struct {
	at int64 // as Put was given it
	p  []byte
}

// maxStart bounds what is kept of one stream: more than a volume has in its first blocks.
const maxStart = 4 << 20

// put takes the payload of a record, and tells whether it is kept.
func (s *startStore) put(rec stream.Record, at int64, p []byte) bool {
	w, ok := rec.(*stream.Write)
	if !ok || w.ObjType != stream.ObjZvol || w.Offset >= magic.Size {
		return false
	}
	if s.parts == nil {
		s.parts = make(map[uint64]startPart)
	}
	s.size -= len(s.parts[w.Offset].p)
	delete(s.parts, w.Offset)
	if len(p) > maxStart-s.size {
		return false
	}
	s.parts[w.Offset] = startPart{at, append([]byte(nil), p...)}
	s.size += len(p)
	return true
}

// ReadAt reads of what was kept; anything else is objset.ErrNotStored.
func (s *startStore) ReadAt(b []byte, off int64) (int, error) {
	for _, part := range s.parts {
		if off >= part.at && off-part.at <= int64(len(part.p)-len(b)) {
			return copy(b, part.p[off-part.at:]), nil
		}
	}
	return 0, objset.ErrNotStored
}

// followingStore is a startStore that is told of each record before its payload.
type followingStore struct {
	startStore
	rec stream.Record
}

func (s *followingStore) follow(rec stream.Record) error {
	s.rec = rec
	return nil
}

// Put implements objset.Store.
func (s *followingStore) Put(at int64, p []byte) (int64, error) {
	if !s.put(s.rec, at, p) {
		return 0, objset.ErrNotStored
	}
	return at, nil
}

// volumeContents tells what a volume begins with, and warns if machines find nothing there.
func (v *verifier) volumeContents(s *objset.Snapshot, vol *zvol.Volume, fault func(zpl.Severity, uint64, string, ...any)) {
	c, err := disk.ReadContents(vol, vol.Size)
	switch {
	case errors.Is(err, objset.ErrNotStored):
		v.note("snapshot %q: what the volume begins with was not looked at: its blocks are too large, or its partition table is not in its place", s.Begin.ToName)
		return
	case err != nil:
		return // what is damaged was told before
	}
	v.res.Begins = append(v.res.Begins, fmt.Sprintf("the volume %q begins with %v", s.Begin.ToName, c))
	for _, w := range c.Warnings() {
		fault(zpl.Warning, 1, "%s", w)
	}
}
