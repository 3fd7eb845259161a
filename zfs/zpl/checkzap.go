package zpl

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Places in the blocks of ZAPs, and their marks; see package zap.
const (
	zapMicro     uint64 = 1<<63 + 3
	zapFat       uint64 = 1<<63 + 1
	zapLeaf      uint64 = 1 << 63
	zapLeafMagic uint32 = 0x2AB1EAF
	zapEntrySize        = 64
	zapChunkSize        = 24
	zapChunkFree        = 253
	zapNoChunk          = 0xFFFF
	maxMicroCD          = 1 << 16
)

// checkZAP checks what reading a ZAP does not ask for, since only writing to it does: salt,
// counters, and the chunks that are free.
func (c *checker) checkZAP(i int) {
	o, order := c.objects[i], c.f.s.Order
	if o.BlockSize < 512 {
		return // told when it is read
	}
	d := c.f.x.Data(o)
	b, err := d.Block(0)
	if err != nil {
		return
	}
	switch order.Uint64(b) {
	case zapMicro:
		if order.Uint64(b[8:]) == 0 {
			c.fault(i, Warning, "ZAP: salt 0: kernels for debugging stop at it")
		}
		if o.End() > uint64(o.BlockSize) {
			c.fault(i, Damage, "micro ZAP of %d bytes in blocks of %d", o.End(), o.BlockSize)
		}
		for at := zapEntrySize; at+zapEntrySize <= len(b); at += zapEntrySize {
			if e := b[at:]; e[14] != 0 && order.Uint32(e[8:]) >= maxMicroCD {
				c.fault(i, Damage, "micro ZAP: entry %d has the collision number %d", at/zapEntrySize, order.Uint32(e[8:]))
				break
			}
		}
	case zapFat:
		if order.Uint64(b[80:]) == 0 {
			c.fault(i, Warning, "ZAP: salt 0: kernels for debugging stop at it")
		}
		blocks, free := order.Uint64(b[24:]), order.Uint64(b[56:])
		if table := order.Uint64(b[16:]); blocks != 0 && (table >= free || blocks > free-table) {
			c.fault(i, Damage, "fat ZAP: the pointer table in blocks %d to %d, the next free one is %d", table, table+blocks-1, free)
		}
		if next := order.Uint64(b[40:]); next != 0 && (next >= free || 2*max(blocks, 1) > free-next) {
			c.fault(i, Damage, "fat ZAP: the next pointer table at block %d, the next free one is %d", next, free)
		}
		leaves := order.Uint64(b[64:])
		size := int64(o.BlockSize)
		found := uint64(0)
		for off := size; ; {
			start, end, err := d.NextData(off)
			if err == io.EOF {
				break
			}
			for off = start / size * size; off < end; off += size {
				b, err := d.Block(uint64(off / size))
				if err != nil {
					return
				}
				if order.Uint64(b) != zapLeaf || order.Uint32(b[24:]) != zapLeafMagic {
					continue
				}
				found++
				if err := checkFreeChunks(b, order); err != nil {
					c.fault(i, Damage, "fat ZAP: leaf at block %d: %v", off/size, err)
				}
			}
		}
		if found != leaves {
			c.fault(i, Warning, "fat ZAP: %d leaves where the header says %d", found, leaves)
		}
	}
}

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
