package zpl

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"iter"

	"imagetools/zfs/objset"
	"imagetools/zfs/stream"
	"imagetools/zfs/zap"
)

// Places in the blocks of ZAPs, and their marks; see package zap.
const (
	zapMicro     uint64 = 1<<63 + 3
	zapFat       uint64 = 1<<63 + 1
	zapLeaf      uint64 = 1 << 63
	zapLeafMagic uint32 = 0x2AB1EAF
	zapHeader           = 64 // bytes, and those of an entry of a micro ZAP
	zapChunkSize        = 24
	zapChunkFree        = 253
	zapNoChunk          = 0xFFFF
	largeMicro          = stream.OldMaxBlock // bytes: above, streams announce LARGE_MICROZAP
)

// table is a ZAP that is checked.
type table struct {
	x     *objset.Index
	s     *objset.Snapshot
	o     *objset.Object
	form  zap.Form
	fault func(s Severity, format string, args ...any)
}

// CheckTable checks what reading a ZAP does not ask for: what only writing to it needs, as salt,
// counters and the chunks that are free, and that its names have a form of normalization, 0 for
// all but directories.
func CheckTable(x *objset.Index, s *objset.Snapshot, o *objset.Object, form zap.Form, fault func(s Severity, format string, args ...any)) {
	if o.BlockSize < stream.MinBlockSize {
		return // told when it is read
	}
	t := &table{x, s, o, form, fault}
	b, err := x.Data(o).Block(0)
	if err != nil {
		return
	}
	switch s.Order.Uint64(b) {
	case zapMicro:
		t.head(s.Order.Uint64(b[8:]), zap.Form(s.Order.Uint64(b[16:])))
		t.micro(b)
	case zapFat:
		t.head(s.Order.Uint64(b[80:]), zap.Form(s.Order.Uint64(b[88:])))
		t.fat(b)
	}
}

// checkZAP checks the ZAP of an object.
func (c *checker) checkZAP(i int, form zap.Form) {
	CheckTable(c.f.x, c.f.s, c.objects[i], form, func(s Severity, format string, args ...any) { c.fault(i, s, format, args...) })
}

func (t *table) head(salt uint64, form zap.Form) {
	if salt == 0 {
		t.fault(Warning, "ZAP: salt 0: kernels for debugging stop at it")
	}
	if form != t.form {
		t.fault(Damage, "ZAP: its names have the normalization %#x, and %#x is that of the file system: kernels do not find them, or stop", uint64(form), uint64(t.form))
	}
}

func (t *table) micro(b []byte) {
	if t.o.End() > uint64(t.o.BlockSize) {
		t.fault(Damage, "micro ZAP of %d bytes in blocks of %d", t.o.End(), t.o.BlockSize)
	}
	if len(b) > largeMicro && t.s.Begin.Features&stream.FeatureLargeMicrozap == 0 {
		t.fault(Damage, "micro ZAP of %d bytes in a stream that does not announce LARGE_MICROZAP: kernels show other names, or stop", len(b))
	}
	if !isZero(b[24:zapHeader]) {
		t.fault(Warning, "micro ZAP: its header has unknown fields")
	}
	odd := -1 // an entry that the forms of Unicode may make another's
	for at := zapHeader; at+zapHeader <= len(b); at += zapHeader {
		e := b[at:][:zapHeader]
		if e[14] == 0 {
			continue
		}
		if t.s.Order.Uint16(e[12:]) != 0 {
			t.fault(Warning, "micro ZAP: entry %d has unknown fields", at/zapHeader)
			break
		}
		if t.form != 0 && bytes.ContainsFunc(e[14:], func(r rune) bool { return r >= 0x80 }) {
			odd = at / zapHeader
		}
	}
	if odd >= 0 {
		t.fault(Warning, "ZAP: names beyond ASCII, as that of entry %d, are normalized: two that become one stop the kernel, which is not checked", odd)
	}
}

func (t *table) fat(b []byte) {
	order := t.s.Order
	blocks, free := order.Uint64(b[24:]), order.Uint64(b[56:])
	if first := order.Uint64(b[16:]); blocks != 0 && (first == 0 || first >= free || blocks > free-first) {
		t.fault(Damage, "fat ZAP: the pointer table in blocks %d to %d, the next free one is %d", first, first+blocks-1, free)
	}
	if next := order.Uint64(b[40:]); next != 0 && (next >= free || 2*max(blocks, 1) > free-next) {
		t.fault(Damage, "fat ZAP: the next pointer table at block %d, the next free one is %d", next, free)
	}
	leaves, found := order.Uint64(b[64:]), uint64(0)
	for at, b := range t.blocks() {
		if order.Uint64(b) != zapLeaf || order.Uint32(b[24:]) != zapLeafMagic {
			continue
		}
		found++
		if !isZero(b[8:16]) || !isZero(b[37:48]) {
			t.fault(Warning, "fat ZAP: leaf at block %d: its header has unknown fields: kernels for debugging stop at it", at)
		}
		if err := checkFreeChunks(b, order); err != nil {
			t.fault(Damage, "fat ZAP: leaf at block %d: %v", at, err)
		}
	}
	if found != leaves {
		t.fault(Warning, "fat ZAP: %d leaves where the header says %d", found, leaves)
	}
}

// blocks are the blocks of the ZAP behind its first that are no holes, with their numbers.
func (t *table) blocks() iter.Seq2[int64, []byte] {
	return func(yield func(int64, []byte) bool) {
		d, size := t.x.Data(t.o), int64(t.o.BlockSize)
		for off := size; ; {
			start, end, err := d.NextData(off)
			if err == io.EOF {
				return
			}
			for off = start / size * size; off < end; off += size {
				b, err := d.Block(uint64(off / size))
				if err != nil || !yield(off/size, b) {
					return
				}
			}
		}
	}
}

func isZero(b []byte) bool { return len(bytes.TrimLeft(b, "\x00")) == 0 }

// checkFreeChunks follows the list of a leaf's free chunks, from which kernels take new ones
// unchecked.
func checkFreeChunks(b []byte, order binary.ByteOrder) error {
	shift := 0
	for 1<<shift < len(b) {
		shift++
	}
	table := 2 << (shift - 5)
	chunks := (len(b)-2*(1<<(shift-5)))/zapChunkSize - 2
	want, count := int(order.Uint16(b[28:])), 0
	for at := int(order.Uint16(b[34:])); at != zapNoChunk; count++ {
		if at >= chunks || count > want {
			return fmt.Errorf("the list of free chunks leads to %d after %d of %d", at, count, want)
		}
		chunk := b[48+table+at*zapChunkSize:][:zapChunkSize]
		if chunk[0] != zapChunkFree {
			return fmt.Errorf("chunk %d is in the list of free ones, and has type %d", at, chunk[0])
		}
		at = int(order.Uint16(chunk[22:]))
	}
	if count != want {
		return fmt.Errorf("%d free chunks where the leaf says %d", count, want)
	}
	return nil
}
