package registry_test

import (
	"context"
	"fmt"

	"imagetools/tree/fromoci/registry"
)

// A name that no registry can have is refused without asking one.
func ExampleOpen() {
	_, err := registry.Open(context.Background(), "Debian:", registry.Options{})
	fmt.Println(err)
	// Output:
	// docker://Debian:: could not parse reference: Debian:
}
