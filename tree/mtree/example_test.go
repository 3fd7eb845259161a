package mtree_test

import (
	"fmt"
	"io"
	"log"
	"strings"

	"imagetools/tree/mtree"
)

func Example() {
	spec := "#mtree v2.0\n./etc/motd type=file mode=0644 uid=0 gid=3 time=1600000000.0\n"
	for r := mtree.NewReader(strings.NewReader(spec), "METALOG"); ; {
		e, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			log.Fatal(err)
		}

		fmt.Printf("line %d: %s has mode %#o and group %d\n", e.Line, e.Path, uint32(e.Mode), e.GID)
	}
	// Output:
	// line 2: etc/motd has mode 0644 and group 3
}
