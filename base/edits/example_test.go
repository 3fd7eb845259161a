package edits_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"imagetools/base"
	"imagetools/base/edits"
	"imagetools/rootfs"
	"imagetools/rootfs/edit"
	"imagetools/tree"
)

// Do one of the edits of a base image in a root in memory.
func ExampleStep() {
	root := &edit.Root{FS: rootfs.NewTree(tree.New(), tree.Time{}), Image: edit.Image{Name: "minimal-64", Version: "24.4.0"}}
	defer root.Close()
	err := errors.Join(root.MkdirAll("/etc", nil), root.WriteFile("/etc/hosts", []byte("127.0.0.1 localhost\n"), nil))
	if err != nil {
		log.Fatal(err)
	}
	step := &edits.Step{Which: base.Which{Config: "2024Q4-x86_64"}, Parts: []string{"hosts"}}
	report, err := edit.Run(context.Background(), root, edit.Watch{}, step)
	if err != nil {
		log.Fatal(err)
	}
	for _, c := range report.Changes {
		fmt.Println(c)
	}
	// Output:
	// edit hosts: /etc/hosts: -127.0.0.1 localhost, +127.0.0.1 localhost localhost.local
}
