package lx_test

import (
	"context"
	"errors"
	"fmt"

	"imagetools/rootfs"
	"imagetools/rootfs/edit"
	"imagetools/rootfs/lx"
	"imagetools/tree"
)

func ExampleStep() {
	root := &edit.Root{FS: rootfs.NewTree(tree.New(), tree.Time{}), Image: edit.Image{Name: "web", Version: "1.0"}}
	err := errors.Join(root.Mkdir("/etc", nil), root.WriteFile("/etc/os-release", []byte("ID=debian\nVERSION_ID=13\n"), nil))
	if err != nil {
		fmt.Println(err)
		return
	}
	step := &lx.Step{Skip: []string{"motd"}}
	report, err := edit.Run(context.Background(), root, edit.Watch{}, step)
	fmt.Println(step.Found.Profile, step.Found.KernelVersion(), report.Changes[0], err)
	// Output:
	// debian 6.12.0 lx native: /native: created <nil>
}
