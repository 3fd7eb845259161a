package mutant

import (
	"bytes"
	"math/rand/v2"
	"reflect"

	"imagetools/zfs/block"
	"imagetools/zfs/stream"
)

// anyField changes one field of a record.
func anyField(s *Stream, r *rand.Rand) string {
	p := &s.Parts[r.IntN(len(s.Parts))]
	return s.field(p, r)
}

// header changes a field of BEGIN, most often its flags or features.
func header(s *Stream, r *rand.Rand) string {
	b := s.begin()
	switch r.IntN(4) {
	case 0:
		b.Flags ^= 1 << r.IntN(4)
		return describe(&s.Parts[0], "flags %#x", b.Flags)
	case 1:
		bits := []int{2, 16, 17, 19, 20, 22, 23, 24, 25, 27}
		b.Features ^= 1 << bits[r.IntN(len(bits))]
		return describe(&s.Parts[0], "features %#x", b.Features)
	}
	return s.field(&s.Parts[0], r)
}

// field changes one field.
func (s *Stream) field(p *Part, r *rand.Rand) string {
	v := reflect.ValueOf(p.Rec).Elem()
	i := r.IntN(v.NumField())
	f, name := v.Field(i), v.Type().Field(i).Name
	switch {
	case f.CanUint():
		old := f.Uint()
		f.SetUint(s.number(r, old))
		p.fit()
		return describe(p, "%s %d instead of %d", name, f.Uint(), old)
	case f.CanInt():
		f.SetInt(int64(1 + r.IntN(3)))
		return describe(p, "%s %d", name, f.Int())
	case f.Kind() == reflect.String && name == "ToName":
		f.SetString(s.name(r, f.String()))
		return describe(p, "%s %q", name, f.String())
	case f.Kind() == reflect.Array && name != "Sum":
		e := f.Index(r.IntN(f.Len()))
		e.SetUint(s.number(r, e.Uint()))
		p.fit()
		return describe(p, "%s changed", name)
	}
	return ""
}

// name is another name of a snapshot.
func (s *Stream) name(r *rand.Rand, old string) string {
	endings := []string{"x", "@", "@x", "/", "/x", " ", "%", "%recv", ":", "-", "_.", "é", "\t", "\x7f", "#", "?", ","}
	switch r.IntN(4) {
	case 0:
		return old + endings[r.IntN(len(endings))]
	case 1:
		return old + string(bytes.Repeat([]byte("n"), r.IntN(250-len(old))))
	case 2:
		return string(bytes.Repeat([]byte("d"), r.IntN(240-len(old)))) + old
	}
	b := []byte(old)
	b[r.IntN(len(b))] = byte(1 + r.IntN(126))
	return string(b)
}

func duplicate(s *Stream, r *rand.Rand) string {
	i := s.pick(r, inside)
	if i < 0 {
		return ""
	}
	p := s.Parts[i]
	at := i + 1
	if r.IntN(2) == 0 {
		at = i + 1 + r.IntN(len(s.Parts)-1-i)
	}
	rec, payload := copyRecord(p.Rec), bytes.Clone(p.Payload)
	s.insert(at, rec, payload)
	return describe(&p, "twice, the second as record %d", at)
}

// copyRecord copies a record.
func copyRecord(rec stream.Record) stream.Record {
	v := reflect.New(reflect.TypeOf(rec).Elem())
	v.Elem().Set(reflect.ValueOf(rec).Elem())
	return v.Interface().(stream.Record)
}

func remove(s *Stream, r *rand.Rand) string {
	i := s.pick(r, inside)
	if i < 0 || len(s.Parts) < 5 {
		return ""
	}
	what := describe(&s.Parts[i], "left out")
	s.Parts = append(s.Parts[:i], s.Parts[i+1:]...)
	return what
}

// move puts a record elsewhere, alone or, if it is an OBJECT, with what follows it.
func move(s *Stream, r *rand.Rand) string {
	i := s.pick(r, inside)
	if i < 0 {
		return ""
	}
	end := i + 1
	if _, ok := s.Parts[i].Rec.(*stream.Object); ok && r.IntN(2) == 0 {
		for end < len(s.Parts)-1 && s.Parts[end].Rec.Type() != stream.TypeObject {
			end++
		}
	}
	group := append([]Part(nil), s.Parts[i:end]...)
	what := describe(&group[0], "and %d more", len(group)-1)
	s.Parts = append(s.Parts[:i], s.Parts[end:]...)
	at := 1 + r.IntN(len(s.Parts)-1)
	if r.IntN(2) == 0 {
		at = max(1, min(len(s.Parts)-1, i-2+r.IntN(5)))
	}
	for k, p := range group {
		s.insert(at+k, p.Rec, p.Payload)
	}
	return what + " moved"
}

// again has an OBJECT come a second time, as it was or changed.
func again(s *Stream, r *rand.Rand) string {
	i := s.pick(r, func(p *Part) bool { return p.Rec.Type() == stream.TypeObject })
	if i < 0 {
		return ""
	}
	end := i + 1
	for end < len(s.Parts)-1 && s.Parts[end].Rec.Type() != stream.TypeObject {
		end++
	}
	if r.IntN(3) == 0 {
		end = i + 1 + r.IntN(len(s.Parts)-1-i)
	}
	p := Part{copyRecord(s.Parts[i].Rec), bytes.Clone(s.Parts[i].Payload)}
	what := describe(&p, "again")
	o := p.Rec.(*stream.Object)
	switch r.IntN(6) {
	case 0:
		what = s.field(&p, r) + ", again"
	case 1:
		o.BlockSize = []uint32{512, 1024, 4096, 128 << 10}[r.IntN(4)]
		what = describe(&p, "again with block size %d", o.BlockSize)
	case 2:
		o.BonusLen += 8
		p.fit()
		what = describe(&p, "again with %d bytes of bonus", o.BonusLen)
	case 3:
		o.Flags ^= stream.FlagObjectSpill
		what = describe(&p, "again with flags %d", o.Flags)
	case 4:
		if len(p.Payload) >= 8 {
			at := r.IntN(len(p.Payload)/8) * 8
			s.Order.PutUint64(p.Payload[at:], s.number(r, s.Order.Uint64(p.Payload[at:])))
			what = describe(&p, "again with another bonus")
		}
	}
	s.insert(end, p.Rec, p.Payload)
	return what
}

func insertFree(s *Stream, r *rand.Rand) string {
	objects := s.objects()
	f := &stream.Free{Object: objects[r.IntN(len(objects))], ToGUID: s.begin().ToGUID}
	f.Offset = []uint64{0, 512, 1024, 4096, 128 << 10, 256 << 10}[r.IntN(6)]
	f.Length = []uint64{512, 1024, 4096, 128 << 10, 1<<64 - 1, 1<<63 - 1, 100}[r.IntN(7)]
	at := 1 + r.IntN(len(s.Parts)-1)
	s.insert(at, f, nil)
	return describe(&s.Parts[at], "new, record %d", at)
}

func insertFreeObjects(s *Stream, r *rand.Rand) string {
	objects := s.objects()
	f := &stream.FreeObjects{First: objects[r.IntN(len(objects))], ToGUID: s.begin().ToGUID}
	f.Count = []uint64{0, 1, 2, 16, 1 << 40, 1<<64 - 1 - f.First}[r.IntN(6)]
	at := 1 + r.IntN(len(s.Parts)-1)
	if r.IntN(2) == 0 { // behind all objects
		at, f.First = len(s.Parts)-1, objects[len(objects)-1]+1
	}
	s.insert(at, f, nil)
	return describe(&s.Parts[at], "new, record %d", at)
}

func isWrite(p *Part) bool {
	w, ok := p.Rec.(*stream.Write)
	return ok && w.Compression == 0
}

// embed makes an embedded block of a WRITE, which may be of another size than the object's.
func embed(s *Stream, r *rand.Rand) string {
	i := s.pick(r, isWrite)
	if i < 0 {
		return ""
	}
	w := s.Parts[i].Rec.(*stream.Write)
	packed := ZLE(s.Parts[i].Payload)
	if len(packed) > 112 {
		packed = ZLE(append([]byte("embedded"), make([]byte, int(w.LogicalSize)-8)...))
	}
	if len(packed) > 112 {
		return ""
	}
	e := &stream.WriteEmbedded{Object: w.Object, Offset: w.Offset, Length: w.LogicalSize, ToGUID: w.ToGUID,
		LSize: uint32(w.LogicalSize), PSize: uint32(len(packed)), Compression: uint8(block.ZLE)}
	s.begin().Features |= stream.FeatureEmbedData | stream.FeatureLZ4 | stream.FeatureCompressed
	p := Part{e, packed}
	p.fit()
	what := describe(&s.Parts[i], "embedded")
	if r.IntN(2) == 0 {
		what += ", " + s.field(&p, r)
	}
	if r.IntN(4) == 0 {
		s.insert(i+r.IntN(2), p.Rec, p.Payload)
		return what + " too"
	}
	s.Parts[i] = p
	return what
}

// compress compresses the payload of a WRITE.
func compress(s *Stream, r *rand.Rand) string {
	i := s.pick(r, isWrite)
	if i < 0 {
		return ""
	}
	p := &s.Parts[i]
	w := p.Rec.(*stream.Write)
	kinds := []block.Compression{block.LZJB, block.LZ4, block.ZLE, block.Zstd, 5, 13}
	c := kinds[r.IntN(len(kinds))]
	packed, ok := block.Compress(nil, c, p.Payload)
	if !ok {
		return ""
	}
	packed = append(packed, make([]byte, -len(packed)&511)...)
	if len(packed) >= len(p.Payload) && r.IntN(3) > 0 {
		return ""
	}
	b := s.begin()
	b.Features |= stream.FeatureCompressed | stream.FeatureLZ4
	if c == block.Zstd {
		b.Features |= stream.FeatureZstd
	}
	w.Compression, w.CompressedSize, p.Payload = uint8(c), uint64(len(packed)), packed
	return describe(p, "compressed by %d", c)
}

// split makes two WRITEs of one.
func split(s *Stream, r *rand.Rand) string {
	i := s.pick(r, func(p *Part) bool { return isWrite(p) && len(p.Payload) >= 1024 })
	if i < 0 {
		return ""
	}
	p := s.Parts[i]
	n := 512 * (1 + r.IntN(len(p.Payload)/512-1))
	if r.IntN(2) == 0 {
		n = len(p.Payload) / 1024 * 512
	}
	first, second := copyRecord(p.Rec).(*stream.Write), copyRecord(p.Rec).(*stream.Write)
	first.LogicalSize = uint64(n)
	second.Offset, second.LogicalSize = second.Offset+uint64(n), uint64(len(p.Payload)-n)
	s.Parts[i] = Part{first, p.Payload[:n:n]}
	s.insert(i+1, second, bytes.Clone(p.Payload[n:]))
	return describe(&p, "split at %d", n)
}

// resize gives an object another block size, and its first WRITE too.
func resize(s *Stream, r *rand.Rand) string {
	i := s.pick(r, func(p *Part) bool { o, ok := p.Rec.(*stream.Object); return ok && o.BlockSize > 0 })
	if i < 0 {
		return ""
	}
	o := s.Parts[i].Rec.(*stream.Object)
	old := o.BlockSize
	o.BlockSize = []uint32{old + 512, old * 2, old / 2, 128 << 10, 1536, 256 << 10}[r.IntN(6)]
	if o.BlockSize < 512 {
		o.BlockSize = 512
	}
	if o.BlockSize > 128<<10 && r.IntN(2) == 0 {
		s.begin().Features |= stream.FeatureLargeBlocks
	}
	what := describe(&s.Parts[i], "block size %d instead of %d", o.BlockSize, old)
	for k := i + 1; k < len(s.Parts); k++ {
		p := &s.Parts[k]
		w, ok := p.Rec.(*stream.Write)
		if !ok || w.Object != o.Object || w.Compression != 0 {
			continue
		}
		if w.Offset > 0 && r.IntN(2) == 0 {
			break
		}
		w.Offset = w.Offset / uint64(old) * uint64(o.BlockSize)
		w.LogicalSize = uint64(o.BlockSize)
		for n := len(p.Payload); n < int(o.BlockSize); n = len(p.Payload) { // zeros, so that ZAPs stay right
			p.Payload = append(p.Payload, make([]byte, int(o.BlockSize)-n)...)
		}
		p.Payload = p.Payload[:o.BlockSize]
	}
	return what
}

// spillAgain moves, repeats or makes a SPILL.
func spillAgain(s *Stream, r *rand.Rand) string {
	if i := s.pick(r, func(p *Part) bool { return p.Rec.Type() == stream.TypeSpill }); i >= 0 && r.IntN(2) == 0 {
		p := Part{copyRecord(s.Parts[i].Rec), bytes.Clone(s.Parts[i].Payload)}
		what := describe(&p, "again")
		switch r.IntN(3) {
		case 0:
			what += ": " + s.field(&p, r)
		case 1:
			p.Rec.(*stream.Spill).Length += 512
			p.fit()
			what += ", longer"
		}
		s.insert(i+r.IntN(2), p.Rec, p.Payload)
		return what
	}
	i := s.pick(r, func(p *Part) bool { o, ok := p.Rec.(*stream.Object); return ok && o.BonusType == stream.ObjSA })
	if i < 0 {
		return ""
	}
	o := s.Parts[i].Rec.(*stream.Object)
	if r.IntN(3) > 0 {
		o.Flags |= stream.FlagObjectSpill
	}
	payload := append(bytes.Clone(s.Parts[i].Payload), make([]byte, 512)...)[:512]
	end := i + 1
	for end < len(s.Parts)-1 && s.Parts[end].Rec.Type() != stream.TypeObject {
		end++
	}
	s.insert(end, &stream.Spill{Object: o.Object, Length: 512, ToGUID: o.ToGUID}, payload)
	return describe(&s.Parts[end], "new")
}
