// Package mutant changes send streams as a grammar allows, with all checksums made right: fields
// of records, their order and their number; entries, chunks and tables of ZAPs; system
// attributes and their layouts; dnodes. It is for tests of what verifies and reads streams.
//
//	seed, err := mutant.Parse(data)
//	s := seed.Clone()
//	what := s.Mutate(random)
//	data, err = s.Bytes()
package mutant

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"

	"imagetools/zfs/stream"
)

// Part is a record with its payload.
type Part struct {
	Rec     stream.Record
	Payload []byte
}

// Stream is a stream of one snapshot that is changed.
type Stream struct {
	Order binary.ByteOrder
	Parts []Part
}

// Parse reads a stream.
func Parse(data []byte) (*Stream, error) {
	s := &Stream{}
	r := stream.NewReader(bytes.NewReader(data))
	for {
		rec, err := r.Next()
		if err == io.EOF {
			return s, nil
		}
		if err != nil {
			return nil, err
		}
		payload, err := r.Payload()
		if err != nil {
			return nil, err
		}
		s.Order = r.Order()
		s.Parts = append(s.Parts, Part{rec, bytes.Clone(payload)})
	}
}

// Clone is a stream that changes do not reach.
func (s *Stream) Clone() *Stream {
	c := &Stream{Order: s.Order, Parts: make([]Part, len(s.Parts))}
	for i, p := range s.Parts {
		c.Parts[i] = Part{copyRecord(p.Rec), bytes.Clone(p.Payload)}
	}
	return c
}

// Bytes writes the stream.
func (s *Stream) Bytes() ([]byte, error) {
	var out bytes.Buffer
	w := stream.NewWriterOrder(&out, s.Order)
	for _, p := range s.Parts {
		if err := w.WriteRecord(p.Rec, p.Payload); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), nil
}

// mutation changes a stream at a random place and tells how; "" if there is no such place.
type mutation func(s *Stream, r *rand.Rand) string

// mutations are all kinds, each with how often it is chosen.
var mutations = []struct {
	weight int
	apply  mutation
}{
	{9, anyField}, {1, duplicate}, {1, remove}, {1, move}, {1, again}, {1, insertFree}, {1, insertFreeObjects},
	{3, embed}, {2, compress}, {1, split}, {2, resize}, {2, header}, {1, spillAgain},
	{6, microEntry}, {3, microHeader}, {1, microGrow}, {8, fatChunk}, {3, fatHeader}, {4, fatLeaf}, {3, fatChain}, {2, swapEntries},
	{4, attribute}, {3, attributeHeader}, {3, bonusBytes}, {2, bonusLength}, {3, tableValue},
}

// Mutate makes one to three changes and tells which.
func (s *Stream) Mutate(r *rand.Rand) string {
	total := 0
	for _, m := range mutations {
		total += m.weight
	}
	var all []string
	for want := 1 + r.IntN(8)/5 + r.IntN(8)/7; len(all) < want; {
		n := r.IntN(total)
		for _, m := range mutations {
			if n -= m.weight; n < 0 {
				if what := m.apply(s, r); what != "" {
					all = append(all, what)
				}
				break
			}
		}
	}
	return strings.Join(all, "; ")
}

// number is a value that is likely to mean something in the place of another: near it, of
// another's, or at a limit.
func (s *Stream) number(r *rand.Rand, v uint64) uint64 {
	switch r.IntN(7) {
	case 0:
		return v + 1
	case 1:
		return v - 1
	case 2:
		return v ^ 1<<r.IntN(64)
	case 3:
		return v ^ 1<<r.IntN(16)
	case 4:
		return limits[r.IntN(len(limits))]
	case 5:
		return s.objects()[r.IntN(len(s.objects()))]
	}
	if r.IntN(2) == 0 {
		return v / 2
	}
	return v * 2
}

var limits = []uint64{0, 1, 2, 3, 4, 5, 7, 8, 16, 17, 19, 20, 44, 63, 64, 120, 192, 255, 256, 320, 328, 511, 512, 513, 1024, 1536, 4096,
	65535, 65536, 128 << 10, 256 << 10, 1 << 20, 16 << 20, 1<<31 - 1, 1<<32 - 1, 1 << 32, 1<<48 - 1, 1 << 48, 1 << 62, 1<<63 - 1, 1 << 63, 1<<64 - 1}

// objects are the numbers of all objects.
func (s *Stream) objects() []uint64 {
	all := []uint64{0}
	for _, p := range s.Parts {
		if o, ok := p.Rec.(*stream.Object); ok {
			all = append(all, o.Object)
		}
	}
	return all
}

// pick is the index of a random part that is wanted, -1 if none is.
func (s *Stream) pick(r *rand.Rand, want func(p *Part) bool) int {
	var all []int
	for i := range s.Parts {
		if want(&s.Parts[i]) {
			all = append(all, i)
		}
	}
	if len(all) == 0 {
		return -1
	}
	return all[r.IntN(len(all))]
}

// inside wants all but the first record and the last.
func inside(p *Part) bool {
	switch p.Rec.(type) {
	case *stream.Begin, *stream.End:
		return false
	}
	return true
}

func (s *Stream) insert(at int, rec stream.Record, payload []byte) {
	s.Parts = slices.Insert(s.Parts, at, Part{rec, payload})
}

func (s *Stream) begin() *stream.Begin { return s.Parts[0].Rec.(*stream.Begin) }

// object is what the first OBJECT record of a number says, nil if there is none.
func (s *Stream) object(number uint64) *stream.Object {
	for _, p := range s.Parts {
		if o, ok := p.Rec.(*stream.Object); ok && o.Object == number {
			return o
		}
	}
	return nil
}

func describe(p *Part, format string, args ...any) string {
	return stream.Describe(p.Rec) + ": " + fmt.Sprintf(format, args...)
}

// maxPayload bounds what a changed length makes of a payload.
const maxPayload = 1 << 20

// fit gives a payload the length that its record says, within reason: what is new are the old
// bytes again.
func (p *Part) fit() {
	var n uint64
	switch rec := p.Rec.(type) {
	case *stream.Begin:
		rec.PayloadLen &^= 3
		rec.PayloadLen = min(rec.PayloadLen, maxPayload)
		n = uint64(rec.PayloadLen)
	case *stream.Object:
		rec.BonusLen, rec.RawBonus = min(rec.BonusLen, 16<<10), min(rec.RawBonus, 16<<10)&^3
		if n = (uint64(rec.BonusLen) + 7) &^ 7; rec.RawBonus != 0 {
			n = uint64(rec.RawBonus)
		}
	case *stream.Write:
		rec.LogicalSize, rec.CompressedSize = min(rec.LogicalSize, maxPayload), min(rec.CompressedSize, maxPayload)
		length := &rec.LogicalSize
		if rec.Compression != 0 {
			length = &rec.CompressedSize
		}
		*length &^= 3
		n = *length
	case *stream.Spill:
		rec.Length, rec.CompressedSize = min(rec.Length, maxPayload)&^3, min(rec.CompressedSize, maxPayload)&^3
		if n = rec.Length; rec.CompressedSize != 0 {
			n = rec.CompressedSize
		}
	case *stream.WriteEmbedded:
		rec.PSize = min(rec.PSize, 4096)
		n = (uint64(rec.PSize) + 7) &^ 7
	}
	old := p.Payload
	if len(old) == 0 {
		old = make([]byte, 8)
	}
	for uint64(len(p.Payload)) < n {
		p.Payload = append(p.Payload, old[:min(uint64(len(old)), n-uint64(len(p.Payload)))]...)
	}
	p.Payload = p.Payload[:n]
}

// ZLE compresses a block by zle, which takes out runs of zeros: small blocks too, which others
// leave as they are.
func ZLE(data []byte) (packed []byte) {
	const most = 64 // literals, and the byte of no zeros
	for len(data) > 0 {
		n := len(data) - len(bytes.TrimLeft(data, "\x00"))
		if n > 0 {
			n = min(n, 255-most+1)
			packed = append(packed, byte(most-1+n))
		} else {
			if n = bytes.IndexByte(data, 0); n < 0 {
				n = len(data)
			}
			n = min(n, most)
			packed = append(append(packed, byte(n-1)), data[:n]...)
		}
		data = data[n:]
	}
	return packed
}
