package disk

import (
	"errors"
	"fmt"
	"io"

	"imagetools/tree"
)

const (
	vdiHeaderSize = 400 // up to the UUIDs that matter to nobody here
	vdiMajor      = 1
	vdiFree       = ^uint32(0)     // as an entry of the block table: not there
	vdiZero       = ^uint32(0) - 1 // all zeros
	vdiDynamic    = 1
	vdiStatic     = 2
	vdiUndo       = 3
	vdiDiff       = 4
	vdiMinBlock   = 4 << 10
	vdiMaxBlock   = 1 << 30
)

// vdi finds blocks by a table of their numbers.
type vdi struct {
	*grains
	table  int64
	data   int64 // where the blocks begin
	stride int64 // from one to the next
	extra  int64 // bytes before the data in each
	stored uint32
}

func openVDI(d *Disk, f tree.File, size int64) error {
	b, err := readUpTo(f, 0, vdiHeaderSize)
	if err != nil {
		return err
	}
	if len(b) < vdiHeaderSize {
		return fmt.Errorf("header of %d bytes: cut short", len(b))
	}
	var (
		version, kind    = le.Uint32(b[68:]), le.Uint32(b[76:])
		table, data      = le.Uint32(b[340:]), le.Uint32(b[344:])
		bytes            = le.Uint64(b[368:])
		block, extra     = le.Uint32(b[376:]), le.Uint32(b[380:])
		blocks, assigned = le.Uint32(b[384:]), le.Uint32(b[388:])
	)
	switch {
	case version>>16 != vdiMajor:
		return fmt.Errorf("version %d.%d", version>>16, version&0xffff)
	case kind == vdiUndo || kind == vdiDiff:
		return flatten(errors.New("it needs a parent disk (a differencing disk)"), d.Name)
	case kind != vdiDynamic && kind != vdiStatic:
		return fmt.Errorf("type %d", kind)
	case bytes > maxSize:
		return fmt.Errorf("size of %d bytes", bytes)
	case block < vdiMinBlock || block > vdiMaxBlock || block&(block-1) != 0 || extra > block:
		return fmt.Errorf("blocks of %d bytes and %d before each", block, extra)
	}
	if d.Size = int64(bytes); d.Size == 0 {
		return nil
	}
	v := &vdi{
		grains: newGrains(f, size, d.Size, int64(block)), table: int64(table), data: int64(data),
		stride: int64(block) + int64(extra), extra: int64(extra), stored: assigned,
	}
	v.grains.find = v.find
	if n := v.count(); int64(blocks) < n {
		return fmt.Errorf("a block table of %d entries, the disk needs %d", blocks, n)
	}
	if table%4 != 0 || int64(table) > size-4*v.count() {
		return fmt.Errorf("a block table of %d bytes at byte %d of a file of %d: %w", 4*v.count(), table, size, io.ErrUnexpectedEOF)
	}
	d.data = v
	return v.check()
}

func (v *vdi) find(i int64) (place, error) {
	var e uint32
	if err := v.entry(v.table+4*i, 4, func(b []byte) { e = le.Uint32(b) }); err != nil {
		return place{}, err
	}
	switch {
	case e == vdiFree || e == vdiZero:
		return place{}, nil
	case e >= v.stored:
		return place{}, fmt.Errorf("block %d of %d", e, v.stored)
	}
	return place{kind: stored, at: v.data + int64(e)*v.stride + v.extra}, nil
}
