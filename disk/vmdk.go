package disk

import (
	"errors"
	"fmt"

	"imagetools/fault"

	"imagetools/tree"
)

const (
	sector       = 512
	vmdkMagic    = "KDMV"
	vmdkAtEnd    = ^uint64(0) // as the place of the grain directory: a footer tells
	vmdkFooter   = 3          // type of the marker before the footer
	vmdkMarker   = 12         // bytes before a packed grain: its place on the disk, its length
	vmdkMaxTable = 512        // entries of a grain table
	// Flags.
	vmdkZeroed  = 1 << 2 // a table entry of 1 is a grain of zeros
	vmdkPacked  = 1 << 16
	vmdkMarkers = 1 << 17
)

// vmdkHeader is the header of a sparse extent, in sectors of 512 bytes.
type vmdkHeader struct {
	version, flags                uint32
	capacity, grain               uint64
	descriptorAt, descriptorCount uint64
	tableEntries                  uint32
	directoryAt                   uint64
	compression                   uint16
}

func parseVMDK(b []byte) (*vmdkHeader, error) {
	if len(b) < sector || string(b[:4]) != vmdkMagic {
		return nil, errors.New("no header")
	}
	return &vmdkHeader{
		version: le.Uint32(b[4:]), flags: le.Uint32(b[8:]), capacity: le.Uint64(b[12:]), grain: le.Uint64(b[20:]),
		descriptorAt: le.Uint64(b[28:]), descriptorCount: le.Uint64(b[36:]), tableEntries: le.Uint32(b[44:]),
		directoryAt: le.Uint64(b[56:]), compression: le.Uint16(b[77:]),
	}, nil
}

func (h *vmdkHeader) check() error {
	var faults []error
	refuse := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if h.version < 1 || h.version > 3 {
		refuse("version %d: 1 to 3 are known", h.version)
	}
	if h.capacity > maxSize/sector {
		refuse("capacity of %d sectors", h.capacity)
	}
	if h.grain == 0 || h.grain&(h.grain-1) != 0 || h.grain > maxGrain/sector {
		refuse("grains of %d sectors", h.grain)
	}
	if h.tableEntries == 0 || h.tableEntries > vmdkMaxTable {
		refuse("grain tables of %d entries", h.tableEntries)
	}
	if h.flags&vmdkPacked != 0 && (h.compression != 1 || h.flags&vmdkMarkers == 0) {
		refuse("compression algorithm %d, flags %#x", h.compression, h.flags)
	}
	return errors.Join(faults...)
}

// vmdk finds grains by two levels of tables.
type vmdk struct {
	*grains
	zeroed  bool
	packed  bool
	entries int64   // of a grain table
	tables  []int64 // where the grain tables are, 0 for none
}

// openVMDK opens a sparse extent, such as a stream-optimised disk, that is a whole disk.
func openVMDK(d *Disk, f tree.File, size int64) error {
	start, err := readUpTo(f, 0, sector)
	if err != nil {
		return err
	}
	h, err := parseVMDK(start)
	if err == nil {
		err = h.check()
	}
	if err == nil {
		err = h.checkDescriptor(d.Name, f, size)
	}
	if err != nil {
		return err
	}
	if h.directoryAt == vmdkAtEnd {
		if h.directoryAt, err = directoryAtEnd(f, size); err != nil {
			return fmt.Errorf("footer: %w", err)
		}
	}
	if d.Size = int64(h.capacity) * sector; d.Size == 0 {
		return nil
	}
	v := &vmdk{
		grains: newGrains(f, size, d.Size, int64(h.grain)*sector), entries: int64(h.tableEntries),
		zeroed: h.flags&vmdkZeroed != 0, packed: h.flags&vmdkPacked != 0,
	}
	if err := v.readDirectory(h.directoryAt); err != nil {
		return fmt.Errorf("grain directory: %w", err)
	}
	v.grains.find, v.unpack, v.ratio, v.maxPacked = v.find, inflateZlib, deflateRatio, 2*v.grain
	d.data = v
	return v.check()
}

func (h *vmdkHeader) checkDescriptor(name string, f tree.File, size int64) error {
	if h.descriptorAt > uint64(size/sector) || h.descriptorCount > maxDescriptor/sector {
		return fmt.Errorf("descriptor of %d sectors at sector %d", h.descriptorCount, h.descriptorAt)
	}
	b, err := readUpTo(f, int64(h.descriptorAt)*sector, int(h.descriptorCount)*sector)
	if err != nil {
		return err
	}
	desc, err := parseDescriptor(b)
	switch {
	case err != nil:
		return fmt.Errorf("descriptor: %w", err)
	case h.descriptorAt == 0 || len(desc.extents) != 1:
		return fault.WithHint(errors.New("it is a part of a disk in several files"), "name the file that lists them")
	}
	return desc.check(name)
}

// directoryAtEnd reads the copy of the header in front of the last sector.
func directoryAtEnd(f tree.File, size int64) (uint64, error) {
	if size < 4*sector {
		return 0, errors.New("cut short")
	}
	b, err := readUpTo(f, size-3*sector, 2*sector)
	if err != nil {
		return 0, err
	}
	h, err := parseVMDK(b[sector:])
	if err != nil || le.Uint32(b[12:]) != vmdkFooter || h.directoryAt == vmdkAtEnd {
		return 0, errors.New("it is not there: the file is cut short")
	}
	return h.directoryAt, nil
}

func (v *vmdk) readDirectory(at uint64) error {
	if at == 0 || at > maxSize/sector {
		return fmt.Errorf("at sector %d", at)
	}
	n := (v.count()-1)/v.entries + 1
	b, err := readTable(v.file, v.fileSize, int64(at)*sector, n, 4)
	if err != nil {
		return err
	}
	v.tables = make([]int64, n)
	for i := range v.tables {
		v.tables[i] = int64(le.Uint32(b[4*i:])) * sector
	}
	return distinct(v.tables)
}

func (v *vmdk) find(i int64) (place, error) {
	table, in := i/v.entries, i%v.entries
	if v.tables[table] == 0 {
		n := v.entries - in
		for table++; table < int64(len(v.tables)) && v.tables[table] == 0; table++ {
			n += v.entries
		}
		return place{grains: n}, nil
	}
	var e uint32
	if err := v.entry(v.tables[table]+4*in, 4, func(b []byte) { e = le.Uint32(b) }); err != nil {
		return place{}, err
	}
	at := int64(e) * sector
	switch {
	case e == 0 || e == 1 && v.zeroed:
		return place{}, nil
	case !v.packed:
		return place{kind: stored, at: at}, nil
	}
	if at > v.fileSize-vmdkMarker {
		return place{}, fmt.Errorf("grain at byte %d of a file of %d", at, v.fileSize)
	}
	p := place{kind: packed, at: at + vmdkMarker}
	err := v.entry(at+8, 4, func(b []byte) { p.packed = int64(le.Uint32(b)) })
	return p, err
}
