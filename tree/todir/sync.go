package todir

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// syncer waits for what was written to be on the disk.
type syncer struct {
	on   bool
	each bool     // file by file
	dir  *os.File // open from before the first file on, for it to have the errors of all
}

func newSyncer(root *os.Root, on bool) (*syncer, error) {
	s := &syncer{on: on, each: on && syncsEach()}
	if !on {
		return s, nil
	}
	var err error
	s.dir, err = root.Open(".")
	return s, err
}

// file is called for an open file that is complete.
func (s *syncer) file(fd int) error {
	if !s.each {
		return nil
	}
	return again(func() error { return unix.Fsync(fd) })
}

// end is called when everything is complete.
func (s *syncer) end() error {
	if !s.on {
		return nil
	}
	return syncAll(int(s.dir.Fd()))
}

func (s *syncer) close() error {
	if s.dir == nil {
		return nil
	}
	err := s.dir.Close()
	s.dir = nil
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}
