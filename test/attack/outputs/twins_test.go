package outputs

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"imagetools/test/attack"
)

// Of two runs that write to one place at the same time one succeeds, and what is there is its own,
// whole. With --force both may; what is there is of one of them.
func TestAttackTwins(t *testing.T) {
	list := available(t)
	r := random(t)
	count := map[string]int{}
	for n := range attack.Runs(t, len(list), 1000) {
		w := list[n%len(list)]
		force := n%2 == 1
		var further []string
		if force {
			further = []string{"--force"}
			if strings.HasPrefix(w.name, "extract") && w.name == "extract" {
				further = nil // a directory is never replaced
			}
		}
		dir := workDir(t)
		kinds := []string{"a", "b"}
		var said [2]bytes.Buffer
		ended := make(chan int, 2)
		for i, kind := range kinds {
			cmd := command(dir, w.command(kind, further...)...)
			cmd.Stdout, cmd.Stderr = &said[i], &said[i]
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			go func() {
				if cmd.Wait() == nil {
					ended <- i
				} else {
					ended <- -1
				}
			}()
			time.Sleep(time.Duration(r.IntN(10)) * time.Millisecond)
		}
		var won []string
		for range kinds {
			if i := <-ended; i >= 0 {
				won = append(won, kinds[i])
			}
		}
		count[fmt.Sprintf("force %v: %d won", further != nil, len(won))]++
		got := snapshot(t, dir)
		which := ""
		for _, kind := range won {
			if got == w.want(t, kind) {
				which = kind
			}
		}
		if which == "" && (len(won) > 0 || got != "") || len(won) > 1 && further == nil {
			t.Errorf("run %d, %s %q: %q succeed; there is %s\na: %s\nb: %s", n, w.name, further, won, differ(got, w.want(t, "a")), &said[0], &said[1])
		}
		for i := range said {
			if strings.Contains(said[i].String(), "panic") {
				t.Errorf("run %d, %s: %s", n, w.name, &said[i])
			}
		}
		clear(t, dir)
	}
	t.Log(count)
}
