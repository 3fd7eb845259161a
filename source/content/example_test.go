package content_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"log"

	"imagetools/source/content"
)

func ExampleSniff() {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	err := errors.Join(
		w.WriteHeader(&tar.Header{Name: "etc/os-release", Mode: 0o644, Size: 9}),
		func() error { _, err := w.Write([]byte("Welcome!\n")); return err }(),
		w.Close(),
	)
	if err != nil {
		log.Fatal(err)
	}

	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := archive.WriteTo(z); err != nil {
		log.Fatal(err)
	}
	if err := z.Close(); err != nil {
		log.Fatal(err)
	}
	found, err := content.Sniff(&packed)
	if err != nil {
		log.Fatal(err)
	}

	fmt.Println(found, found.Kind == content.Tree)
	// Output:
	// a tar archive, compressed with gzip true
}
