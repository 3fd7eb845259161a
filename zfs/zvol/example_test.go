package zvol_test

import (
	"bytes"
	"context"
	"fmt"
	"log"

	"imagetools/tree"
	"imagetools/zfs/objset"
	"imagetools/zfs/stream"
	"imagetools/zfs/zvol"
)

func Example() {
	disk, err := tree.Bytes("a disk").Open()
	if err != nil {
		log.Fatal(err)
	}

	plan, err := zvol.NewPlan(context.Background(), disk, 6, zvol.Options{Size: 1 << 20})
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
	v, err := zvol.Open(x, x.Snapshots()[0])
	if err != nil {
		log.Fatal(err)
	}

	start := make([]byte, 6)
	if _, err := v.ReadAt(start, 0); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d bytes, beginning with %q\n", v.Size, start)
	// Output:
	// 1048576 bytes, beginning with "a disk"
}
