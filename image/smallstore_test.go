package image

import (
	"bytes"
	"testing"

	"imagetools/zfs/stream"
)

// However many small files a stream has, what is kept of them is bounded.
func TestSmallStoreIsBounded(t *testing.T) {
	var s smallStore
	block := make([]byte, 128<<10)
	for i := range 100_000 {
		clear(block)
		copy(block, map[int]string{0: `{"features": {}}`, 1: "x", 2: `{"features": "`}[i%3])
		if i%3 == 2 {
			copy(block[14:], bytes.Repeat([]byte("y"), 64<<10))
		}
		s.put(&stream.Write{Object: uint64(i), ObjType: stream.ObjPlainFile, LogicalSize: 128 << 10}, int64(i)<<17, block)
	}
	held := 0
	for _, p := range s.parts {
		held += len(p.p) + smallCost
	}
	if held != s.json+s.other || s.json > maxSmallJSON || s.other > maxSmall {
		t.Errorf("%d bytes are kept: %d of JSON, %d of others", held, s.json, s.other)
	}
	first := make([]byte, 20)
	if _, err := s.ReadAt(first, 0); err != nil || string(first) != "{\"features\": {}}\x00\x00\x00\x00" {
		t.Errorf("the first file is %q, %v", first, err)
	}
}
