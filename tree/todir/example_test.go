package todir_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"imagetools/tree"
	"imagetools/tree/todir"
)

func Example() {
	dir, err := os.MkdirTemp("", "example-*")
	if err != nil {
		log.Fatal(err)
	}

	defer os.RemoveAll(dir)
	t := tree.New()
	err = errors.Join(
		t.Root.Add("su", &tree.Node{Mode: tree.TypeFile | 0o4755, Size: 3, Content: tree.Bytes("ELF")}),
		t.Root.Add("null", &tree.Node{Mode: tree.TypeChar | 0o666, Device: &tree.Device{Major: 13, Minor: 2}}),
		t.Seal(),
	)
	if err != nil {
		log.Fatal(err)
	}

	report, err := todir.Extract(context.Background(), t, filepath.Join(dir, "root"), todir.Options{})
	if err != nil {
		log.Fatal(err)
	}

	fmt.Println("in the METALOG only:", report.SetIDs, "set-id file,", report.Special, "device")
	metalog, err := os.ReadFile(report.Metalog)
	if err != nil {
		log.Fatal(err)
	}

	fmt.Printf("%s", metalog)
	// Output:
	// in the METALOG only: 1 set-id file, 1 device
	// #mtree v2.0
	// . type=dir uid=0 gid=0 mode=0755 time=0.000000000
	// ./null type=char uid=0 gid=0 mode=0666 time=0.000000000 device=native,13,2
	// ./su type=file uid=0 gid=0 mode=4755 size=3 time=0.000000000
}
