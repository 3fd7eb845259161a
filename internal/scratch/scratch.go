// Package scratch makes temporary files that have no name, so that nothing is left of them
// however the program ends.
//
//	f, err := scratch.File(dir)
//	defer f.Close() // its room is free again
//
// Linux makes them so (O_TMPFILE). Elsewhere, and on file systems that cannot, a file has a name
// for a moment, of the kind that package durable gives: if the program is killed in it, the next
// file that is made in the directory removes it.
package scratch

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"imagetools/internal/durable"
)

// name is what its files are called in messages and, for a moment, in a directory.
const name = "scratch"

// File makes a file in a directory, which the caller alone may read and write. "" is the
// system's, [os.TempDir]. The directory of its Name is dir; the name itself is nobody's.
func File(dir string) (*os.File, error) {
	if dir == "" {
		dir = os.TempDir()
	}
	f, err := nameless(dir)
	if errors.Is(err, errors.ErrUnsupported) {
		f, err = named(dir)
	}
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		err = p.Err
	}
	if err != nil {
		return nil, &fs.PathError{Op: "create a temporary file in", Path: dir, Err: err}
	}
	return f, nil
}

// named makes a file with a name and takes that away.
func named(dir string) (_ *os.File, err error) {
	s := durable.New(durable.Options{})
	defer func() { err = errors.Join(err, s.Discard()) }()
	f, err := s.File(filepath.Join(dir, name), 0o600)
	if err != nil {
		return nil, err
	}
	return f.Keep()
}
