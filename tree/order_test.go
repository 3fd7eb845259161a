package tree_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"imagetools/tree"
)

// Whatever the order in which names come and go, a directory has those that were added and not
// removed.
func TestNamesInAnyOrder(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		random := rand.New(rand.NewPCG(seed, 1))
		dir, want := tree.NewDir(0o755), map[string]*tree.Node{}
		ordered := seed%2 == 0
		for i := range 400 {
			name := fmt.Sprintf("n%03d", random.IntN(60))
			if ordered && i < 200 {
				name = fmt.Sprintf("n%03d", i)
			}
			node := dir.Lookup(name)
			if node != want[name] {
				t.Fatalf("seed %d, step %d: Lookup(%q) = %p, want %p", seed, i, name, node, want[name])
			}
			if node == nil {
				node = file(&tree.Node{})
				if err := dir.Add(name, node); err != nil {
					t.Fatal(err)
				}
				want[name] = node
				continue
			}
			if err := dir.Add(name, file(&tree.Node{})); err == nil {
				t.Fatalf("seed %d, step %d: %q was added twice", seed, i, name)
			}
			if err := dir.Remove(name); err != nil {
				t.Fatal(err)
			}
			delete(want, name)
		}
		if len(dir.Entries()) != len(want) {
			t.Errorf("seed %d: %d names, want %d", seed, len(dir.Entries()), len(want))
		}
	}
}

// What names are counted with is not less than what they take.
func TestNameCost(t *testing.T) {
	const names = 200_000
	for what, order := range map[string]func(i int) int{
		"in order": func(i int) int { return i },
		"backward": func(i int) int { return names - i },
	} {
		node, dir, cost := file(&tree.Node{}), tree.NewDir(0o755), int64(0)
		before := heap()
		for i := range names {
			name := fmt.Sprintf("name%08d", order(i))
			cost += tree.NameCost(name)
			if err := dir.Add(name, node); err != nil {
				t.Fatal(err)
			}
		}
		taken := heap() - before
		t.Logf("%s: %d bytes for a name, counted are %d", what, taken/names, cost/names)
		if taken > cost {
			t.Errorf("%s: names take %d bytes, counted are %d", what, taken, cost)
		}
		runtime.KeepAlive(dir)
	}
}

// heap is how many bytes are in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
