package lx_test

import (
	"fmt"
	"log"

	"imagetools/rootfs"
	"imagetools/rootfs/lx"
	"imagetools/tree"
)

func Example() {
	root := rootfs.NewTree(tree.New(), tree.Time{Sec: 1600000000})
	defer root.Close()

	if err := root.MkdirAll("/etc", nil); err != nil {
		log.Fatal(err)
	}
	osRelease := []byte("ID=debian\nVERSION_ID=13\nPRETTY_NAME=\"Debian GNU/Linux 13\"\n")
	if err := root.WriteFile("/etc/os-release", osRelease, nil); err != nil {
		log.Fatal(err)
	}
	d, err := lx.Detect(root)
	if err != nil {
		log.Fatal(err)
	}

	fmt.Printf("%s, profile %s, kernel %s\n", d.Name, d.Profile, d.KernelVersion())
	// Output:
	// Debian GNU/Linux 13, profile debian, kernel 6.12.0
}
