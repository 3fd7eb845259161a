package disk_test

import (
	"bytes"
	"context"
	"fmt"
	"log"

	"imagetools/disk"
)

func Example() {
	raw := make([]byte, 1<<20)
	raw[446+4], raw[446+12] = 0x83, 1 // an MBR with one partition
	copy(raw[510:], "\x55\xaa")
	d, err := disk.Read(context.Background(), bytes.NewReader(raw), disk.Options{})
	if err != nil {
		log.Fatal(err)
	}

	defer d.Close()
	contents, err := disk.ReadContents(d, d.Size)
	if err != nil {
		log.Fatal(err)
	}

	fmt.Println(d.Format, d.Size, contents)
	// Output:
	// raw disk 1048576 an MBR partition table
}
