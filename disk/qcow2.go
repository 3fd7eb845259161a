package disk

import (
	"encoding/binary"
	"errors"
	"fmt"

	"imagetools/tree"
)

var (
	le = binary.LittleEndian
	be = binary.BigEndian
)

// Incompatible features of a qcow2 header (version 3).
const (
	qcowDirty       = 1 << 0 // reference counts may be wrong; reading needs none
	qcowCorrupt     = 1 << 1
	qcowDataFile    = 1 << 2
	qcowCompression = 1 << 3
	qcowExtendedL2  = 1 << 4
	qcowKnown       = qcowDirty | qcowCompression
)

// Bits of a table entry.
const (
	qcowOffset   = 0x00fffffffffffe00
	qcowCopied   = 1 << 63
	qcowPacked   = 1 << 62
	qcowZero     = 1 << 0 // of a second-level entry, version 3
	qcowReserved = ^uint64(qcowOffset | qcowCopied | qcowPacked | qcowZero)
)

// qcowHeader is a qcow2 header as far as reading needs it. Version 2 has 72 bytes.
type qcowHeader struct {
	version       uint32
	backingAt     uint64
	backingLen    uint32
	clusterBits   uint32
	size          uint64
	crypt         uint32
	l1Size        uint32
	l1At          uint64
	incompatible  uint64
	refcountOrder uint32
	headerLen     uint32
	compression   uint8
}

const (
	qcowHeaderSize2 = 72
	qcowHeaderSize3 = 104
	qcowZlib        = 0
	qcowZstd        = 1
)

func parseQCOW2(b []byte) (*qcowHeader, error) {
	if len(b) < qcowHeaderSize2 {
		return nil, fmt.Errorf("header of %d bytes: cut short", len(b))
	}
	h := &qcowHeader{
		version: be.Uint32(b[4:]), backingAt: be.Uint64(b[8:]), backingLen: be.Uint32(b[16:]),
		clusterBits: be.Uint32(b[20:]), size: be.Uint64(b[24:]), crypt: be.Uint32(b[32:]),
		l1Size: be.Uint32(b[36:]), l1At: be.Uint64(b[40:]), refcountOrder: 4, headerLen: qcowHeaderSize2,
	}
	if h.version < 3 {
		return h, nil
	}
	if len(b) < qcowHeaderSize3 {
		return nil, fmt.Errorf("header of %d bytes: cut short", len(b))
	}
	h.incompatible, h.refcountOrder, h.headerLen = be.Uint64(b[72:]), be.Uint32(b[96:]), be.Uint32(b[100:])
	if h.headerLen > qcowHeaderSize3 && len(b) > qcowHeaderSize3 {
		h.compression = b[qcowHeaderSize3]
	}
	return h, nil
}

// check tells all that is wrong with a header, or cannot be read. start is the file's start.
func (h *qcowHeader) check(name string, start []byte) error {
	var faults []error
	refuse := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if h.clusterBits < 9 || h.clusterBits > 21 {
		refuse("clusters of 2^%d bytes: 9 to 21 are possible", h.clusterBits)
	}
	if h.size > maxSize {
		refuse("size of %d bytes", h.size)
	}
	if h.refcountOrder > 6 {
		refuse("reference counts of 2^%d bits", h.refcountOrder)
	}
	if h.version > 2 && h.headerLen < qcowHeaderSize3 {
		refuse("header length %d", h.headerLen)
	}
	if known := h.incompatible&qcowCompression != 0; h.compression > qcowZstd || known != (h.compression != qcowZlib) {
		refuse("compression type %d, with incompatible features %#x", h.compression, h.incompatible)
	}
	if h.incompatible&qcowCorrupt != 0 {
		faults = append(faults, hintf(errors.New("it is marked corrupt"), "qemu-img check -r all repairs what can be repaired"))
	}
	if h.backingAt != 0 {
		faults = append(faults, flatten(fmt.Errorf("it needs the backing file %q", text(start, h.backingAt, uint64(h.backingLen))), name))
	}
	if h.incompatible&qcowDataFile != 0 {
		faults = append(faults, flatten(fmt.Errorf("its data is in the external file %q", h.dataFile(start)), name))
	}
	if h.incompatible&qcowExtendedL2 != 0 {
		faults = append(faults, flatten(errors.New("it has subclusters (extended L2 entries), which are not read"), name))
	}
	if more := h.incompatible &^ (qcowKnown | qcowCorrupt | qcowDataFile | qcowExtendedL2); more != 0 {
		refuse("unknown incompatible features %#x", more)
	}
	if h.crypt != 0 {
		how := map[uint32]string{1: "AES", 2: "LUKS"}[h.crypt]
		faults = append(faults, encrypted(fmt.Errorf("it is encrypted (method %d %s)", h.crypt, how), "qcow2", "encrypt.key-secret", name))
	}
	return errors.Join(faults...)
}

// text is a string in the start of the file, as far as it is there.
func text(start []byte, at, n uint64) []byte {
	at = min(at, uint64(len(start)))
	return start[at:][:min(n, 1023, uint64(len(start))-at)]
}

// dataFile is the name of the external data file, from the extensions behind the header.
func (h *qcowHeader) dataFile(start []byte) []byte {
	const name = 0x44415441
	for at := uint64(h.headerLen); at+8 <= uint64(len(start)); {
		kind, n := be.Uint32(start[at:]), uint64(be.Uint32(start[at+4:]))
		switch kind {
		case 0:
			return nil
		case name:
			return text(start, at+8, n)
		}
		at += 8 + (n+7)&^7
	}
	return nil
}

// qcow2 finds clusters by two levels of tables.
type qcow2 struct {
	*grains
	version uint32
	bits    uint    // of a cluster
	l2Bits  uint    // of the number of entries of a second-level table
	l1      []int64 // where the second-level tables are, 0 for none
}

// qcowStart is how much of a file has its header, the extensions of that and the name of a backing
// file.
const qcowStart = 8 << 10

func openQCOW2(d *Disk, f tree.File, size int64) error {
	start, err := readUpTo(f, 0, qcowStart)
	if err != nil {
		return err
	}
	h, err := parseQCOW2(start)
	if err == nil {
		err = h.check(d.Name, start)
	}
	if err != nil {
		return err
	}
	d.Size = int64(h.size)
	if d.Size == 0 {
		return nil
	}
	q := &qcow2{grains: newGrains(f, size, d.Size, 1<<h.clusterBits), version: h.version, bits: uint(h.clusterBits), l2Bits: uint(h.clusterBits) - 3}
	if err := q.readL1(h); err != nil {
		return fmt.Errorf("L1 table: %w", err)
	}
	q.grains.find, q.unpack, q.ratio = q.find, inflate, deflateRatio
	if h.compression == qcowZstd {
		q.unpack, q.ratio = unzstd, zstdRatio
	}
	q.maxPacked = 2 * q.grain // what the width of the field allows
	d.data = q
	return q.check()
}

func (q *qcow2) readL1(h *qcowHeader) error {
	need := (q.count()-1)>>q.l2Bits + 1
	if int64(h.l1Size) < need {
		return fmt.Errorf("%d entries, the disk of %d bytes needs %d", h.l1Size, q.size, need)
	}
	if h.l1At%uint64(q.grain) != 0 || h.l1At > maxSize {
		return fmt.Errorf("at byte %d: not at a cluster", h.l1At)
	}
	table, err := readTable(q.file, q.fileSize, int64(h.l1At), need, 8)
	if err != nil {
		return err
	}
	q.l1 = make([]int64, need)
	for i := range q.l1 {
		e := be.Uint64(table[8*i:])
		at := int64(e & qcowOffset)
		if e&^(qcowOffset|qcowCopied) != 0 || at%q.grain != 0 || at > q.fileSize-q.grain {
			return fmt.Errorf("entry %d of %#x: no table within a file of %d bytes", i, e, q.fileSize)
		}
		q.l1[i] = at
	}
	return distinct(q.l1)
}

func (q *qcow2) find(i int64) (place, error) {
	table, in := i>>q.l2Bits, i&(1<<q.l2Bits-1)
	if q.l1[table] == 0 {
		n := 1<<q.l2Bits - in
		for table++; table < int64(len(q.l1)) && q.l1[table] == 0; table++ {
			n += 1 << q.l2Bits
		}
		return place{grains: n}, nil
	}
	var e uint64
	if err := q.entry(q.l1[table]+8*in, 8, func(b []byte) { e = be.Uint64(b) }); err != nil {
		return place{}, err
	}
	if e&qcowPacked != 0 {
		return q.packed(e)
	}
	at := int64(e & qcowOffset)
	switch {
	case e&qcowReserved != 0 || at%q.grain != 0 || q.version < 3 && e&qcowZero != 0:
		return place{}, fmt.Errorf("L2 entry of %#x", e)
	case at == 0 || e&qcowZero != 0:
		return place{}, nil
	}
	return place{kind: stored, at: at}, nil
}

// packed reads the entry of a compressed cluster: the offset in its low bits, above it the
// number of further sectors of 512 bytes. The last may reach beyond the end of the file.
func (q *qcow2) packed(e uint64) (place, error) {
	width := 62 - (q.bits - 8)
	if e&qcowCopied != 0 {
		return place{}, fmt.Errorf("L2 entry of %#x: compressed, and not to be copied", e)
	}
	e &^= qcowPacked
	at := int64(e & (1<<width - 1))
	n := int64(e>>width+1)*512 - at%512
	return place{kind: packed, at: at, packed: min(n, q.fileSize-at)}, nil
}
