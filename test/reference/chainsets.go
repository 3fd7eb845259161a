//go:build linux

package reference

// chainSets are the datasets of chains: the properties that each has while the first, second and
// third snapshot is filled.
var chainSets = [...][4]string{
	{"large", "-o recordsize=256k -o compression=lz4 -o xattr=sa -o dnodesize=legacy", "recordsize=256k", "recordsize=256k"},
	{"mixed", "-o recordsize=128k -o compression=zstd -o xattr=sa -o dnodesize=auto", "recordsize=256k dnodesize=legacy", "recordsize=16k dnodesize=2k"},
	{"small", "-o recordsize=4k -o compression=off -o xattr=on -o dnodesize=legacy", "recordsize=256k dnodesize=1k", "recordsize=4k dnodesize=legacy"},
	{"wide", "-o recordsize=512k -o compression=gzip -o xattr=sa -o dnodesize=1k", "recordsize=256k dnodesize=1k", "recordsize=128k dnodesize=4k"},
}
