package lzma2_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log"

	"imagetools/compress/lzma2"
)

func Example() {
	// One chunk of two plain bytes that resets the dictionary, and the end.
	packed := bytes.NewReader([]byte{1, 0, 1, 'o', 'k', 0})
	text, err := io.ReadAll(lzma2.NewReader(bufio.NewReader(packed), 4096, 1<<20))
	if err != nil {
		log.Fatal(err)
	}

	fmt.Printf("%s\n", text)
	// Output:
	// ok
}
