package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"imagetools/internal/cli"
)

// runLog is the log of a run: a file from the beginning, so that a killed run leaves it too. It
// goes when all went well, unless it was asked for.
type runLog struct {
	*os.File
	keep bool
}

// openLog opens the log at path, wherever that leads, or one of the name otherwise. Nobody has
// asked for the latter: it is a new file, or the caller's own from an earlier run.
func openLog(path, otherwise string) (_ *runLog, err error) {
	l := &runLog{keep: path != ""}
	if l.keep {
		l.File, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	} else {
		l.File, err = openOwn(otherwise)
	}
	if err != nil {
		return nil, cli.Hint(fmt.Errorf("log: %w", err), "--log names another file")
	}
	return l, nil
}

// openOwn empties a file of the caller's, or makes it. Others, who may write to the directory,
// could have put a link there, or a file that they read.
func openOwn(path string) (_ *os.File, err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o600)
	if errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.ENXIO) {
		return nil, fmt.Errorf("%q: not a regular file", path)
	}
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%q: not a regular file", path)
	case !ok || int(st.Uid) != os.Geteuid():
		return nil, fmt.Errorf("%q: owned by another user", path)
	case st.Nlink > 1:
		return nil, fmt.Errorf("%q: has %d names", path, st.Nlink)
	}
	return f, errors.Join(f.Chmod(0o600), f.Truncate(0))
}

// end closes the log, and has the error say where it is.
func (l *runLog) end(err error) error {
	name := l.Name()
	if abs, absErr := filepath.Abs(name); absErr == nil {
		name = abs
	}
	info, statErr := l.Stat()
	closeErr := errors.Join(statErr, l.Close())
	if !l.keep && (err == nil || statErr == nil && info.Size() == 0) {
		if now, e := os.Lstat(l.Name()); e == nil && statErr == nil && os.SameFile(now, info) {
			closeErr = errors.Join(closeErr, os.Remove(l.Name()))
		}
	} else if err != nil {
		err = &loggedError{err, name}
	}
	if closeErr != nil {
		err = errors.Join(err, fmt.Errorf("log: %w", closeErr))
	}
	return err
}

// loggedError is an error of a run that left a log.
type loggedError struct {
	error
	log string
}

func (e *loggedError) Unwrap() error { return e.error }
func (e *loggedError) Hint() string  { return fmt.Sprintf("the log is %q", e.log) }

// Left is for interrupted runs.
func (e *loggedError) Left() string {
	left := fmt.Sprintf("the log is %q", e.log)
	if inner, ok := errors.AsType[unfinishedError](e.error); ok {
		left = inner.Left() + "; " + left
	}
	return left
}
