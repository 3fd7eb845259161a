package fault

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// HintError is an error with a way out of it. The hint is not part of its text.
type HintError struct {
	Err  error
	hint string
}

// WithHint returns err with a hint: what to try, in the imperative, without a full stop.
func WithHint(err error, hint string) error { return &HintError{err, hint} }

func (e *HintError) Error() string { return e.Err.Error() }
func (e *HintError) Unwrap() error { return e.Err }

// Hint is what to try.
func (e *HintError) Hint() string { return e.hint }

// maxFaults is how many faults are told one by one unless [Faults.Limit] says otherwise.
const maxFaults = 20

// Faults collects faults by path (or line) and keeps the first Limit in that order, however
// they come in. The zero value is ready. It is not safe for concurrent use.
type Faults struct {
	Limit int // 0: 20
	list  []keyed
	count int
}

type keyed struct {
	key string
	seq int
	err error
}

// Add takes a fault. key orders it; the text of err must name the place by itself.
func (f *Faults) Add(key string, err error) {
	f.list = append(f.list, keyed{key, f.count, err})
	f.count++
	if len(f.list) >= 4*f.limit() {
		f.cut()
	}
}

func (f *Faults) limit() int { return cmp.Or(f.Limit, maxFaults) }

func (f *Faults) cut() {
	slices.SortFunc(f.list, func(a, b keyed) int {
		return cmp.Or(strings.Compare(a.key, b.key), cmp.Compare(a.seq, b.seq))
	})
	f.list = f.list[:min(len(f.list), f.limit())]
}

// Len is the number of faults so far.
func (f *Faults) Len() int { return f.count }

// Err joins the faults; nil if there are none.
func (f *Faults) Err() error {
	f.cut()
	var errs []error
	for _, x := range f.list {
		errs = append(errs, x.err)
	}
	if more := f.count - len(f.list); more > 0 {
		errs = append(errs, fmt.Errorf("and %d more of this kind", more))
	}
	return errors.Join(errs...)
}
