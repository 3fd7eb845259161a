package disk

import (
	"bytes"
	"fmt"
	"io"
)

// Partitions is what the partition table of a disk says of how a machine boots from it.
type Partitions struct {
	Scheme   string // "GPT", "MBR", or "" for none
	ESP      bool   // there is an EFI system partition
	BIOSBoot bool   // there is a BIOS boot partition, or code in the boot sector
}

const (
	gptMagic     = "EFI PART"
	gptMaxTable  = 1 << 20
	mbrTypeESP   = 0xef
	mbrTableAt   = 446
	mbrEntrySize = 16
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
	b, err := readUpTo(r, 0, int(min(probeSize, size)))
	if err != nil || len(b) < 2*sector {
		return p, err
	}
	if string(b[510:512]) == "\x55\xaa" {
		p.Scheme = "MBR"
		p.BIOSBoot = !isZero(b[:mbrTableAt-6]) // the disk's signature is before the table
		for i := range 4 {
			p.ESP = p.ESP || b[mbrTableAt+i*mbrEntrySize+4] == mbrTypeESP
		}
	}
	for _, block := range []int{sector, 4096} {
		if len(b) >= block+sector && string(b[block:][:8]) == gptMagic {
			return p, p.readGPT(r, size, b[block:], int64(block))
		}
	}
	return p, nil
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
	for ; len(table) >= int(width); table = table[width:] {
		p.ESP = p.ESP || bytes.HasPrefix(table, guidESP)
		p.BIOSBoot = p.BIOSBoot || bytes.HasPrefix(table, guidBIOSBoot)
	}
	return nil
}
