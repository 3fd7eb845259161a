package sqlite2

import (
	"errors"
	"fmt"
)

// FormatError is a fault of a database file.
type FormatError struct {
	Page   int // from 1
	Offset int // in the file
	Err    error
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("page %d, byte %d: %v", e.Page, e.Offset, e.Err)
}

func (e *FormatError) Unwrap() error { return e.Err }

// maxFaults is how many faults are told one by one.
const maxFaults = 20

// faults are those of one file.
type faults struct {
	list  []error
	count int
}

func (f *faults) add(offset int, format string, args ...any) {
	f.count++
	if f.count <= maxFaults {
		f.list = append(f.list, &FormatError{offset/PageSize + 1, offset, fmt.Errorf(format, shorten(args)...)})
	}
}

// shorten cuts the texts among the arguments of an error: a name can be as long as a statement.
func shorten(args []any) []any {
	for i, a := range args {
		if s, ok := a.(string); ok {
			args[i] = cut(s)
		}
	}
	return args
}

func (f *faults) err() error {
	if more := f.count - len(f.list); more > 0 {
		return errors.Join(append(f.list, fmt.Errorf("and %d more faults", more))...)
	}
	return errors.Join(f.list...)
}
