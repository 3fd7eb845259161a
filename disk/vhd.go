package disk

import (
	"errors"
	"fmt"
	"io"

	"imagetools/tree"
)

const (
	vhdCookie       = "conectix"
	vhdSparseCookie = "cxsparse"
	vhdFooterSize   = 512
	vhdHeaderSize   = 1024
	vhdNone         = ^uint32(0) // as an entry of the block table

	vhdTypeFixed   = 2
	vhdTypeDynamic = 3
	vhdTypeDiff    = 4

	vhdMinBlock = sector
	vhdMaxBlock = 1 << 30
)

// vhdFooter is the footer of a vhd, of which a dynamic one has a copy at its start.
type vhdFooter struct {
	dataOffset uint64
	size       uint64 // as it is now, in bytes
	kind       uint32
}

func parseVHDFooter(b []byte) (*vhdFooter, error) {
	if len(b) < vhdFooterSize || string(b[:8]) != vhdCookie {
		return nil, errors.New("no footer")
	}
	if err := vhdChecksum(b[:vhdFooterSize], 64); err != nil {
		return nil, fmt.Errorf("footer: %w", err)
	}
	f := &vhdFooter{dataOffset: be.Uint64(b[16:]), size: be.Uint64(b[48:]), kind: be.Uint32(b[60:])}
	if f.size > maxSize || f.size%sector != 0 {
		return nil, fmt.Errorf("footer: size of %d bytes", f.size)
	}
	return f, nil
}

// vhdChecksum compares the checksum at a place with that of all other bytes: the complement of
// their sum.
func vhdChecksum(b []byte, at int) error {
	sum := uint32(0)
	for i, c := range b {
		if i < at || i >= at+4 {
			sum += uint32(c)
		}
	}
	if want := be.Uint32(b[at:]); ^sum != want {
		return fmt.Errorf("checksum %#x, its bytes have %#x", want, ^sum)
	}
	return nil
}

// openVHDFixed opens a disk as it is, with a footer.
func openVHDFixed(d *Disk, f tree.File, size int64) error {
	b, err := readUpTo(f, size-vhdFooterSize, vhdFooterSize)
	if err != nil {
		return err
	}
	footer, err := parseVHDFooter(b)
	if err != nil {
		return err
	}
	if footer.kind != vhdTypeFixed {
		return fmt.Errorf("type %d, but there is no copy of the footer at the start: the file is damaged", footer.kind)
	}
	if int64(footer.size) > size-vhdFooterSize {
		return fmt.Errorf("a disk of %d bytes in a file of %d: %w", footer.size, size, io.ErrUnexpectedEOF)
	}
	d.Size, d.data = int64(footer.size), f
	return nil
}

// vhd finds blocks by a table. Before each block is a bitmap of its sectors: those without a
// bit are zeros.
type vhd struct {
	*grains
	table  int64
	bitmap int64 // bytes of a bitmap, in whole sectors
}

// openVHD opens a dynamic disk.
func openVHD(d *Disk, f tree.File, size int64) error {
	b, err := readUpTo(f, 0, vhdFooterSize)
	if err != nil {
		return err
	}
	footer, err := parseVHDFooter(b)
	if err != nil {
		return err
	}
	switch footer.kind {
	case vhdTypeDynamic:
	case vhdTypeDiff:
		return flatten(errors.New("it needs a parent disk (a differencing disk)"), d.Name)
	default:
		return fmt.Errorf("type %d where a dynamic disk has %d", footer.kind, vhdTypeDynamic)
	}
	if d.Size = int64(footer.size); d.Size == 0 {
		return nil
	}
	if size < vhdHeaderSize || footer.dataOffset > uint64(size-vhdHeaderSize) {
		return fmt.Errorf("dynamic header at byte %d of a file of %d: %w", footer.dataOffset, size, io.ErrUnexpectedEOF)
	}
	h := make([]byte, vhdHeaderSize)
	if err := readFull(f, h, int64(footer.dataOffset)); err != nil {
		return err
	}
	v, err := parseVHD(h, f, size, d.Size)
	if err != nil {
		return fmt.Errorf("dynamic header: %w", err)
	}
	d.data = v
	return v.check()
}

func parseVHD(h []byte, f tree.File, fileSize, size int64) (*vhd, error) {
	if string(h[:8]) != vhdSparseCookie {
		return nil, errors.New("it is not there")
	}
	if err := vhdChecksum(h, 36); err != nil {
		return nil, err
	}
	table, entries, block := be.Uint64(h[16:]), be.Uint32(h[28:]), be.Uint32(h[32:])
	if block < vhdMinBlock || block > vhdMaxBlock || block&(block-1) != 0 {
		return nil, fmt.Errorf("blocks of %d bytes", block)
	}
	v := &vhd{grains: newGrains(f, fileSize, size, int64(block)), table: int64(table)}
	v.grains.find, v.mask = v.find, v.clearUnused
	if n := v.count(); int64(entries) < n {
		return nil, fmt.Errorf("a block table of %d entries, the disk needs %d", entries, n)
	}
	if need := 4 * v.count(); need > fileSize || table > uint64(fileSize-need) || table%4 != 0 {
		return nil, fmt.Errorf("a block table of %d bytes at byte %d of a file of %d: %w", need, table, fileSize, io.ErrUnexpectedEOF)
	}
	v.bitmap = (int64(block)/sector + 8*sector - 1) / (8 * sector) * sector
	return v, nil
}

func (v *vhd) find(i int64) (place, error) {
	var e uint32
	if err := v.entry(v.table+4*i, 4, func(b []byte) { e = be.Uint32(b) }); err != nil || e == vhdNone {
		return place{}, err
	}
	return place{kind: stored, at: int64(e)*sector + v.bitmap}, nil
}

// clearUnused clears the sectors in p that the bitmap of their block leaves out.
func (v *vhd) clearUnused(p []byte, at place, off int64) error {
	for n := int64(0); n < int64(len(p)); {
		s := (off + n) / sector
		var bits byte // of 8 sectors
		if err := v.entry(at.at-v.bitmap+s/8, 1, func(b []byte) { bits = b[0] }); err != nil {
			return err
		}
		used := bits<<(s%8)&0x80 != 0
		next := s + 1
		if bits == 0xff {
			next = s&^7 + 8
		}
		end := min(next*sector-off, int64(len(p)))
		if !used {
			clear(p[n:end])
		}
		n = end
	}
	return nil
}
