package fromdir_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"imagetools/tree/fromdir"
)

func Example() {
	dir, err := os.MkdirTemp("", "example-*")
	if err != nil {
		log.Fatal(err)
	}

	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "motd"), []byte("Welcome!\n"), 0o644); err != nil {
		log.Fatal(err)
	}
	t, report, err := fromdir.Read(context.Background(), dir, fromdir.Options{Owners: "root"})
	if err != nil {
		log.Fatal(err)
	}

	motd := t.Lookup("motd")
	fmt.Println(report.Counts.Files, "file of owner", motd.UID, "with", motd.Size, "bytes")
	// Output:
	// 1 file of owner 0 with 9 bytes
}
