// Package counter tells how much work a process has done, without a clock.
package counter

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"runtime/coverage"
)

// Work is what was done.
type Work struct {
	Steps int64 // blocks of statements that were executed, in the packages built with counters
	Bytes int64 // allocated
}

// Less is the work from v to w.
func (w Work) Less(v Work) Work { return Work{w.Steps - v.Steps, w.Bytes - v.Bytes} }

// Done is what this process has done so far. The program must be built with -cover and
// -covermode=atomic, and its main package be among those with counters. A counter of a block has
// 32 bits: what is compared must be less.
func Done() (Work, error) {
	var file bytes.Buffer
	if err := coverage.WriteCounters(&file); err != nil {
		return Work{}, fmt.Errorf("counters of steps: %w", err)
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	steps, err := sum(file.Bytes())
	return Work{steps, int64(m.TotalAlloc)}, err
}

// Sizes of what stands in a file of counters (internal/coverage of the Go distribution): a
// header, which tells in its byte 24 how numbers are written, then for one run how many functions
// there are and how long two tables are, then the tables, then the functions, then a footer.
const (
	fileHeader, runHeader = 32, 16
	flavorAt              = 24
	rawNumbers            = 1
)

var errCounters = errors.New("counters of steps: a file of unknown form")

// sum adds up the counters of all functions in a file.
func sum(file []byte) (total int64, err error) {
	if len(file) < fileHeader+runHeader || string(file[:4]) != "\x00cwm" {
		return 0, errCounters
	}
	raw, run := file[flavorAt] == rawNumbers, file[fileHeader:]
	functions := binary.LittleEndian.Uint64(run)
	tables := uint64(binary.LittleEndian.Uint32(run[8:])) + uint64(binary.LittleEndian.Uint32(run[12:]))
	run = run[runHeader:]
	if tables > uint64(len(run)) {
		return 0, errCounters
	}
	run = run[tables:]
	next := func() (n uint64) {
		size := 0
		if raw && len(run) >= 4 {
			n, size = uint64(binary.LittleEndian.Uint32(run)), 4
		} else if !raw {
			n, size = binary.Uvarint(run)
		}
		if size <= 0 {
			err, size = errCounters, 0
		}
		run = run[size:]
		return n
	}
	for ; functions > 0 && err == nil; functions-- {
		counters := next()
		next() // the package
		next() // the function
		for ; counters > 0 && err == nil; counters-- {
			total += int64(next())
		}
	}
	return total, err
}
