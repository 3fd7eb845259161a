package main

import (
	"errors"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/spf13/cobra"

	"imagetools/internal/budget"
	"imagetools/internal/cli"
)

// memoryFlag is the flag of all commands that limits their memory.
const memoryFlag = "memory-limit"

// openMemory is what looking into an image takes besides what is counted: buffers of decoders.
const openMemory = 96 << 20

// addMemoryFlag gives all commands the flag, and the environment its budget before they run.
func addMemoryFlag(root *cobra.Command, env *cli.Env) {
	var size string
	root.PersistentFlags().StringVar(&size, memoryFlag, "", "limit for memory, `SIZE` such as 800M or 4G (default 640M and 640 bytes for each file, within what the system allows)")
	root.PersistentPreRunE = func(c *cobra.Command, _ []string) error {
		limits, err := memoryLimits(size)
		if err != nil {
			return cli.Usagef("%s: %w", c.Name(), err)
		}
		env.Memory = newMemory(limits)
		return nil
	}
}

// newMemory is a budget that the limit of the garbage collector follows.
func newMemory(limits budget.Limits) *budget.Budget {
	b := budget.New(limits)
	b.OnGrowth(collector.follow)
	return b
}

// memoryLimits are the limits for what is held, of those that the process is to keep.
func memoryLimits(flag string) (budget.Limits, error) {
	if flag != "" {
		n, err := parseSize(flag, 1)
		if err != nil {
			return budget.Limits{}, fmt.Errorf("--%s %q: %w (valid: a number of bytes, or one with K, M, G or T behind it)", memoryFlag, flag, err)
		}
		if n < leastMemory {
			return budget.Limits{}, fmt.Errorf("--%s %q: the least is %s", memoryFlag, flag, cli.Size(leastMemory))
		}
		collector.bound(n)
		return budget.Fixed(countedOf(n)), nil
	}
	if n := cli.AvailableMemory(); n > 0 {
		collector.bound(max(n, leastMemory))
		return budget.Limits{Max: countedOf(max(n, leastMemory))}, nil
	}
	return budget.Limits{}, nil
}

// leastMemory is the least limit for the process.
const leastMemory = 128 << 20

// countedOf is how much can be held in a process of n bytes: a fifth of what is held goes to
// what allocators and the garbage collector need.
func countedOf(n int64) int64 { return (n - openMemory) / 5 * 4 }

// memoryBound keeps the limit of the garbage collector above what is held.
type memoryBound struct {
	mu    sync.Mutex
	limit int64
	most  int64 // that the process may have; 0 is unknown
}

// collector is that of the process.
var collector memoryBound

func (m *memoryBound) follow(held int64) {
	want := openMemory + held + held/4
	m.mu.Lock()
	defer m.mu.Unlock()
	if want > m.limit {
		m.set(want + want/16)
	}
}

// bound keeps the limit below n bytes from now on, with room for the program itself.
func (m *memoryBound) bound(n int64) {
	const program = 32 << 20
	m.mu.Lock()
	defer m.mu.Unlock()
	m.most = n - program
}

// set sets the limit.
func (m *memoryBound) set(n int64) {
	if m.limit = n; m.most > 0 {
		n = min(n, m.most)
	}
	debug.SetMemoryLimit(n)
}

// raise makes the limit n bytes, if it is lower.
func (m *memoryBound) raise(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n > m.limit {
		m.set(n)
	}
}

// Memory that the program is to stay below: 256 MiB and 400 bytes for each file, less what
// the runtime does not count.
const (
	memoryBase    = 224 << 20
	memoryPerFile = 380
)

// limitMemory has the collector keep to the bound, now that the number of files is known. held is
// what the indexes of images take that are read; up to a point, there is room for it.
func limitMemory(files int, held int64) {
	tree := memoryPerFile * int64(files)
	collector.raise(max(memoryBase+tree, openMemory+tree+held+held/4))
}

// memoryHint adds the way out to an error that says the memory was not enough.
func memoryHint(err error) error {
	over, ok := errors.AsType[*budget.Error](err)
	if !ok {
		return err
	}
	now := over.Limit/4*5 + openMemory
	return cli.Hint(err, fmt.Sprintf("use --%s to allow more memory than %s", memoryFlag, cli.Size(now)))
}
