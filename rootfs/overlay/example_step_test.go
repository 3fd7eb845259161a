package overlay_test

import (
	"context"
	"fmt"
	"testing/fstest"

	"imagetools/rootfs"
	"imagetools/rootfs/edit"
	"imagetools/rootfs/overlay"
	"imagetools/tree"
)

func ExampleStep() {
	layer, err := overlay.ReadFS("site", fstest.MapFS{"etc/motd": &fstest.MapFile{Data: []byte("This is @NAME@.\n")}}, "")
	if err != nil {
		fmt.Println(err)
		return
	}
	root := &edit.Root{FS: rootfs.NewTree(tree.New(), tree.Time{})}
	step := &overlay.Step{Layers: []*overlay.Layer{layer}, Options: overlay.Options{Vars: map[string]string{"NAME": "web"}}}
	report, err := edit.Run(context.Background(), root, edit.Watch{}, step)
	fmt.Println(report.Changes, err)
	// Output:
	// [overlay: /etc: new directory overlay: /etc/motd: new file] <nil>
}
