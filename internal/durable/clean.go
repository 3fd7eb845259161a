package durable

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
)

// leftover is a temporary name in a place.
type leftover struct {
	place *place
	name  string
	kind  byte
	base  string
	info  fs.FileInfo
}

// final is the name of the output, "" if it is not known.
func (l *leftover) final() string {
	if len(l.base) >= maxBase {
		return ""
	}
	return l.base
}

// clean deals with what killed runs left where the outputs of this one go.
func (s *Set) clean() error {
	defer s.alone(time.Second)() // a run that replaces something may have no lock but this
	runs, err := s.leftovers()
	if err != nil {
		return err
	}
	for _, token := range slices.Sorted(maps.Keys(runs)) {
		if err := s.cleanRun(runs[token]); err != nil {
			return err
		}
	}
	return nil
}

// leftovers are the caller's temporary names, by the token of the run. Others', which somebody
// may have put there, are left alone.
func (s *Set) leftovers() (map[string][]*leftover, error) {
	runs := make(map[string][]*leftover)
	for _, p := range s.places {
		names, err := p.names()
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			token, kind, base, ok := parseTemp(name)
			if !ok || kind != making && kind != aside && kind != moved || token == s.token {
				continue
			}
			info, err := p.root.Lstat(name)
			if err != nil || owner(info) != os.Geteuid() || !info.IsDir() && !info.Mode().IsRegular() && kind != aside {
				continue
			}
			runs[token] = append(runs[token], &leftover{p, name, kind, base, info})
		}
	}
	return runs, nil
}

// cleanRun puts right what one killed run left; a run that goes on is left alone.
func (s *Set) cleanRun(left []*leftover) (err error) {
	var locked []*os.File
	defer func() {
		for _, f := range locked {
			f.Close()
		}
	}()
	for _, l := range left {
		if l.kind != making {
			continue
		}
		f, free, err := l.tryLock()
		if err != nil || !free {
			return nil
		}
		locked = append(locked, f)
	}
	committed := true
	for _, l := range left {
		committed = committed && (l.kind != making || l.placed())
	}
	// What tells how far the run had come goes last, and directories come back after what belongs
	// to them.
	slices.SortStableFunc(left, func(a, b *leftover) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), strings.Compare(a.name, b.name))
	})
	for _, l := range left {
		if err := s.cleanOne(l, committed); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("what a killed run left as %q in %q: %w", l.name, l.place.path, cause(err))
		}
	}
	return nil
}

func rank(l *leftover) int {
	order := strings.IndexByte(string([]byte{moved, aside, making}), l.kind)
	if l.info.IsDir() {
		return 2*order + 1
	}
	return 2 * order
}

// tryLock opens the output and takes its lock, if nobody has it.
func (l *leftover) tryLock() (f *os.File, free bool, err error) {
	f, err = l.place.root.Open(l.name)
	if err != nil {
		return nil, false, err
	}
	info, err := f.Stat()
	if err == nil && os.SameFile(info, l.info) {
		free, err = tryLock(f)
	}
	if err == nil && free {
		free = l.place.is(l.place.root, l.name, l.info)
	}
	if err != nil || !free {
		f.Close()
		return nil, false, err
	}
	return f, true, nil
}

// placed tells whether the output had its name, too.
func (l *leftover) placed() bool {
	return l.info.Mode().IsRegular() && l.final() != "" && l.place.is(l.place.root, l.final(), l.info)
}

func (s *Set) cleanOne(l *leftover, committed bool) error {
	r := l.place.root
	what := fmt.Sprintf("%q in %q", l.name, l.place.path)
	switch {
	case l.kind == aside && !committed && l.final() != "":
		if l.place.same(l.name, l.final()) {
			return r.Remove(l.name)
		}
		err := rename(r, l.name, r, l.final()) // also over an empty directory, which is a claim
		if errors.Is(err, fs.ErrExist) || errors.Is(err, syscall.EISDIR) || errors.Is(err, syscall.ENOTDIR) {
			return nil // somebody made another one
		}
		if err != nil {
			return err
		}
		s.opts.note("a run that was killed had moved %q to %s: put back", l.final(), what)
		return nil
	case l.kind == moved && !committed:
		if err := removeMoved(r, l.name); err != nil {
			return err
		}
		return r.Remove(l.name)
	case l.kind == making && !committed && l.placed():
		if err := r.Remove(l.final()); err != nil {
			return err
		}
	}
	if err := RemoveTree(r, l.name); err != nil {
		return err
	}
	s.opts.note("a run that was killed left %s: removed", what)
	return nil
}
