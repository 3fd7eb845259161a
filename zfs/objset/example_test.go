package objset_test

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
	if err := x.Read(stream.NewReader(&out), nil, nil); err != nil {
		log.Fatal(err)
	}
	for _, s := range x.Snapshots() {
		fmt.Println(s.Begin.ToName, s.Len(), "objects")
		for o := range s.Objects() {
			fmt.Println(o.Number, stream.ObjTypeName(o.Type), o.BlockSize)
		}
	}
	// Output:
	// image@final 7 objects
	// 1 MASTER_NODE 512
	// 2 UNLINKED_SET 512
	// 3 DIRECTORY_CONTENTS 512
	// 4 SA_MASTER_NODE 512
	// 5 SA_ATTR_REGISTRATION 1536
	// 6 SA_ATTR_LAYOUTS 16384
	// 7 PLAIN_FILE_CONTENTS 512
}
