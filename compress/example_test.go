package compress_test

import (
	"bytes"
	"fmt"
	"io"
	"log"

	"imagetools/compress"
)

func Example() {
	var packed bytes.Buffer
	w, err := compress.NewWriter(&packed, compress.Gzip, compress.Options{})
	if err != nil {
		log.Fatal(err)
	}

	if _, err := io.WriteString(w, "Welcome!\n"); err != nil {
		log.Fatal(err)
	}
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}
	r, format, err := compress.NewReader(&packed, compress.Options{})
	if err != nil {
		log.Fatal(err)
	}

	defer r.Close()
	text, err := io.ReadAll(r)
	if err != nil {
		log.Fatal(err)
	}

	fmt.Printf("%s: %s", format, text)
	// Output:
	// gzip: Welcome!
}
