package zap_test

import (
	"encoding/binary"
	"fmt"
	"log"

	"imagetools/zfs/zap"
)

func Example() {
	table, err := zap.Build(zap.Entries{zap.Uint64("ROOT", 34), zap.Uint64("VERSION", 5)}, 1)
	if err != nil {
		log.Fatal(err)
	}

	var blocks [][]byte
	for block, err := range table.Blocks() {
		if err != nil {
			log.Fatal(err)
		}

		blocks = append(blocks, append([]byte(nil), block...))
	}
	fmt.Println(len(blocks), "block of", table.BlockSize, "bytes")
	read := func(n uint64) ([]byte, error) { return blocks[n], nil }
	err = zap.Read(read, binary.LittleEndian, func(e zap.Entry) error {
		fmt.Println(e.Name, e.Values[0])
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// 1 block of 512 bytes
	// ROOT 34
	// VERSION 5
}
