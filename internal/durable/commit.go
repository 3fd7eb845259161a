package durable

import (
	"errors"
	"os"
	"slices"
	"time"
)

// Commit writes the outputs to the disk and gives them their names, in the order in which they
// were begun. If one cannot have its name, or after, which is called when all have theirs,
// fails, everything is as it was before Commit, and Discard is still to be called. A directory
// is not synced: who has filled it has done that.
//
// The error wraps [ErrExists], [ErrDirectory] or the like for a name that is in the way.
func (s *Set) Commit(after func() error) error {
	if s.done {
		return errors.New("the outputs are committed or discarded already")
	}
	for _, i := range s.items {
		if i.dir {
			continue
		}
		if err := i.file.Sync(); err != nil {
			return i.fail(err)
		}
	}
	if s.opts.Replace { // else names are claimed one by one, and nobody else's is touched
		defer s.alone(commitWait)()
	}
	if err := s.giveAll(after); err != nil {
		return errors.Join(append([]error{err}, s.undo()...)...)
	}
	s.done = true
	var errs []error
	for _, i := range s.items {
		errs = append(errs, i.finish())
	}
	return errors.Join(append(errs, s.close(false))...)
}

// commitWait is how long a run waits for others that replace outputs in its directories.
const commitWait = 10 * time.Second

// alone locks the directories of the set against other runs, so that of two that replace several
// outputs all are of one. Who owns a directory can hold it as long as he likes; then, and where
// there are no locks, the set goes on without.
func (s *Set) alone(wait time.Duration) (release func()) {
	var locked []*os.File
	end := time.Now().Add(wait)
	for _, p := range s.places {
		d, err := p.root.Open(".")
		if err != nil {
			continue // one that may not be read
		}
		locked = append(locked, d)
		if isAmong(d, locked[:len(locked)-1]) {
			continue
		}
		for {
			free, err := tryLock(d)
			if free || err != nil || !time.Now().Before(end) {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	return func() {
		for _, d := range locked {
			d.Close()
		}
	}
}

func isAmong(d *os.File, others []*os.File) bool {
	info, err := d.Stat()
	return err == nil && slices.ContainsFunc(others, func(f *os.File) bool {
		other, err := f.Stat()
		return err == nil && os.SameFile(info, other)
	})
}

// undo takes all names back. What had them gets them after that, directories last, as in giveAll.
func (s *Set) undo() (errs []error) {
	for _, i := range slices.Backward(s.items) {
		errs = append(errs, i.takeBack())
	}
	for _, dirs := range []bool{false, true} {
		for _, i := range s.items {
			if i.dir == dirs {
				errs = append(errs, i.putBack())
			}
		}
	}
	return errs
}

// giveAll gives the outputs their names. A directory that is replaced goes before anything else
// has its name: what stands beside a directory, such as its METALOG, belongs to it at any moment.
func (s *Set) giveAll(after func() error) error {
	for _, i := range s.items {
		if err := i.setAside(); err != nil {
			return i.fail(err)
		}
	}
	for _, i := range s.items {
		err := i.give()
		if err == nil {
			err = i.check()
		}
		if n, ok := errors.AsType[named](err); ok {
			return n.error
		}
		if err != nil {
			return i.fail(err)
		}
	}
	for _, p := range s.places {
		if err := p.sync(); err != nil {
			return err
		}
	}
	if after == nil {
		return nil
	}
	return after()
}

// Replaced tells whether the output replaced something. It is meant for after Commit.
func (i *item) Replaced() bool { return i.replaced }

// Discard removes outputs that were not committed, and directories that were made for them.
func (s *Set) Discard() error {
	if s.done {
		return nil
	}
	s.done = true
	var errs []error
	for _, i := range s.items {
		errs = append(errs, i.discard())
	}
	return errors.Join(append(errs, s.close(true))...)
}

func (s *Set) close(remove bool) error {
	var errs []error
	for _, p := range s.places {
		errs = append(errs, p.close(remove))
	}
	return errors.Join(errs...)
}
