package folder_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"imagetools/rootfs"
	"imagetools/rootfs/folder"
	"imagetools/tree"
	"imagetools/tree/fromdir"
)

func Example() {
	top, err := os.MkdirTemp("", "example-*")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(top)
	dir, metalog := filepath.Join(top, "root"), filepath.Join(top, "root.mtree")
	err = errors.Join(
		os.Mkdir(dir, 0o755),
		os.WriteFile(filepath.Join(dir, "key"), nil, 0o600),
		os.WriteFile(metalog, []byte("#mtree v2.0\n. type=dir\n./key type=file mode=0600\n"), 0o644),
	)
	if err != nil {
		log.Fatal(err)
	}

	t, _, err := fromdir.Read(context.Background(), dir, fromdir.Options{})
	if err != nil {
		log.Fatal(err)
	}
	if err := t.Seal(); err != nil {
		log.Fatal(err)
	}
	watched := folder.Watch(t)
	if err := rootfs.NewTree(t, tree.Time{}).Remove("/key"); err != nil {
		log.Fatal(err)
	}
	if err := watched.Save(dir, metalog); err != nil {
		log.Fatal(err)
	}
	text, err := os.ReadFile(metalog)
	if err != nil {
		log.Fatal(err)
	}
	_, err = os.Stat(filepath.Join(dir, "key"))
	fmt.Printf("the key is gone: %v\n%s", os.IsNotExist(err), text)
	// Output:
	// the key is gone: true
	// #mtree v2.0
	// . type=dir
}
