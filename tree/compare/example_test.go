package compare_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"imagetools/tree"
	"imagetools/tree/compare"
)

func Example() {
	make := func(motd string) *tree.Tree {
		t := tree.New()
		n := &tree.Node{Mode: tree.TypeFile | 0o644, Size: int64(len(motd)), Content: tree.Bytes(motd)}
		if err := errors.Join(t.Root.Add("motd", n), t.Seal()); err != nil {
			log.Fatal(err)
		}
		return t
	}
	for c, err := range compare.Diff(context.Background(), make("Hello\n"), make("Welcome\n"), compare.Options{}) {
		if err != nil {
			log.Fatal(err)
		}

		fmt.Println(c)
	}
	// Output:
	// ~ "motd" size 6 -> 8, content from byte 0
}
