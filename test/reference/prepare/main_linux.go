// Prepare makes the reference streams that are missing from the cache, and prints the folders
// they are in. It needs the oracles, see package oracle.
package main

import (
	"errors"
	"fmt"
	"os"

	"imagetools/internal/required"
	"imagetools/test/reference"
)

func main() {
	os.Setenv(required.Variable, "1")
	dirs, err := reference.Prepare()
	chains, chainsErr := reference.PrepareChains(1)
	if err = errors.Join(err, chainsErr); chainsErr == nil {
		dirs = append(dirs, chains)
	}
	for _, dir := range dirs {
		fmt.Println(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "prepare:", err)
		os.Exit(1)
	}
}
