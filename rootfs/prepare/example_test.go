package prepare_test

import (
	"context"
	"fmt"
	"log"

	"imagetools/rootfs"
	"imagetools/rootfs/prepare"
	"imagetools/tree"
)

func Example() {
	root := rootfs.NewTree(tree.New(), tree.Time{Sec: 1600000000})
	defer root.Close()

	if err := root.MkdirAll("/etc/ssh", nil); err != nil {
		log.Fatal(err)
	}
	if err := root.WriteFile("/etc/ssh/ssh_host_rsa_key", []byte("secret"), &rootfs.Attr{Mode: 0o600}); err != nil {
		log.Fatal(err)
	}
	plan, err := prepare.Find(context.Background(), prepare.Target{Root: root}, prepare.Options{OS: prepare.Linux})
	if err != nil {
		log.Fatal(err)
	}

	err = plan.Apply(context.Background(), func(c prepare.Change) { fmt.Println(c.Action, c.Path) })
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// remove /etc/ssh/ssh_host_rsa_key
}
