package host_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"imagetools/host"
	"imagetools/tree"
)

func ExampleStore() {
	dir, err := os.MkdirTemp("", "example-*")
	if err != nil {
		log.Fatal(err)
	}

	defer os.RemoveAll(dir)
	t := tree.New()
	err = errors.Join(t.Root.Add("root", tree.NewDir(0o755)), t.Seal())
	if err != nil {
		log.Fatal(err)
	}

	store := host.Store{Dir: dir}
	if _, err := store.Create(context.Background(), "zones/seed", t, host.CreateOptions{}); err != nil {
		log.Fatal(err)
	}
	_, err = store.Lookup(context.Background(), "seed") // the pool may be left out
	fmt.Println("found:", err == nil)
	// Output:
	// found: true
}
