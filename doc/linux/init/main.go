// Init is all of a Linux that the root beside it has: it says what runs it, and waits for the
// end of the zone.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
)

func main() {
	host, _ := os.Hostname()
	kernel, err := os.ReadFile("/proc/version")
	if err != nil {
		kernel = []byte(runtime.GOOS + ", whose /proc is not mounted")
	}
	fmt.Printf("%s: init runs on %s\n", host, strings.TrimSpace(string(kernel)))
	end := make(chan os.Signal, 1)
	signal.Notify(end)
	fmt.Println("init ends:", <-end)
}
