// Package steady watches files that must not change while they are read.
//
//	s, err := steady.Watch(f)
//	...            // read from f
//	err = s.Check(name)
//
// What was read before Check says nothing is what the file held when Watch returned. The times
// that tell are as fine as the clock of the file system: of a file that has just been written
// to, Watch waits until another change has another time. File systems with a clock of seconds,
// and changes through a mapping that was written to before, are not seen.
package steady

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// File is a file that is watched.
type File struct {
	f    *os.File
	seen state
}

// state is what changes with a file.
type state struct {
	size         int64
	mtime, ctime unix.Timespec
}

// tick is more than the clock of file systems in memory and on disk takes for a step.
const tick = 20 * time.Millisecond

// Watch begins to watch an open file.
func Watch(f *os.File) (*File, error) {
	s := &File{f: f}
	for range 10 { // somebody may write to it all the time, which Check will see
		var err error
		if s.seen, err = s.look(); err != nil {
			return nil, err
		}
		wait := tick - time.Since(time.Unix(s.seen.mtime.Unix()))
		if wait <= 0 || wait > tick { // or its time is to come
			break
		}
		time.Sleep(wait)
	}
	return s, nil
}

func (s *File) look() (state, error) {
	var st unix.Stat_t
	for {
		err := unix.Fstat(int(s.f.Fd()), &st)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return state{}, &os.PathError{Op: "stat", Path: s.f.Name(), Err: err}
		}
		return state{st.Size, st.Mtim, st.Ctim}, nil
	}
}

// ErrChanged says that a file is not what it was when it was first read.
var ErrChanged = errors.New("changed while it was read")

// Check reports [ErrChanged] if the file was written to, or its inode was touched, since it
// is watched.
func (s *File) Check(name string) error {
	now, err := s.look()
	if err == nil && now != s.seen {
		err = fmt.Errorf("%q: %w", name, ErrChanged)
	}
	return err
}
