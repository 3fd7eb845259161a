package source_test

import (
	"fmt"
	"log"

	"imagetools/tree/source"
)

func ExampleExcludes() {
	excludes, err := source.NewExcludes([]string{"*.o", "/var/cache/*"})
	if err != nil {
		log.Fatal(err)
	}

	for _, path := range []string{"src/main.o", "src/main.c", "var/cache/apt", "home/var/cache/apt"} {
		fmt.Println(path, excludes.Match(path, false))
	}
	// Output:
	// src/main.o true
	// src/main.c false
	// var/cache/apt true
	// home/var/cache/apt false
}
