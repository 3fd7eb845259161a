package prepare_test

import (
	"context"
	"errors"
	"fmt"

	"imagetools/rootfs"
	"imagetools/rootfs/edit"
	"imagetools/rootfs/prepare"
	"imagetools/tree"
)

func ExampleStep() {
	root := &edit.Root{FS: rootfs.NewTree(tree.New(), tree.Time{})}
	for _, f := range []struct{ dir, name, text string }{{"/etc", "/debian_version", "13\n"}, {"/root", "/.bash_history", "ls\n"}} {
		if err := errors.Join(root.Mkdir(f.dir, nil), root.WriteFile(f.dir+f.name, []byte(f.text), nil)); err != nil {
			fmt.Println(err)
			return
		}
	}
	step := &prepare.Step{}
	plan, err := edit.Plan(context.Background(), root, step) // changes nothing
	fmt.Println(step.Found, plan.Changes, err)
	report, err := edit.Run(context.Background(), root, edit.Watch{}, step)
	fmt.Println(len(report.Changes), err)
	// Output:
	// linux [prepare remove: /root/.bash_history: a history of what a user did] <nil>
	// 1 <nil>
}
