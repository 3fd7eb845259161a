package block_test

import (
	"bytes"
	"fmt"
	"log"

	"imagetools/zfs/block"
)

func Example() {
	src := bytes.Repeat([]byte("ZFS"), 1024)
	packed, ok := block.Compress(nil, block.LZ4, src)
	fmt.Println(len(src), "bytes became", len(packed), ok)
	out := make([]byte, len(src))
	if err := block.Decompress(out, block.LZ4, packed); err != nil {
		log.Fatal(err)
	}
	fmt.Println(bytes.Equal(out, src))
	// Output:
	// 3072 bytes became 512 true
	// true
}
