// Package cli is what every command works with: the streams of the process, its environment
// and clock, hints beside errors, and progress on a terminal.
package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"imagetools/fault"
	"imagetools/internal/budget"
	"imagetools/internal/plain"
)

// Env is the world as a command sees it. Standard output is for the answer, standard error
// for everything else.
type Env struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Getenv         func(string) string
	Now            func() time.Time
	Memory         *budget.Budget // for what is held of input; nil is the default
	// Ways has a hint for each way out that an error may have, with %s for its arguments.
	Ways map[fault.Way]string

	mu     sync.Mutex
	warned []string
}

// NewEnv is the environment of this process.
func NewEnv() *Env {
	return &Env{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv, Now: time.Now}
}

// PeekStdin returns the first n bytes of standard input, or all of it if that is less, without
// taking them from whoever reads [Env.Stdin] afterwards. n is at most 1 MiB. Error is why fewer
// can be had, other than the end of the input.
func (e *Env) PeekStdin(n int) ([]byte, error) {
	in, ok := e.Stdin.(*bufio.Reader)
	if !ok || in.Size() < maxPeek {
		in = bufio.NewReaderSize(e.Stdin, maxPeek)
		e.Stdin = in
	}
	start, err := in.Peek(n)
	if err == io.EOF {
		err = nil
	}
	return start, err
}

const maxPeek = 1 << 20

// Plain has all that goes to standard error written so that no terminal obeys it, and returns e.
func (e *Env) Plain() *Env {
	e.Stderr = plain.NewWriter(e.Stderr)
	return e
}

// Text returns standard output for text: unlike [Env.Stdout] it has nothing in it that a terminal
// obeys, or that hides or turns what stands around it.
func (e *Env) Text() io.Writer { return plain.NewWriter(e.Stdout) }

// raw is a stream without what [Env.Plain] puts before it.
func raw(stream any) any {
	if w, ok := stream.(*plain.Writer); ok {
		return w.Unwrap()
	}
	return stream
}

// IsTerminal tells whether a stream is a terminal.
func IsTerminal(stream any) bool {
	stream = raw(stream)
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// SourceDateEpoch is $SOURCE_DATE_EPOCH in seconds since 1970, nil if it is not set.
func (e *Env) SourceDateEpoch() (*int64, error) {
	s := e.Getenv("SOURCE_DATE_EPOCH")
	if s == "" {
		return nil, nil
	}
	sec, err := strconv.ParseInt(s, 10, 64)
	if err != nil || sec < 0 || sec > 253402300799 { // the end of the year 9999
		return nil, Hint(fmt.Errorf("SOURCE_DATE_EPOCH is %q", s), "set it to whole seconds since 1970, or unset it")
	}
	return &sec, nil
}

// grace is how long an interrupted function has to end by itself.
const grace = 300 * time.Millisecond

// Interruptible runs f, and returns when f does, or soon after ctx ends. An f that waits then
// (for a pipe, or an answer on a terminal) is left behind, so it must be one that leaves
// nothing when the process exits.
func Interruptible[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := f()
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
	}
	select {
	case r := <-done:
		return r.value, r.err
	case <-time.After(grace):
		var none T
		return none, ctx.Err()
	}
}

// Warnf prints a warning, with nothing in it that a terminal obeys.
func (e *Env) Warnf(format string, args ...any) {
	text := plain.Message(fmt.Sprintf(format, args...))
	e.mu.Lock()
	defer e.mu.Unlock()
	e.warned = append(e.warned, text)
	fmt.Fprintf(e.Stderr, "warning: %s\n", text)
}

// Warnings returns the warnings printed so far, in order. It never returns nil, so that JSON has a
// list in any case.
func (e *Env) Warnings() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]string{}, e.warned...)
}

// UsageError is a mistake in the command line.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }
func (e *UsageError) Unwrap() error { return e.Err }

// Usagef returns a UsageError.
func Usagef(format string, args ...any) error { return &UsageError{fmt.Errorf(format, args...)} }

// ExitError ends a command with a status of its own; it has been explained already.
type ExitError int

func (e ExitError) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

type hinted struct {
	error
	hint string
}

func (h *hinted) Unwrap() error { return h.error }
func (h *hinted) Hint() string  { return h.hint }

// Hint adds to err what the user can do about it.
func Hint(err error, hint string) error { return &hinted{err, hint} }

// Hints are the hints that err and all it wraps have, each once. A way out is its name and its
// arguments: only an Env has texts.
func Hints(err error) []string { return (&Env{}).hints(err) }

func (e *Env) hints(err error) []string {
	var out []string
	add := func(hint string) {
		if hint != "" && !slices.Contains(out, hint) {
			out = append(out, hint)
		}
	}
	var visit func(error)
	visit = func(err error) {
		if h, ok := err.(interface{ Hint() string }); ok {
			add(h.Hint())
		}
		if out, ok := err.(fault.Exit); ok {
			add(e.hint(out))
		}
		switch u := err.(type) {
		case interface{ Unwrap() error }:
			if inner := u.Unwrap(); inner != nil {
				visit(inner)
			}
		case interface{ Unwrap() []error }:
			for _, inner := range u.Unwrap() {
				visit(inner)
			}
		}
	}
	if err != nil {
		visit(err)
	}
	return out
}

// hint is the text for the way out of an error; empty if there is none.
func (e *Env) hint(err fault.Exit) string {
	way, list := err.WayOut()
	if e.Ways == nil && way != (fault.Way{}) {
		return strings.Join(append([]string{way.String()}, list...), " ")
	}
	text, args := e.Ways[way], make([]any, len(list))
	for i, arg := range list {
		args[i] = arg
	}
	if strings.Count(text, "%") == 0 {
		return text
	}
	return fmt.Sprintf(text, args...)
}

// Report prints an error with its hints, with nothing in them that a terminal obeys, and returns
// the exit status: 1, or 2 for a mistake in the command line. name is the program, command the
// path of the command that failed, such as "imagetools lint", whose help tells more.
func (e *Env) Report(name, command string, err error) int {
	if exit, ok := errors.AsType[ExitError](err); ok {
		return int(exit)
	}
	fmt.Fprintf(e.Stderr, "%s: error: %s\n", name, plain.Message(strings.TrimSuffix(err.Error(), "\n")))
	for _, h := range e.hints(err) {
		fmt.Fprintf(e.Stderr, "%s: hint: %s\n", name, plain.Message(h))
	}
	if _, ok := errors.AsType[*UsageError](err); ok || fault.IsAsked(err) {
		fmt.Fprintf(e.Stderr, "%s: hint: see '%s --help'\n", name, command)
		return 2
	}
	return 1
}

// Size is [plain.Size].
func Size(n int64) string { return plain.Size(n) }
