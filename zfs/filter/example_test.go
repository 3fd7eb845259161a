package filter_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"

	"imagetools/tree"
	"imagetools/zfs/filter"
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

	var renamed bytes.Buffer
	report, err := filter.Rename(&renamed, &out, filter.Names{Snapshot: "v2"})
	if err != nil {
		log.Fatal(err)
	}

	fmt.Println(report.OldName, "is", report.Name)
	// Output:
	// image@final is image@v2
}
