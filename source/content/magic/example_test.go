package magic_test

import (
	"fmt"

	"imagetools/source/content/magic"
)

func ExampleOf() {
	f := magic.Of([]byte("QFI\xfb\x00\x00\x00\x03"))
	fmt.Println(f)
	// Output:
	// a qcow2 disk
}
