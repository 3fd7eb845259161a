package zpl_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"

	"imagetools/tree"
	"imagetools/zfs/objset"
	"imagetools/zfs/stream"
	"imagetools/zfs/zpl"
)

// Write a tree as a stream, and read a file of it.
func Example() {
	t := tree.New()
	motd := &tree.Node{Mode: tree.TypeFile | 0o644, Size: 9, Content: tree.Bytes("Welcome!\n")}
	err := errors.Join(t.Root.Add("motd", motd), t.Seal())
	if err != nil {
		log.Fatal(err)
	}

	plan, err := zpl.NewPlan(context.Background(), t, zpl.Options{})
	if err != nil {
		log.Fatal(err)
	}

	var out bytes.Buffer
	if err := plan.Write(context.Background(), &out); err != nil {
		log.Fatal(err)
	}

	x := objset.New(objset.Options{})
	in := bytes.NewReader(out.Bytes())
	if err := x.Read(stream.NewReader(in), objset.InPlace{ReaderAt: in}, nil); err != nil {
		log.Fatal(err)
	}
	files, err := zpl.Open(x, x.Snapshots()[0])
	if err != nil {
		log.Fatal(err)
	}

	z, err := files.Lookup("motd")
	if err != nil {
		log.Fatal(err)
	}

	file, err := files.Content(z).Open()
	if err != nil {
		log.Fatal(err)
	}

	defer file.Close()
	text := make([]byte, z.Size)
	if _, err := file.ReadAt(text, 0); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%v: %s", z.Mode, text)
	// Output:
	// file 0644: Welcome!
}
