// Package zap writes and reads ZAP objects, the dictionaries of ZFS: directories, the master node and the
// tables of system attributes.
//
// A micro ZAP is a small dictionary of 64-bit values: one block of 64-byte entries. All other ZAPs are
// fat: a header block with a table of leaf numbers, which the first bits of the hash of a name index, and
// leaves of linked 24-byte chunks.
//
//	d, err := zap.Build(entries, salt)
//	for block, err := range d.Blocks() { ... }
//
//	err := zap.Read(blocks, binary.LittleEndian, func(e zap.Entry) error { ... })
//
// The output is little-endian. Kernels trust these structures, so Build checks its output with the code
// of the reader.
//
// # Limits
//
// Keys are strings. Names that are normalized for case or Unicode form are read, but not looked up.
//
// FORMAT.md describes the format. Source: zap_impl.h, zap_leaf.h, zap.c and zap_micro.c, as facts.
package zap

const crcPoly = 0xC96C5795D7870F42 // ECMA-182, reflected

var crcTable = func() (t [256]uint64) {
	for i := range t {
		c := uint64(i)
		for range 8 {
			if c&1 != 0 {
				c = c>>1 ^ crcPoly
			} else {
				c >>= 1
			}
		}
		t[i] = c
	}
	return t
}()

// wideBits is how many of the 64 bits of a hash count in a ZAP with the flag HASH64.
const wideBits = 48

// hashBits is how many of the 64 bits of a hash count (ZAP_HASHBITS); the rest is zero.
const hashBits = 28

// Hash is the hash of a name in a ZAP with the salt: a CRC of 64 bits that starts from the
// salt, of which the top 28 are kept.
func Hash(salt uint64, name string) uint64 { return crc(salt, name) &^ (1<<(64-hashBits) - 1) }

func crc(salt uint64, name string) uint64 {
	h := salt
	for i := range len(name) {
		h = h>>8 ^ crcTable[byte(h)^name[i]]
	}
	return h
}
