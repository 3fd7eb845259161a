package rootfs_test

import (
	"fmt"
	"log"

	"imagetools/rootfs"
	"imagetools/tree"
)

func Example() {
	root := rootfs.NewTree(tree.New(), tree.Time{Sec: 1600000000})
	defer root.Close()

	if err := root.MkdirAll("/var/log", nil); err != nil {
		log.Fatal(err)
	}
	if err := root.Symlink("../../../var/log", "/logs", nil); err != nil { // never leads out of the root
		log.Fatal(err)
	}
	if err := root.WriteFile("/logs/messages", []byte("started\n"), &rootfs.Attr{Mode: 0o640}); err != nil {
		log.Fatal(err)
	}
	text, err := root.ReadFile("/var/log/messages", 1<<20)
	if err != nil {
		log.Fatal(err)
	}

	fmt.Printf("%s", text)
	// Output:
	// started
}
