package seed_test

import (
	"fmt"
	"log"
	"strings"

	"imagetools/seed"
)

func Example() {
	m, err := seed.ParseManifest("manifest.gen", strings.NewReader("d etc 0755 root sys\nf etc/motd 0644 root sys\ns etc/rc=init.d/rc\n"))
	if err != nil {
		log.Fatal(err)
	}

	for _, e := range m.Entries {
		fmt.Printf("%d %s %s:%s %q\n", e.Line, e.Path, e.User, e.Group, e.Target)
	}
	// Output:
	// 1 etc root:sys ""
	// 2 etc/motd root:sys ""
	// 3 etc/rc : "init.d/rc"
}
