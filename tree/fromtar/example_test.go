package fromtar_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"

	"imagetools/tree/fromtar"
)

func Example() {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	err := errors.Join(
		w.WriteHeader(&tar.Header{Name: "etc/motd", Mode: 0o644, Size: 9}),
		func() error { _, err := w.Write([]byte("Welcome!\n")); return err }(),
		w.Close(),
	)
	if err != nil {
		log.Fatal(err)
	}

	src, err := fromtar.Read(context.Background(), &archive, fromtar.Options{Name: "root.tar"})
	if err != nil {
		log.Fatal(err)
	}

	defer src.Close() // contents are read from a temporary copy until then
	motd := src.Tree.Lookup("etc/motd")
	fmt.Println(src.Report.Counts.Files, "file:", motd.Mode, motd.Size)
	// Output:
	// 1 file: file 0644 9
}
