package fromfs_test

import (
	"context"
	"fmt"
	"log"
	"testing/fstest"

	"imagetools/tree/fromfs"
)

func Example() {
	files := fstest.MapFS{
		"etc/motd":  {Data: []byte("Welcome!\n"), Mode: 0o644},
		"etc/motd~": {Data: []byte("Welcome\n"), Mode: 0o644},
	}
	t, report, err := fromfs.Read(context.Background(), files, fromfs.Options{Exclude: []string{"*~"}})
	if err != nil {
		log.Fatal(err)
	}

	fmt.Println(report.Counts.Files, "file:", t.Lookup("etc/motd").Mode)
	// Output:
	// 1 file: file 0644
}
