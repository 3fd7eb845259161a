// Package disktest writes disks of virtual machines in their formats, for tests.
package disktest

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"math/rand/v2"

	"github.com/klauspost/compress/zstd"
)

var (
	le = binary.LittleEndian
	be = binary.BigEndian
)

// Sample is a disk of n bytes with data here and there, zeros between.
func Sample(n int) []byte {
	b := make([]byte, n)
	rng := rand.New(rand.NewPCG(1, 2))
	for at := 0; at < n; at += 1000 + rng.IntN(n/5) {
		for i := at; i < min(n, at+700+rng.IntN(n/20)); i++ {
			b[i] = byte(rng.IntN(7))
		}
	}
	b[n-1] = 1
	return b
}

func zero(b []byte) bool { return len(bytes.TrimLeft(b, "\x00")) == 0 }

// file is a file that is built piece by piece.
type file []byte

// put appends b at the next multiple of align, padded to one, and returns where it is.
func (f *file) put(b []byte, align int) int {
	f.pad(align)
	at := len(*f)
	*f = append(*f, b...)
	f.pad(align)
	return at
}

func (f *file) pad(align int) {
	*f = append(*f, make([]byte, (align-len(*f)%align)%align)...)
}

// QCOWOptions are those of [QCOW2].
type QCOWOptions struct {
	Version uint32
	Bits    int
	Pack    string // "zlib", "zstd" or none
	Zeroed  bool   // zeros are clusters with the zero flag
}

// QCOW2 writes a disk as a qcow2 file, without reference counts.
func QCOW2(data []byte, o QCOWOptions) []byte {
	cluster := 1 << o.Bits
	perTable := cluster / 8
	clusters := (len(data) + cluster - 1) / cluster
	tables := (clusters + perTable - 1) / perTable
	var f file
	f.put(make([]byte, 104), cluster)
	l1At := f.put(make([]byte, 8*tables), cluster)
	for t := range tables {
		l2 := make([]byte, cluster)
		used := false
		for i := range min(perTable, clusters-t*perTable) {
			at := (t*perTable + i) * cluster
			piece := make([]byte, cluster)
			copy(piece, data[at:])
			var entry uint64
			switch {
			case zero(piece) && o.Zeroed:
				entry = 1
			case zero(piece):
			case o.Pack != "":
				packed := pack(piece, o.Pack)
				at := len(f)
				f = append(f, packed...)
				sectors := (at%512 + len(packed) + 511) / 512
				entry = 1<<62 | uint64(at) | uint64(sectors-1)<<(62-(o.Bits-8))
			default:
				entry = 1<<63 | uint64(f.put(piece, cluster))
			}
			be.PutUint64(l2[8*i:], entry)
			used = used || entry != 0
		}
		if used {
			l2At := f.put(l2, cluster)
			be.PutUint64(f[l1At+8*t:], 1<<63|uint64(l2At))
		}
	}
	f.pad(cluster)
	copy(f, "QFI\xfb")
	be.PutUint32(f[4:], o.Version)
	be.PutUint32(f[20:], uint32(o.Bits))
	be.PutUint64(f[24:], uint64(len(data)))
	be.PutUint32(f[36:], uint32(tables))
	be.PutUint64(f[40:], uint64(l1At))
	if o.Version > 2 {
		be.PutUint32(f[96:], 4)
		be.PutUint32(f[100:], 104)
	}
	if o.Pack == "zstd" {
		be.PutUint64(f[72:], 1<<3)
		be.PutUint32(f[100:], 112)
		f[104] = 1
	}
	return f
}

func pack(b []byte, how string) []byte {
	var out bytes.Buffer
	switch how {
	case "zlib":
		w, _ := flate.NewWriter(&out, 6)
		w.Write(b)
		w.Close()
	case "zstd":
		w, _ := zstd.NewWriter(&out)
		w.Write(b)
		w.Close()
	}
	return out.Bytes()
}

// VMDK writes a disk as a sparse extent, or as a stream-optimised one.
// The last grain of an optimised one is as short as the disk, as qemu-img writes it.
func VMDK(data []byte, grain int, optimised bool) []byte {
	const perTable = 512
	grains := (len(data) + grain - 1) / grain
	tables := (grains + perTable - 1) / perTable
	desc := fmt.Sprintf("# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\ncreateType=\"x\"\n\nRW %d SPARSE \"x.vmdk\"\n", len(data)/512)
	var f file
	f.put(make([]byte, 512), 512)
	descAt := f.put([]byte(desc), 512)
	directory := make([]byte, 4*tables)
	for t := range tables {
		table := make([]byte, 4*perTable)
		used := false
		for i := range min(perTable, grains-t*perTable) {
			at := (t*perTable + i) * grain
			piece := make([]byte, grain)
			if copy(piece, data[at:]); zero(piece) {
				continue
			}
			if optimised {
				var packed bytes.Buffer
				w := zlib.NewWriter(&packed)
				w.Write(data[at:min(at+grain, len(data))])
				w.Close()
				marker := le.AppendUint64(nil, uint64(at/512))
				marker = le.AppendUint32(marker, uint32(packed.Len()))
				piece = append(marker, packed.Bytes()...)
			}
			le.PutUint32(table[4*i:], uint32(f.put(piece, 512)/512))
			used = true
		}
		if used {
			le.PutUint32(directory[4*t:], uint32(f.put(table, 512)/512))
		}
	}
	directoryAt := f.put(directory, 512) / 512
	header := make([]byte, 512)
	copy(header, "KDMV")
	le.PutUint32(header[4:], 1)
	le.PutUint64(header[12:], uint64(len(data)/512))
	le.PutUint64(header[20:], uint64(grain/512))
	le.PutUint64(header[28:], uint64(descAt/512))
	le.PutUint64(header[36:], 1)
	le.PutUint32(header[44:], perTable)
	le.PutUint64(header[56:], uint64(directoryAt))
	if optimised {
		le.PutUint32(header[4:], 3)
		le.PutUint32(header[8:], 1<<16|1<<17)
		le.PutUint16(header[77:], 1)
		marker := make([]byte, 512)
		le.PutUint64(marker, 1)
		le.PutUint32(marker[12:], 3)
		f.put(marker, 512)
		f.put(header, 512)
		f.put(make([]byte, 512), 512)
		le.PutUint64(header[56:], ^uint64(0))
	}
	copy(f, header)
	return f
}

// SumVHD fills in a checksum.
func SumVHD(b []byte, at int) []byte {
	sum := uint32(0)
	be.PutUint32(b[at:], 0)
	for _, c := range b {
		sum += uint32(c)
	}
	be.PutUint32(b[at:], ^sum)
	return b
}

// VHDFooter is that of a disk of a size and kind; header is where its second header is.
func VHDFooter(size int, kind uint32, header uint64) []byte {
	b := make([]byte, 512)
	copy(b, "conectix")
	be.PutUint64(b[16:], header)
	be.PutUint64(b[48:], uint64(size))
	be.PutUint32(b[60:], kind)
	return SumVHD(b, 64)
}

// VHD writes a disk as a dynamic vhd. Sectors of zeros in a block with data are no data, and
// hold rubbish.
func VHD(data []byte, block int) []byte {
	blocks := (len(data) + block - 1) / block
	footer := VHDFooter(len(data), 3, 512)
	var f file
	f.put(footer, 512)
	header := make([]byte, 1024)
	copy(header, "cxsparse")
	be.PutUint64(header[16:], 512+1024)
	be.PutUint32(header[28:], uint32(blocks))
	be.PutUint32(header[32:], uint32(block))
	f.put(SumVHD(header, 36), 512)
	tableAt := f.put(bytes.Repeat([]byte{0xff}, 4*blocks), 512)
	for i := range blocks {
		piece := make([]byte, block)
		if copy(piece, data[i*block:]); zero(piece) {
			continue
		}
		bitmap := make([]byte, (block/512+4095)/4096*512)
		for s := range block / 512 {
			if sector := piece[s*512:][:512]; zero(sector) {
				copy(sector, "rubbish")
			} else {
				bitmap[s/8] |= 0x80 >> (s % 8)
			}
		}
		at := f.put(append(bitmap, piece...), 512)
		be.PutUint32(f[tableAt+4*i:], uint32(at/512))
	}
	f.put(footer, 512)
	return f
}

// VHDFixed writes a disk as a fixed vhd.
func VHDFixed(data []byte) []byte {
	return append(bytes.Clone(data), VHDFooter(len(data), 2, ^uint64(0))...)
}

// VDI writes a disk as a dynamic vdi.
func VDI(data []byte, block int) []byte {
	blocks := (len(data) + block - 1) / block
	f := make(file, 512)
	tableAt := f.put(bytes.Repeat([]byte{0xff}, 4*blocks), 512)
	dataAt, stored := len(f), 0
	for i := range blocks {
		piece := make([]byte, block)
		if copy(piece, data[i*block:]); zero(piece) {
			if i%2 == 0 {
				f[tableAt+4*i] = 0xfe
			}
			continue
		}
		le.PutUint32(f[tableAt+4*i:], uint32(stored))
		f.put(piece, 512)
		stored++
	}
	copy(f, "<<< a disk >>>")
	le.PutUint32(f[64:], 0xbeda107f)
	le.PutUint32(f[68:], 0x10001)
	le.PutUint32(f[76:], 1)
	le.PutUint32(f[340:], uint32(tableAt))
	le.PutUint32(f[344:], uint32(dataAt))
	le.PutUint64(f[368:], uint64(len(data)))
	le.PutUint32(f[376:], uint32(block))
	le.PutUint32(f[384:], uint32(blocks))
	le.PutUint32(f[388:], uint32(stored))
	return f
}

// GPT writes a partition table with partitions of these types to the start of a disk.
func GPT(disk []byte, block int, types ...string) []byte {
	copy(disk[510:], "\x55\xaa")
	disk[446+4] = 0xee
	header := disk[block:]
	copy(header, "EFI PART")
	le.PutUint64(header[72:], 2)
	le.PutUint32(header[80:], 128)
	le.PutUint32(header[84:], 128)
	for i, t := range types {
		copy(disk[2*block+128*i:], t)
	}
	return disk
}
