package mutant

import (
	"math/rand/v2"

	"imagetools/zfs/stream"
)

// bonus is the index of a random OBJECT with a bonus of a file, -1 for none.
func (s *Stream) bonus(r *rand.Rand) int {
	return s.pick(r, func(p *Part) bool {
		o, ok := p.Rec.(*stream.Object)
		return ok && len(p.Payload) >= 16 && (o.BonusType == stream.ObjSA || o.BonusType == stream.ObjZnode)
	})
}

// attribute changes a number in a bonus: most attributes are one or two of 64 bits.
func attribute(s *Stream, r *rand.Rand) string {
	i := s.bonus(r)
	if i < 0 {
		return ""
	}
	p := &s.Parts[i]
	at := 8 * r.IntN(len(p.Payload)/8)
	old := s.Order.Uint64(p.Payload[at:])
	s.mutateAt(p.Payload[at:], 8, r)
	return describe(p, "bonus at %d: %#x instead of %#x", at, s.Order.Uint64(p.Payload[at:]), old)
}

// attributeHeader changes the head of a buffer of attributes, in bonus or spill.
func attributeHeader(s *Stream, r *rand.Rand) string {
	i := s.bonus(r)
	if spill := s.pick(r, func(p *Part) bool { return p.Rec.Type() == stream.TypeSpill }); spill >= 0 && r.IntN(3) == 0 {
		i = spill
	}
	if i < 0 || len(s.Parts[i].Payload) < 16 {
		return ""
	}
	p := &s.Parts[i]
	info := s.Order.Uint16(p.Payload[4:])
	switch r.IntN(5) {
	case 0:
		s.mutateAt(p.Payload, 4, r)
		return describe(p, "attributes: magic %#x", s.Order.Uint32(p.Payload))
	case 1:
		s.Order.PutUint16(p.Payload[4:], info&^0x3FF|uint16(r.IntN(20)))
	case 2:
		s.Order.PutUint16(p.Payload[4:], info&0x3FF|uint16(r.IntN(6))<<10)
	case 3:
		s.mutateAt(p.Payload[6:], 2, r)
		return describe(p, "attributes: length %d", s.Order.Uint16(p.Payload[6:]))
	default:
		s.mutateAt(p.Payload[8+2*r.IntN(4):], 2, r)
		return describe(p, "attributes: a field of 16 bits")
	}
	now := s.Order.Uint16(p.Payload[4:])
	return describe(p, "attributes: layout %d, header %d instead of layout %d, header %d", now&0x3FF, now>>10*8, info&0x3FF, info>>10*8)
}

// bonusBytes changes a smaller field: entries of ACLs, targets, types.
func bonusBytes(s *Stream, r *rand.Rand) string {
	i := s.bonus(r)
	if spill := s.pick(r, func(p *Part) bool { return p.Rec.Type() == stream.TypeSpill }); spill >= 0 && r.IntN(4) == 0 {
		i = spill
	}
	if i < 0 {
		return ""
	}
	p := &s.Parts[i]
	n := []int{1, 2, 4}[r.IntN(3)]
	at := r.IntN(min(len(p.Payload), 320)/n) * n
	s.mutateAt(p.Payload[at:], n, r)
	return describe(p, "attributes at %d: %x", at, p.Payload[at:][:n])
}

// bonusLength makes a bonus longer or shorter, or gives an object more slots.
func bonusLength(s *Stream, r *rand.Rand) string {
	i := s.bonus(r)
	if i < 0 {
		return ""
	}
	p := &s.Parts[i]
	o := p.Rec.(*stream.Object)
	if r.IntN(3) == 0 {
		o.DnSlots = uint8(r.IntN(6))
		if r.IntN(4) > 0 {
			s.begin().Features |= stream.FeatureLargeDnode
		}
		return describe(p, "%d slots", o.DnSlots)
	}
	old := o.BonusLen
	o.BonusLen = []uint32{old - 1, old + 1, old - 8, old + 8, 192, 200, 320, 328, 8, 0}[r.IntN(10)]
	p.fit()
	return describe(p, "bonus of %d bytes instead of %d", o.BonusLen, old)
}

// tableValue changes what the tables of attributes say: their entries in micro and fat ZAPs.
func tableValue(s *Stream, r *rand.Rand) string {
	i := s.pick(r, func(p *Part) bool {
		w, ok := p.Rec.(*stream.Write)
		return ok && w.Compression == 0 && len(p.Payload) >= 512 &&
			(w.ObjType == stream.ObjSARegistration || w.ObjType == stream.ObjSALayouts || w.ObjType == stream.ObjSAMasterNode ||
				w.ObjType == stream.ObjMasterNode || w.ObjType == stream.ObjZvolProp)
	})
	if i < 0 {
		return ""
	}
	p := &s.Parts[i]
	switch s.Order.Uint64(p.Payload) {
	case microBlock:
		used, _ := microUsed(p.Payload)
		if len(used) == 0 {
			return ""
		}
		e := p.Payload[used[r.IntN(len(used))]:][:64]
		n := []int{1, 2, 4, 8}[r.IntN(4)]
		at := r.IntN(8/n) * n
		s.mutateAt(e[at:], n, r)
		return describe(p, "table: value %#x of %q", s.Order.Uint64(e), e[14:24])
	case leafBlock:
		l := s.leafOf(p.Payload)
		arrays := l.of(arrayChunk)
		if len(arrays) == 0 {
			return ""
		}
		n := arrays[r.IntN(len(arrays))]
		at := 1 + r.IntN(21)
		l.chunk(n)[at] = byte(r.IntN(24))
		if r.IntN(3) == 0 {
			l.chunk(n)[at] = byte('0' + r.IntN(10))
		}
		return describe(p, "table: byte %d of chunk %d is %d", at, n, l.chunk(n)[at])
	}
	return ""
}
