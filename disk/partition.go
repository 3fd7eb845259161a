package disk

import (
	"bytes"
	"fmt"
	"io"
)

// Partitions is what the partition table of a disk says of how a machine boots from it.
type Partitions struct {
	Scheme   string   // "GPT", "MBR", or "" for none
	ESP      bool     // there is an EFI system partition
	BIOSBoot bool     // there is a BIOS boot partition, or code in the boot sector
	Faults   []string // why machines may not find the partitions, or not all of them
}

func (p *Partitions) fault(format string, args ...any) {
	p.Faults = append(p.Faults, fmt.Sprintf(format, args...))
}

const (
	gptMagic      = "EFI PART"
	gptMaxTable   = 1 << 20
	gptLargeBlock = 4096 // of disks with large sectors
	mbrTypeESP    = 0xef
	mbrTypeGPT    = 0xee // stands for a GPT and all of its partitions
	mbrTableAt    = 446
	mbrEntrySize  = 16
)

// GUIDs of partition types as they are stored (UEFI specification, 5.3.3; GNU GRUB manual).
var (
	guidESP      = []byte("\x28\x73\x2a\xc1\x1f\xf8\xd2\x11\xba\x4b\x00\xa0\xc9\x3e\xc9\x3b")
	guidBIOSBoot = []byte("Hah!IdontNeedEFI")
)

// ReadPartitions looks at the partition table of a disk of size bytes. One that makes no sense
// counts as none.
func ReadPartitions(r io.ReaderAt, size int64) (*Partitions, error) {
	p := &Partitions{}
	const start = 8 << 10
	b, err := readUpTo(r, 0, int(min(start, size)))
	if err != nil || len(b) < 2*sector {
		return p, err
	}
	for _, block := range []int{sector, gptLargeBlock} {
		if len(b) >= block+sector && string(b[block:][:8]) == gptMagic {
			p.readMBR(b, 0)
			return p, p.readGPT(r, size, b[block:], int64(block))
		}
	}
	p.readMBR(b, size)
	return p, nil
}

// readMBR reads the table of a boot sector, whose partitions must end within size bytes if that is
// not 0.
func (p *Partitions) readMBR(b []byte, size int64) {
	if string(b[510:512]) != "\x55\xaa" {
		return
	}
	p.Scheme = "MBR"
	p.BIOSBoot = !isZero(b[:mbrTableAt-6]) // the disk's signature is before the table
	plain := true                          // no file system without a table has its code there
	for i := range 4 {
		plain = plain && b[mbrTableAt+i*mbrEntrySize]&0x7f == 0
	}
	for i := range 4 {
		e := b[mbrTableAt+i*mbrEntrySize:][:mbrEntrySize]
		p.ESP = p.ESP || e[4] == mbrTypeESP
		end := (int64(le.Uint32(e[8:])) + int64(le.Uint32(e[12:]))) * sector
		switch {
		case size == 0 || !plain || e[4] == 0:
		case e[4] == mbrTypeGPT:
			p.fault("the MBR stands for a GPT, and there is none")
		case end > size:
			p.fault("MBR: partition %d ends at byte %d, the disk at byte %d: it was truncated", i+1, end, size)
		}
	}
}

// readGPT reads the entries that a header leads to.
func (p *Partitions) readGPT(r io.ReaderAt, size int64, header []byte, block int64) error {
	at, n, width := le.Uint64(header[72:]), le.Uint32(header[80:]), le.Uint32(header[84:])
	if width < 128 || uint64(n)*uint64(width) > gptMaxTable || at > uint64(size/block) {
		return nil
	}
	table, err := readUpTo(r, int64(at)*block, int(n*width))
	if err != nil {
		return fmt.Errorf("partition table: %w", err)
	}
	p.Scheme = "GPT"
	if block != sector {
		p.fault("the GPT is for sectors of %d bytes: machines see sectors of %d bytes, and find no partitions", block, sector)
	}
	end := blocksEnd(le.Uint64(header[32:]), block) // of the copy of the header, in the last sector
	if end > size {
		p.fault("the GPT is for a disk of %d bytes, this one has %d bytes: it was truncated", end, size)
	}
	for i := 1; len(table) >= int(width); table, i = table[width:], i+1 {
		if last := blocksEnd(le.Uint64(table[40:]), block); last > size && !isZero(table[:16]) {
			p.fault("GPT: partition %d ends at byte %d, the disk at byte %d", i, last, size)
		}
		p.ESP = p.ESP || bytes.HasPrefix(table, guidESP)
		p.BIOSBoot = p.BIOSBoot || bytes.HasPrefix(table, guidBIOSBoot)
	}
	return nil
}

// blocksEnd is the byte behind a block.
func blocksEnd(last uint64, block int64) int64 {
	return (int64(min(last, maxSize/uint64(block))) + 1) * block
}
