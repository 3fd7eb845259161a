package lzma2

import "encoding/binary"

const (
	states      = 12
	posStates   = 1 << 4
	lenStates   = 4
	slotBits    = 6
	alignBits   = 4
	firstAlign  = 14 // slot from which on the lowest bits have models of their own
	distances   = 1 << (firstAlign / 2)
	minMatch    = 2
	probBits    = 11
	probInit    = 1 << (probBits - 1)
	moveBits    = 5
	topValue    = 1 << 24
	literalSize = 0x300
	maxLCLP     = 4 // of LZMA2
)

type prob = uint16

// lengths are the models of the length of a match.
type lengths struct {
	choice   [2]prob
	low, mid [posStates][8]prob
	high     [256]prob
}

// decoder decodes the LZMA data of chunks.
type decoder struct {
	// The range decoder.
	in         []byte
	rng, code  uint32
	overrun    bool
	lc, lp, pb uint
	state      uint32
	rep        [4]uint32
	matchLeft  int // bytes of a match that did not fit
	isMatch    [states][posStates]prob
	isRep      [states]prob
	isRepG     [3][states]prob // not the last distance, not the one before, not the one before that
	isRep0Long [states][posStates]prob
	slot       [lenStates][1 << slotBits]prob
	special    [distances]prob
	align      [1 << alignBits]prob
	matchLen   lengths
	repLen     lengths
	literals   [literalSize << maxLCLP]prob
}

// setProps takes the byte with the numbers of context bits.
func (d *decoder) setProps(b byte) bool {
	if b >= 9*5*5 {
		return false
	}
	d.lc, d.lp, d.pb = uint(b%9), uint(b/9%5), uint(b/45)
	return d.lc+d.lp <= maxLCLP
}

func fill(p []prob) {
	for i := range p {
		p[i] = probInit
	}
}

// reset begins with models that know nothing.
func (d *decoder) reset() {
	d.state, d.rep, d.matchLeft = 0, [4]uint32{}, 0
	for i := range states {
		fill(d.isMatch[i][:])
		fill(d.isRep0Long[i][:])
	}
	fill(d.isRep[:])
	for i := range d.isRepG {
		fill(d.isRepG[i][:])
	}
	for i := range d.slot {
		fill(d.slot[i][:])
	}
	fill(d.special[:])
	fill(d.align[:])
	for _, l := range []*lengths{&d.matchLen, &d.repLen} {
		fill(l.choice[:])
		for i := range posStates {
			fill(l.low[i][:])
			fill(l.mid[i][:])
		}
		fill(l.high[:])
	}
	fill(d.literals[:literalSize<<(d.lc+d.lp)])
}

// start begins with the data of a chunk.
func (d *decoder) start(packed []byte) bool {
	if len(packed) < 5 || packed[0] != 0 || d.matchLeft != 0 {
		return false
	}
	d.code, d.rng, d.in, d.overrun = binary.BigEndian.Uint32(packed[1:]), 1<<32-1, packed[5:], false
	return true
}

// finished tells whether the data of the chunk ends where it should.
func (d *decoder) finished() bool {
	d.normalize()
	return len(d.in) == 0 && !d.overrun && d.code == 0 && d.matchLeft == 0
}

func (d *decoder) normalize() {
	if d.rng >= topValue {
		return
	}
	d.rng <<= 8
	d.code <<= 8
	if len(d.in) == 0 {
		d.overrun = true
		return
	}
	d.code |= uint32(d.in[0])
	d.in = d.in[1:]
}

func (d *decoder) bit(p *prob) uint32 {
	d.normalize()
	bound := d.rng >> probBits * uint32(*p)
	if d.code < bound {
		d.rng = bound
		*p += (1<<probBits - *p) >> moveBits
		return 0
	}
	d.rng -= bound
	d.code -= bound
	*p -= *p >> moveBits
	return 1
}

// direct decodes bits that have no models.
func (d *decoder) direct(n uint) (v uint32) {
	for ; n > 0; n-- {
		d.normalize()
		d.rng >>= 1
		b := uint32(0)
		if d.code >= d.rng {
			d.code -= d.rng
			b = 1
		}
		v = v<<1 | b
	}
	return v
}

// tree decodes a number of n bits, the highest first.
func (d *decoder) tree(probs []prob, n uint) uint32 {
	m := uint32(1)
	for range n {
		m = m<<1 | d.bit(&probs[m])
	}
	return m - 1<<n
}

// reverse decodes a number of n bits, the lowest first.
func (d *decoder) reverse(probs []prob, n uint) (v uint32) {
	m := uint32(1)
	for i := range n {
		b := d.bit(&probs[m])
		m = m<<1 | b
		v |= b << i
	}
	return v
}

func (d *decoder) length(l *lengths, posState uint32) int {
	if d.bit(&l.choice[0]) == 0 {
		return minMatch + int(d.tree(l.low[posState][:], 3))
	}
	if d.bit(&l.choice[1]) == 0 {
		return minMatch + 8 + int(d.tree(l.mid[posState][:], 3))
	}
	return minMatch + 16 + int(d.tree(l.high[:], 8))
}

// distance decodes that of a match of a length.
func (d *decoder) distance(length int) uint32 {
	slot := d.tree(d.slot[min(length-minMatch, lenStates-1)][:], slotBits)
	if slot < 4 {
		return slot
	}
	n := uint(slot>>1 - 1)
	v := (2 | slot&1) << n
	if slot < firstAlign {
		return v + d.reverse(d.special[v-slot:], n)
	}
	v += d.direct(n-alignBits) << alignBits
	return v + d.reverse(d.align[:], alignBits)
}

// decode puts n bytes into the window of r.
func (d *decoder) decode(r *Reader, n int) error {
	end := r.pos + n
	if d.matchLeft > 0 {
		d.copyMatch(r, end)
	}
	posMask := uint32(1)<<d.pb - 1
	for r.pos < end {
		if d.overrun {
			return ErrCorrupt
		}
		posState := uint32(r.total) & posMask
		if d.bit(&d.isMatch[d.state][posState]) == 0 {
			d.literal(r)
			continue
		}
		if d.bit(&d.isRep[d.state]) == 0 {
			d.rep[3], d.rep[2], d.rep[1] = d.rep[2], d.rep[1], d.rep[0]
			d.matchLeft = d.length(&d.matchLen, posState)
			d.rep[0] = d.distance(d.matchLeft)
			d.state = next(d.state, 7, 10)
		} else if short := d.repeated(posState); short {
			d.matchLeft = 1
		}
		if err := r.check(d.rep[0]); err != nil {
			return err
		}
		d.copyMatch(r, end)
	}
	if d.overrun {
		return ErrCorrupt
	}
	return nil
}

// next is the state behind a literal or behind a match.
func next(state, afterLiteral, afterMatch uint32) uint32 {
	if state < 7 {
		return afterLiteral
	}
	return afterMatch
}

// repeated decodes a match of a distance that came before; short is one of a byte.
func (d *decoder) repeated(posState uint32) (short bool) {
	if d.bit(&d.isRepG[0][d.state]) == 0 {
		if d.bit(&d.isRep0Long[d.state][posState]) == 0 {
			d.state = next(d.state, 9, 11)
			return true
		}
	} else {
		which := 1
		if d.bit(&d.isRepG[1][d.state]) == 1 {
			which = 2 + int(d.bit(&d.isRepG[2][d.state]))
		}
		at := d.rep[which]
		copy(d.rep[1:which+1], d.rep[:which])
		d.rep[0] = at
	}
	d.matchLeft = d.length(&d.repLen, posState)
	d.state = next(d.state, 8, 11)
	return false
}

// copyMatch copies as much of the match as is before end.
func (d *decoder) copyMatch(r *Reader, end int) {
	n := min(d.matchLeft, end-r.pos)
	d.matchLeft -= n
	back := int(d.rep[0]) + 1
	if from := r.pos - back; from >= 0 && back >= n {
		copy(r.window[r.pos:][:n], r.window[from:][:n])
		r.pos += n
		r.total += uint64(n)
		return
	}
	for range n {
		r.put(r.at(d.rep[0]))
	}
}

// literal decodes a byte.
func (d *decoder) literal(r *Reader) {
	before := uint32(0)
	if r.total > 0 {
		before = uint32(r.at(0))
	}
	context := (uint32(r.total)&(1<<d.lp-1))<<d.lc + before>>(8-d.lc)
	probs := d.literals[literalSize*context:][:literalSize]
	m := uint32(1)
	if d.state >= 7 { // the byte behind the last match is another one
		match := uint32(r.at(d.rep[0]))
		for m < 0x100 {
			match <<= 1
			want := match & 0x100
			b := d.bit(&probs[0x100+want+m])
			m = m<<1 | b
			if want>>8 != b {
				break
			}
		}
	}
	for m < 0x100 {
		m = m<<1 | d.bit(&probs[m])
	}
	r.put(byte(m))
	switch {
	case d.state < 4:
		d.state = 0
	case d.state < 10:
		d.state -= 3
	default:
		d.state -= 6
	}
}
