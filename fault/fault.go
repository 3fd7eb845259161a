// Package fault says what is wrong so that whoever asked can say what to do about it.
//
// A package that finds a fault knows the cause, not how the user asked: by a flag, a field of a
// recipe or a Go program. It returns an error with a [Way], the name of a way out; the program that
// asked has a text for each way. [Asked] marks faults of what was asked for, rather than of what
// was found. [List] collects faults, so that all are told at once.
package fault

import (
	"errors"
	"fmt"
	"slices"
	"sync"
)

// Way names a way out of a fault, such as "replace the file". It is made by [NewWay].
type Way struct{ name string }

// String is the name of the way.
func (w Way) String() string { return w.name }

var (
	mu   sync.Mutex
	ways []Way
)

// NewWay makes a way of a name of its own, "PACKAGE.WHAT". It panics if there is one of that name,
// and is called when a package is initialized.
func NewWay(name string) Way {
	mu.Lock()
	defer mu.Unlock()
	w := Way{name}
	if slices.Contains(ways, w) {
		panic("fault: two ways are called " + name)
	}
	ways = append(ways, w)
	return w
}

// Ways are all ways that the packages of the program made, for a test that each has a text.
func Ways() []Way {
	mu.Lock()
	defer mu.Unlock()
	return slices.Clone(ways)
}

// Error is an error with a way out of it. Args are what its text needs, such as a path; how many
// there are depends on the way.
type Error struct {
	Err  error
	Way  Way
	Args []string
}

// Error is the text of the error, without the way.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// WayOut returns Way and Args.
func (e *Error) WayOut() (Way, []string) { return e.Way, e.Args }

// Exit is an error that knows the way out of it, such as [Error]. The zero Way is none.
type Exit interface {
	error
	WayOut() (way Way, args []string)
}

// With returns err with a way out, nil for nil.
func With(err error, way Way, args ...string) error {
	if err == nil {
		return nil
	}
	return &Error{err, way, args}
}

// AskedError is a fault of what was asked for: it would be the same whatever is found.
type AskedError struct{ Err error }

// Error is the text of Err.
func (e *AskedError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *AskedError) Unwrap() error { return e.Err }

// Asked marks err as a fault of what was asked for; nil stays nil.
func Asked(err error) error {
	if err == nil {
		return nil
	}
	return &AskedError{err}
}

// Askedf makes such a fault, as [fmt.Errorf] does.
func Askedf(format string, args ...any) error { return &AskedError{fmt.Errorf(format, args...)} }

// IsAsked reports whether err is a fault of what was asked for.
func IsAsked(err error) bool {
	_, ok := errors.AsType[*AskedError](err)
	return ok
}

// List collects faults. The zero value is an empty list.
type List struct{ faults []error }

// Add adds faults; nil is none.
func (l *List) Add(errs ...error) {
	for _, err := range errs {
		if err != nil {
			l.faults = append(l.faults, err)
		}
	}
}

// Check adds a fault of what was asked for, unless ok.
func (l *List) Check(ok bool, format string, args ...any) {
	if !ok {
		l.Add(Askedf(format, args...))
	}
}

// Err is all faults, one to a line; nil if there are none.
func (l *List) Err() error { return errors.Join(l.faults...) }
