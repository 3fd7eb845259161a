package zone_test

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"imagetools/base/zone"
)

// Look at a bootstrap kit, and refuse another one of the same name.
func ExampleOpenKit() {
	dir, err := os.MkdirTemp("", "example-*")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "bootstrap-2024Q4-x86_64.tar.gz")
	f, err := os.Create(path)
	if err != nil {
		log.Fatal(err)
	}
	if err := errors.Join(gzip.NewWriter(f).Close(), f.Close()); err != nil {
		log.Fatal(err)
	}
	kit, err := zone.OpenKit(context.Background(), path, "")
	if err != nil {
		log.Fatal(err)
	}
	defer kit.Close()
	fmt.Println(filepath.Base(kit.Source), kit.Size > 0)
	_, err = zone.OpenKit(context.Background(), path, strings.Repeat("0", 64))
	fmt.Println("refused:", err != nil)
	// Output:
	// bootstrap-2024Q4-x86_64.tar.gz true
	// refused: true
}
