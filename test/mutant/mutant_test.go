package mutant

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"imagetools/zfs/stream"
)

// Every kind of change takes a stream as it finds it: also one that has next to nothing in it,
// as increments may.
func TestMutateSmallStreams(t *testing.T) {
	t.Parallel()
	streams := [][]Part{
		{},
		{{&stream.Object{Object: 1, ObjType: stream.ObjPlainFile, DnSlots: 1}, nil}},
		{{&stream.Free{Object: 1, Length: 512}, nil}, {&stream.FreeObjects{First: 3, Count: 1}, nil}},
		{{&stream.Write{Object: 1, ObjType: stream.ObjPlainFile, LogicalSize: 512}, make([]byte, 512)}},
	}
	for seed := range uint64(400) {
		for i, parts := range streams {
			s := &Stream{Order: binary.LittleEndian}
			s.Parts = append(s.Parts, Part{&stream.Begin{HeaderType: stream.Substream, Objset: stream.ObjsetZFS, ToGUID: 7, ToName: "a@b"}, nil})
			for _, p := range parts {
				s.Parts = append(s.Parts, Part{copyRecord(p.Rec), append([]byte(nil), p.Payload...)})
			}
			s.Parts = append(s.Parts, Part{&stream.End{ToGUID: 7}, nil})
			if what := s.Mutate(rand.New(rand.NewPCG(seed, uint64(i)))); what == "" {
				t.Fatalf("stream %d, seed %d: nothing was changed", i, seed)
			}
		}
	}
}
