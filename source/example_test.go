package source_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"imagetools/source"
)

// Find a directory, and read it as the dataset of an image.
func ExampleFind() {
	dir, err := os.MkdirTemp("", "source-example-*")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "motd"), []byte("Welcome!\n"), 0o644); err != nil {
		log.Fatal(err)
	}
	src, err := source.Find(context.Background(), dir, source.Options{Owners: "root"})
	if err != nil {
		log.Fatal(err)
	}
	t, err := src.(source.Trees).Tree(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	defer t.Close()
	fmt.Println(t.Lookup("root/motd") != nil, t.Report.Counts.Files)
	// Output: true 1
}
