package overlay_test

import (
	"context"
	"fmt"
	"testing/fstest"

	"imagetools/rootfs"
	"imagetools/rootfs/overlay"
	"imagetools/tree"
)

func ExampleNewPlan() {
	files := fstest.MapFS{"etc/motd": &fstest.MapFile{Data: []byte("This is @IMAGE_NAME@.\n")}}
	layer, err := overlay.ReadFS("base", files, "./var type=dir\n./var/tmp type=dir mode=1777\n")
	if err != nil {
		fmt.Println(err)
		return
	}
	root := rootfs.NewTree(tree.New(), tree.Time{})
	plan, err := overlay.NewPlan(root, []*overlay.Layer{layer}, overlay.Options{
		Vars: map[string]string{"IMAGE_NAME": "minimal"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := plan.Apply(context.Background(), func(c overlay.Change) { fmt.Println(c) }); err != nil {
		fmt.Println(err)
		return
	}
	text, err := root.ReadFile("/etc/motd", 100)
	fmt.Printf("%s%v\n", text, err)
	// Output:
	// "etc": new directory
	// "etc/motd": new file
	// "var": new directory
	// "var/tmp": new directory
	// This is minimal.
	// <nil>
}
