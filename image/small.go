package image

import (
	"bytes"
	"sort"

	"imagetools/zfs/objset"
	"imagetools/zfs/stream"
)

// smallStore is an objset.Store that keeps the contents of those files that package check reads.
// Which files these are is known only when all names have been read, so it keeps what may be one
// of them: what looks like zoneinit.json, and other files of a few bytes, each up to a limit.
// Everything else is objset.ErrNotStored.
type smallStore struct {
	parts       []smallPart // ascending by at
	json, other int         // bytes kept
}

// smallPart is a payload, without the zeros at its end.
type smallPart struct {
	at   int64 // as Put was given it
	size int   // with the zeros
	p    []byte
}

const (
	tinyFile     = 512     // bytes; a zoneinit.json has some 200
	maxSmallJSON = 8 << 20 // bytes kept of one stream
	maxSmall     = 4 << 20 // bytes kept of one stream, of files that are not JSON
	smallCost    = 64      // bytes that a part takes besides its contents
)

// put takes the payload of a record, and reports whether it is kept.
func (s *smallStore) put(rec stream.Record, at int64, payload []byte) bool {
	w, ok := rec.(*stream.Write)
	if !ok || w.ObjType != stream.ObjPlainFile || w.Offset != 0 {
		return false
	}
	p := payload
	if w.Compression == 0 {
		p = bytes.TrimRight(p, "\x00")
	}
	held, limit := &s.other, maxSmall
	if bytes.HasPrefix(bytes.TrimLeft(p, " \t\r\n"), []byte("{")) {
		held, limit = &s.json, maxSmallJSON
		if len(p) > tinyFile && !bytes.Contains(p, []byte(`"features"`)) {
			return false
		}
	} else if len(p) > tinyFile {
		return false
	}
	cost := len(p) + smallCost
	if cost > limit-*held {
		return false
	}
	*held += cost
	s.parts = append(s.parts, smallPart{at, len(payload), bytes.Clone(p)})
	return true
}

// ReadAt reads what was kept; anything else is objset.ErrNotStored.
func (s *smallStore) ReadAt(b []byte, off int64) (int, error) {
	i := sort.Search(len(s.parts), func(i int) bool { return s.parts[i].at > off }) - 1
	if i < 0 || off-s.parts[i].at > int64(s.parts[i].size-len(b)) {
		return 0, objset.ErrNotStored
	}
	part := &s.parts[i]
	clear(b)
	if skip := off - part.at; skip < int64(len(part.p)) {
		copy(b, part.p[skip:])
	}
	return len(b), nil
}

// followingSmallStore is a smallStore that is told of each record before its payload.
type followingSmallStore struct {
	smallStore
	rec stream.Record
}

func (s *followingSmallStore) follow(rec stream.Record) error {
	s.rec = rec
	return nil
}

// Put implements objset.Store.
func (s *followingSmallStore) Put(at int64, p []byte) (int64, error) {
	if !s.put(s.rec, at, p) {
		return 0, objset.ErrNotStored
	}
	return at, nil
}
