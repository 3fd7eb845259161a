// Package budget counts the memory that programs hold for input that may be hostile, and ends
// the work before there is too much of it.
//
//	b := budget.New(budget.Limits{})
//	...
//	if err := b.Hold(int64(len(value)), "extended attributes"); err != nil {
//		return err // a *budget.Error
//	}
//
// All readers of one command share one [Budget]. Each says what it is about to hold before it
// allocates it; what many places refer to is counted for each of them. Buffers of a fixed size,
// of compressors and readers, are not counted: the limit of the process has to leave room for
// them.
//
// # The default
//
// [DefaultBase] bytes, and [DefaultPerFile] more for each file. Each file is a record, a member
// or a name on disk that the input had to spend bytes on, so large images have the room that
// they need, and a few files with huge attributes do not.
package budget

import (
	"errors"
	"fmt"
	"math"
	"sync/atomic"
)

// The default of [Limits].
const (
	DefaultBase    = 512 << 20 // bytes
	DefaultPerFile = 512       // bytes for each file
)

// ErrExceeded is what every [Error] wraps.
var ErrExceeded = errors.New("memory limit exceeded")

// Error says that holding something would exceed the limit.
type Error struct {
	What  string // that was to be held, such as "extended attributes"
	Held  int64  // bytes that were held already
	Need  int64  // further bytes
	Limit int64  // bytes
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s: %v: %d bytes more than the %d in use, the limit is %d", e.What, ErrExceeded, e.Need, e.Held, e.Limit)
}

// Unwrap returns [ErrExceeded].
func (e *Error) Unwrap() error { return ErrExceeded }

// Limits say how much may be held: Base + PerFile × files, but never more than Max.
type Limits struct {
	Base    int64 // bytes; 0 is [DefaultBase]
	PerFile int64 // bytes; 0 is [DefaultPerFile] if Base is 0 too
	Max     int64 // bytes; 0 is no further limit
}

// Fixed are limits of n bytes, however many files there are.
func Fixed(n int64) Limits { return Limits{Base: n, Max: n} }

// Budget counts what is held. It is safe for concurrent use.
type Budget struct {
	limits      Limits
	held, files atomic.Int64
	told        atomic.Int64
	grown       func(held int64)
}

// New returns a budget of which nothing is used.
func New(l Limits) *Budget {
	if l.Base == 0 {
		l.Base = DefaultBase
		if l.PerFile == 0 {
			l.PerFile = DefaultPerFile
		}
	}
	if l.Max == 0 {
		l.Max = math.MaxInt64
	}
	return &Budget{limits: l}
}

// Or returns b, or a new budget with the default limits if b is nil.
func Or(b *Budget) *Budget {
	if b != nil {
		return b
	}
	return New(Limits{})
}

// OnGrowth has f called when what is held has grown by an eighth since the last call, and by
// a MiB at least. It must be set before the budget is used; f may be called concurrently.
func (b *Budget) OnGrowth(f func(held int64)) { b.grown = f }

// Hold counts n bytes, or returns an [*Error] that names what they are for.
func (b *Budget) Hold(n int64, what string) error {
	held := b.held.Add(n)
	if limit := b.Limit(); held > limit {
		b.held.Add(-n)
		return &Error{What: what, Held: held - n, Need: n, Limit: limit}
	}
	b.tell(held)
	return nil
}

// AddFile raises the default limit for one more file.
func (b *Budget) AddFile() { b.files.Add(1) }

// HoldFile is Hold for what is held of one more file, which raises the default limit.
func (b *Budget) HoldFile(n int64, what string) error {
	b.files.Add(1)
	return b.Hold(n, what)
}

func (b *Budget) tell(held int64) {
	if b.grown == nil {
		return
	}
	const least = 1 << 20
	if last := b.told.Load(); held > last+max(last/8, least) && b.told.CompareAndSwap(last, held) {
		b.grown(held)
	}
}

// Release counts n bytes as no longer held.
func (b *Budget) Release(n int64) { b.held.Add(-n) }

// ReleaseFiles takes back the allowance for n files.
func (b *Budget) ReleaseFiles(n int64) { b.files.Add(-n) }

// Held is how many bytes are held.
func (b *Budget) Held() int64 { return b.held.Load() }

// Limit is how many bytes may be held, with the files so far.
func (b *Budget) Limit() int64 {
	limit := b.limits.Base
	if files := b.files.Load(); b.limits.PerFile > 0 && files > 0 {
		limit += files * b.limits.PerFile
	}
	return min(limit, b.limits.Max)
}
