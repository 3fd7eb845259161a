package tree_test

import (
	"errors"
	"fmt"
	"io/fs"
	"log"

	"imagetools/tree"
)

// Build a tree, and walk it.
func Example() {
	t := tree.New()
	etc := tree.NewDir(0o755)
	motd := &tree.Node{Mode: tree.TypeFile | 0o644, UID: 0, GID: 3, Size: 9, Content: tree.Bytes("Welcome!\n")}
	err := errors.Join(
		t.Root.Add("etc", etc),
		etc.Add("motd", motd),
		etc.Add("issue", motd), // a hard link
		etc.Add("tty", &tree.Node{Mode: tree.TypeChar | 0o620, Device: &tree.Device{Major: 24}}),
		t.Seal(),
	)
	if err != nil {
		log.Fatal(err)
	}

	for path, n := range t.All() {
		fmt.Println(path, n.Mode, n.Links)
	}
	// Output:
	// . dir 0755 3
	// etc dir 0755 2
	// etc/issue file 0644 2
	// etc/motd file 0644 2
	// etc/tty char 0620 1
}

// Use a tree as a file system of package io/fs.
func ExampleTree_FS() {
	t := tree.New()
	err := t.Root.Add("motd", &tree.Node{Mode: tree.TypeFile | 0o644, UID: 7, Size: 9, Content: tree.Bytes("Welcome!\n")})
	if err != nil {
		log.Fatal(err)
	}

	files, err := t.FS() // seals the tree
	if err != nil {
		log.Fatal(err)
	}

	text, err := fs.ReadFile(files, "motd")
	if err != nil {
		log.Fatal(err)
	}

	info, err := fs.Stat(files, "motd")
	if err != nil {
		log.Fatal(err)
	}

	fmt.Printf("%s%v, owner %d\n", text, info.Mode(), info.(tree.OwnerInfo).UID())
	// Output:
	// Welcome!
	// -rw-r--r--, owner 7
}
