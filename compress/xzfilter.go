package compress

import (
	"encoding/binary"
	"io"
)

// Filters of .xz blocks (section 5.3 of its format) before LZMA2.
const (
	xzDelta = 0x03
	xzX86   = 0x04
	xzLZMA2 = 0x21
)

// branchFilter makes the targets of jumps in p relative again, whose first byte stands at pos of
// the program, and returns how many bytes are done; the rest needs more behind it.
type branchFilter func(p []byte, pos uint32) int

// branchFilters are those of machines, by their numbers; of x86 there is one with a state.
var branchFilters = map[byte]branchFilter{0x05: filterPowerPC, 0x06: filterIA64, 0x07: filterARM, 0x08: filterARMThumb, 0x09: filterSPARC, 0x0a: filterARM64}

// branchReader undoes a filter.
type branchReader struct {
	r      io.Reader
	filter branchFilter
	pos    uint32
	buf    []byte // of which ready bytes are done
	ready  int
	err    error
}

func newBranchReader(r io.Reader, filter branchFilter, start uint32) *branchReader {
	return &branchReader{r: r, filter: filter, pos: start, buf: make([]byte, 0, 32<<10)}
}

func (b *branchReader) Read(p []byte) (int, error) {
	for b.ready == 0 {
		if b.err != nil {
			return 0, b.err
		}
		n, err := b.r.Read(b.buf[len(b.buf):cap(b.buf)])
		b.buf = b.buf[:len(b.buf)+n]
		if b.err = err; err != nil && err != io.EOF {
			continue
		}
		b.ready = b.filter(b.buf, b.pos)
		b.pos += uint32(b.ready)
		if err == io.EOF {
			b.ready = len(b.buf) // what is too short for the filter stays as it is
		}
	}
	n := copy(p, b.buf[:b.ready])
	b.buf = append(b.buf[:0], b.buf[n:]...)
	b.ready -= n
	return n, nil
}

// deltaReader adds to each byte the one a distance before.
type deltaReader struct {
	r        io.Reader
	distance int
	last     [256]byte
	at       uint8
}

func (d *deltaReader) Read(p []byte) (int, error) {
	n, err := d.r.Read(p)
	for i := range p[:n] {
		p[i] += d.last[d.at-uint8(d.distance)]
		d.last[d.at] = p[i]
		d.at++
	}
	return n, err
}

var le32, be32 = binary.LittleEndian, binary.BigEndian

func filterPowerPC(p []byte, pos uint32) int {
	n := len(p) &^ 3
	for i := 0; i < n; i += 4 {
		if v := be32.Uint32(p[i:]); v&0xfc000003 == 0x48000001 {
			be32.PutUint32(p[i:], 0x48000001|(v-pos-uint32(i))&0x03fffffc)
		}
	}
	return n
}

func filterARM(p []byte, pos uint32) int {
	n := len(p) &^ 3
	for i := 0; i < n; i += 4 {
		if v := le32.Uint32(p[i:]); v>>24 == 0xeb {
			le32.PutUint32(p[i:], 0xeb000000|(v<<2-pos-uint32(i)-8)>>2&0x00ffffff)
		}
	}
	return n
}

func filterARMThumb(p []byte, pos uint32) int {
	i := 0
	for ; i+4 <= len(p); i += 2 {
		a, b := uint32(le32.Uint16(p[i:])), uint32(le32.Uint16(p[i+2:]))
		if a&0xf800 != 0xf000 || b&0xf800 != 0xf800 {
			continue
		}
		v := ((a&0x7ff)<<11|b&0x7ff)<<1 - pos - uint32(i) - 4
		v >>= 1
		le32.PutUint16(p[i:], uint16(0xf000|v>>11&0x7ff))
		le32.PutUint16(p[i+2:], uint16(0xf800|v&0x7ff))
		i += 2
	}
	return i
}

func filterSPARC(p []byte, pos uint32) int {
	n := len(p) &^ 3
	for i := 0; i < n; i += 4 {
		if v := be32.Uint32(p[i:]); v>>22 == 0x100 || v>>22 == 0x1ff {
			v = (v<<2 - pos - uint32(i)) >> 2
			be32.PutUint32(p[i:], (0x40000000-v&0x400000)|0x40000000|v&0x3fffff)
		}
	}
	return n
}

func filterARM64(p []byte, pos uint32) int {
	n := len(p) &^ 3
	for i := 0; i < n; i += 4 {
		v, at := le32.Uint32(p[i:]), pos+uint32(i)
		if v>>26 == 0x25 { // BL
			le32.PutUint32(p[i:], 0x94000000|(v-at>>2)&0x03ffffff)
		} else if v&0x9f000000 == 0x90000000 { // ADRP, of a target within 512 MiB
			page := v>>29&3 | v>>3&0x1ffffc
			if (page+0x020000)&0x1c0000 != 0 {
				continue
			}
			page -= at >> 12
			le32.PutUint32(p[i:], v&0x9000001f|page&3<<29|page&0x03fffc<<3|-(page&0x020000)&0xe00000)
		}
	}
	return n
}

// ia64Slots tells by the template of a bundle which of its slots may be branches.
var ia64Slots = [32]byte{16: 4, 17: 4, 18: 6, 19: 6, 22: 7, 23: 7, 24: 4, 25: 4, 28: 4, 29: 4}

func filterIA64(p []byte, pos uint32) int {
	n := len(p) &^ 15
	for i := 0; i < n; i += 16 {
		for slot := range 3 {
			if ia64Slots[p[i]&0x1f]>>slot&1 == 0 {
				continue
			}
			bit := 5 + 41*slot
			at, shift := i+bit/8, bit%8
			var word [8]byte
			copy(word[:6], p[at:])
			v := le64(word[:])
			op := v >> shift
			if op>>37&0xf != 5 || op>>9&7 != 0 {
				continue
			}
			target := (uint32(op>>13)&0xfffff | uint32(op>>36)&1<<20) << 4
			target = (target - pos - uint32(i)) >> 4
			op = op&^(0x8fffff<<13) | uint64(target&0xfffff)<<13 | uint64(target&0x100000)<<16
			v = v&(1<<shift-1) | op<<shift
			binary.LittleEndian.PutUint64(word[:], v)
			copy(p[at:at+6], word[:6])
		}
	}
	return n
}

func le64(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }

// x86Filter undoes the filter for CALL and JMP, whose targets have four bytes. mask has the last
// three bytes that could be opcodes.
type x86Filter struct{ mask uint32 }

// x86Signed tells whether a byte is the highest of an address nearby.
func x86Signed(b byte) bool { return b == 0 || b == 0xff }

var (
	x86Allowed = [8]bool{true, true, true, false, true, false, false, false}
	x86Byte    = [8]uint32{0, 1, 2, 2, 3, 3, 3, 3}
)

func (x *x86Filter) filter(p []byte, pos uint32) int {
	const size = 5
	if len(p) < size {
		return 0
	}
	last, end := -1, len(p)-size+1
	mask := x.mask
	i := 0
	for ; i < end; i++ {
		if p[i]&0xfe != 0xe8 {
			continue
		}
		gap := i - last
		last = i
		if gap > 3 {
			mask = 0
		} else if mask = mask << (gap - 1) & 7; mask != 0 {
			if !x86Allowed[mask] || x86Signed(p[i+4-int(x86Byte[mask])]) {
				mask = mask<<1 | 1
				continue
			}
		}
		if !x86Signed(p[i+4]) {
			mask = mask<<1 | 1
			continue
		}
		le32.PutUint32(p[i+1:], x86Target(le32.Uint32(p[i+1:]), pos+uint32(i)+size, mask))
		i += 4
		mask = 0
		last = i - 4
	}
	gap := i - last
	if x.mask = 0; gap <= 3 {
		x.mask = mask << (gap - 1)
	}
	return i
}

// x86Target is the relative target of an absolute one, of an instruction that ends at a place.
func x86Target(v, end, mask uint32) uint32 {
	for {
		to := v - end
		if shift := x86Byte[mask] * 8; mask != 0 && x86Signed(byte(to>>(24-shift))) {
			v = to ^ (1<<(32-shift) - 1)
			continue
		}
		return to&0x01ffffff | -(to & 0x01000000)
	}
}
