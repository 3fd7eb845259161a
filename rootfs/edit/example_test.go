package edit_test

import (
	"context"
	"fmt"

	"imagetools/internal/lines"
	"imagetools/rootfs"
	"imagetools/rootfs/edit"
	"imagetools/tree"
)

// motd is a step that has /etc/motd greet with the name of the image.
type motd struct{}

func (motd) Name() string { return "motd" }

func (motd) Do(_ context.Context, root *edit.Root, log *edit.Log) error {
	e := &edit.Editor{Root: root.FS, Log: log}
	e.Mkdir("/etc")
	e.Create("/etc/motd", "")
	e.Edit("/etc/motd", "the example", func(t *lines.Text) {
		t.Put(lines.Matching("^Welcome"), "Welcome to "+root.Image.Name)
	})
	return e.Err
}

func Example() {
	root := &edit.Root{FS: rootfs.NewTree(tree.New(), tree.Time{}), Image: edit.Image{Name: "web"}}
	report, err := edit.Run(context.Background(), root, edit.Watch{}, motd{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range report.Changes {
		fmt.Println(c)
	}
	// Output:
	// motd: /etc: created
	// motd: /etc/motd: created
	// motd: /etc/motd: +Welcome to web
}
