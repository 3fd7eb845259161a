package check_test

import (
	"errors"
	"fmt"
	"log"

	"imagetools/image/check"
	"imagetools/manifest"
	"imagetools/tree"
)

func Example() {
	t := tree.New()
	err := errors.Join(t.Root.Add("root", tree.NewDir(0o755)), t.Seal())
	if err != nil {
		log.Fatal(err)
	}

	for _, f := range check.Zone(check.Tree(t), check.Options{Type: manifest.TypeLX}) {
		fmt.Printf("%s: %s\n", f.Path, f.Message)
	}
	// Output:
	// root: empty: zones will not boot
}
