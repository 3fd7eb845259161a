package base_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"imagetools/base"
	"imagetools/rootfs"
	"imagetools/rootfs/edit"
	"imagetools/tree"
)

func ExampleOverlays() {
	dir, err := os.MkdirTemp("", "overlay")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "motd"), []byte("@IMAGE_NAME@ @GREETING@\n"), 0o644); err != nil {
		fmt.Println(err)
		return
	}
	root := &edit.Root{FS: rootfs.NewTree(tree.New(), tree.Time{}), Image: edit.Image{Name: "web"}}
	step := &base.Overlays{Which: base.Which{Vars: map[string]string{"GREETING": "hello"}}, Dirs: []string{dir}}
	report, err := edit.Run(context.Background(), root, edit.Watch{}, step)
	fmt.Println(report.Changes, err)
	text, err := root.ReadFile("/motd", 100)
	fmt.Printf("%s%v\n", text, err)
	// Output:
	// [overlay: /motd: new file] <nil>
	// web hello
	// <nil>
}
