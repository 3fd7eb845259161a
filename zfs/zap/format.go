package zap

import "encoding/binary"

// Block types, the first word of each block.
const (
	microBlock  uint64 = 1<<63 + 3 // ZBT_MICRO
	headerBlock uint64 = 1<<63 + 1 // ZBT_HEADER
	leafBlock   uint64 = 1 << 63   // ZBT_LEAF
	fatMagic    uint64 = 0x2F52AB2AB
	leafMagic   uint32 = 0x2AB1EAF
)

// Micro ZAP: a header of 64 bytes, then entries of 64 bytes.
const (
	microEntry    = 64
	microNameOff  = 14
	microMaxName  = 49   // and a NUL
	microMaxCount = 2047 // entries of a block of 128 KiB
	microMaxLarge = 1 << 20
)

// Fat ZAP as written: blocks of 16 KiB. The reader takes the shift from the object.
const (
	blockShift = 14
	blockSize  = 1 << blockShift
)

// Leaf: a header of 48 bytes, a hash table of u16, chunks of 24 bytes.
const (
	leafHeader  = 48
	chunkSize   = 24
	chunkData   = 21 // bytes in an array chunk
	chunkEntry  = 252
	chunkArray  = 251
	chunkFree   = 253
	noChunk     = 0xFFFF
	maxName     = 1023      // bytes; 255 but for the longname feature
	maxValue    = 8192      // bytes of a value
	maxTblShift = 26        // bits of prefix that the pointer table may have
	maxCD       = 1<<16 - 1 // kernels keep 16 bits in micro ZAPs, take the lowest that is free, and count on from the last
	maxShift    = 20        // of a block: chunks of larger ones could not be numbered in 16 bits
)

func hashEntries(shift uint) int { return 1 << (shift - 5) }

// leafChunks is the number of chunks in a leaf of 2^shift bytes (ZAP_LEAF_NUMCHUNKS).
func leafChunks(shift uint) int {
	return (1<<shift-2*hashEntries(shift))/chunkSize - 2
}

// chunkOffset is where chunk i begins in a leaf of 2^shift bytes.
func chunkOffset(shift uint, i int) int {
	return leafHeader + 2*hashEntries(shift) + i*chunkSize
}

// arrayChunks is the number of chunks that n bytes take.
func arrayChunks(n int) int { return (n + chunkData - 1) / chunkData }

var le = binary.LittleEndian
