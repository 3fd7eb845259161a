package totar_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"

	"imagetools/tree"
	"imagetools/tree/totar"
)

func Example() {
	t := tree.New()
	err := errors.Join(t.Root.Add("motd", &tree.Node{Mode: tree.TypeFile | 0o644, Size: 9, Content: tree.Bytes("Welcome!\n")}), t.Seal())
	if err != nil {
		log.Fatal(err)
	}

	var archive bytes.Buffer
	if err := totar.Write(context.Background(), &archive, t, totar.Options{}); err != nil {
		log.Fatal(err)
	}
	for r := tar.NewReader(&archive); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			log.Fatal(err)
		}

		fmt.Println(h.Name, h.Size)
	}
	// Output:
	// ./ 0
	// ./motd 9
}
